"""Dagster's UI, served so that only its own pages, and programs of whoever uses it, can do something with it."""
