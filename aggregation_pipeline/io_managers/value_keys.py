"""Where the values of assets lie in a store: one object for each asset, partition, or output of an op.

    {asset}.parquet                     {part}/{part}.parquet for a key of several parts
    {asset}.partitions/{key}.parquet    a partition; of several dimensions {key}|{key}, in the order of their names
    {run}.run/{step}/{output}.parquet   the output of an op, which belongs to its run

Letters of any script, digits, `_`, `-`, `+`, `=`, `,`, `@`, `:` and `|` stand for themselves, all else is percent-
encoded. So no two names share a key, and the dots are ours.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from dagster import InputContext, OutputContext

from aggregation_pipeline.storage.keys import MAX_KEY_BYTES

_ENCODED: Final = re.compile(r"[^\w\-+=,@:|]")
# File systems allow 255 bytes, and there are extensions to come.
_LONGEST_PART: Final = 180
_LONGEST_EXTENSION: Final = len(".parquet")


def asset_base(prefix: str, path: Sequence[str], partition: str | None = None) -> str:
    """Return the key, without its extension, of an asset or of one partition of it."""
    parts = [_part(part) for part in path]
    if partition is not None:
        parts = [*parts[:-1], f"{parts[-1]}.partitions", _part(partition)]
    return _joined(prefix, parts)


def output_base(prefix: str, identifier: Sequence[str]) -> str:
    """Return the key, without its extension, of an op's output: `identifier` begins with the run."""
    run, *rest = map(_part, identifier)
    return _joined(prefix, [f"{run}.run", *rest])


def bases_of(context: InputContext | OutputContext, prefix: str) -> dict[str | None, str]:
    """Return the keys, without extensions, of what a context is about, by partition; None for what has none."""
    if not context.has_asset_key:
        return {None: output_base(prefix, context.get_identifier())}
    path = context.asset_key.path
    if not context.has_asset_partitions:
        return {None: asset_base(prefix, path)}
    return {str(key): asset_base(prefix, path, str(key)) for key in context.asset_partition_keys}


def _part(text: str) -> str:
    encoded = _ENCODED.sub(lambda found: quote(found[0], safe="").replace(".", "%2E").replace("~", "%7E"), text)
    if len(encoded.encode()) <= _LONGEST_PART and encoded:
        return encoded
    begin = encoded.encode()[: _LONGEST_PART - 65].decode(errors="ignore")
    return f"{begin}~{hashlib.sha256(text.encode()).hexdigest()}"


def _joined(prefix: str, parts: Sequence[str]) -> str:
    begin = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    key = begin + "/".join(parts)
    if len(key.encode()) + _LONGEST_EXTENSION > MAX_KEY_BYTES:
        key = f"{begin}~{hashlib.sha256('/'.join(parts).encode()).hexdigest()}"
    return key
