"""An OSS server for the tests, over real HTTP on the loopback. It verifies and answers what oss2 sends as OSS would.

Use `with OssServer.start() as server:`; `server.options(...)` makes an `OssOptions` that reaches it, `server.fail(...)`
orders a fault.

Where it is like OSS: header and presigned signatures of version 1 and 4 are verified, with the signer of
`alibabacloud-oss-v2` (which shares no code with oss2's); 15 minutes of clock skew; STS tokens with an end; CRC64, ETag
and MD5; ranges and If-Match; list v2 with paging and URL encoding; multipart with its limits; CopyObject,
UploadPartCopy and symlinks; forbid-overwrite; XML errors whose body holds the string to sign, as OSS's does.

Stricter than OSS: a request without a signature is refused always (there are no public buckets); an unknown query
parameter is refused rather than ignored; a space in a query is `%20`, as it is signed (OSS is said to take `+` too);
replies to copies state no CRC64. Looser: one bucket; addressing by path at 127.0.0.1 (OSS answers by host name only),
and by host name or custom domain to clients that use this server as their HTTP proxy; no versions, no ACL checks (but
single rights can be taken away), no quotas, no minimum times of storage classes; encryption and ACL headers are kept
and not acted upon; the ETag of a multipart object is made our own way; objects live in memory; lifecycle rules are
shown, not set and not acted upon. Unknown of OSS: whose checksum a symlink's HEAD and GET state.
`Bucket.crc_of_symlinks` is each of the possible answers.
"""

from aggregation_pipeline_tests.support.servers.oss.faults import Fault
from aggregation_pipeline_tests.support.servers.oss.server import OssServer, Request

__all__ = ["Fault", "OssServer", "Request"]
