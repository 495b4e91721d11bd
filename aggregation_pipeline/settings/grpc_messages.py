"""How large a message between Dagster's processes may be, and how long the largest one may take.

The code server describes all of its assets in one message, about 18 KB for a table with four formats. By default
Dagster takes 100 MB: with 5,600 tables the code location could not be loaded, and no schedule would tick. With 10,000
it takes a minute to make, several on a busy machine; by default Dagster waits for three.
"""

from collections.abc import Mapping
from typing import Final

# What gRPC can count.
_MOST: Final = str(2**31 - 1)
# By the names of Dagster's own variables, which go before these.
LARGE_MESSAGES: Final[Mapping[str, str]] = {
    "DAGSTER_GRPC_MAX_RX_BYTES": _MOST,
    "DAGSTER_GRPC_MAX_SEND_BYTES": _MOST,
    "DAGSTER_REPOSITORY_GRPC_TIMEOUT_SECONDS": "600",
}
