"""`/files/...`: published files of a folder, and nothing else of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.keys import manifest_key
from aggregation_pipeline.storage.published import load_manifest
from aggregation_pipeline.storage.published_file import find_published
from aggregation_pipeline_tests.web.asgi import Answer
from aggregation_pipeline_tests.web.shop import DAYS, Shop

USERS = "用户 明细"


@pytest.fixture(scope="module")
def exports(shop: Shop) -> Path:
    return shop.settings.storage_dir


def get(shop: Shop, key: str, **options: Any) -> Answer:
    return shop.get(f"/files/{key}", **options)


def keys(folder: Path) -> list[str]:
    """Return every file of the folder, by its key."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_file_is_saved_under_its_name_and_runs_nothing(shop: Shop, exports: Path):
    key = f"{USERS}/{DAYS[0]}/{USERS}.detail.csv"
    answer = get(shop, key)
    assert (answer.status, answer.body) == (200, (exports / key).read_bytes())
    assert answer.headers["content-type"].startswith("text/csv")
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="__ __.detail.csv"')
    assert unquote(disposition.partition("filename*=UTF-8''")[2]) == f"{USERS}.detail.csv"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none', frame-ancestors 'self'"
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert {"etag", "last-modified", "content-length"} <= set(answer.headers)


def test_every_published_file_and_each_of_its_names_is_found(shop: Shop, exports: Path):
    names = [key for key in keys(exports) if not key.startswith("_extracts/") and key.rpartition("/")[2] not in OURS]
    assert {key.split("/")[1] for key in names if key.startswith(USERS)} == {*DAYS, "latest"}
    for key in names:
        assert (get(shop, key).status, get(shop, key).body) == (200, (exports / key).read_bytes()), key


# What keys.py calls its own objects.
OURS = ("manifest.json", "publication.json", "latest.json")


def test_what_no_manifest_names_is_not_found(shop: Shop, exports: Path):
    (folder,) = (exports / "orders").glob("2*")
    (folder / ".%part-0123456789abcdef").write_text("half")
    (folder / "mine.csv").write_text("mine")
    (exports / "notes.txt").write_text("mine")
    found = [key for key in keys(exports) if key.startswith("_extracts/") or key.rpartition("/")[2] in OURS]
    assert len(found) > 10
    window = f"orders/{folder.name}"
    people = (f"{window}/.%part-0123456789abcdef", f"{window}/mine.csv", "notes.txt", f"{window}/gone.csv")
    for key in (*found, *people, "orders", window, "orders/latest"):
        answer = get(shop, key)
        assert (answer.status, answer.body.startswith(b'{"detail":"No published file')) == (404, True), key


def test_head_and_ranges_read_no_more_than_they_show(shop: Shop, exports: Path):
    key = "orders/latest/orders.detail.csv"
    whole = get(shop, key)
    head = get(shop, key, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(whole.body)))
    part = get(shop, key, range="bytes=2-5")
    assert (part.status, part.body) == (206, whole.body[2:6])
    assert part.headers["content-range"] == f"bytes 2-5/{len(whole.body)}"
    assert get(shop, key, range="bytes=999999-").status == 416
    again = {"range": "bytes=2-5", "if_range": whole.headers["etag"]}
    assert get(shop, key, **again).status == 206
    assert get(shop, key, **{**again, "if_range": '"other"'}).status == 200
    assert get(shop, f"{key}/").status == 200


HOSTILE = (
    "../aggregation.yaml", "..%2faggregation.yaml", "orders/../../aggregation.yaml", "/etc/passwd", "//etc/passwd",
    "orders/latest/../latest.json", "orders//latest/orders.json", "./orders/latest/orders.json", "C:\\x", "..\\..\\x",
    "orders\\latest\\orders.json", "x" * 300, f"orders/{'x' * 300}/orders.json", "orders/2026-11-20/%2e%2e/x", "a\0b",
    "~root/.ssh/id", "%", "%2", "%zz", ".", "..", "...", "orders/latest/.", "_extracts", "ORDERS/latest/orders.json",
)  # fmt: skip


@pytest.mark.parametrize("key", HOSTILE)
def test_hostile_keys_find_nothing(shop: Shop, key: str):
    for spelling in (key, quote(key), quote(key, safe="")):
        assert get(shop, unquote(spelling)).status in {400, 404, 422}
        assert get(shop, spelling).status in {400, 404, 422}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.sampled_from(["..", ".", "", "orders", "latest", "latest.json", "%2e%2e", "orders.json", "_extracts", "\\"])
        | st.text(max_size=6),
        max_size=6,
    )
)
def test_no_key_leads_out_of_the_folder(exports: Path, parts: list[str]):
    found = find_published(FolderStore(exports), "", "/".join(parts).encode(errors="replace").decode())
    if found is not None:
        assert found.path.resolve().is_relative_to(exports.resolve())
        assert "/".join(parts) == "orders/latest/orders.json"


@pytest.fixture
def linked(shop: Shop, exports: Path, tmp_path: Path) -> Iterator[str]:
    """The key of a published file, in whose place a symbolic link to a secret stands."""
    manifest = load_manifest(FolderStore(exports), "", USERS, DAYS[1])
    assert manifest is not None
    key = manifest.files[0].key
    (tmp_path / "secret").write_text("secret")
    (exports / key).rename(tmp_path / "kept")
    (exports / key).symlink_to(tmp_path / "secret")
    yield key
    (exports / key).unlink()
    (tmp_path / "kept").rename(exports / key)


def test_a_symbolic_link_leads_nowhere(shop: Shop, exports: Path, linked: str, tmp_path: Path):
    assert get(shop, linked).status == 404
    folder = exports / USERS / DAYS[2]
    folder.rename(tmp_path / "folder")
    folder.symlink_to(tmp_path / "folder")
    assert get(shop, f"{USERS}/{DAYS[2]}/{USERS}.detail.csv").status == 404
    folder.unlink()
    (tmp_path / "folder").rename(folder)
    assert get(shop, f"{USERS}/{DAYS[2]}/{USERS}.detail.csv").status == 200


def test_a_pipe_or_a_folder_in_the_place_of_a_file_hangs_nobody(shop: Shop, exports: Path, linked: str):
    path = exports / linked
    target = path.readlink()
    path.unlink()
    os.mkfifo(path)
    assert get(shop, linked).status == 404
    path.unlink()
    path.mkdir()
    assert get(shop, linked).status == 404
    path.rmdir()
    path.symlink_to(target)


def test_a_manifest_that_names_what_is_not_its_own_is_not_believed(shop: Shop, exports: Path, tmp_path: Path):
    path = exports / manifest_key("", USERS, DAYS[1])
    content = path.read_bytes()
    document = json.loads(content)
    document["files"][0]["key"] = "../secret"
    path.unlink()
    path.write_text(json.dumps(document))
    try:
        assert get(shop, f"{USERS}/{DAYS[1]}/secret").status == 404
        assert get(shop, f"{USERS}/{DAYS[1]}/{USERS}.detail.csv").status == 404
    finally:
        path.write_bytes(content)
    assert get(shop, f"{USERS}/{DAYS[1]}/{USERS}.detail.csv").status == 200


def test_nothing_is_written_or_deleted(shop: Shop):
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert get(shop, "orders/latest/orders.json", method=method).status == 405
