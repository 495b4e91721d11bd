"""The file of accounts is replaced as a whole, loses nothing, and is not believed where others could write it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aggregation_pipeline.access import auth_file as module
from aggregation_pipeline.access.auth_file import AuthData, edit_auth_file, read_auth_file
from aggregation_pipeline.access.editing import add_user, set_role
from aggregation_pipeline.access.roles import Role
from aggregation_pipeline.errors import AccessBusyError, AccessError
from aggregation_pipeline_tests.support.paths import REPOSITORY

USER = {"role": "viewer", "created": "2026-11-20T00:00:00Z"}


def writer(*arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "aggregation_pipeline_tests.access.writer", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)


def names(path: Path) -> set[str]:
    data = read_auth_file(path)
    return set(data.users) if data else set()


def test_processes_that_change_it_at_once_lose_nothing(auth_file: Path):
    running = [writer("add", auth_file, f"writer{number}_", 8) for number in range(3)]
    assert [process.wait(60) for process in running] == [0, 0, 0]
    for process in running:
        process.communicate()
    assert names(auth_file) == {f"writer{one}_{two}" for one in range(3) for two in range(8)}


@pytest.mark.parametrize(("when", "expected"), [("before", {"old"}), ("after", {"old", "new"})])
def test_a_killed_writer_leaves_the_old_or_the_new_file_and_blocks_nobody(
    auth_file: Path, when: str, expected: set[str]
):
    add_user(auth_file, "old", Role.ADMIN, None)
    process = writer("hang", auth_file, "new", when)
    assert process.stdout is not None
    assert process.stdout.readline() == "hangs\n"
    process.kill()
    process.communicate(timeout=10)
    assert names(auth_file) == expected
    add_user(auth_file, "next", Role.ADMIN, None)
    assert names(auth_file) == {*expected, "next"}
    assert sorted(path.name for path in auth_file.parent.iterdir()) == [".auth.json.lock", "auth.json"]


def test_who_waits_too_long_for_another_writer_is_told_so(auth_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.0)

    def change(data: AuthData) -> AuthData:
        with pytest.raises(AccessBusyError, match="Another process has been changing AUTH_FILE"):
            add_user(auth_file, "late", Role.ADMIN, None)
        return data

    edit_auth_file(auth_file, change)


def test_nothing_is_changed_when_a_change_is_refused(auth_file: Path):
    add_user(auth_file, "alice", Role.ADMIN, None)
    before = auth_file.read_bytes(), auth_file.stat().st_ino
    with pytest.raises(AccessError, match="There is a user alice already"):
        add_user(auth_file, "Alice", Role.VIEWER, None)
    assert (auth_file.read_bytes(), auth_file.stat().st_ino) == before


def test_only_its_owner_can_read_it_and_a_file_that_others_could_read_is_closed_to_them(auth_file: Path):
    umask = os.umask(0)
    try:
        add_user(auth_file, "alice", Role.ADMIN, None)
        assert {path.stat().st_mode & 0o777 for path in auth_file.parent.iterdir()} == {0o600}
        auth_file.chmod(0o644)
        set_role(auth_file, "alice", Role.VIEWER)
        assert auth_file.stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(umask)


def test_a_link_stays_one_and_what_it_leads_to_is_replaced(tmp_path: Path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "accounts.json", tmp_path / "auth.json"
    link.symlink_to(target)
    add_user(link, "alice", Role.ADMIN, None)
    assert link.is_symlink()
    assert names(target) == {"alice"}


BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "half a file": b'{"version": 1, "users": {"al',
    "a list": b"[]",
    "no UTF-8": b'{"users": {"\xff": {}}}',
    "another version": b'{"version": 0}',
    "an unknown key": json.dumps({"users": {"a": {**USER, "admin": True}}}).encode(),
    "an unknown role": json.dumps({"users": {"a": {**USER, "role": "root"}}}).encode(),
    "a number as role": json.dumps({"users": {"a": {**USER, "role": 3}}}).encode(),
    "a password that is no hash": json.dumps({"users": {"a": {**USER, "password": "hunter2 hunter2"}}}).encode(),
    "disabled in words": json.dumps({"users": {"a": {**USER, "disabled": "no"}}}).encode(),
    "a name without end": json.dumps({"users": {"a" * 1000: USER}}).encode(),
    "deep": b"[" * 200_000,
    "huge": b" " * (5 * 1024 * 1024),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_not_ours_is_refused_and_never_written_over(auth_file: Path, content: bytes):
    auth_file.write_bytes(content)
    auth_file.chmod(0o600)
    for attempt in (lambda: read_auth_file(auth_file), lambda: add_user(auth_file, "mallory", Role.ADMIN, None)):
        with pytest.raises(AccessError, match="put back a copy that works, or remove it") as caught:
            attempt()
        assert "hunter2" not in str(caught.value)
        assert len(str(caught.value)) < 2000
    assert auth_file.read_bytes() == content


def another_owner(path: Path) -> None:
    os.chown(path, 12345, -1)


def a_link_of_another_owner(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))
    os.chown(path, 12345, -1, follow_symlinks=False)


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_link_to_itself(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


UNSAFE: dict[str, tuple[Callable[[Path], Any], str]] = {
    "writable by a group": (lambda path: path.chmod(0o660), "chmod 600"),
    "writable by everybody": (lambda path: path.chmod(0o602), "chmod 600"),
    "another owner": (another_owner, "belongs to another account"),
    "another owner's link": (a_link_of_another_owner, "is a link that belongs to another account"),
    "a pipe": (a_pipe, "is no file"),
    "a folder": (a_folder, "is no file"),
    "a link to nowhere else than itself": (
        a_link_to_itself,
        "cannot be read: Too many levels",
    ),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_a_file_that_others_could_have_written_makes_nobody_an_admin(auth_file: Path, case: str):
    spoil, words = UNSAFE[case]
    if "owner" in case and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    add_user(auth_file, "alice", Role.ADMIN, None)
    spoil(auth_file)
    with pytest.raises(AccessError, match=words):
        read_auth_file(auth_file)


def test_what_root_writes_belongs_to_the_account_of_the_service(auth_file: Path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(auth_file.parent, 12345, 12345)
    try:
        add_user(auth_file, "alice", Role.ADMIN, None)
        assert {path.stat().st_uid for path in auth_file.parent.iterdir()} == {12345}
        assert names(auth_file) == {"alice"}
    finally:
        os.chown(auth_file.parent, 0, 0)


def test_a_folder_that_is_missing_or_closed_is_named_with_the_remedy(tmp_path: Path):
    with pytest.raises(AccessError, match=r"cannot be written: No such file or directory\. Its folder has to exist"):
        add_user(tmp_path / "missing" / "auth.json", "alice", Role.ADMIN, None)
