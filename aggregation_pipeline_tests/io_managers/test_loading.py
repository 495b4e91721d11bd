"""What is loaded: a list of several outputs; nothing of what somebody else has changed."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from dagster import DagsterInstance, DynamicOut, DynamicOutput, asset, job, materialize, op

from aggregation_pipeline import OSSIOManager
from aggregation_pipeline.errors import StorageError


def test_an_op_gets_a_list_of_what_several_outputs_hold(instance: DagsterInstance, folder: OSSIOManager):
    @op(out=DynamicOut())
    def several():
        yield from (DynamicOutput(text, mapping_key=text) for text in ("a", "b"))

    @op
    def twice(text: str):
        return text * 2

    @op
    def joined(texts: list[str]) -> None:
        assert sorted(texts) == ["aa", "bb"]

    @job(resource_defs={"io_manager": folder.get_resource_definition()})
    def fan():
        joined(several().map(twice).collect())

    assert fan.execute_in_process(instance=instance).success


def test_what_somebody_else_has_changed_is_said_with_its_place(
    instance: DagsterInstance, folder: OSSIOManager, tmp_path: Path
):
    @asset
    def rows() -> Any:
        return pl.DataFrame({"a": [1]})

    @asset
    def text() -> str:
        return "x"

    @asset
    def of_rows(rows: pl.DataFrame): ...

    @asset
    def of_text(text: str): ...

    assets = [rows, text, of_rows, of_text]
    materialize(assets, selection=[rows, text], instance=instance, resources={"io_manager": folder})
    for name in ("rows.parquet", "text.txt"):
        path = tmp_path / "store" / name
        path.chmod(0o644)
        path.write_bytes(b"\xff geheim")
    for asked, words in {
        of_rows: r"asset rows \(file://.*rows.parquet\): what is stored is no whole Parquet file",
        of_text: r"asset text \(file://.*text.txt\): what is stored is no text in UTF-8",
    }.items():
        with pytest.raises(StorageError, match=words) as error:
            materialize(assets, selection=[asked], instance=instance, resources={"io_manager": folder})
        assert "geheim" not in str(error.value)
