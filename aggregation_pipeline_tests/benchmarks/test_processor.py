"""Processor time is counted for this process, its children, and the servers with theirs."""

import subprocess
import sys
import time

import pytest

from benchmarks.measuring import watched
from benchmarks.processor import Stopwatch, counted, server_seconds

# Ends after a quarter of a second of processor time.
BURN = "import time\nwhile time.process_time() < 0.25: pass\n"


def test_waiting_costs_nothing_and_children_count():
    watch = Stopwatch()
    time.sleep(0.2)
    assert watch.spent().client < 0.1
    subprocess.run([sys.executable, "-c", BURN], check=True)
    spent = watch.spent()
    assert 0.2 < spent.client < spent.seconds + 0.1
    assert spent.server == 0


def test_a_server_counts_with_its_living_and_its_ended_children():
    nested = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\n{BURN}print(flush=True)\n"
    code = f"{nested}sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        with counted(server.pid):
            server.stdout.readline()
            assert 0.4 < server_seconds() < 2
        assert server_seconds() == 0
        server.communicate()


def test_a_program_is_measured_from_its_start_to_its_end():
    sample = watched([sys.executable, "-c", f"block = bytearray(50 << 20)\n{BURN}"])()
    assert 0.2 < sample.client < 2
    assert sample.processor == sample.client + sample.server
    assert 50 < sample.peak_rss_mb < 100


def test_a_program_that_fails_says_why():
    with pytest.raises(Exception, match="this is why"):
        watched([sys.executable, "-c", "raise SystemExit('this is why')"])()
