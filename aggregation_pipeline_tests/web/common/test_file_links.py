"""Links to published files, in a bucket and in a folder."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from aggregation_pipeline.settings.base import Settings
from aggregation_pipeline.web.common.file_links import FileLinks
from aggregation_pipeline_tests.web.asgi import ask
from aggregation_pipeline_tests.web.shop import opened_app

HERE = cast("Any", SimpleNamespace(scope={"root_path": "/dagster"}))
KEY = {"oss_access_key_id": "id", "oss_access_key_secret": "0123456789"}
OSS: dict[str, Any] = {"oss_region": "cn-hangzhou", "oss_bucket": "exports", **KEY}


def test_a_file_of_the_folder_has_a_path_on_this_server(tmp_path: Path):
    links = FileLinks(Settings(storage_dir=tmp_path))
    uri = (tmp_path / "订单%2F明细" / "2026-11-20" / "订单 #1?.csv").as_uri()
    assert links.of(HERE, uri) == (
        "/dagster/files/%E8%AE%A2%E5%8D%95%252F%E6%98%8E%E7%BB%86/2026-11-20/%E8%AE%A2%E5%8D%95%20%231%3F.csv"
    )
    for outside in (
        None,
        "",
        "file:///etc/passwd",
        f"{tmp_path.as_uri()}/../x",
        "oss://exports/x",
        "file:///%ff",
        "http://x/",
    ):
        assert links.of(HERE, outside) is None


@pytest.mark.slow
def test_a_file_of_the_bucket_has_an_address_that_oss_has_signed():
    links = FileLinks(Settings(**OSS, oss_link_seconds=60))
    link = links.of(HERE, "oss://exports/orders/2026-11-20/orders.csv")
    assert link is not None
    assert link.startswith("https://exports.oss-cn-hangzhou.aliyuncs.com/orders/2026-11-20/orders.csv?")
    assert "x-oss-expires=60" in link
    assert "0123456789" not in link
    for outside in ("oss://other/orders.csv", "file:///exports/orders.csv", "oss://exports/", "oss://exports/../x"):
        assert links.of(HERE, outside) is None


@pytest.mark.slow
def test_with_a_bucket_nothing_of_a_folder_is_served(tmp_path: Path):
    settings = Settings(**OSS, storage_dir=tmp_path, dagster_pg_url="postgresql://nobody@127.0.0.1:1/x")
    (tmp_path / "x.csv").write_text("x")
    with opened_app(settings, cast("Any", None)) as app:
        assert ask(app, "/files/x.csv").status == 404
