"""What the settings may say about OSS, and how a wrong one is refused."""

from typing import Any

import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.storage.oss.connection import Connection
from aggregation_pipeline.storage.oss.store import OssOptions

KEYS = {"bucket": "shop", "access_key_id": "LTAIid", "access_key_secret": "hush-hush"}


def options(**changes: Any) -> OssOptions:
    return OssOptions(**{**KEYS, "region": "cn-hangzhou", **changes})


@pytest.mark.parametrize("region", ["cn-hangzhou", "oss-cn-hangzhou", " oss-cn-hangzhou "])
def test_the_endpoint_follows_from_the_region_with_or_without_its_oss(region: str):
    assert (options(region=region).region, options(region=region).endpoint) == (
        "cn-hangzhou",
        "https://oss-cn-hangzhou.aliyuncs.com",
    )


def test_the_internal_endpoint_is_for_us_and_the_public_one_for_links():
    inside = options(internal=True)
    assert inside.endpoint == "https://oss-cn-hangzhou-internal.aliyuncs.com"
    link = Connection(inside).link_bucket.sign_url("GET", "a b/c", 60, slash_safe=True)
    assert link.startswith("https://shop.oss-cn-hangzhou.aliyuncs.com/a%20b/c?")


def test_an_own_domain_is_recognised_and_the_bucket_is_not_put_in_front():
    own = options(endpoint="files.example.com")
    assert (own.custom_domain, own.endpoint) == (True, "https://files.example.com")
    assert Connection(own).bucket._make_url("shop", "k") == "https://files.example.com/k"
    assert options(endpoint="http://127.0.0.1:9000").custom_domain is False
    assert options(endpoint="oss.cloud.example.com", custom_domain=False).custom_domain is False


def test_links_may_name_another_domain_than_the_one_we_use():
    both = options(internal=True, link_endpoint="files.example.com")
    assert Connection(both).link_bucket.sign_url("GET", "k", 60).startswith("https://files.example.com/k?")


def test_http_is_used_only_when_asked_for():
    assert options(endpoint="oss-cn-hangzhou.aliyuncs.com").endpoint.startswith("https://")
    assert options(endpoint="http://oss-cn-hangzhou.aliyuncs.com").endpoint.startswith("http://")


def test_the_region_may_be_read_off_the_endpoint():
    assert options(region="", endpoint="oss-cn-beijing-internal.aliyuncs.com").region == "cn-beijing"
    assert options(endpoint="oss-accelerate.aliyuncs.com").region == "cn-hangzhou"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bucket": "Shop_1"}, "OSS_BUCKET 'Shop_1' is no bucket name"),
        ({"region": ""}, "OSS_REGION is missing.*OSS_REGION=oss-cn-hangzhou"),
        ({"region": "Hangzhou!"}, "OSS_REGION 'Hangzhou!' is no region"),
        ({"bucket": "oss://LTAIid:hush-hush@shop"}, "OSS_BUCKET 'shop' is no bucket name"),
        ({"region": "LTAIid:hush-hush@Hangzhou"}, "OSS_REGION 'Hangzhou' is no region"),
        ({"endpoint": "shop.oss-cn-hangzhou.aliyuncs.com"}, "names the bucket already"),
        ({"endpoint": "oss-cn-beijing.aliyuncs.com"}, "name different regions"),
        ({"endpoint": "ftp://files.example.com"}, "is no endpoint"),
        ({"endpoint": "https://files.example.com/path"}, "is no endpoint"),
        ({"endpoint": "https://LTAIid:hush-hush@files.example.com"}, "is no endpoint"),
        ({"access_key_secret": ""}, "OSS_ACCESS_KEY_SECRET is missing"),
        ({"access_key_id": ""}, "OSS_ACCESS_KEY_ID is missing"),
        ({"access_key_secret": "hush-hush\n"}, "OSS_ACCESS_KEY_SECRET holds a space, a line break"),
        ({"access_key_id": "", "access_key_secret": ""}, "one way to sign requests.*0 are set"),
        ({"ecs_role": "auto"}, "one way to sign requests.*2 are set"),
        ({"attempts": 0}, "at least one attempt"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_by_name(changes: dict[str, Any], words: str):
    with pytest.raises(SettingsError, match=words) as caught:
        options(**changes)
    assert "hush-hush" not in str(caught.value)


def test_a_repr_shows_no_secret():
    shown = repr(options(security_token="token-token"))
    assert "hush-hush" not in shown
    assert "token-token" not in shown
    assert "LTAIid" not in shown
