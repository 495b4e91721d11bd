"""Mask rules: the text that stands for a cell with personal data. A masked cell never reaches a file.

hash: HMAC-SHA-256 of the cell's bytes, in hexadecimal, under the key MASK_SALT. Equal cells of any table stay equal,
and nobody without the key can try out all phone numbers.

partial: enough to recognize somebody one knows, and `****` for the rest, whatever its length.

    an e-mail address           first letter and domain              l****@example.com
    a number of 11 or more      first three and last four digits     138****5678
      digits
    other text                  first and last letter                Z****n
    a text of 2 to 4 letters    first letter                         张****
    a text of one letter        nothing                              ****

    A cell counts as an address only if all of it is one, with a domain of ASCII letters.

drop: the column is left out.

NULL stays NULL, and partial leaves an empty text empty. A masked column is text.
"""

import hmac
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_STARS: Final = "****"
# Often what follows an @ is no domain; it is hidden then, and so is what has as many digits as a short phone number.
_EMAIL: Final = r"^[^@\s\pZ]+@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.){1,4}[A-Za-z]{2,18}$"
_DOMAIN_DIGITS: Final = 6
_NUMBER: Final = r"^\+?[0-9][0-9 ()-]*[0-9Xx]$"
# Seven digits of a number shorter than a mobile phone's would show too much of it.
_LONG_NUMBER_DIGITS: Final = 11


def hash_cells(cells: pa.Array, key: bytes) -> pa.Array:
    """Hash each cell, shape (n,) of binary, to hexadecimal text, shape (n,) of string."""
    # Each value once: people occur in many rows.
    distinct = cells.dictionary_encode()
    digests = [hmac.digest(key, value, "sha256").hex() for value in distinct.dictionary.to_pylist()]
    return pa.array(digests, pa.string()).take(distinct.indices)


def partial_text(texts: pa.Array, *, addresses: bool = True) -> pa.Array:
    """Hide most of each text.

    Args:
        texts: shape (n,) of string.
        addresses: whether e-mail addresses keep their domain. Only cells of a plain column may: what an expression
            puts before an @ makes no address of the rest.

    Returns:
        Shape (n,) of string.
    """
    length = pc.utf8_length(texts)
    first = pc.utf8_slice_codeunits(texts, 0, 1)
    hidden = pa.scalar(_STARS)
    # In this order: after the first pattern no local part is one letter long, which is what the second looks for.
    email = pc.replace_substring_regex(texts, r"(?s)^([^@])[^@]+@", rf"\1{_STARS}@")
    email = pc.replace_substring_regex(email, r"(?s)^[^@]@", f"{_STARS}@")
    digits_in_domain = pc.count_substring_regex(pc.replace_substring_regex(texts, "(?s)^.*@", ""), "[0-9]")
    is_email = pc.and_(
        pc.match_substring_regex(texts, _EMAIL), pc.less_equal(digits_in_domain, pa.scalar(_DOMAIN_DIGITS))
    )
    number = pc.binary_join_element_wise(
        pc.utf8_slice_codeunits(texts, 0, 3), hidden, pc.utf8_slice_codeunits(texts, -4), ""
    )
    long = pc.binary_join_element_wise(first, hidden, pc.utf8_slice_codeunits(texts, -1), "")
    short = pc.binary_join_element_wise(first, hidden, "")
    is_number = pc.and_(
        pc.match_substring_regex(texts, _NUMBER),
        pc.greater_equal(pc.count_substring_regex(texts, "[0-9]"), pa.scalar(_LONG_NUMBER_DIGITS)),
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
