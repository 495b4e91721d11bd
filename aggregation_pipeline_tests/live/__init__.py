"""Against real processes of Dagster: minutes long, so all of it is marked slow."""
