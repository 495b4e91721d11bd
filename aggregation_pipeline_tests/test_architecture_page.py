"""docs/architecture.md is held to the code: the rooms and their order, the files that it names, the stored names."""

import re

import pytest
from pydantic import BaseModel

from aggregation_pipeline.access import store
from aggregation_pipeline.access.auth_file import AuthData, Token, User
from aggregation_pipeline.alerts.incidents import KINDS
from aggregation_pipeline.alerts.outbox_table import deliveries, incidents
from aggregation_pipeline.batch_jobs.table import batch_jobs
from aggregation_pipeline.config.checks import CHECK_NAMES
from aggregation_pipeline.config.format_names import FORMAT_NAMES
from aggregation_pipeline.config.source_kinds import OWN_KINDS
from aggregation_pipeline.export.checks.standard import NAMES_SET, STANDARD_CHECKS
from aggregation_pipeline.launching.requests import requests
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock
from aggregation_pipeline.runs import tags
from aggregation_pipeline.storage.manifest import (
    Manifest,
    ManifestCheck,
    ManifestColumn,
    ManifestDataset,
    ManifestExtract,
    ManifestFile,
)
from aggregation_pipeline_tests.support.markdown import CODE_SPAN, code_blocks, read, section, tables, without_code
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
    """Every module that one imports, directly or not; the kinds of sources are found by name."""
    kinds = {place.removeprefix("aggregation_pipeline.").partition(":")[0] for place in OWN_KINDS.values()}
    imported: dict[str, set[str]] = {"source.kind": kinds}
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


STORED = section(PAGE, "Names that are stored outside")
LISTED = [row for table in tables(STORED) for row in table]


def literal_parts(name: str) -> list[str]:
    """Patterns of what is left of `source_{database}` without what differs: a whole word where nothing differs."""
    parts = [re.escape(part) for part in re.split(r"\{[^}]*\}", name) if part.strip()]
    return [rf"(?<!\w){parts[0]}(?!\w)"] if parts == [re.escape(name)] else parts


def listed(kind: str) -> list[str]:
    """The names of the rows of a kind."""
    return [name for row in LISTED if row[0] == kind for name in CODE_SPAN.findall(row[1])]


@pytest.mark.parametrize("row", LISTED, ids=lambda row: f"{row[0]}: {row[2]}")
def test_each_stored_name_is_in_the_file_beside_it(row: list[str]):
    (file,) = CODE_SPAN.findall(row[2])
    path = next(root / file for root in (ROOT, REPOSITORY) if (root / file).is_file())
    text = path.read_text(encoding="utf-8")
    names = [name for name in CODE_SPAN.findall(row[1]) if "/" not in name or not name.endswith((".py", "/"))]
    assert names
    assert [name for name in names if not all(re.search(part, text) for part in literal_parts(name))] == []


def test_each_stored_name_of_the_code_is_listed():
    """So a name that is added to the code is fixed from then on, and one that is renamed fails here."""
    ours = {value for name, value in vars(tags).items() if name.isupper() and not value.startswith("dagster/")}
    assert ours - {tags.GRPC_INFO_TAG} == {
        *listed("tags of runs"),
        *listed("tag of sensors"),
        *listed("metadata that `batch_jobs` is made from"),
    }
    assert [*AdvisoryLock] == listed("advisory locks")
    assert {*STANDARD_CHECKS, NAMES_SET} == {*listed("checks that every table has")}
    assert [*CHECK_NAMES] == listed("checks that an entry asks for")
    assert [column.name for column in batch_jobs.columns] == listed("its columns")
    assert [column.name for column in incidents.columns] == listed("columns of `incidents`")
    assert [column.name for column in deliveries.columns] == listed("columns of `deliveries`")
    assert [column.name for column in requests.columns] == listed("columns of `requests`")
    for table in (store.sessions, store.token_use, store.audit):
        assert [column.name for column in table.columns] == listed(f"columns of `{table.name}`")
    for kind, model in (("... of a user", User), ("... of a token", Token)):
        assert [field.alias or name for name, field in model.model_fields.items()] == listed(kind)
    assert ["auth.json", *AuthData.model_fields] == listed("accounts and tokens")
    assert [*KINDS] == listed("kinds of incidents")
    assert [*FORMAT_NAMES] == listed("formats")


def test_each_field_of_a_manifest_is_listed():
    fields: dict[str, type[BaseModel]] = {
        "fields of a manifest": Manifest,
        "... of a dataset": ManifestDataset,
        "... of a column": ManifestColumn,
        "... of an extract": ManifestExtract,
        "... of a file": ManifestFile,
        "... of a check": ManifestCheck,
    }
    assert {kind: listed(kind) for kind in fields} == {kind: [*model.model_fields] for kind, model in fields.items()}


def test_each_application_name_is_listed():
    code = "".join(path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py"))
    names = re.findall(r'application_name=f?"([^"]+)"', code)
    known = {re.sub(r"\{.*?\}", "{}", name) for row in LISTED for name in CODE_SPAN.findall(row[1])}
    assert len(names) >= 10
    assert {re.sub(r"\{.*?\}", "{}", name) for name in names} - known == set()
