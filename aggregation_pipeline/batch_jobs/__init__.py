"""The record of every run in the PostgreSQL table public.batch_jobs."""
