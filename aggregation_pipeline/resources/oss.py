"""OSS for any Dagster project: the fields by which a bucket is reached, and a resource that gives its store.

Neither needs anything else of this package: no aggregation.yaml, no PostgreSQL, no variable.
"""

import functools
import re
import tempfile
from pathlib import Path
from typing import Any, Final, TypeAlias

from dagster import Config, ConfigurableResource
from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from aggregation_pipeline.config.messages.suggestions import did_you_mean
from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.messages import describe_problem
from aggregation_pipeline.settings.oss import OssSettings
from aggregation_pipeline.storage.base import ObjectStore
from aggregation_pipeline.storage.folder import FolderStore
from aggregation_pipeline.storage.oss.options import OssOptions

_SECRETS: Final = ("access_key_id", "access_key_secret", "security_token", "credentials_uri")
# That of an IO manager is of another class than that of a resource.
_Definition: TypeAlias = Any
_VARIABLE: Final = re.compile(r"\bOSS_([A-Z_]+)\b")


class OSSFields(Config):
    """Where objects are: a bucket, with all that docs/oss.md says of the variables `OSS_...`; or a folder."""

    folder: str | None = Field(default=None, description="A folder instead of a bucket, for development.")
    bucket: str | None = Field(default=None, description="The name of the bucket.")
    region: str | None = Field(default=None, description="Its region, as cn-hangzhou.")
    endpoint: str | None = Field(
        default=None, description="A host or URL: the accelerate endpoint, a custom domain. Default: the region's own."
    )
    internal: bool = Field(default=False, description="Take the endpoint inside Alibaba Cloud, which costs no traffic.")
    cname: bool | None = Field(
        default=None, description="Whether the endpoint is the bucket's own domain. Default: by its name."
    )
    link_endpoint: str | None = Field(default=None, description="The public address in download links.")
    access_key_id: str | None = Field(default=None, repr=False, description='As EnvVar("OSS_ACCESS_KEY_ID").')
    access_key_secret: str | None = Field(default=None, repr=False, description='As EnvVar("OSS_ACCESS_KEY_SECRET").')
    security_token: str | None = Field(default=None, repr=False, description="Of a temporary key (STS), by EnvVar.")
    credentials_uri: str | None = Field(default=None, repr=False, description="A service that gives keys, by EnvVar.")
    ecs_role: str | None = Field(default=None, description="The RAM role of this ECS machine; `auto` asks it which.")
    signature_version: str | None = Field(default=None, description="v4 (default) or v1.")
    acl: str | None = Field(default=None, description="private (default), or default for that of the bucket.")
    encryption: str | None = Field(default=None, description="AES256 or KMS.")
    encryption_key_id: str | None = Field(default=None, description="The key of KMS.")
    storage_class: str | None = Field(default=None, description="Standard or IA.")
    connect_timeout: float | None = Field(default=None, description="Seconds. Default: 10.")
    read_timeout: float | None = Field(default=None, description="Seconds. Default: 60.")
    attempts: int | None = Field(default=None, description="How often a request is sent that fails. Default: 5.")
    give_up_after: float | None = Field(default=None, description="Seconds. Default: 300.")
    parallel_parts: int | None = Field(
        default=None, description="Parts of a large object that are sent at once. Default: 4."
    )
    part_mib: int | None = Field(default=None, description="MiB of such a part. Default: 8.")
    temp_dir: str | None = Field(default=None, description="For files on their way. Default: the system's.")

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, values: object) -> object:
        # Dagster's resources take any name and drop what they do not know, so files would go elsewhere.
        for name in values if isinstance(values, dict) else ():
            if name not in cls.model_fields:
                raise SettingsError(
                    f"{cls.__name__}: {name} is none of its fields.{did_you_mean(name, cls.model_fields)}"
                )
        return values

    @field_validator("bucket", "region", "endpoint", "link_endpoint")
    @classmethod
    def _refuse_users(cls, value: str | None, info: ValidationInfo) -> str | None:
        # Pydantic's own errors would quote it, and Dagster would show it.
        if value is not None and "@" in value:
            raise SettingsError(
                f"{cls.__name__}: {info.field_name} holds an @: it takes no user and no key. Leave them out, and give"
                ' access_key_id=EnvVar("OSS_ACCESS_KEY_ID") and access_key_secret=EnvVar("OSS_ACCESS_KEY_SECRET").'
            )
        return value

    def get_resource_definition(self) -> _Definition:
        """Return Dagster's definition.

        Raises:
            SettingsError: neither a bucket nor a folder is given, or both; or the text of a secret.
        """
        self._refuse_two_places()
        # Dagster shows these values in its UI, and keeps them in its storage.
        given = self._resolved_config_dict  # type: ignore[attr-defined]  # of every resource that has these fields
        if shown := [name for name in _SECRETS if isinstance(given.get(name), str) and given[name]]:
            raise SettingsError(
                f"{type(self).__name__} got the text of {', '.join(shown)}, which Dagster would show in its UI and keep"
                f' in its storage. Name a variable instead: {shown[0]}=EnvVar("OSS_{shown[0].upper()}").'
            )
        return super().get_resource_definition()  # type: ignore[misc]

    def open_store(self) -> ObjectStore:
        """Return the bucket or the folder. Nothing is asked of OSS yet; a process has one connection to a bucket.

        Raises:
            SettingsError: a field is missing or wrong; the message names it.
        """
        self._refuse_two_places()
        if self.folder is not None:
            return FolderStore(Path(self.folder))
        given = {f"oss_{name}": value for name in OSSFields.model_fields if (value := getattr(self, name)) is not None}
        given |= {"temp_dir": given.pop("oss_temp_dir", None) or self.working_folder}
        try:
            settings = OssSettings.model_validate(given)
            problems = settings.oss_problems()
            options = None if problems else settings.oss_options
        except ValidationError as error:
            problems, options = [describe_problem(problem) for problem in error.errors(include_url=False)], None
        except SettingsError as error:
            problems, options = [str(error)], None
        if options is None:
            words = "; ".join(problems)
            raise SettingsError(f"{type(self).__name__}: {_VARIABLE.sub(lambda found: found[1].lower(), words)}")
        return _bucket(options)

    def _refuse_two_places(self) -> None:
        if (self.bucket is None) == (self.folder is None):
            raise SettingsError(
                f"{type(self).__name__} needs either a bucket or a folder:"
                f" {'neither is' if self.bucket is None else 'both are'} given."
            )
        if self.folder == "":
            raise SettingsError(f"{type(self).__name__}: folder is empty, and would be the folder that Python runs in.")

    @property
    def working_folder(self) -> Path:
        """Where files are while they are sent or fetched."""
        return Path(self.temp_dir) if self.temp_dir else Path(tempfile.gettempdir()) / "aggregation_pipeline"


@functools.lru_cache(maxsize=16)
def _bucket(options: OssOptions) -> ObjectStore:
    from aggregation_pipeline.storage.oss.store import OssStore

    return OssStore(options)


class OSSResource(OSSFields, ConfigurableResource[None]):
    """Objects in a bucket of Alibaba Cloud OSS, or in a folder.

    `oss.store` has `put`, `get`, `read`, `head`, `list`, `delete`, `copy`, `uri` and `link`. Whatever passes is tried
    again while that may help, and compared by its CRC-64; an object is stored whole or not at all.

    In messages, OSS_BUCKET is the field `bucket`, and so for each of them.
    """

    @property
    def store(self) -> ObjectStore:
        """The store. Its methods raise `StorageError`, which says what is wrong and what to do."""
        return self.open_store()
