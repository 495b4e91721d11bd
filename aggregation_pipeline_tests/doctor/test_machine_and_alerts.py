"""What the doctor says of this machine, and of the channels for alerts."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aggregation_pipeline.doctor import machine
from aggregation_pipeline.doctor.alerts import examine_alerts
from aggregation_pipeline.doctor.machine import examine_machine
from aggregation_pipeline_tests.doctor.conftest import found_by
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.servers.mariadb import free_port
from aggregation_pipeline_tests.support.sink import new_sink


@contextmanager
def listening(media_type: str) -> Iterator[int]:
    """A program that answers each GET with 200."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", media_type)
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_the_port_is_free_ours_or_somebody_elses(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    shop.enter(monkeypatch)
    monkeypatch.setattr(machine, "_PORT", free_port())
    assert "is free" in found_by(examine_machine)["port"].text
    for media_type, status in (("application/json", "ok"), ("text/html", "warning")):
        with listening(media_type) as port:
            monkeypatch.setattr(machine, "_PORT", port)
            assert found_by(examine_machine)["port"].status == status


def test_folders_that_cannot_be_written_to_are_failures(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    (shop.folder / "file").write_text("")
    shop.enter(monkeypatch, TEMP_DIR=str(shop.folder / "file" / "temp"))
    found = found_by(examine_machine)
    assert "is a file" in found["TEMP_DIR"].text
    assert "GiB are free" in found["LOG_DIR"].text


@pytest.mark.parametrize(("kilobytes", "status"), [(600_000, "ok"), (500_000, "warning")])
def test_memory_is_what_programs_can_still_have(kilobytes: int, status: str):
    text = f"MemTotal:  8000000 kB\nMemFree:  1000 kB\nMemAvailable:  {kilobytes} kB\n"
    assert machine._memory(text).status == status


def test_channels_get_a_message_only_if_they_shall(shop: Deployment, monkeypatch: pytest.MonkeyPatch):
    with new_sink().serving() as sink:
        shop.enter(monkeypatch, ALERT_URLS=f"{sink.webhook} {new_sink().webhook}")
        assert {finding.status for finding in found_by(examine_alerts).values()} == {"ok"}
        assert sink.received == []
        sent = list(found_by(examine_alerts, send=True).values())
    assert [finding.status for finding in sent] == ["ok", "failure"]
    assert len(sink.received) == 1
    assert "very-secret" not in str(sent)
