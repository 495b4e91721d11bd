"""From MySQL to Arrow: the query that an entry means, the session it runs in, and its rows as exact record batches."""
