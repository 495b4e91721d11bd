"""What people are told, when, and how it is made sure that it reaches them.

    survey (Dagster's runs, checks, freshness, ticks) -> causes -> outbox (PostgreSQL) -> messages -> courier -> channels

Nothing here reacts to an event: each pass looks at how things stand and writes down what was not written down before.
"""
