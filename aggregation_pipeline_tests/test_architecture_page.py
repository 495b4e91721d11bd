"""docs/architecture.md is held to the code: the rooms and their order, the files that it names, the stored names."""

import re

from aggregation_pipeline_tests.support.markdown import code_blocks, read, section, tables, without_code
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.test_architecture import ROOMS, ROOT, edges

PAGE = read(REPOSITORY / "docs" / "architecture.md")
TESTS = REPOSITORY / "aggregation_pipeline_tests"
FILE = re.compile(r"\b(?:[a-z0-9_]+/)+[a-z0-9_]+\.(?:py|sql|yaml)\b")


def drawing(heading: str) -> str:
    """The first block without a language below a heading."""
    return next(code for language, code in code_blocks(section(PAGE, heading)) if not language)


def rows(heading: str) -> list[list[str]]:
    return [row for table in tables(section(PAGE, heading)) for row in table]


def test_the_drawing_of_the_rooms_is_what_the_imports_are_held_to():
    drawn = [tuple(line.split()) for line in drawing("Rooms").splitlines()]
    assert list(reversed([tuple(sorted(line)) for line in drawn])) == [tuple(sorted(line)) for line in ROOMS]


def test_every_room_has_one_sentence():
    said = [(row[0].strip("`"), row[1]) for row in rows("Rooms")]
    assert [name for name, _ in said] == drawing("Rooms").split()
    assert [name for name, words in said if not re.fullmatch(r"[^.]+(?:\.\w[^.]*)*\.", words)] == []


def reached_from(first: str) -> set[str]:
    """Every module that one imports, directly or not."""
    imported: dict[str, set[str]] = {}
    for one, other in edges():
        imported.setdefault(one, set()).add(other)
    found, waiting = {first}, [first]
    while waiting:
        new = imported.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found


def test_the_way_of_a_table_is_the_way_that_the_modules_call_each_other():
    way = [path.removesuffix(".py").replace("/", ".") for path in FILE.findall(drawing("The way of one table"))]
    core = way[way.index("export.window") : way.index("assets.metadata")]
    assert len(core) >= 6
    assert set(core) <= reached_from("export.window"), "export/window.py calls all that follows, up to publishing"
    assert {"export.window", "postgres.window_lock", "assets.metadata"} <= reached_from("assets.execution")
    assert set(way) <= reached_from("definitions")


def test_every_file_that_the_page_names_is_there():
    listed = {name for row in rows("Where do I change ...") for name in FILE.findall(row[1])}
    assert len(listed) >= 15
    tests = {name for row in rows("Where do I change ...") for name in FILE.findall(row[2])}
    assert [name for name in tests if not (TESTS / name).is_file()] == []
    # Examples name files that are not there yet, in blocks.
    others = set(FILE.findall(without_code(PAGE) + drawing("The way of one table"))) - tests
    assert [name for name in others if not any((root / name).is_file() for root in (ROOT, REPOSITORY))] == []


def test_ten_changes_and_more_have_their_file_and_their_test():
    table = rows("Where do I change ...")
    assert len(table) >= 10
    assert [row for row in table if len(row) != 3 or not FILE.search(row[2])] == []
