"""Refreshes on a schedule: build in one file, audit, publish whole, keep a record."""
