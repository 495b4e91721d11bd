"""Where old files are looked for: in a bucket by the days near the tick, in a folder with all that is below it."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from aggregation_pipeline.comparison.compare import Sides, compare_tables
from aggregation_pipeline.comparison.old import places
from aggregation_pipeline.comparison.old.places import old_place
from aggregation_pipeline.comparison.tables import Options
from aggregation_pipeline.errors import ComparisonError, SettingsError
from aggregation_pipeline.source.request import ReadRequest
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.comparison.comparing import WINDOW, entry_of, extract_of, old_json
from aggregation_pipeline_tests.storage.publishing import publish
from aggregation_pipeline_tests.support.reading import LOGICAL_TIME, ZONE
from aggregation_pipeline_tests.support.servers.oss import OssServer

DAYS = [date(2026, 11, 20), date(2026, 11, 21)]
KEY = "data-aggregation/2026/11/21/aggregated_20261121_020004.json"


def test_a_window_on_oss_is_compared_with_an_old_file_in_the_same_bucket(oss_server: OssServer, tmp_path: Path):
    store = OssStore(oss_server.options())
    store.put(KEY, json.dumps(old_json([{"id": 1}])).encode(), media_type="application/json")
    store.put("data-aggregation/2026/10/01/aggregated_20261001_020004.json", b"{}", media_type="application/json")
    publish(store, extract_of(tmp_path, pa.table({"id": [1]})), tmp_path / "rendered", run="run", formats="")
    for prefix in ("", "/data-aggregation", "/data-aggregation/2026"):
        old = old_place(f"oss://{oss_server.options().bucket}{prefix}", oss_server.options())
        sides = Sides(store, "daily", old, None, None, 0, tmp_path / "temp")
        request = ReadRequest(entry_of(select_fields=["id"]), WINDOW, LOGICAL_TIME, ZONE)
        (result,) = compare_tables([request], sides, Options(zone=ZONE), lambda *_: None).tables
        assert (result.problem, result.status) == (None, "equal")
        assert result.old_file == store.uri(KEY)


def test_a_bucket_is_listed_by_days_where_it_has_them(oss_server: OssServer):
    store = OssStore(oss_server.options())
    for key in (KEY, "data-aggregation/2026/10/01/aggregated_20261001_020004.json"):
        store.put(key, b"{}", media_type="application/json")
    address = f"oss://{oss_server.options().bucket}"
    assert list(old_place(address, oss_server.options()).keys(DAYS)) == [KEY]
    assert len(list(old_place(address, oss_server.options()).keys([date(2026, 1, 1)]))) == 2


def test_a_place_that_is_not_there_is_named(tmp_path: Path, oss_server: OssServer):
    with pytest.raises(ComparisonError, match="--old /no/such: there is no such file or folder"):
        old_place("/no/such", None)
    with pytest.raises(SettingsError, match="is a bucket, and no OSS is configured"):
        old_place("oss://bucket", None)
    with pytest.raises(ComparisonError, match="oss://BUCKET/PREFIX is expected"):
        old_place("oss://", oss_server.options())
    with pytest.raises(ComparisonError, match="is no file on this machine"):
        old_place(str(tmp_path), None).fetch("a.json", tmp_path)


def test_a_folder_with_too_many_files_is_not_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(places, "MOST_NAMES", 3)
    for number in range(4):
        (tmp_path / f"{number}.json").touch()
    with pytest.raises(ComparisonError, match="holds over 3 files"):
        list(old_place(str(tmp_path), None).keys(DAYS))
