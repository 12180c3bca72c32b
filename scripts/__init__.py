"""Bestand command line and tools around the dbt project."""
