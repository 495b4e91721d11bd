"""What Dagster knows of a run, told in this project's words."""
