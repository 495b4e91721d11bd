"""Errors of OSS, requests and the network as errors of ours: what happened, why, what to do.

Only the code, the message and the request id of a reply are quoted. The rest of an OSS error may hold the string that
was signed, security token included. For the same reason the original exception is not kept as a cause.
"""

import logging
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import oss2
import requests
import urllib3

from aggregation_pipeline.errors import StorageBusyError, StorageDeniedError, StorageError, StorageMissingError
from aggregation_pipeline.storage.oss.options import OssOptions

# What a call into oss2 can raise.
FOREIGN = (
    oss2.exceptions.OssError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)

_MAY_PASS = {
    "RequestTimeout",
    "QpsLimitExceeded",
    "DownloadTrafficRateLimitExceeded",
    "UploadTrafficRateLimitExceeded",
    "ServiceBusy",
    "SlowDown",
}
_REMEDIES = {
    "InvalidAccessKeyId": (
        "The access key does not exist or is disabled: correct OSS_ACCESS_KEY_ID, or enable the key in the RAM console."
    ),
    "SignatureDoesNotMatch": "The secret does not belong to the access key: copy OSS_ACCESS_KEY_SECRET again.",
    "InvalidSecurityToken": (
        "The security token is not of this key: take key, secret and OSS_SECURITY_TOKEN from one STS reply."
    ),
    "SecurityTokenExpired": (
        "The security token has expired: get a new one, or set OSS_CREDENTIALS_URI or OSS_ECS_ROLE, which renew it."
    ),
    "NoSuchBucket": (
        "The bucket does not exist in this region: correct OSS_BUCKET and OSS_REGION, or create it in the OSS console."
    ),
    "PublicEndpointForbidden": (
        "Accounts opened since 2025-03-20 reach buckets in mainland China through a custom domain only: "
        "bind one to the bucket and set OSS_ENDPOINT to it, or set OSS_INTERNAL=true on a machine inside Alibaba Cloud."
    ),
    "SymlinkTargetNotExist": (
        "The symlink points to a file that is not there any more: publish the window again, which sets it anew."
    ),
    "InvalidTargetType": "The symlink points to another symlink: publish the window again, which sets it anew.",
    "InvalidBucketName": "OSS_BUCKET is not a bucket name.",
    "UserDisable": "The account is suspended, most often because a bill is unpaid.",
    "FileImmutable": (
        "A retention policy (WORM) of the bucket forbids to change this object: exempt the prefix. "
        "Files are never written twice, but manifest.json, latest.json and stable names are, and retention deletes."
    ),
    "KmsServiceNotEnabled": "KMS is not enabled for the account: enable it, or choose another OSS encryption.",
}
# Which rights a RAM user needs, by the first word of what failed.
_RIGHTS = {
    "read": "oss:GetObject",
    "look": "oss:GetObject",
    "store": "oss:PutObject (and oss:PutObjectAcl, unless OSS_ACL=default)",
    "begin": "oss:PutObject (and oss:PutObjectAcl, unless OSS_ACL=default)",
    "complete": "oss:PutObject",
    "abort": "oss:AbortMultipartUpload",
    "delete": "oss:DeleteObject",
    "list": "oss:ListObjects",
    "inspect": "oss:ListParts",
    "copy": "oss:GetObject and oss:PutObject (and oss:PutObjectAcl, unless OSS_ACL=default)",
    "link": "oss:GetObject and oss:PutObject (and oss:PutObjectAcl, unless OSS_ACL=default)",
}
_PLAIN_STATUS = {
    403: (
        "OSS refused without saying why (a HEAD has no body): a wrong key, a wrong clock, or a missing right. Needed"
        " here is {right}."
    ),
    404: "There is no such object.",
}


def explain(error: BaseException, what: str, options: OssOptions) -> StorageError:
    """Return our error for `error`, which came while doing `what` ("store orders/.../orders.csv")."""
    start = f"Cannot {what} in OSS bucket {options.bucket!r} ({options.host}): "
    if isinstance(error, oss2.exceptions.RequestError):
        error = error.exception
    if isinstance(error, oss2.exceptions.OssError):
        return _refused(error, start, _RIGHTS.get(what.partition(" ")[0], "what docs/oss.md lists"), options)
    return _unreachable(error, start, options)


def silence_oss2() -> None:
    """Keep oss2's log lines out of every log, because they hold secrets.

    At DEBUG they print Authorization headers, at INFO the signed string. Filters are used, because a logging
    configuration that is loaded later may set levels again.
    """
    for name in [known for known in logging.root.manager.loggerDict if known == "oss2" or known.startswith("oss2.")]:
        logger = logging.getLogger(name)
        if _drop not in logger.filters:
            logger.addFilter(_drop)


def _drop(_: logging.LogRecord) -> bool:
    return False


def _refused(error: oss2.exceptions.OssError, start: str, right: str, options: OssOptions) -> StorageError:
    said = f"{error.code or error.status}: {error.message}".removesuffix(": ").rstrip(".")
    reference = f" (request id {error.request_id})" if error.request_id else ""
    if error.status >= 500 or error.status == 429 or error.code in _MAY_PASS:
        return StorageBusyError(f"{start}{said}{reference}. OSS is busy or out of order: try again later.")
    if error.code == "InvalidDigest":
        return StorageBusyError(
            f"{start}it was damaged on the way, and OSS refused it{reference}. Look at the network and the proxy."
        )
    if error.code == "NotSymlink":  # it was one a moment ago
        return StorageBusyError(f"{start}it is just being replaced{reference}.")
    if error.status < 0 and not error.code:  # made by oss2 itself, from a reply or an argument that it could not use
        return StorageError(f"{start}oss2 could not use the reply or the request ({type(error).__name__}).")
    missing = error.code in {"NoSuchKey", "SymlinkTargetNotExist"}
    kind = StorageDeniedError if error.status == 403 else StorageMissingError if missing else StorageError
    return kind(f"{start}{said}{reference}. {_remedy(error, right, options)}")


def _remedy(error: oss2.exceptions.OssError, right: str, options: OssOptions) -> str:
    if error.code == "RequestTimeTooSkewed":
        return (
            f"This machine's clock is wrong{_skew(error)}: OSS takes 15 minutes at most. Set it (timedatectl set-ntp"
            " true), then run again."
        )
    if error.code == "AccessDenied" and (endpoint := error.details.get("Endpoint")):
        return f"The bucket is in another region: its endpoint is {endpoint}. Correct OSS_REGION or OSS_ENDPOINT."
    if error.code == "AccessDenied":
        return (
            f"The key has no right to do this: give its RAM user {right} on {options.bucket} and {options.bucket}/*. "
            "docs/oss.md has the whole policy."
        )
    if error.code == "InvalidArgument" and "region" in error.message.lower():
        return f"The signature names region {options.region!r}, the bucket is elsewhere: correct OSS_REGION."
    plain = _PLAIN_STATUS.get(error.status, "Look the code up in the OSS documentation, by the request id if need be.")
    return _REMEDIES.get(error.code) or plain.format(right=right)


def _skew(error: oss2.exceptions.OssError) -> str:
    """Return how far this machine's clock is off, by the Date of the reply."""
    try:
        seconds = (datetime.now(UTC) - parsedate_to_datetime(error.headers.get("Date", ""))).total_seconds()
    except (ValueError, TypeError):
        return ""
    return f" by {abs(seconds) / 60:.0f} minutes ({'fast' if seconds > 0 else 'slow'})" if abs(seconds) >= 60 else ""


def _unreachable(error: BaseException, start: str, options: OssOptions) -> StorageError:
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return StorageError(
            f"{start}the certificate is not valid for this host. Correct OSS_ENDPOINT, or install the certificate of"
            " the proxy between."
        )
    if any(isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME for cause in causes):
        return StorageError(
            f"{start}there is no host of that name. Correct OSS_REGION or OSS_ENDPOINT, or this machine's DNS."
        )
    if isinstance(error, requests.Timeout):
        patience = f"no answer within {options.connect_timeout:g} s to connect, {options.read_timeout:g} s to read"
        return StorageBusyError(
            f"{start}{patience}. Inside Alibaba Cloud the internal endpoint is nearer; otherwise look at the network."
        )
    return StorageBusyError(
        f"{start}the connection broke ({type(causes[-1]).__name__}). Look at the network, the proxy and OSS_ENDPOINT."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what it wraps, outermost first.

    requests and urllib3 wrap errors as `reason`, as an argument, and as cause.
    """
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if id(current) not in seen:
            seen.add(id(current))
            yield current
            nested = (getattr(current, "reason", None), *current.args, current.__cause__, current.__context__)
            waiting += [inner for inner in nested if isinstance(inner, BaseException)]
