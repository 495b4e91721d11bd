"""MySQL tables as Dagster assets, exported to files, recorded in batch_jobs."""
