"""Error texts of other programs, as a group chat shows them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregation_pipeline.alerts.chat_text import one_line, safe_address


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("users: No such column\nTraceback (most recent call last):\n  ...", "users: No such column"),
        ("\n\n   \nsecond line says it", "second line says it"),
        ("Duplicate entry 'ada@example.com' for key 'users.email'", "Duplicate entry … for key 'users.email'"),
        ("Incorrect date value: '1999-13-45' for column 'born'", "Incorrect date value: … for column 'born'"),
        ("Key (email)=(ada@example.com) already exists", "Key (email)=… already exists"),
        ("Failing row contains (1, Ada, 13800138000)", "Failing row contains …"),
        ("call 138 0013 8000 or write to ada@example.com", "call … or write to …"),
        ("id card 110101199003074518", "id card …"),
        ("partition 2026-11-20 of window 2026-11-20T1400", "partition 2026-11-20 of window 2026-11-20T1400"),
        ("mysql://shop:hunter2@db/shop refused", "mysql://shop:***＠db/shop refused"),
        ("PUT https://b.oss.com/k?Expires=1&Signature=abc failed", "PUT https://b.oss.com/k?… failed"),
        ("<!channel> @everyone `rm`", "‹!channel› ＠everyone 'rm'"),
        ("safe\u202egnp.exe\x00\x1b[31m", "safe gnp.exe\N{REPLACEMENT CHARACTER} [31m"),
        ("half a \ud800 pair", "half a \N{REPLACEMENT CHARACTER} pair"),
        ("Table 'shop.users' doesn't exist (1146)", "Table 'shop.users' doesn't exist (1146)"),
        ("", ""),
    ],
)
def test_what_a_group_is_shown_of_an_error(text: str, shown: str):
    assert one_line(text) == shown


def test_the_address_of_files_stays_whole_but_for_what_opens_it():
    assert safe_address("oss://shop/orders/2026-11-20/manifest.json") == "oss://shop/orders/2026-11-20/manifest.json"
    assert (
        safe_address("https://b.oss.com/o/2026-11-20/m.json?Signature=abc") == "https://b.oss.com/o/2026-11-20/m.json?…"
    )


def test_known_secrets_go_wherever_they_stand():
    assert one_line("cannot log in with tokenABC123: denied", ["tokenABC123"]) == "cannot log in with ***: denied"


@settings(max_examples=50)
@given(st.text(max_size=600))
def test_whatever_comes_in_one_short_line_comes_out(text: str):
    line = one_line(text)
    assert len(line) <= 300
    assert len(line.splitlines()) <= 1
    assert "@" not in line
    line.encode()
