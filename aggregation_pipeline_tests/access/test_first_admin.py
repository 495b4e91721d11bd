"""The first account: made once, its password in a file of its own or taken from one, and to be changed."""

import threading
from pathlib import Path

import pytest

from aggregation_pipeline.access.accounts import Accounts
from aggregation_pipeline.access.editing import add_user, set_password
from aggregation_pipeline.access.first_admin import FirstAdmin, first_admin
from aggregation_pipeline.access.roles import Principal, Role
from aggregation_pipeline.errors import AccessError


def test_a_password_that_works_once_is_written_where_only_the_owner_reads_it(auth_file: Path, caplog):
    file = auth_file.with_name("admin-password")
    assert first_admin(auth_file, None) == FirstAdmin("admin", file)
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text(encoding="utf-8").strip()
    accounts = Accounts(auth_file)
    assert accounts.verify_password("admin", password) == Principal("admin", Role.ADMIN)
    user = accounts.user("admin")
    assert user
    assert user.must_change
    assert password not in caplog.text
    assert password not in auth_file.read_text(encoding="utf-8")
    set_password(auth_file, "admin", "another one of mine")
    assert not file.exists()
    user = accounts.user("admin")
    assert user
    assert not user.must_change


def test_there_is_none_where_there_are_accounts(auth_file: Path):
    add_user(auth_file, "alice", Role.VIEWER, None)
    assert first_admin(auth_file, None) is None
    assert list(Accounts(auth_file)._current().data.users) == ["alice"]


def test_services_that_start_at_once_make_one(auth_file: Path):
    made: list[FirstAdmin | None] = []
    threads = [threading.Thread(target=lambda: made.append(first_admin(auth_file, None))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len([one for one in made if one]) == 1
    password = auth_file.with_name("admin-password").read_text(encoding="utf-8").strip()
    assert Accounts(auth_file).verify_password("admin", password)


def test_the_password_of_a_file_is_taken_without_its_line_break(auth_file: Path, tmp_path: Path):
    given = tmp_path / "secret"
    given.write_text("from a mounted secret\r\n", encoding="utf-8")
    assert first_admin(auth_file, given) == FirstAdmin("admin", given)
    assert Accounts(auth_file).verify_password("admin", "from a mounted secret")
    set_password(auth_file, "admin", "another one of mine")
    assert given.exists(), "it is not ours"


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read: No such file"), (b"\xff" * 20, "is no text in UTF-8"), (b"short", "it has 5 characters")],
)
def test_a_file_without_a_usable_password_makes_no_account(
    auth_file: Path, tmp_path: Path, content: bytes | None, words: str
):
    given = tmp_path / "secret"
    if content is not None:
        given.write_bytes(content)
    with pytest.raises(AccessError, match=words):
        first_admin(auth_file, given)
    assert not auth_file.exists()


def test_a_link_in_the_place_of_the_password_is_not_followed(auth_file: Path, tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    auth_file.with_name("admin-password").symlink_to(victim)
    first_admin(auth_file, None)
    assert victim.read_text() == "precious"
