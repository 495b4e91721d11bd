"""Of which kind of personal data a value is: by its form, and by its check digit where it has one."""

import re
from datetime import UTC, date, datetime
from typing import Final

from aggregation_pipeline.drafting.personal_kinds import Kind

_PHONE: Final = re.compile(r"(?:(?:\+|00)?86[ -]?)?1[3-9]\d(?:[ -]?\d{4}){2}", re.ASCII)
# A landline with its area code set off, one of North America, and what begins with the code of a country.
_LANDLINE: Final = re.compile(
    r"(?:1-)?(?:\([2-9]\d\d\) ?|[2-9]\d\d-)[2-9]\d\d-\d{4}|"
    r"\(?0(?:10|2\d|[3-9]\d{2})(?:\)[ -]?|[ -])[2-9]\d{2,3}[ -]?\d{4}(?:[ -]\d{1,6})?|\+\d{1,3}(?:[ -]?\d){7,12}",
    re.ASCII,
)
_EMAIL: Final = re.compile(r"[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,18}")
_ID_CARD: Final = re.compile(r"[1-9]\d{16}[\dXx]|[1-9]\d{14}", re.ASCII)
_BANK_CARD: Final = re.compile(r"[2-9]\d{3}(?:[ -]?\d{4}){2,3}(?:[ -]?\d{1,4})?", re.ASCII)
_OPENID: Final = re.compile(r"o[A-Za-z0-9_-]{27}")
# Where something of the kind stands in a longer text: nothing that would go on before or after it.
_INSIDE: Final = re.compile(
    rf"(?<![\w.@-])(?:{_PHONE.pattern}|{_LANDLINE.pattern}|{_EMAIL.pattern}|{_ID_CARD.pattern})(?![\w@-])|(?<!\d)1[3-9]\d{{9}}(?!\d)",
    re.ASCII,
)
# The weights and letters of GB 11643, by which an ID card's number is checked.
_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_LETTERS: Final = "10X98765432"
_SHORTEST_BANK_CARD: Final = 14
_LONGEST_BANK_CARD: Final = 19


def kind_of_value(text: str) -> Kind | None:
    """The kind of a whole value; None where its form is of none. Addresses have none; names: chinese_names.py."""
    text = text.strip()
    if _PHONE.fullmatch(text) or _LANDLINE.fullmatch(text):
        return "phone"
    if _EMAIL.fullmatch(text):
        return "email"
    if is_id_card(text):
        return "id_card"
    if is_bank_card(text):
        return "bank_card"
    return "openid" if _OPENID.fullmatch(text) and not text.isalpha() else None


def holds_personal(text: str) -> bool:
    """Whether a phone number, an e-mail address or the number of an ID card stands somewhere in a text."""
    return any(
        not _ID_CARD.fullmatch(found) or is_id_card(found) for found in (match[0] for match in _INSIDE.finditer(text))
    )


def is_id_card(text: str) -> bool:
    """Whether it is a number of a Chinese ID card: of 18 places with the right last one, or of 15 as before 1999."""
    if not _ID_CARD.fullmatch(text):
        return False
    if len(text) == len(_WEIGHTS) - 2:
        return _is_birthday(f"19{text[6:12]}")
    total = sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text, strict=False))
    return _LETTERS[total % 11] == text[-1].upper() and _is_birthday(text[6:14])


def is_bank_card(text: str) -> bool:
    """Whether it is a number of a bank card, by its length and Luhn's check digit."""
    if not _BANK_CARD.fullmatch(text):
        return False
    digits = [int(digit) for digit in text if digit.isdigit()]
    if not _SHORTEST_BANK_CARD <= len(digits) <= _LONGEST_BANK_CARD:
        return False
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1


def _is_birthday(digits: str) -> bool:
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return date(1880, 1, 1) <= day <= datetime.now(UTC).date()
