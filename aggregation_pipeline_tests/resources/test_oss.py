"""`OSSResource` in a Dagster project that has nothing else of ours."""

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetExecutionContext, DagsterInstance, EnvVar, asset, materialize

from aggregation_pipeline import OSSResource
from aggregation_pipeline.errors import SettingsError, StorageError
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.oss.server import BUCKET, KEY_ID, REGION, SECRET

KEY = {"access_key_id": "id", "access_key_secret": "geheim"}


def test_an_asset_stores_reads_lists_and_links_objects(
    oss_server: OssServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MY_SECRET", SECRET)
    (tmp_path / "big").write_bytes(b"x" * 3_000_000)

    @asset
    def files(context: AssetExecutionContext, oss: OSSResource) -> None:
        sent = oss.store.put("a/张.bin", tmp_path / "big", media_type="application/octet-stream")
        assert oss.store.get("a/张.bin", tmp_path / "again").crc64 == sent.crc64
        assert (tmp_path / "again").read_bytes() == (tmp_path / "big").read_bytes()
        assert [found.key for found in oss.store.list("a/")] == ["a/张.bin"]
        link = oss.store.link("a/张.bin", 60)
        assert link
        assert SECRET not in link
        assert oss.store.head("b") is None
        oss.store.delete("a/张.bin")
        context.log.info("%r %s", oss, oss)

    oss = OSSResource(
        bucket=BUCKET,
        region=REGION,
        endpoint=f"http://127.0.0.1:{oss_server.port}",
        access_key_id=KEY_ID,
        access_key_secret=EnvVar("MY_SECRET"),
        part_mib=1,
    )
    with pytest.raises(SettingsError, match="got the text of access_key_id"):
        materialize([files], resources={"oss": oss})
    monkeypatch.setenv("MY_ID", KEY_ID)
    oss = OSSResource(**{**oss.model_dump(exclude={"access_key_id"}), "access_key_id": EnvVar("MY_ID")})
    with DagsterInstance.ephemeral() as instance:
        result = materialize([files], resources={"oss": oss}, instance=instance)
        said = "\n".join(str(entry) for entry in instance.all_logs(result.run_id))
    assert result.success
    assert not oss_server.bucket.objects
    assert "OSSResource(" in said
    assert SECRET not in said
    assert SECRET not in str(oss.get_resource_definition().config_schema.as_field())


def test_a_folder_stands_for_the_bucket_on_a_laptop(tmp_path: Path):
    store = OSSResource(folder=str(tmp_path)).store
    store.put("a/b.txt", b"text", media_type="text/plain")
    assert store.read("a/b.txt") == b"text"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "OSSResource needs either a bucket or a folder: neither is given"),
        ({"bucket": "shop", "folder": "a"}, "OSSResource needs either a bucket or a folder: both are given"),
        ({"bucket": "shop"}, "bucket set, but region, access_key_id, access_key_secret missing"),
        ({"bucket": "Shop_", "region": REGION, **KEY}, "bucket 'Shop_' is no bucket name: 3 to 63"),
        ({"bucket": "shop", "region": REGION, **KEY, "acl": "open"}, "acl: one of private, default is expected, found"),
        ({"bucket": "shop", "region": REGION, **KEY, "encryption_key_id": "k"}, "set encryption=KMS with it"),
        (
            {"bucket": "shop", "region": "cn-beijing", "endpoint": "oss-cn-hangzhou.aliyuncs.com", **KEY},
            "different reg",
        ),
    ],
)
def test_a_wrong_field_is_named_as_the_user_wrote_it(fields: dict[str, Any], words: str):
    with pytest.raises(SettingsError, match=words) as error:
        _ = OSSResource(**fields).store
    assert str(error.value).startswith("OSSResource")
    assert "geheim" not in f"{error.value} {OSSResource(**fields)!r}"
    assert "OSS_" not in str(error.value)


def test_a_bucket_that_is_not_there_is_said_with_the_remedy(oss_server: OssServer):
    oss = OSSResource(
        bucket="another",
        region=REGION,
        endpoint=f"http://127.0.0.1:{oss_server.port}",
        access_key_id=KEY_ID,
        access_key_secret=SECRET,
        attempts=1,
    )
    with pytest.raises(StorageError, match="The bucket does not exist in this region"):
        oss.store.read("a")
