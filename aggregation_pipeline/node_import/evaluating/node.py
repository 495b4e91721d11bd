"""The user's own Node.js: finds it, and lets it run files of a project with as few rights as it can be given.

Where there is none, V8 of the extra `import` takes its place: `racer.py`.

Node's permission flags deny writing, reading elsewhere, programs and threads. They do not deny the network before
version 25: where Linux lets us, the process gets a network of its own without any device.
"""

import functools
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from aggregation_pipeline.errors import ImportNodeError
from aggregation_pipeline.node_import.evaluating.racer import MEMORY_MIB, find_racer

_EVALUATOR, _SANDBOX = (Path(__file__).with_name(name) for name in ("evaluate.cjs", "sandbox.cjs"))
_OLDEST: Final = 20
# From here on the flag has left its trial, in the line of releases that has long support and in the next one.
_PERMISSION: Final = ((22, 13), (23, 5))
_PROCESS_MIB: Final = 1024
_MOST_ANSWERED: Final = 16 * 2**20
SECONDS: Final = 20.0
ONE_LINER: Final = "node -e \"console.log(JSON.stringify(require('./config/aggregation.js')))\""
ASK_FOR_JSON: Final = (
    f"Print the rules as JSON where the service runs, such as: {ONE_LINER} > rules.json; then add --rules rules.json"
)
# Packages that a service talks to the world with, or that start it. Rules need none of them.
SERVICE_PACKAGES: Final = (
    *("mysql2", "mysql", "pg", "express", "koa", "fastify", "node-cron", "cron", "node-schedule", "ali-oss", "winston"),
    *("winston-daily-rotate-file", "pino", "morgan", "helmet", "cors", "compression", "@supabase/supabase-js", "redis"),
    *("ioredis", "axios", "node-fetch", "got", "nodemailer", "ws", "socket.io", "exceljs", "xlsx", "csv-writer"),
    *("json2csv", "@json2csv/node", "dotenv", "sequelize", "knex", "typeorm", "archiver", "sharp"),
)


class Engine(Protocol):
    """What runs the project's code, in a process that can be ended."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def command(self, root: Path, descriptor: int) -> Sequence[str]:
        """The program that answers on the descriptor."""

    def needs(self, root: Path) -> Mapping[str, Any]:
        """What it is told besides what was asked."""


@dataclass(frozen=True)
class Node:
    """A Node.js that can be used.

    Attributes:
        wrapper: a command that takes the network away, or nothing where there is none.
    """

    program: str
    version: tuple[int, int]
    wrapper: Sequence[str]
    name: str = "Node"

    def command(self, root: Path, descriptor: int) -> Sequence[str]:
        """Node with our loader, which may read the project."""
        allowed = [f"--allow-fs-read={path}" for path in (_EVALUATOR, _SANDBOX, f"{root}/*")]
        return [*self.wrapper, self.program, *self.flags, *allowed, str(_EVALUATOR), str(descriptor)]

    def needs(self, _root: Path) -> Mapping[str, Any]:
        """Nothing: it reads the project itself."""
        return {}

    @property
    def flags(self) -> list[str]:
        """The flags that deny what rules do not need."""
        long_term, current = _PERMISSION
        settled = self.version >= current or (self.version[0] == long_term[0] and self.version >= long_term)
        return [
            "--permission" if settled else "--experimental-permission",
            "--experimental-vm-modules",
            "--no-warnings",
            "--disable-proto=throw",
            f"--max-old-space-size={MEMORY_MIB}",
        ]


@dataclass(frozen=True)
class Question:
    """A file to run: whether Node reads it as an ES module, and the object literals that may be rules."""

    path: Path
    is_module: bool
    literals: Sequence[str]


def find_engine() -> Engine:
    """The Node.js on the PATH, else V8 of the extra `import`.

    Raises:
        ImportNodeError: there is neither.
    """
    try:
        return find_node()
    except ImportNodeError as error:
        if (racer := find_racer()) is not None:
            return racer
        raise ImportNodeError(f"{error}. Or pip install mini-racer, which can run rules without ES modules") from None


@functools.cache
def find_node() -> Node:
    """The Node.js on the PATH.

    Raises:
        ImportNodeError: there is none, or it is too old to be denied anything.
    """
    program = shutil.which("node") or shutil.which("nodejs")
    if program is None:
        raise ImportNodeError(
            f"There is no node on the PATH, which would have to run the project's code. {ASK_FOR_JSON}"
        )
    try:
        asked = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        raise ImportNodeError(f"{program} --version gives no answer. {ASK_FOR_JSON}") from None
    found = re.match(r"v(\d+)\.(\d+)", asked.stdout)
    if found is None or int(found[1]) < _OLDEST:
        version = asked.stdout.strip()[:20] or "unknown"
        raise ImportNodeError(
            f"{program} is version {version}. From {_OLDEST} on Node can be denied to write and to start programs, and"
            f" without that this command does not run the project's code. {ASK_FOR_JSON}"
        )
    return Node(program, (int(found[1]), int(found[2])), _without_network())


def evaluate(
    engine: Engine, root: Path, questions: Sequence[Question], env: Mapping[str, str], now: float
) -> list[dict[str, Any]]:
    """Run the files; what each holds, in their order. `now` is the time that the code sees, in seconds.

    Raises:
        ImportNodeError: the code does not end, takes too much memory, or prints too much.
    """
    asked = {
        "root": str(root),
        "now": int(now * 1000),
        "env": dict(env),
        "service": SERVICE_PACKAGES,
        "files": [{"path": str(each.path), "esm": each.is_module, "literals": each.literals} for each in questions],
        **engine.needs(root),
    }
    lines, status, in_time = _run(engine, root, json.dumps(asked).encode())
    answers: list[dict[str, Any]] = []
    at = ""
    for line in lines.splitlines():
        try:
            answer = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if "loading" in answer:
            at = os.path.relpath(str(answer["loading"]), root)
        elif "failed" in answer:
            name = answer["failed"].get("name")
            raise ImportNodeError(f"{at or root}: {engine.name} could not run the project ({name})")
        elif answer.get("done"):
            return answers
        elif "file" in answer:
            answers.append(answer)
    if len(lines) >= _MOST_ANSWERED:
        why = f"its rules are larger than {_MOST_ANSWERED // 2**20} MiB"
    elif not in_time:
        why = f"it did not end within {SECONDS:.0f} seconds"
    else:
        why = f"{engine.name} ended with status {status}; it may have run out of its {MEMORY_MIB} MiB of memory"
    raise ImportNodeError(f"{at or root} cannot be evaluated: {why}. {ASK_FOR_JSON}")


def _run(engine: Engine, root: Path, asked: bytes) -> tuple[bytes, int, bool]:
    """What the engine wrote, its exit status, and whether it ended in time."""
    # On a descriptor of its own: nothing that the project prints is taken for the answer.
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answers:
        try:
            process = subprocess.Popen(
                engine.command(root, writing),
                cwd=root,
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[writing],
                start_new_session=True,
            )
        finally:
            os.close(writing)
        timed_out = threading.Event()
        timer = threading.Timer(SECONDS, _end_late, (process, timed_out))
        timer.start()
        try:
            _limit(process.pid)
            if process.stdin is None:
                raise ImportNodeError(f"{engine.name} cannot be given the project")
            try:
                process.stdin.write(asked)
                process.stdin.close()
            except BrokenPipeError:
                pass
            answered = answers.read(_MOST_ANSWERED)
            if len(answered) >= _MOST_ANSWERED:
                _kill(process)
            return answered, process.wait(), not timed_out.is_set()
        finally:
            timer.cancel()
            _kill(process)
            process.wait()


def _end_late(process: "subprocess.Popen[bytes]", timed_out: threading.Event) -> None:
    timed_out.set()
    _kill(process)


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End the process and whatever it may have started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _limit(pid: int) -> None:
    """Bound memory outside of the heap, and time of the processor, where the system can do that to a child."""
    if not hasattr(resource, "prlimit"):
        return
    for which, limit in ((resource.RLIMIT_DATA, _PROCESS_MIB * 2**20), (resource.RLIMIT_CPU, int(SECONDS) * 2)):
        try:
            resource.prlimit(pid, which, (limit, limit))
        except (OSError, ValueError):
            continue


def _without_network() -> list[str]:
    """A command in front of another one that leaves it no network; empty where the system has none."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return []
    command = [unshare, "--map-root-user", "--net", "--"]
    try:
        works = subprocess.run([*command, "true"], capture_output=True, timeout=SECONDS, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return []
    return command if works else []
