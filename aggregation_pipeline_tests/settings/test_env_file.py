"""A `.env` is read as Node's dotenv reads it, or refused by file and line; never by guessing, and never with a value in
the message.
"""

import json
import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.settings.env_file import parse_env_file, read_env_file

PATH = Path("conf/.env")
RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", RECORDED["cases"], ids=lambda case: repr(case["text"]))
def test_values_are_those_that_nodes_dotenv_gives(case):
    assert parse_env_file(case["text"], PATH) == case["values"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A=1\nhidden-word\n", "conf/.env, line 2: no assignment such as NAME=value. Put a # before a comment"),
        ("\n\nhidden-word x y", "conf/.env, line 3: no assignment"),
        ("[section]\nA=1", "line 1: no assignment"),
        ("// note\nA=1", "line 1: no assignment"),
        ("=hidden-word", "line 1: no assignment"),
        ("export", "line 1: no assignment"),
        ("A:hidden-word", "line 1: no assignment such as NAME=value. Write NAME=value, or a blank after the colon"),
        ("A:\nB=2", "line 1: no assignment such as NAME=value. Write NAME=value, or a blank after the colon"),
        ("A : hidden-word", "Write NAME=value"),
        ("A＝hidden-word", r"It has a full-width sign \(＝ or ：\): write = instead"),
        ("A：hidden-word", "It has a full-width sign"),
        ("数据库=hidden-word", "line 1: no assignment"),
        ("A B=hidden-word", "line 1: no assignment"),
        # What dotenv would read across lines.
        ("A\n=hidden-word", r"line 1 \(and line 2\): no assignment"),
        ('A=\n"hidden-word"', "line 2: no assignment"),
        (
            "A=-----BEGIN\nhidden-word\nhidden-word\nEND",
            r"line 2 \(and line 3, line 4\): no assignment .* quotes around a value of several lines",
        ),
    ],
)
def test_a_line_that_is_no_assignment_is_refused_by_its_number_and_not_repeated(text, words):
    with pytest.raises(SettingsError, match=words) as caught:
        parse_env_file(text, PATH)
    assert "hidden-word" not in str(caught.value)


CHINESE = "# 数据库\nDB_USER=用户\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            CHINESE.encode("gbk"),
            "line 1: the file is not UTF-8; it may be GBK or Latin-1, which Notepad calls ANSI. Save it as UTF-8",
        ),
        (b"A=1\r\nB=2\r\n" + "C=数据".encode("gb18030"), "line 3: the file is not UTF-8"),
        ("A=1\nB=caf\u00e9\n".encode("latin-1"), "line 2: the file is not UTF-8"),
        ("A=1\n".encode("utf-16"), "line 1: the file is UTF-16, which Notepad calls Unicode. Save it as UTF-8"),
        ("A=1\n".encode("utf-16-be"), "line 1: the file is UTF-16"),
        (CHINESE.encode("utf-16-le"), "line 1: the file is UTF-16"),
        (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "line 1: the file is UTF-16"),
    ],
)
def test_a_file_that_is_not_utf_8_is_refused_in_words(tmp_path, content, words):
    path = tmp_path / "my.env"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=f"my.env, {words}"):
        read_env_file(path)


def test_utf_8_is_read_with_and_without_a_byte_order_mark(tmp_path):
    path = tmp_path / ".env"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_bytes(CHINESE.replace("\n", "\r\n").encode(encoding))
        assert parse_env_file(read_env_file(path), path) == {"DB_USER": "用户"}


def test_a_folder_and_what_cannot_be_reached_are_said_in_words(tmp_path):
    with pytest.raises(
        SettingsError, match=r"is a folder, and a file of variables is expected there\. Docker makes such a folder"
    ):
        read_env_file(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"cannot be read \(Not a directory\)"):
        read_env_file(tmp_path / "file" / ".env")
    assert read_env_file(Path(os.devnull)) == ""


@given(st.text(st.characters(codec="utf-8", exclude_characters="'\r\n\0")))
def test_text_between_single_quotes_is_the_value_unchanged(value):
    assert parse_env_file(f"A='{value}'\nB=2", PATH) == {"A": value, "B": "2"}


def test_a_file_of_nothing_but_quotes_takes_no_time():
    started = time.monotonic()
    parse_env_file("".join(f"A{number}='\\'\n" for number in range(2000)), PATH)
    assert time.monotonic() - started < 10
