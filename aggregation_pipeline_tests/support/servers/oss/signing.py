"""Verifies who signed a request, with the signer of alibabacloud-oss-v2: a second reading of the same specification as
oss2's.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from alibabacloud_oss_v2.signer import SignerV1, SignerV4
from alibabacloud_oss_v2.types import Credentials, HttpRequest, SigningContext

from aggregation_pipeline_tests.support.servers.oss.errors import OssRefusalError

SKEW = timedelta(minutes=15)


@dataclass
class AccessControl:
    """Who may enter. `now` is the server's clock, which tests move; tokens have an end; a `disabled` key is refused by
    name.
    """

    region: str
    keys: dict[str, str]
    tokens: dict[str, datetime] = field(default_factory=dict)
    clock_offset: timedelta = timedelta()
    forbidden: set[str] = field(default_factory=set)
    denied: dict[str, str] = field(default_factory=dict)  # see rights.py

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_offset

    def verify(self, method: str, url: str, headers: Mapping[str, str], bucket: str, key: str | None) -> str:
        """The signature's kind ("v4", "v4 link", "v1", "v1 link"); OssRefusalError as OSS refuses."""
        query = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        lower = {name.lower(): value for name, value in headers.items()}
        authorization = lower.get("authorization", "")
        if authorization.startswith("OSS4-HMAC-SHA256 "):
            return self._header_v4(method, url, lower, bucket, key, authorization)
        if authorization.startswith("OSS "):
            return self._header_v1(method, url, lower, bucket, key, authorization)
        if "x-oss-signature" in query:
            return self._link_v4(method, url, lower, bucket, key, query)
        if "Signature" in query:
            return self._link_v1(method, url, lower, bucket, key, query)
        raise OssRefusalError(403, "AccessDenied", "Anonymous access is forbidden for this operation.")

    def _header_v4(
        self, method: str, url: str, headers: dict[str, str], bucket: str, key: str | None, authorization: str
    ) -> str:
        fields = dict(part.strip().split("=", 1) for part in authorization.removeprefix("OSS4-HMAC-SHA256 ").split(","))
        key_id, day, region, product, terminator = fields["Credential"].split("/")
        if headers.get("x-oss-content-sha256") != "UNSIGNED-PAYLOAD":
            raise OssRefusalError(400, "InvalidArgument", "x-oss-content-sha256 has to be UNSIGNED-PAYLOAD.")
        signed_at = _stamp(headers.get("x-oss-date", ""))
        if not headers.get("x-oss-date", "").startswith(day) or (product, terminator) != ("oss", "aliyun_v4_request"):
            raise OssRefusalError(400, "InvalidArgument", "The credential scope is malformed.")
        self._check_region(region)
        self._check_clock(signed_at)
        credentials = self._credentials(key_id, headers.get("x-oss-security-token"))
        additional = set(filter(None, fields.get("AdditionalHeaders", "").split(";")))
        context = self._context(method, url, headers, bucket, key, credentials, signed_at, additional)
        SignerV4().sign(context)
        expected = context.request.headers["Authorization"].rpartition("Signature=")[2]
        _compare(fields["Signature"], expected, key_id, context)
        return "v4"

    def _link_v4(
        self, method: str, url: str, headers: dict[str, str], bucket: str, key: str | None, query: dict[str, str]
    ) -> str:
        key_id, _, region, _, _ = query["x-oss-credential"].split("/")
        signed_at = _stamp(query["x-oss-date"])
        lifetime = int(query["x-oss-expires"])
        if not 0 < lifetime <= 604_800:
            raise OssRefusalError(
                400, "AuthorizationQueryParametersError", "X-Oss-Expires must be between 1 and 604800 seconds."
            )
        self._check_region(region)
        if self.now() > signed_at + timedelta(seconds=lifetime):
            raise OssRefusalError(403, "AccessDenied", "Request has expired.")
        credentials = self._credentials(key_id, query.get("x-oss-security-token"))
        # The signer adds the token itself, from the credentials: the other places where it may stand are cleared by it.
        with_token = Credentials(
            credentials.access_key_id, credentials.access_key_secret, query.get("x-oss-security-token")
        )
        additional = set(filter(None, query.get("x-oss-additional-headers", "").split(";")))
        context = self._context(method, url, headers, bucket, key, with_token, signed_at, additional)
        context.auth_method_query = True
        context.expiration_time = signed_at + timedelta(seconds=lifetime)
        SignerV4().sign(context)
        expected = dict(parse_qsl(urlsplit(context.request.url).query))["x-oss-signature"]
        _compare(query["x-oss-signature"], expected, key_id, context)
        return "v4 link"

    def _header_v1(
        self, method: str, url: str, headers: dict[str, str], bucket: str, key: str | None, authorization: str
    ) -> str:
        key_id, _, signature = authorization.removeprefix("OSS ").partition(":")
        signed_at = parsedate_to_datetime(headers.get("date", ""))
        self._check_clock(signed_at)
        credentials = self._credentials(key_id, headers.get("x-oss-security-token"))
        context = self._context(method, url, headers, bucket, key or "", credentials, signed_at, set())
        SignerV1().sign(context)
        _compare(signature, context.request.headers["Authorization"].partition(":")[2], key_id, context)
        return "v1"

    def _link_v1(
        self, method: str, url: str, headers: dict[str, str], bucket: str, key: str | None, query: dict[str, str]
    ) -> str:
        ends = datetime.fromtimestamp(int(query["Expires"]), UTC)
        if self.now() > ends:
            raise OssRefusalError(403, "AccessDenied", "Request has expired.")
        key_id, token = query["OSSAccessKeyId"], query.get("security-token")
        credentials = self._credentials(key_id, token)
        bare = urlsplit(url)._replace(
            query=urlencode(
                [
                    (name, value)
                    for name, value in query.items()
                    if name not in {"Signature", "OSSAccessKeyId", "Expires"}
                ]
            )
        )
        with_token = Credentials(credentials.access_key_id, credentials.access_key_secret, token)
        context = self._context(method, bare.geturl(), headers, bucket, key or "", with_token, self.now(), set())
        context.auth_method_query = True
        context.expiration_time = ends
        SignerV1().sign(context)
        _compare(query["Signature"], unquote(context.request.url.rpartition("Signature=")[2]), key_id, context)
        return "v1 link"

    def _context(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        bucket: str,
        key: str | None,
        credentials: Credentials,
        signed_at: datetime,
        additional: set[str],
    ) -> SigningContext:
        request = HttpRequest(
            method, url, headers={name: value for name, value in headers.items() if name != "authorization"}
        )
        context = SigningContext(
            product="oss",
            region=self.region,
            bucket=bucket,
            key=key,
            request=request,
            credentials=credentials,
            signing_time=signed_at,
            additional_headers=additional,
        )
        context.sub_resource = [
            "lifecycle"
        ]  # version 1 signs the part of a bucket that is asked for; the SDK's operations say which
        return context

    def _credentials(self, key_id: str, token: str | None) -> Credentials:
        """The pair for the signer, without the token, which already stands in what was signed."""
        if key_id not in self.keys:
            raise OssRefusalError(
                403,
                "InvalidAccessKeyId",
                "The OSS Access Key Id you provided does not exist in our records.",
                {"OSSAccessKeyId": key_id},
            )
        if key_id in self.forbidden:
            raise OssRefusalError(403, "AccessDenied", "You have no right to access this object because of bucket acl.")
        if token is not None or key_id.startswith("STS."):
            if token not in self.tokens:
                raise OssRefusalError(403, "InvalidSecurityToken", "The security token you provided is invalid.")
            if self.tokens[token] < self.now():
                raise OssRefusalError(403, "SecurityTokenExpired", "The security token you provided has expired.")
        return Credentials(key_id, self.keys[key_id])

    def _check_clock(self, signed_at: datetime) -> None:
        if abs(self.now() - signed_at) > SKEW:
            raise OssRefusalError(
                403,
                "RequestTimeTooSkewed",
                "The difference between the request time and the current time is too large.",
            )

    def _check_region(self, region: str) -> None:
        if region != self.region:
            raise OssRefusalError(
                400,
                "InvalidArgument",
                f"Invalid signing region in Authorization header. {region} is not {self.region}.",
            )


def _stamp(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)


def _compare(given: str, expected: str, key_id: str, context: SigningContext) -> None:
    if not hmac.compare_digest(given, expected):
        message = (
            "The request signature we calculated does not match the signature you provided. Check your key and signing"
            " method."
        )
        details = {"OSSAccessKeyId": key_id, "SignatureProvided": given, "StringToSign": context.string_to_sign}
        raise OssRefusalError(403, "SignatureDoesNotMatch", message, details)
