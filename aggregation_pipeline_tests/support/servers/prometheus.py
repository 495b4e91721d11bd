"""A real Prometheus that scrapes one endpoint."""

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aggregation_pipeline_tests.support.servers.missing import missing
from aggregation_pipeline_tests.support.waiting import until

JOB: Final = "aggregation-pipeline"
_CONFIG: Final = """
global: {{scrape_interval: 1s, scrape_timeout: 900ms}}
scrape_configs:
  - job_name: {job}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


@dataclass(frozen=True)
class Prometheus:
    """The server."""

    address: str

    def query(self, expression: str) -> Sequence[Any]:
        """Return the result of a query of PromQL now. What Prometheus refuses raises HTTPError."""
        parameters = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.address}/api/v1/query?{parameters}", timeout=30) as answer:
            found = json.load(answer)["data"]
        return [] if found["resultType"] == "scalar" else found["result"]

    def is_up(self) -> bool:
        """Return whether the endpoint was scraped without an error."""
        with suppress(urllib.error.URLError, ConnectionError):
            return [each["value"][1] for each in self.query("up")] == ["1"]
        return False


def promtool(*arguments: str, text: str = "") -> str:
    """Run Prometheus' own checks on `text`; return what they complain of, nothing where all is well."""
    program = shutil.which("promtool") or missing("promtool is needed: apt-get install prometheus")
    done = subprocess.run([program, *arguments], input=text.encode(), capture_output=True, timeout=60, check=False)
    return "" if done.returncode == 0 and not done.stderr else (done.stdout + done.stderr).decode()


@contextmanager
def prometheus_scraping(port: int, own_port: int, folder: Path) -> Iterator[Prometheus]:
    """Let Prometheus scrape `/metrics` on a port of 127.0.0.1 every second; it listens on another one itself."""
    program = shutil.which("prometheus") or missing("Prometheus is needed: apt-get install prometheus")
    folder.mkdir()
    (folder / "prometheus.yml").write_text(_CONFIG.format(job=JOB, port=port), encoding="utf-8")
    log = folder / "prometheus.log"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{own_port}",
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    server = Prometheus(f"http://127.0.0.1:{own_port}")
    try:
        until("Prometheus to scrape", server.is_up, 60, said=lambda: log.read_text(encoding="utf-8"))
        yield server
    finally:
        process.terminate()
        process.wait(30)
