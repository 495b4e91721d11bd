"""GB18030 against readers that are not Python's: all of Unicode, sixteen characters in a row."""

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from aggregation_pipeline.config.options import CsvOptions, FormatOptions
from aggregation_pipeline.errors import FormatError
from aggregation_pipeline.formats.common.gb18030 import Encoder
from aggregation_pipeline.formats.registry import RenderedFile, render
from aggregation_pipeline_tests.formats.cases import make_extract
from aggregation_pipeline_tests.formats.test_csv_file import documented
from aggregation_pipeline_tests.support.servers.missing import missing

# What has no place any more that iconv and the WHATWG encoding agree on, and what is written instead.
REPLACED: dict[str, str | int | None] = {
    **dict(
        zip(
            "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue864",
            "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u9fbb",
            strict=True,
        )
    ),
    **dict(
        zip(
            "\ue816\ue817\ue818\ue831\ue83b\ue855",
            "\U00020087\U00020089\U000200cc\U000215d7\U0002298f\U000241fe",
            strict=True,
        )
    ),
    **dict(
        zip(
            map(chr, range(0xE78D, 0xE797)), "\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19", strict=True
        )
    ),
    "\ue5e5": "\ufffd",
}
_NODE = """
const decoder = new TextDecoder("gb18030", {fatal: true, ignoreBOM: true});
process.stdout.write(decoder.decode(require("fs").readFileSync(process.argv[1])));
"""


@functools.cache
def all_characters() -> list[str]:
    """Unicode in sixteens, without the characters that change the shape of a row."""
    codes = [*range(0xD800), *range(0xE000, 0x110000)]
    characters = "".join(map(chr, codes)).translate(dict.fromkeys(map(ord, '"\r\n')))
    return [characters[start : start + 16] for start in range(0, len(characters), 16)]


@functools.cache
def expected_lines() -> list[str]:
    table = str.maketrans(REPLACED)
    return ['"t","n"', *(f'"{text.translate(table)}",1' for text in all_characters()), ""]


def gb18030(folder: Path, out: Path, texts: list[str], **options: Any) -> RenderedFile:
    chosen = FormatOptions(csv=CsvOptions(encoding="gb18030", escape_formulas=False), **options)
    return render("csv", make_extract(folder, pa.table({"t": texts, "n": [1] * len(texts)})), out, chosen)[-1]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gb18030")
    file = gb18030(folder, folder, all_characters())
    assert file.notes == {"csv_characters_replaced": 25}
    return file.path


def test_iconv_reads_every_character_of_unicode(everything: Path):
    if shutil.which("iconv") is None:
        missing("iconv is not installed: apt-get install libc-bin")
    done = subprocess.run(["iconv", "-f", "GB18030", "-t", "UTF-8", str(everything)], check=True, capture_output=True)
    assert done.stdout.decode().split("\r\n") == expected_lines()


def test_browsers_read_every_character_of_unicode(everything: Path):
    node = shutil.which("node")
    if node is None:
        missing("Node.js, whose TextDecoder is that of browsers, is not installed: apt-get install nodejs")
    done = subprocess.run([node, "-e", _NODE, str(everything)], check=True, capture_output=True)
    assert done.stdout.decode().split("\r\n") == expected_lines()


def test_python_reads_every_character_with_the_lines_that_the_docs_give(everything: Path):
    assert documented("decoded")(everything.read_bytes()).split("\r\n") == expected_lines()


def test_a_character_without_a_place_fails_the_file_where_nothing_may_be_replaced(tmp_path: Path, out: Path):
    with pytest.raises(
        FormatError,
        match=r"orders: detail: 2 characters of private use.*iconv and browsers.*csv\.encoding.*onUnrepresentable",
    ):
        gb18030(tmp_path, out, ["fine", "\ue816 and \ue5e5", "龴"], on_unrepresentable="error")
    assert list(out.iterdir()) == []
    # Those that have another place lose nothing, and other private use is anybody's.
    assert gb18030(tmp_path, out, ["龴ḿ\ue7c7︐", "\ue000\uf8ff"], on_unrepresentable="error").notes == {}


def test_names_of_columns_are_written_in_the_same_way(tmp_path: Path, out: Path):
    table = pa.table({"龴": [1], "\ue81e": [2]})
    file = render("csv", make_extract(tmp_path, table), out, FormatOptions(csv=CsvOptions(encoding="gb18030")))[-1]
    assert file.path.read_bytes().splitlines()[0] == b'"\xfe\x59","\xfe\x59"'
    assert file.notes == {"csv_characters_replaced": 1}


def test_runs_of_text_are_encoded_as_their_characters_are():
    encode = Encoder()
    text = "龴龴a\U00020087\ue816\ue816中ḿ"
    assert encode(text.encode()) == b"".join(Encoder()(character.encode()) for character in text)
    assert encode.replaced == 2
