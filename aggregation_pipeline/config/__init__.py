"""What a user asks for: aggregation.yaml, read into frozen models, every mistake named with its place."""
