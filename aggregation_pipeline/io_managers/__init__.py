"""The way from Dagster to the store."""
