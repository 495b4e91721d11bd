"""`compat: node` is checked when the file is loaded."""

from pathlib import Path

import pytest

from aggregation_pipeline.config.compat import NodeFiles
from aggregation_pipeline.errors import ConfigError
from aggregation_pipeline_tests.support.config_file import load_text


def test_nothing_is_written_unasked(tmp_path: Path):
    assert load_text(tmp_path, "tables: {a: {}}").node_files is None
    assert load_text(tmp_path, "compat: node\ntables: {a: {}}").node_files == NodeFiles()


@pytest.mark.parametrize(
    ("compat", "words"),
    [
        ("nodejs", r"compat: .*node, or \{node: \{formats: \[json, csv\]\}\}"),
        ("{nod: {}}", "compat.nod: unknown key.* Was node meant"),
        ("{node: {formats: [parquet]}}", r"compat.node.formats\[0\]: "),
        ("{node: {formats: []}}", "at least one format is expected"),
        ("{node: {csv: papaparse}}", "compat.node.csv: "),
        ('{node: {keys: "{name}/{stamp}.{ext}"}}', "a folder with a name of its own is expected"),
        ('{node: {keys: "old/{name}.{ext}"}}', "{stamp} is missing"),
        ('{node: {keys: "old/{table}_{stamp}.{ext}"}}', "{table} is no part of a key"),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_place(tmp_path: Path, compat: str, words: str):
    with pytest.raises(ConfigError, match=words):
        load_text(tmp_path, f"compat: {compat}\ntables: {{a: {{}}}}")
