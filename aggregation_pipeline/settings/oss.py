"""The variables that say how Alibaba Cloud OSS is reached; docs/oss.md explains them to users."""

import functools
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from aggregation_pipeline.errors import StorageError
from aggregation_pipeline.settings.messages import half_configured
from aggregation_pipeline.storage.keys import tables_prefix
from aggregation_pipeline.storage.oss.options import MIB, OssOptions

# Ways to sign requests: a key, or a service that renews keys.
_KEYS = ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")
_RENEWED = ("OSS_CREDENTIALS_URI", "OSS_ECS_ROLE")
# Where one of these is set, OSS is meant. OSS_PREFIX is not among them: the folder has prefixes too.
_MEANS_OSS = (
    "OSS_BUCKET",
    "OSS_REGION",
    "OSS_ENDPOINT",
    *_KEYS,
    "OSS_SECURITY_TOKEN",
    *_RENEWED,
    "OSS_INTERNAL",
    "OSS_LINK_ENDPOINT",
)


class OssSettings(BaseModel):
    """Every variable named OSS_...; none of them set means that files go to STORAGE_DIR."""

    # Where.
    oss_region: str | None = None
    oss_endpoint: str | None = None
    oss_internal: bool = False
    oss_cname: bool | None = None
    oss_bucket: str | None = None
    oss_prefix: str = ""

    # The account: a key (with a token, if temporary), a service that gives keys, or the machine's role.
    oss_access_key_id: SecretStr | None = None
    oss_access_key_secret: SecretStr | None = None
    oss_security_token: SecretStr | None = None
    # Anybody who knows this address gets keys, so it is as secret as a key.
    oss_credentials_uri: SecretStr | None = None
    oss_ecs_role: str | None = None
    oss_signature_version: Literal["v4", "v1"] = "v4"

    # How objects are kept.
    oss_acl: Literal["private", "default"] = "private"
    oss_encryption: Literal["AES256", "KMS"] | None = None
    oss_encryption_key_id: str | None = None
    # Not the archive classes: an object that has to be restored first cannot serve as a manifest. Old windows are
    # archived by a lifecycle rule.
    oss_storage_class: Literal["Standard", "IA"] | None = None

    # Files that are being made or sent. The next run continues an upload that was killed from what is left here.
    temp_dir: Path = Path("temp")

    # Timeouts in seconds, and how much is sent at once.
    oss_connect_timeout: float = Field(default=10, gt=0, le=300)
    oss_read_timeout: float = Field(default=60, gt=0, le=3600)
    oss_attempts: int = Field(default=5, ge=1, le=100)
    oss_give_up_after: float = Field(default=300, gt=0, le=86_400)
    oss_parallel_parts: int = Field(default=4, ge=1, le=32)
    oss_part_mib: int = Field(default=8, ge=1, le=1024)

    # Download links: their address, how long they are valid, and whether Dagster's metadata may hold them.
    oss_link_endpoint: str | None = None
    oss_link_seconds: int = Field(default=3600, ge=1, le=7 * 24 * 3600)
    oss_links_in_metadata: bool = False

    @field_validator("oss_prefix")
    @classmethod
    def _refuse_bad_prefix(cls, value: str) -> str:
        try:
            tables_prefix(value)
        except StorageError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("oss_signature_version", mode="before")
    @classmethod
    def _normalize_version(cls, value: object) -> object:
        return f"v{str(value).strip().lower().removeprefix('v')}"

    @field_validator("oss_encryption", "oss_storage_class", "oss_acl", mode="before")
    @classmethod
    def _correct_case(cls, value: object) -> object:
        known = ("AES256", "KMS", "Standard", "IA", "private", "default")
        return next((name for name in known if str(value).strip().casefold() == name.casefold()), value)

    @functools.cached_property
    def oss_options(self) -> OssOptions | None:
        """How the bucket is reached; None where files go to `storage_dir`.

        Raises:
            SettingsError: a value that OSS does not know.
        """
        if self.oss_bucket is None:
            return None
        return OssOptions(
            bucket=self.oss_bucket,
            region=self.oss_region or "",
            endpoint=self.oss_endpoint or "",
            internal=self.oss_internal,
            custom_domain=self.oss_cname,
            access_key_id=_plain(self.oss_access_key_id),
            access_key_secret=_plain(self.oss_access_key_secret),
            security_token=_plain(self.oss_security_token),
            credentials_uri=_plain(self.oss_credentials_uri),
            ecs_role=self.oss_ecs_role or "",
            signature=self.oss_signature_version,
            acl=self.oss_acl,
            encryption=self.oss_encryption or "",
            encryption_key_id=self.oss_encryption_key_id or "",
            storage_class=self.oss_storage_class or "",
            connect_timeout=self.oss_connect_timeout,
            read_timeout=self.oss_read_timeout,
            attempts=self.oss_attempts,
            give_up_after=self.oss_give_up_after,
            parallel_parts=self.oss_parallel_parts,
            part_size=self.oss_part_mib * MIB,
            multipart_above=2 * self.oss_part_mib * MIB,
            link_endpoint=self.oss_link_endpoint or "",
            temp_dir=self.temp_dir,
        )

    def oss_problems(self) -> list[str]:
        """Name the variables that are missing, and those that exclude each other."""
        given = [name for name in _MEANS_OSS if getattr(self, name.lower()) not in (None, False)]
        if not given:
            return []
        # Half a key is to be completed. With a role or a service no key is needed.
        keys = (
            [] if any(name in given for name in _RENEWED) and not any(name in given for name in _KEYS) else list(_KEYS)
        )
        wanted = ["OSS_BUCKET", *([] if self.oss_endpoint else ["OSS_REGION"]), *keys]
        missing = [name for name in wanted if name not in given]
        hint = "; instead of a key, OSS_ECS_ROLE or OSS_CREDENTIALS_URI will do" if set(missing) & set(keys) else ""
        problems = [f"{problem}{hint}" for problem in half_configured("OSS", given, missing)]
        if "OSS_SECURITY_TOKEN" in given and not keys:
            problems.append("OSS_SECURITY_TOKEN belongs to an access key, and keys are fetched here: leave it out")
        if self.oss_encryption_key_id and self.oss_encryption != "KMS":
            problems.append("OSS_ENCRYPTION_KEY_ID names a key of KMS: set OSS_ENCRYPTION=KMS with it, or leave it out")
        return problems


def _plain(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()
