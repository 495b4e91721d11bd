"""Which RAM rights a request needs, so that tests can deny a single one."""

from collections.abc import Mapping
from urllib.parse import unquote

from aggregation_pipeline_tests.support.servers.oss.errors import OssRefusalError


def refuse(
    denied: Mapping[str, str], method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]
) -> None:
    """Refuse a request that needs a denied right. `denied`: by right, a part of the keys it is denied for."""
    for right, where in wanted(method, key, query, headers):
        if right in denied and denied[right] in where:
            raise OssRefusalError(
                403, "AccessDenied", "You have no right to access this object.", {"AuthAction": right}
            )


def wanted(method: str, key: str, query: Mapping[str, str], headers: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the rights that a request needs, each with its key."""
    if not key:
        return [("oss:GetBucketLifecycle" if "lifecycle" in query else "oss:ListObjects", "")]
    rights = {
        "GET": "oss:ListParts" if "uploadId" in query else "oss:GetObject",
        "HEAD": "oss:GetObject",
        "DELETE": "oss:AbortMultipartUpload" if "uploadId" in query else "oss:DeleteObject",
        "PUT": "oss:PutObject",
        "POST": "oss:PutObject",
    }
    found = [(rights[method], key)]
    if "x-oss-object-acl" in headers:
        found.append(("oss:PutObjectAcl", key))
    if source := headers.get("x-oss-copy-source"):
        found.append(("oss:GetObject", unquote(source)))
    return found
