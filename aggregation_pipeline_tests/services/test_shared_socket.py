"""Supervisors of one service each meet at one socket, which is closed to other users."""

import os
import socket
from pathlib import Path

import pytest

from aggregation_pipeline.errors import SettingsError
from aggregation_pipeline.services.shared_socket import offered_socket, only_daemon, shared_socket


def listen(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen()
    return server


def test_whoever_asks_for_the_socket_finds_the_code_server_that_offers_it(tmp_path: Path):
    folder = tmp_path / ".code-server"
    found = shared_socket(folder)
    assert not found.exists()
    for _ in range(2):
        with offered_socket(folder) as own, listen(own), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(found))
            with pytest.raises(SettingsError, match=r"Another .* runs the code server of"), offered_socket(folder):
                pass
    assert list(folder.iterdir()) == []


def test_one_supervisor_at_a_time_runs_a_daemon_beside_any_code_server(tmp_path: Path):
    folder = tmp_path / ".code-server"
    for _ in range(2):
        with only_daemon(folder), offered_socket(folder):
            with pytest.raises(SettingsError, match=r"Another .* runs the daemon of"), only_daemon(folder):
                pass
            assert (folder / "daemon-in-use").exists()
    # As a killed one leaves it.
    (folder / "daemon-in-use").touch()
    with only_daemon(folder):
        pass
    assert list(folder.iterdir()) == []


def test_what_a_killed_supervisor_has_left_is_replaced(tmp_path: Path):
    folder = tmp_path / ".code-server"
    found = shared_socket(folder)
    (folder / "in-use").touch()
    with listen(folder / "1234.sock"):
        found.symlink_to("1234.sock")
        with offered_socket(folder) as own, listen(own):
            assert found.resolve() == own
            assert not (folder / "1234.sock").exists()


def test_the_folder_is_closed_to_others_and_nobody_elses_is_used(tmp_path: Path):
    folder = tmp_path / ".code-server"
    folder.mkdir(mode=0o755)
    shared_socket(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(SettingsError, match="others could use the code server"):
        shared_socket(link)
    if os.geteuid() == 0:
        os.chown(folder, 12345, -1)
        with pytest.raises(SettingsError, match="run all services as one user"):
            shared_socket(folder)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SettingsError, match="let this user write to DAGSTER_HOME"):
        shared_socket(file / "below")
    with pytest.raises(SettingsError, match="choose a shorter DAGSTER_HOME"):
        shared_socket(tmp_path / ("x" * 80))
