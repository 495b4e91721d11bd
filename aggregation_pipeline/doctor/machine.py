"""This machine: room on disks, memory, and the port of the UI."""

import http.client
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from aggregation_pipeline.doctor.findings import Case, attempt
from aggregation_pipeline.local.preflight import prove_folder
from aggregation_pipeline.source.findings import Finding, ok, warning
from aggregation_pipeline.storage.folder_writable import nearest_existing

_PORT: Final = 3000
_SECONDS: Final = 3.0
# Dagster's services take most of this; a run takes about 300 MiB.
_LEAST_MEMORY_MIB: Final = 512
_MEMORY: Final = Path("/proc/meminfo")


def examine_machine(case: Case) -> Iterator[Finding]:
    """Look at folders, memory and port."""
    for name, folder in (("TEMP_DIR", case.settings.temp_dir), ("LOG_DIR", case.settings.log_dir)):
        yield attempt(name, lambda folder=folder: _room(folder))  # type: ignore[misc]
    if _MEMORY.is_file():
        yield _memory(_MEMORY.read_text(encoding="ascii"))
    yield _port()


def _room(folder: Path) -> str:
    prove_folder(folder)
    free = shutil.disk_usage(nearest_existing(folder)).free
    return f"{folder.absolute()} can be written to, {free / 1024**3:,.1f} GiB are free"


def _memory(text: str) -> Finding:
    values = {line.split(":")[0]: line.split()[1] for line in text.splitlines() if ":" in line}
    free = int(values.get("MemAvailable") or values["MemFree"]) // 1024
    if free >= _LEAST_MEMORY_MIB:
        return ok("memory", f"{free:,} MiB are available")
    return warning("memory", f"{free:,} MiB are available; a run needs about 300", "End other programs, or add memory")


def _port() -> Finding:
    """Who listens where `serve` would: nobody, the service itself, or somebody else."""
    connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=_SECONDS)
    try:
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        ours = answer.status == 200 and (answer.getheader("Content-Type") or "").startswith("application/json")
    except ConnectionRefusedError:
        return ok("port", f"{_PORT} is free")
    except (OSError, http.client.HTTPException):
        ours = False
    finally:
        connection.close()
    if ours:
        return ok("port", f"on {_PORT} the service answers")
    return warning("port", f"another program listens on {_PORT}", "Choose another for `serve`: --port 3001")
