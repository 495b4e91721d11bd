"""The bucket itself: whether it removes parts of killed uploads, and the console page that shows it."""

import pytest

from aggregation_pipeline.errors import StorageBusyError
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.servers.oss import OssServer
from aggregation_pipeline_tests.support.servers.oss.server import BUCKET, KEY_ID


def rule(
    prefix: str, *, status: str = "Enabled", action: str = "<AbortMultipartUpload><Days>3</Days></AbortMultipartUpload>"
) -> str:
    return f"<Rule><ID>r</ID><Prefix>{prefix}</Prefix><Status>{status}</Status>{action}</Rule>"


@pytest.mark.parametrize("signature", ["v4", "v1"])
@pytest.mark.parametrize("rules", [rule(""), rule("da"), rule("daily/"), rule("other/") + rule("daily")])
def test_a_bucket_that_removes_abandoned_parts_needs_no_warning(oss_server: OssServer, rules: str, signature: str):
    oss_server.bucket.lifecycle = rules
    assert OssStore(oss_server.options(signature=signature)).lifecycle_warning("daily") is None


@pytest.mark.parametrize(
    "rules",
    [
        "",
        rule("other/"),
        rule("daily/orders/"),
        rule("", status="Disabled"),
        rule("", action="<Expiration><Days>9</Days></Expiration>"),
        rule(
            "",
            action="<AbortMultipartUpload><CreatedBeforeDate>2026-01-01T00:00:00.000Z</CreatedBeforeDate></AbortMultipartUpload>",
        ),
    ],
)
def test_a_bucket_that_keeps_abandoned_parts_is_named_with_the_remedy(oss_server: OssServer, rules: str):
    oss_server.bucket.lifecycle = rules
    warning = OssStore(oss_server.options()).lifecycle_warning("daily")
    assert warning is not None
    assert (
        f"OSS bucket {BUCKET!r} has no lifecycle rule that removes abandoned parts of uploads below 'daily'" in warning
    )
    assert "docs/oss.md" in warning


def test_a_key_that_may_not_read_the_rules_is_told_which_right_it_lacks(oss_server: OssServer):
    oss_server.access.forbidden.add(KEY_ID)
    warning = OssStore(oss_server.options()).lifecycle_warning("")
    assert warning is not None
    assert "Nobody knows whether abandoned parts" in warning
    assert "oss:GetBucketLifecycle" in warning


def test_a_bucket_that_cannot_be_reached_is_no_verdict(oss_server: OssServer):
    oss_server.fail("reset", times=9)
    with pytest.raises(StorageBusyError, match="read the lifecycle rules"):
        OssStore(oss_server.options(attempts=2)).lifecycle_warning("")


def test_the_page_of_an_object_is_its_folder_in_the_console(oss_server: OssServer):
    page = OssStore(oss_server.options()).page("用户 表/2026-11-20/a.csv")
    assert page == (
        f"https://oss.console.aliyun.com/bucket/oss-cn-hangzhou/{BUCKET}/object?path=%E7%94%A8%E6%88%B7%20%E8%A1%A8%2F2026-11-20%2F"
    )
    assert OssStore(oss_server.options(region="", signature="v1")).page("a.csv") is None
