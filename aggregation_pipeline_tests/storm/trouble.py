"""Whoever makes trouble: a schedule made by chance from a seed, printed, so that a storm can be repeated as far as
machines allow.
"""

import os
import random
import signal
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

from aggregation_pipeline_tests.storm.bank import CONFIG
from aggregation_pipeline_tests.storm.scene import Scene

BROKEN: Final = (
    "tables: [",
    CONFIG.replace("field: balance", "field: balanse, feild: x"),
    CONFIG + "output_formats: [csv]\n",
)
# How long trouble holds off, at most, until a run is executed again.
LULL_SECONDS: Final = 40
OSS_FAULTS: Final = ("status", "reset", "hang", "cut_up", "cut_down", "lost_reply", "damage_up", "damage_down", "slow")
# Machines with all processors busy take minutes to start the services.
PATIENCE_SECONDS: Final = 420
_ENTRY: Final = "locationOrLoadError { __typename }"
_RELOAD: Final = (
    'mutation { reloadRepositoryLocation(repositoryLocationName: "aggregation_pipeline") {'
    f" __typename ... on WorkspaceLocationEntry {{ {_ENTRY} }} }} }}"
)
_LOADED: Final = f"{{ workspaceOrError {{ ... on Workspace {{ locationEntries {{ {_ENTRY} }} }} }} }}"


@dataclass(frozen=True)
class Blow:
    """One piece of trouble: so many seconds after the one before, for so long; `pick` chooses whom it hits."""

    pause: float
    what: str
    seconds: float
    pick: int


def blows(seed: int, *, oss: bool) -> Iterator[Blow]:
    """The storm of this seed, without end. Every kind comes once before any comes again."""
    chance = random.Random(seed)
    kinds = [what for what, (part, _) in KINDS.items() if oss or part != "oss"]
    while True:
        for what in chance.sample(kinds, len(kinds)):
            yield Blow(round(chance.uniform(2, 9), 1), what, round(chance.uniform(3, 18), 1), chance.randrange(1000))


@dataclass
class Trouble:
    """`struck` counts what was done, by kind; `missed` what found nobody to hit, or a part that was down already."""

    scene: Scene
    seed: int
    struck: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    killed: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _parts: dict[str, threading.Lock] = field(
        default_factory=lambda: {part: threading.Lock() for part, _ in KINDS.values()}
    )
    _threads: list[threading.Thread] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)

    def rage(self, seconds: float) -> None:
        """Make trouble for so long; return when all is healed: each server answers, the services are up, the disk has
        room.
        """
        end = time.monotonic() + seconds
        for blow in blows(self.seed, oss=self.scene.oss is not None):
            time.sleep(blow.pause)
            self._wait_for_work()
            if time.monotonic() > end or self._errors:
                break
            print(f"{end - time.monotonic():6.1f} s left: {blow.what} ({blow.seconds} s, {blow.pick})", flush=True)
            thread = threading.Thread(target=self._strike, args=(blow,), name=blow.what, daemon=True)
            thread.start()
            self._threads.append(thread)
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS + 60)
            assert not thread.is_alive(), f"{thread.name} was never healed"
        if self._errors:
            raise self._errors[0]

    def _wait_for_work(self) -> None:
        """Where nobody is at work nothing can be hurt: what was struck before is still coming up."""
        end = time.monotonic() + LULL_SECONDS
        while not self.scene.workers() and time.monotonic() < end:
            time.sleep(0.2)

    def _strike(self, blow: Blow) -> None:
        part, strike = KINDS[blow.what]
        if part and not self._parts[part].acquire(timeout=20):
            self.missed[blow.what] += 1
            return
        try:
            hit = strike(self, blow)
        except BaseException as error:  # noqa: BLE001  for the test to raise
            traceback.print_exception(error)
            self._errors.append(error)
        else:
            (self.struck if hit else self.missed)[blow.what] += 1
        finally:
            if part:
                self._parts[part].release()

    def _hold(self, seconds: float) -> None:
        self._over.wait(seconds)

    def _kill(self, processes: list[psutil.Process], blow: Blow) -> bool:
        if not processes:
            return False
        process = sorted(processes, key=lambda each: each.pid)[blow.pick % len(processes)]
        with suppress(psutil.NoSuchProcess):
            process.kill()
            self.killed += 1
        return True

    def worker(self, blow: Blow) -> bool:
        return self._kill(self.scene.workers(), blow)

    def publisher(self, blow: Blow) -> bool:
        """A worker in the middle of a publication: a file is half written, or a mark stands and its manifest does
        not.
        """
        end = time.monotonic() + blow.seconds
        while time.monotonic() < end:
            if any(_publishes(self.scene)):
                return self._kill(self.scene.workers(), blow)
            time.sleep(0.005)
        return False

    def everything(self, blow: Blow) -> bool:
        self.scene.pull_the_plug()
        self._hold(blow.seconds / 3)
        self.scene.dev.start(seconds=PATIENCE_SECONDS)
        return True

    def supervisor(self, blow: Blow) -> bool:
        """The supervisor alone: what it had started ends by itself, beside what the next one starts.

        In a storm of a chosen length only, as `make soak` is: a code server was once seen that had not ended a minute
        after the storm.
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
        self.scene.stop_postgres()
        self._hold(blow.seconds / 2)
        self.scene.restart_postgres()
        return True

    def postgres_session_killed(self, blow: Blow) -> bool:
        """One session is killed, and the server ends all others, for what they share may be spoilt."""
        hit = self._kill(self.scene.postgres_family()[1:], blow)
        end = time.monotonic() + 30
        while not self.scene.postgres.answers() and time.monotonic() < end:
            time.sleep(0.2)
        return hit

    def mariadb_restarted(self, blow: Blow) -> bool:
        self.scene.bank.restart(kill=False, seconds=blow.seconds / 3)
        return True

    def mariadb_killed(self, blow: Blow) -> bool:
        self.scene.bank.restart(kill=True, seconds=blow.seconds / 3)
        return True

    def mariadb_frozen(self, blow: Blow) -> bool:
        pid = self.scene.bank.server.child.pid
        os.kill(pid, signal.SIGSTOP)
        self._hold(blow.seconds)
        os.kill(pid, signal.SIGCONT)
        return True

    def disk_full(self, blow: Blow) -> bool:
        """Somebody else's file takes all room but a few thousand bytes, so that writers come to different places."""
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
        """Whatever a network or OSS does on a bad day, to all requests or each third, for a while."""
        assert self.scene.oss is not None
        kind = OSS_FAULTS[blow.pick % len(OSS_FAULTS)]
        fault = self.scene.oss.fail(kind, times=10**9 if blow.pick % 3 else 20, at=200, seconds=5)
        self._hold(blow.seconds)
        fault.times = 0
        return True

    def yaml_broken(self, blow: Blow) -> bool:
        self.scene.config.write_text(BROKEN[blow.pick % len(BROKEN)], encoding="utf-8")
        try:
            if blow.pick % 2:
                self._reload()
            self._hold(blow.seconds)
        finally:
            self.scene.config.write_text(CONFIG, encoding="utf-8")
        # Whoever has mended the file lets it be read again, waits for that for a while, and presses the button once
        # more.
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
        """Press the button; whether the code was loaded."""
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


def _service(*words: str) -> Callable[[Trouble, Blow], bool]:
    def strike(trouble: Trouble, blow: Blow) -> bool:
        found = []
        for process in trouble.scene.family():
            with suppress(psutil.Error):
                if {*words} <= {*process.cmdline()}:
                    found.append(process)
        return trouble._kill(found, blow)

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


# What is down must not be hit by the next blow as well before it is up again: kinds with the same part wait for each
# other.
KINDS: Final[dict[str, tuple[str, Callable[[Trouble, Blow], bool]]]] = {
    "kill a worker": ("", Trouble.worker),
    "kill another worker": ("", Trouble.worker),
    "kill a publisher": ("", Trouble.publisher),
    "kill another publisher": ("", Trouble.publisher),
    "kill the inner code server": ("services", _service("api", "grpc")),
    "kill the code server": ("services", _service("code-server", "start")),
    "kill the daemon": ("services", _service("dagster._daemon", "run")),
    "kill the web process": ("services", _service("aggregation_pipeline.web")),
    "kill the supervisor": ("services", Trouble.supervisor),
    "kill everything": ("services", Trouble.everything),
    "freeze PostgreSQL": ("postgres", Trouble.postgres_frozen),
    "crash PostgreSQL": ("postgres", Trouble.postgres_crashed),
    "kill a session of PostgreSQL": ("postgres", Trouble.postgres_session_killed),
    "restart MariaDB": ("mariadb", Trouble.mariadb_restarted),
    "kill MariaDB": ("mariadb", Trouble.mariadb_killed),
    "freeze MariaDB": ("mariadb", Trouble.mariadb_frozen),
    "fill the disk": ("disk", Trouble.disk_full),
    "fill the disk again": ("disk", Trouble.disk_full),
    "let OSS fail": ("oss", Trouble.oss_fails),
    "let OSS fail again": ("oss", Trouble.oss_fails),
    "break aggregation.yaml": ("yaml", Trouble.yaml_broken),
}
