import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.definitions.asset_checks.asset_check_factories.utils import LAST_UPDATED_TIMESTAMP_METADATA_KEY
from dagster._core.definitions.metadata import CodeReferencesMetadataSet, TableMetadataSet
from dagster._core.storage import tags as dagster_tags

import aggregation_pipeline
from aggregation_pipeline.runs import tags

ROOT = Path(aggregation_pipeline.__file__).parent
HOME = Path(tags.__file__)
# Names that instance/ writes, which imports nothing of runs/.
NAMES_OF_INSTANCE = {ROOT / "settings" / "rules.py", ROOT / "instance" / "run_needs.py"}
NAMES = {name: value for name, value in vars(tags).items() if name.endswith(("_TAG", "_KEY"))}
OURS = {name for name, value in NAMES.items() if "aggregation" in value or name == "INTERNAL_TAG"}


def strings_of(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every string in a module but its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def test_no_module_spells_a_name_a_second_time():
    again = [
        f"{path.relative_to(ROOT)}:{line}: {text!r}"
        for path in ROOT.rglob("*.py")
        if path not in {HOME, *NAMES_OF_INSTANCE}
        for line, text in strings_of(path)
        if text in set(NAMES.values()) - {tags.INTERNAL_TAG}
        or text.startswith(("dagster/", ".dagster/", "aggregation/"))
    ]
    assert again == []


def test_no_two_names_are_the_same_by_accident():
    tag_names = [value for name, value in NAMES.items() if name.endswith("_TAG")]
    key_names = [value for name, value in NAMES.items() if name.endswith("_KEY")]
    assert len(set(tag_names)) == len(tag_names)
    assert len(set(key_names)) == len(key_names)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("_TAG") and name not in OURS])
def test_a_tag_of_dagsters_is_spelled_as_dagster_spells_it(name):
    assert NAMES[name] == getattr(dagster_tags, name)


def test_hidden_tags_begin_as_dagster_hides_them():
    for tag in (tags.IN_PROCESS_TAG, tags.HEARTBEAT_TAG):
        assert tag.startswith(dagster_tags.HIDDEN_TAG_PREFIX)


def test_keys_of_metadata_are_spelled_as_dagster_spells_them():
    families = (TableMetadataSet, CodeReferencesMetadataSet)
    known = {f"{family.namespace()}/{field}" for family in families for field in family.model_fields}
    # Dagster has no constant for the URI: its UI alone knows that one.
    known |= {LAST_UPDATED_TIMESTAMP_METADATA_KEY, tags.URI_KEY}
    assert {value for name, value in NAMES.items() if name.endswith("_KEY") and name not in OURS} <= known
