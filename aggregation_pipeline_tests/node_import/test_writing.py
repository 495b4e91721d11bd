"""Both files are written, or none; what is there is kept unless replacing is asked for."""

import stat
from pathlib import Path

import pytest

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.importing import Imported
from aggregation_pipeline.node_import.writing import write_project

NEW = Imported("tables:\n  users: {}\n", "DB_HOST=db\n", [], ["users"])


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text("utf-8") for path in sorted(folder.iterdir()) if path.is_file()}


def test_both_files_are_written_and_variables_are_private(tmp_path: Path):
    folder = tmp_path / "new" / "folder"
    written = write_project(NEW, folder, force=False, node_project=tmp_path)
    assert written == [folder / "aggregation.yaml", folder / ".env"]
    assert contents(folder) == {".env": NEW.env, "aggregation.yaml": NEW.yaml}
    assert [path.name for path in folder.iterdir() if path.is_dir()] == []
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600


@pytest.mark.parametrize("there", ["aggregation.yaml", ".env"])
def test_nothing_is_overwritten_unasked(tmp_path: Path, there: str):
    (tmp_path / there).write_text("mine", "utf-8")
    with pytest.raises(ImportNodeError, match=rf"{there} is there already.* --output, or add --force"):
        write_project(NEW, tmp_path, force=False, node_project=None)
    assert contents(tmp_path) == {there: "mine"}
    write_project(NEW, tmp_path, force=True, node_project=None)
    assert contents(tmp_path) == {".env": NEW.env, "aggregation.yaml": NEW.yaml}


def test_a_symlink_that_is_replaced_stays_one(tmp_path: Path):
    (tmp_path / "secrets").mkdir()
    target = tmp_path / "secrets" / "env"
    target.write_text("mine", "utf-8")
    (tmp_path / ".env").symlink_to(target)
    with pytest.raises(ImportNodeError, match="there already"):
        write_project(NEW, tmp_path, force=False, node_project=None)
    write_project(NEW, tmp_path, force=True, node_project=None)
    assert (tmp_path / ".env").is_symlink()
    assert target.read_text("utf-8") == NEW.env


def test_the_folder_of_the_old_service_is_never_written_to(tmp_path: Path):
    (tmp_path / ".env").write_text("theirs", "utf-8")
    with pytest.raises(ImportNodeError, match=r"whose own \.env would be lost"):
        write_project(NEW, tmp_path, force=True, node_project=tmp_path / "." / "x" / "..")
    assert contents(tmp_path) == {".env": "theirs"}


def test_a_configuration_that_cannot_be_loaded_is_not_put_in_place(tmp_path: Path):
    with pytest.raises(ImportNodeError, match="cannot be used, and nothing is written"):
        write_project(Imported("tables: {users: {limit: x}}\n", "", [], []), tmp_path, force=True, node_project=None)
    assert list(tmp_path.iterdir()) == []


def test_if_the_second_file_cannot_be_replaced_the_first_is_as_before(tmp_path: Path):
    (tmp_path / "aggregation.yaml").write_text("mine", "utf-8")
    (tmp_path / ".env").mkdir()
    with pytest.raises(ImportNodeError, match="cannot be written"):
        write_project(NEW, tmp_path, force=True, node_project=None)
    assert contents(tmp_path) == {"aggregation.yaml": "mine"}
    assert (tmp_path / ".env").is_dir()
