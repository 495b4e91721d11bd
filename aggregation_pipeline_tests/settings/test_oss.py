"""What the environment may say about OSS: all of it arrives, and what is half said is refused by name when the settings
load.
"""

import os
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.base import Settings, load_settings
from aggregation_pipeline.settings.connections import open_store
from aggregation_pipeline.settings.oss import OssSettings
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.oss.store import OssStore
from aggregation_pipeline_tests.support.paths import REPOSITORY

KEY = {"OSS_ACCESS_KEY_ID": "LTAIid", "OSS_ACCESS_KEY_SECRET": "hush-hush"}
PLACE = {"OSS_BUCKET": "shop-exports", "OSS_REGION": "oss-cn-hangzhou"}


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Settings from these variables and no others."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("AGGREGATION_ENV_FILE", os.devnull)

    def loaded(variables: dict[str, str]) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return loaded


def test_without_any_of_them_files_go_to_a_folder(load: Any):
    settings = load({"OSS_PREFIX": "daily"})
    assert settings.oss_options is None
    assert isinstance(open_store(settings), FolderStore)


def test_every_variable_reaches_the_bucket(load: Any, tmp_path: Path):
    options = load(
        {
            **PLACE,
            **KEY,
            "OSS_SECURITY_TOKEN": "a-token",
            "OSS_INTERNAL": "true",
            "OSS_LINK_ENDPOINT": "files.example.com",
            "OSS_SIGNATURE_VERSION": "V1",
            "OSS_ACL": "default",
            "OSS_ENCRYPTION": "kms",
            "OSS_ENCRYPTION_KEY_ID": "9468da86-3509-4f8d-a61e-6eab1eac",
            "OSS_STORAGE_CLASS": "ia",
            "OSS_CONNECT_TIMEOUT": "3",
            "OSS_READ_TIMEOUT": "7.5",
            "OSS_ATTEMPTS": "2",
            "OSS_GIVE_UP_AFTER": "90",
            "OSS_PARALLEL_PARTS": "6",
            "OSS_PART_MIB": "16",
            "TEMP_DIR": str(tmp_path),
        }
    ).oss_options
    assert options is not None
    assert options.endpoint == "https://oss-cn-hangzhou-internal.aliyuncs.com"
    assert options.link_endpoint == "https://files.example.com"
    assert (options.access_key_id, options.access_key_secret, options.security_token) == (
        "LTAIid",
        "hush-hush",
        "a-token",
    )
    assert (options.signature, options.acl, options.encryption, options.storage_class) == ("v1", "default", "KMS", "IA")
    assert options.encryption_key_id == "9468da86-3509-4f8d-a61e-6eab1eac"
    assert (options.connect_timeout, options.read_timeout, options.attempts, options.give_up_after) == (3, 7.5, 2, 90)
    assert (options.parallel_parts, options.part_size, options.temp_dir) == (6, 16 << 20, tmp_path)


@pytest.mark.parametrize(
    "keys",
    [
        KEY,
        {"OSS_ECS_ROLE": "auto"},
        {"OSS_CREDENTIALS_URI": "http://127.0.0.1:9/keys"},
        {**KEY, "OSS_SECURITY_TOKEN": "a-token"},
    ],
)
def test_any_one_way_to_get_keys_is_enough(load: Any, keys: dict[str, str]):
    assert isinstance(open_store(load({**PLACE, **keys})), OssStore)


def test_a_custom_domain_is_recognised_and_can_be_denied(load: Any):
    own = {"OSS_ENDPOINT": "https://files.example.com", **PLACE, **KEY}
    assert load(own).oss_options.custom_domain is True
    assert load({**own, "OSS_CNAME": "false"}).oss_options.custom_domain is False


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        (
            {"OSS_BUCKET": "shop"},
            "OSS_BUCKET set, but OSS_REGION, OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET missing.*OSS_CREDENTIALS_URI",
        ),
        (KEY, "OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET set, but OSS_BUCKET, OSS_REGION missing"),
        ({**PLACE, "OSS_ACCESS_KEY_ID": "LTAIid"}, "OSS_ACCESS_KEY_SECRET missing"),
        (
            {"OSS_ECS_ROLE": "auto"},
            "OSS_ECS_ROLE set, but OSS_BUCKET, OSS_REGION missing .set them too, or none of them.$",
        ),
        ({"OSS_ECS_ROLE": "auto", "OSS_ENDPOINT": "files.example.com"}, "OSS_BUCKET missing"),
        ({"OSS_INTERNAL": "true"}, "OSS_INTERNAL set, but OSS_BUCKET"),
        ({**PLACE, "OSS_SECURITY_TOKEN": "hush-hush"}, "OSS_ACCESS_KEY_ID, OSS_ACCESS_KEY_SECRET missing"),
        (
            {**PLACE, "OSS_ECS_ROLE": "auto", "OSS_SECURITY_TOKEN": "hush-hush"},
            "OSS_SECURITY_TOKEN belongs to an access key",
        ),
        ({**PLACE, **KEY, "OSS_ECS_ROLE": "auto"}, "one way to sign requests.*2 are set"),
        ({**PLACE, "OSS_CREDENTIALS_URI": "hush-hush"}, "OSS_CREDENTIALS_URI is no address"),
        ({**PLACE, **KEY, "OSS_ENCRYPTION_KEY_ID": "x"}, "set OSS_ENCRYPTION=KMS with it"),
        ({**PLACE, **KEY, "OSS_ENCRYPTION": "rot13"}, "OSS_ENCRYPTION: one of AES256, KMS is expected, found 'rot13'"),
        ({**PLACE, **KEY, "OSS_STORAGE_CLASS": "Archive"}, "OSS_STORAGE_CLASS: one of Standard, IA is expected"),
        ({**PLACE, **KEY, "OSS_SIGNATURE_VERSION": "2"}, "OSS_SIGNATURE_VERSION: one of v4, v1 is expected"),
        ({**PLACE, **KEY, "OSS_LINK_SECONDS": "604801"}, "OSS_LINK_SECONDS: it should be less than or equal to 604800"),
        ({**PLACE, **KEY, "OSS_READ_TIMEOUT": "0"}, "OSS_READ_TIMEOUT: it should be greater than 0"),
        ({**PLACE, **KEY, "OSS_LINK_ENDPOINT": "ftp://files.example.com"}, "OSS_LINK_ENDPOINT.*is no endpoint"),
        ({"OSS_PREFIX": "../other"}, r"OSS_PREFIX: .*which would point to another folder"),
        ({"OSS_PREFIX": "/daily"}, r"OSS_PREFIX: .*a leading '/'"),
        ({**PLACE, **KEY, "OSS_ENDPOINT": "oss-cn-beijing.aliyuncs.com"}, "name different regions"),
    ],
)
def test_what_is_half_said_or_wrong_is_refused_when_the_settings_load(load: Any, variables: dict[str, str], words: str):
    with pytest.raises(SettingsError, match=words) as caught:
        load(variables)
    assert "hush-hush" not in str(caught.value)


def test_secrets_are_known_as_such_and_not_shown(load: Any):
    settings = load({**PLACE, "OSS_CREDENTIALS_URI": "http://127.0.0.1:9/hush-hush"})
    assert "hush-hush" not in repr(settings)
    assert "http://127.0.0.1:9/hush-hush" in settings.secrets


def test_every_variable_of_oss_is_explained_in_the_docs():
    text = (REPOSITORY / "docs" / "oss.md").read_text(encoding="utf-8")
    assert [name.upper() for name in OssSettings.model_fields if f"`{name.upper()}" not in text] == []
