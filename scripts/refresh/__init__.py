"""Refreshes the marts, audits them and publishes them."""
