"""The mirror's cursor: its keys are stored, and other processes read them."""

import json
from datetime import UTC, datetime

import pytest

from aggregation_pipeline.batch_jobs.mirror_cursor import MirrorCursor

NOON = datetime(2026, 11, 20, 4, 0, tzinfo=UTC)


def test_what_is_written_is_read_again():
    cursor = MirrorCursor(NOON, ("a", "b"), behind=3, lag_seconds=12.5, at=NOON)
    assert MirrorCursor.from_json(cursor.to_json()) == cursor


def test_its_keys_stay_as_they_are_because_they_are_stored():
    stored = json.loads(MirrorCursor(NOON, ("a",), behind=1, lag_seconds=0.25, at=NOON).to_json())
    moment = "2026-11-20T04:00:00+00:00"
    assert stored == {"watermark": moment, "retry": ["a"], "behind": 1, "lag_seconds": 0.2, "at": moment}


def test_only_the_watermark_is_required():
    assert MirrorCursor.from_json('{"watermark": "2026-11-20T04:00:00+00:00"}') == MirrorCursor(NOON)


@pytest.mark.parametrize("text", ["", "nonsense", "[]", "{}", '{"watermark": 1}', '{"watermark": "yesterday"}'])
def test_any_other_text_is_refused(text: str):
    with pytest.raises((ValueError, TypeError, LookupError)):
        MirrorCursor.from_json(text)
