"""A list in a message is cut, and says how much is missing."""

from aggregation_pipeline.config.messages.listing import some_of


def test_the_rest_is_counted():
    assert some_of(["a", "b"], 2) == "a, b"
    assert some_of(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert some_of(["a", "b", "c"], 2, separator="; ") == "a; b and 1 more"
