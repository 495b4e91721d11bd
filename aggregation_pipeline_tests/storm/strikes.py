"""What a storm can do to a deployment: each strike hurts one part of it and lets it heal."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import psutil

from aggregation_pipeline_tests.storm.bank import CONFIG
from aggregation_pipeline_tests.storm.scene import Scene

BROKEN: Final = (
    "tables: [",
    CONFIG.replace("field: balance", "field: balanse, feild: x"),
    CONFIG + "output_formats: [csv]\n",
)
OSS_FAULTS: Final = ("status", "reset", "hang", "cut_up", "cut_down", "lost_reply", "damage_up", "damage_down", "slow")
# A busy machine takes minutes to start the services.
PATIENCE_SECONDS: Final = 420
_ENTRY: Final = "locationOrLoadError { __typename }"
_RELOAD: Final = (
    'mutation { reloadRepositoryLocation(repositoryLocationName: "aggregation_pipeline") {'
    f" __typename ... on WorkspaceLocationEntry {{ {_ENTRY} }} }} }}"
)
_LOADED: Final = f"{{ workspaceOrError {{ ... on Workspace {{ locationEntries {{ {_ENTRY} }} }} }} }}"


@dataclass(frozen=True)
class Blow:
    """One strike: `pause` seconds after the one before, `seconds` long. `pick` chooses what it hits."""

    pause: float
    what: str
    seconds: float
    pick: int


@dataclass
class Strikes:
    """Strikes at one deployment. They last until `over` is set; `killed` counts the processes that were killed."""

    scene: Scene
    over: threading.Event
    killed: int = 0

    def _hold(self, seconds: float) -> None:
        self.over.wait(seconds)

    def _kill(self, processes: list[psutil.Process], blow: Blow) -> bool:
        if not processes:
            return False
        process = sorted(processes, key=lambda each: each.pid)[blow.pick % len(processes)]
        with suppress(psutil.NoSuchProcess):
            process.kill()
            self.killed += 1
        return True

    def worker(self, blow: Blow) -> bool:
        """Kill a process that executes a run."""
        return self._kill(self.scene.workers(), blow)

    def publisher(self, blow: Blow) -> bool:
        """Kill a worker that is publishing: a file is half written, or the mark is there and the manifest is not."""
        end = time.monotonic() + blow.seconds
        while time.monotonic() < end:
            if any(_publishes(self.scene)):
                return self._kill(self.scene.workers(), blow)
            time.sleep(0.005)
        return False

    def everything(self, blow: Blow) -> bool:
        """Kill all of the deployment at once, and start it again."""
        self.scene.pull_the_plug()
        self._hold(blow.seconds / 3)
        self.scene.dev.start(seconds=PATIENCE_SECONDS)
        return True

    def supervisor(self, blow: Blow) -> bool:
        """Kill the supervisor alone: its services end by themselves, while the next one starts others.

        Only in a storm of a chosen length, such as `make soak`: once a code server had not ended a minute after the
        storm.
        """
        if "STORM_SECONDS" not in os.environ:
            return False
        process = self.scene.dev.process
        assert process is not None
        process.kill()
        process.wait(30)
        self._hold(blow.seconds / 3)
        self.scene.dev.start(seconds=PATIENCE_SECONDS)
        return True

    def postgres_frozen(self, blow: Blow) -> bool:
        """Freeze PostgreSQL for a while."""
        family = self.scene.postgres_family()
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        self._hold(blow.seconds)
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.resume()
        return True

    def postgres_crashed(self, blow: Blow) -> bool:
        """Kill PostgreSQL with all its processes, and start it again."""
        self.scene.stop_postgres()
        self._hold(blow.seconds / 2)
        self.scene.restart_postgres()
        return True

    def postgres_session_killed(self, blow: Blow) -> bool:
        """Kill one session. The server then ends all others, because the memory that they share may be damaged."""
        hit = self._kill(self.scene.postgres_family()[1:], blow)
        end = time.monotonic() + 30
        while not self.scene.postgres.answers() and time.monotonic() < end:
            time.sleep(0.2)
        return hit

    def mariadb_restarted(self, blow: Blow) -> bool:
        """Stop MariaDB, and start it again."""
        self.scene.bank.restart(kill=False, seconds=blow.seconds / 3)
        return True

    def mariadb_killed(self, blow: Blow) -> bool:
        """Kill MariaDB, and start it again."""
        self.scene.bank.restart(kill=True, seconds=blow.seconds / 3)
        return True

    def mariadb_frozen(self, blow: Blow) -> bool:
        """Freeze MariaDB for a while."""
        pid = self.scene.bank.server.child.pid
        os.kill(pid, signal.SIGSTOP)
        self._hold(blow.seconds)
        os.kill(pid, signal.SIGCONT)
        return True

    def disk_full(self, blow: Blow) -> bool:
        """Fill the disk up to a few thousand bytes. How many decides how far a writer gets."""
        if not self.scene.disk.is_mount():
            return False
        ballast = self.scene.disk / "ballast"
        status = os.statvfs(self.scene.disk)
        room = status.f_bavail * status.f_frsize - (blow.pick % 40) * 4096
        try:
            with ballast.open("wb") as file, suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(room, 4096))
            self._hold(blow.seconds)
        finally:
            ballast.unlink()
        return True

    def oss_fails(self, blow: Blow) -> bool:
        """Let requests to OSS fail for a while: all of them, or twenty."""
        assert self.scene.oss is not None
        kind = OSS_FAULTS[blow.pick % len(OSS_FAULTS)]
        fault = self.scene.oss.fail(kind, times=10**9 if blow.pick % 3 else 20, at=200, seconds=5)
        self._hold(blow.seconds)
        fault.times = 0
        return True

    def yaml_broken(self, blow: Blow) -> bool:
        """Break aggregation.yaml, and correct it after a while."""
        self.scene.config.write_text(BROKEN[blow.pick % len(BROKEN)], encoding="utf-8")
        try:
            if blow.pick % 2:
                self._reload()
            self._hold(blow.seconds)
        finally:
            self.scene.config.write_text(CONFIG, encoding="utf-8")
        # Whoever has corrected the file presses Reload, waits for a while, and presses it again.
        end = time.monotonic() + PATIENCE_SECONDS
        while not self._reload():
            again = time.monotonic() + 60
            while time.monotonic() < again:
                time.sleep(3)
                if self._is_loaded():
                    return True
            assert time.monotonic() < end, "nobody takes the order to read aggregation.yaml again"
        return True

    def _reload(self) -> bool:
        """Press Reload in the UI; return whether the code was loaded."""
        try:
            answer = self.scene.dev.ask(_RELOAD)["data"]["reloadRepositoryLocation"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return answer["__typename"] == "WorkspaceLocationEntry" and _is_code(answer)

    def _is_loaded(self) -> bool:
        try:
            entries = self.scene.dev.ask(_LOADED)["data"]["workspaceOrError"]["locationEntries"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return all(map(_is_code, entries))


def _is_code(entry: Any) -> bool:
    loaded = entry["locationOrLoadError"]
    return loaded is not None and loaded["__typename"] == "RepositoryLocation"


def _service(*words: str) -> Callable[[Strikes, Blow], bool]:
    def strike(strikes: Strikes, blow: Blow) -> bool:
        found = []
        for process in strikes.scene.family():
            with suppress(psutil.Error):
                if {*words} <= {*process.cmdline()}:
                    found.append(process)
        return strikes._kill(found, blow)

    return strike


def _publishes(scene: Scene) -> Iterator[bool]:
    if scene.oss is not None:
        yield bool(scene.oss.bucket.uploads)
        last = scene.oss.requests[-1:]
        yield bool(last) and last[0].method == "PUT"
        return
    with suppress(OSError):
        for parent, folders, names in os.walk(scene.disk / "exports"):
            yield any(name.startswith(".%part-") for name in names)
            yield (
                not folders
                and "publication.json" in names
                and "manifest.json" not in names
                and "_extracts" not in parent
            )


# By kind: the part of the deployment that it takes down, and what it does. A part that is down must be up again before
# it is hit again, so kinds with the same part wait for each other.
KINDS: Final[dict[str, tuple[str, Callable[[Strikes, Blow], bool]]]] = {
    "kill a worker": ("", Strikes.worker),
    "kill another worker": ("", Strikes.worker),
    "kill a publisher": ("", Strikes.publisher),
    "kill another publisher": ("", Strikes.publisher),
    "kill the inner code server": ("services", _service("api", "grpc")),
    "kill the code server": ("services", _service("code-server", "start")),
    "kill the daemon": ("services", _service("dagster._daemon", "run")),
    "kill the web process": ("services", _service("aggregation_pipeline.web")),
    "kill the supervisor": ("services", Strikes.supervisor),
    "kill everything": ("services", Strikes.everything),
    "freeze PostgreSQL": ("postgres", Strikes.postgres_frozen),
    "crash PostgreSQL": ("postgres", Strikes.postgres_crashed),
    "kill a session of PostgreSQL": ("postgres", Strikes.postgres_session_killed),
    "restart MariaDB": ("mariadb", Strikes.mariadb_restarted),
    "kill MariaDB": ("mariadb", Strikes.mariadb_killed),
    "freeze MariaDB": ("mariadb", Strikes.mariadb_frozen),
    "fill the disk": ("disk", Strikes.disk_full),
    "fill the disk again": ("disk", Strikes.disk_full),
    "let OSS fail": ("oss", Strikes.oss_fails),
    "let OSS fail again": ("oss", Strikes.oss_fails),
    "break aggregation.yaml": ("yaml", Strikes.yaml_broken),
}
