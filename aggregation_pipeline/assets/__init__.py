"""Dagster assets, built by pure functions from the entries of aggregation.yaml."""
