"""What a test looks for in a run that published to OSS."""

import re
from typing import Any

from dagster import AssetKey, ExecuteInProcessResult

# How a presigned link looks in either version of signing.
PRESIGNED = re.compile(r"x-oss-signature|x-oss-credential|[?&]Signature=|OSSAccessKeyId", re.IGNORECASE)


def metadata_of(result: ExecuteInProcessResult, key: AssetKey) -> dict[str, Any]:
    (found,) = [event for event in result.get_asset_materialization_events() if event.asset_key == key]
    return {name: value.value for name, value in found.materialization.metadata.items()}
