"""Mask columns of a MySQL result on their way from the socket to the disk.

`zeroDates` comes first: a date that no calendar has is NULL, an error, or text to mask.
"""

import pyarrow as pa
from pydantic import SecretStr
from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.masking import hash_cells, partial_text
from aggregation_pipeline.source.mysql.arrow_types import ColumnType
from aggregation_pipeline.source.mysql.blocks import Block, Cells
from aggregation_pipeline.source.mysql.cells import Builder
from aggregation_pipeline.source.mysql.row_protocol import Field


def mask_column(
    column: ColumnType, description: Field, rule: MaskRule, salt: SecretStr, *, is_plain_column: bool
) -> ColumnType:
    """Return the column as text that hides its values.

    Args:
        column: without a mask.
        description: what the server says of it.
        rule: `hash` or `partial`.
        salt: the key of hashes.
        is_plain_column: whether its cells are those of a column of the source, so that an address in one is an address.

    Raises:
        SourceError: `partial` of bytes, which have no first letter; `hash` without a salt.
    """
    name = column.field.name
    if rule == "partial" and (pa.types.is_binary(column.field.type) or description.type_code == FIELD_TYPE.BIT):
        raise SourceError(f"mask: {name}: partial needs text, and the column holds bytes; hash or drop it.")
    if rule == "hash" and not salt.get_secret_value():
        raise SourceError(f"mask: {name}: hash needs a key; set MASK_SALT to a long random text.")
    build = (
        _hashed(column.sent, salt.get_secret_value().encode())
        if rule == "hash"
        else _partial(column.sent, name, addresses=is_plain_column)
    )
    return ColumnType(pa.field(name, pa.string(), metadata={"mysql_type": "VARCHAR", "mask": rule}), build, build)


def _hashed(sent: Builder, key: bytes) -> Builder:
    return lambda block, cells: hash_cells(sent(block, cells), key)


def _partial(sent: Builder, name: str, *, addresses: bool) -> Builder:
    def build(block: Block, cells: Cells) -> pa.Array:
        try:
            return partial_text(sent(block, cells).cast(pa.string()), addresses=addresses)
        except pa.ArrowInvalid:
            raise SourceError(
                f"mask: {name}: partial needs text, and the column holds bytes that are not text; hash or drop it."
            ) from None

    return build
