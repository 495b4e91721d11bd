"""Where the ranges of a large table begin."""

from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.source.postgresql.ranges import cuts_between


@given(st.data())
def test_ranges_have_each_value_once_whatever_the_values_are(data: st.DataObject):
    numbers = st.integers(-(2**63), 2**63 - 1)
    least, greatest = sorted((data.draw(numbers), data.draw(numbers)))
    histogram = data.draw(st.lists(numbers, max_size=20))
    parts = data.draw(st.integers(1, 30))
    cuts = cuts_between(least, greatest, histogram, parts)
    assert cuts == sorted(set(cuts))
    assert len(cuts) < parts
    assert all(least < cut <= greatest for cut in cuts)


def test_ranges_follow_the_histogram():
    # Half of the rows lie under 10.
    assert cuts_between(0, 1000, [0, 5, 10, 500, 1000], 4) == [5, 10, 500]
    assert cuts_between(0, 99, [], 4) == [25, 50, 75]
    assert cuts_between(7, 7, [7], 4) == []
