"""Personal data is hidden between the socket and the disk: a masked cell is never part of a file, not even of the local
extract.

    hash HMAC-SHA-256 of the cell's bytes as the server sends them, in hexadecimal, under the key MASK_SALT: equal cells
    of any table
              stay equal, and nobody without the key can try out all phone numbers.
    partial   enough to recognize somebody one knows, and `****` for the rest, whatever its length:
                  an e-mail address    the first letter and the domain      l****@example.com
                                       (where the whole cell is one, with a domain of ASCII letters; and of a column as
                                       it is, since
                                       what an expression puts before an @ makes no address of the rest)
                  a number of 11 and   the first three, the last four       138****5678
                  more digits
                  other text           first and last; under five letters   Z****n, 张****
                                       the first alone; of one letter none
    drop      the column is left out.

NULL stays NULL, and partial leaves an empty text empty. `zeroDates` comes first: a day that no calendar has is NULL, an
error, or text to mask. A masked column is text.
"""

import hmac
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import SecretStr
from pymysql.constants import FIELD_TYPE

from aggregation_pipeline.config.mask_options import MaskRule
from aggregation_pipeline.errors import SourceError
from aggregation_pipeline.source.mysql.arrow_types import ColumnType
from aggregation_pipeline.source.mysql.cells import Builder
from aggregation_pipeline.source.mysql.row_protocol import Block, Cells, Field

_STARS: Final = "****"
# What stands behind an @ in a text is often no domain, and is hidden then; so is what has as many digits as a short
# telephone number.
_EMAIL: Final = r"^[^@\s\pZ]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,18}$"
_DOMAIN_DIGITS: Final = 6
_NUMBER: Final = r"^\+?[0-9][0-9 ()-]*[0-9Xx]$"
# Numbers shorter than a mobile phone's would show too much with seven digits left.
_DIGITS: Final = 11


def masked(column: ColumnType, described: Field, rule: MaskRule, salt: SecretStr, *, as_it_is: bool) -> ColumnType:
    """Return the column as text that hides its values.

    Args:
        column: without a mask.
        described: what the server says of it.
        rule: `hash` or `partial`.
        salt: the key of hashes.
        as_it_is: whether its cells are those of a column of the source, so that an address in one is an address.

    Raises:
        SourceError: `partial` of bytes, which have no first letter; `hash` without a salt.
    """
    name = column.field.name
    if rule == "partial" and (pa.types.is_binary(column.field.type) or described.type_code == FIELD_TYPE.BIT):
        raise SourceError(f"mask: {name}: partial needs text, and the column holds bytes; hash or drop it.")
    if rule == "hash" and not salt.get_secret_value():
        raise SourceError(f"mask: {name}: hash needs a key; set MASK_SALT to a long random text.")
    build = (
        _hashed(column.sent, salt.get_secret_value().encode())
        if rule == "hash"
        else _partial(column.sent, name, addresses=as_it_is)
    )
    return ColumnType(pa.field(name, pa.string(), metadata={"mysql_type": "VARCHAR", "mask": rule}), build, build)


def _hashed(sent: Builder, key: bytes) -> Builder:
    def build(block: Block, cells: Cells) -> pa.Array:
        # Each value once: people occur in many rows.
        distinct = sent(block, cells).dictionary_encode()
        digests = [hmac.digest(key, value, "sha256").hex() for value in distinct.dictionary.to_pylist()]
        return pa.array(digests, pa.string()).take(distinct.indices)

    return build


def _partial(sent: Builder, name: str, *, addresses: bool) -> Builder:
    def build(block: Block, cells: Cells) -> pa.Array:
        try:
            return partial_text(sent(block, cells).cast(pa.string()), addresses=addresses)
        except pa.ArrowInvalid:
            raise SourceError(
                f"mask: {name}: partial needs text, and the column holds bytes that are none; hash or drop it."
            ) from None

    return build


def partial_text(texts: pa.Array, *, addresses: bool = True) -> pa.Array:
    """Return `texts`, shape (n,) of string, with all but a little of each hidden; of `addresses` the domain stays."""
    length = pc.utf8_length(texts)
    first = pc.utf8_slice_codeunits(texts, 0, 1)
    hidden = pa.scalar(_STARS)
    # In that order: after the first pattern the local part is longer than the one letter that the second looks for.
    email = pc.replace_substring_regex(texts, r"(?s)^([^@])[^@]+@", rf"\1{_STARS}@")
    email = pc.replace_substring_regex(email, r"(?s)^[^@]@", f"{_STARS}@")
    digits_behind = pc.count_substring_regex(pc.replace_substring_regex(texts, "(?s)^.*@", ""), "[0-9]")
    is_email = pc.and_(pc.match_substring_regex(texts, _EMAIL), pc.less_equal(digits_behind, pa.scalar(_DOMAIN_DIGITS)))
    number = pc.binary_join_element_wise(
        pc.utf8_slice_codeunits(texts, 0, 3), hidden, pc.utf8_slice_codeunits(texts, -4), ""
    )
    long = pc.binary_join_element_wise(first, hidden, pc.utf8_slice_codeunits(texts, -1), "")
    short = pc.binary_join_element_wise(first, hidden, "")
    is_number = pc.and_(
        pc.match_substring_regex(texts, _NUMBER),
        pc.greater_equal(pc.count_substring_regex(texts, "[0-9]"), pa.scalar(_DIGITS)),
    )
    return pc.case_when(
        pc.make_struct(
            pc.equal(length, 0),
            pc.and_(is_email, pa.scalar(addresses)),
            is_number,
            pc.greater_equal(length, 5),
            pc.greater_equal(length, 2),
            pc.equal(length, 1),
        ),
        texts,
        email,
        number,
        long,
        short,
        hidden,
        pa.scalar(None, pa.string()),
    )
