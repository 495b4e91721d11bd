"""`oss`: uploads to the OSS server of the tests, compared with `put_object` of oss2."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from aggregation_pipeline_tests.support.servers.oss import OssServer
from benchmarks.data import Source
from benchmarks.judging import Result, Target
from benchmarks.measuring import Contender, Sample, compare, probe
from benchmarks.registry import Plan

_SMALL: Final = (64 << 10, 300)
_LARGE: Final = (100 << 20, 1)
# Roughly a connection over the internet. Without a limit, parallel parts would only measure the machine's cores.
_BYTES_PER_SECOND: Final = 20 << 20


def run(source: Source, plan: Plan, report: Callable[[str], None]) -> list[Result]:
    """Upload many small files at the machine's own speed, and a large file at the speed of a connection."""
    measure = partial(compare, paired=True, rounds=plan.rounds_of(7), report=report)
    with OssServer.start() as server:
        small = measure("upload 300 x 64 KiB", _contenders(server, source.folder, *_SMALL, Target("ratio", 1.0)))
        server.bytes_per_second = _BYTES_PER_SECOND
        # What is to be short is the wait, so the clock counts.
        large = measure("upload 100 MiB", _contenders(server, source.folder, *_LARGE, Target("wall_ratio", 0.8)))
    return small + large


def _contenders(server: OssServer, folder: Path, size: int, times: int, target: Target) -> list[Contender]:
    path = folder / f"upload-{size}"
    path.write_bytes(bytes(range(256)) * (size // 256))
    given: dict[str, Any] = {"endpoint": f"http://127.0.0.1:{server.port}", "path": str(path), "times": times}

    def emptied(measure: Callable[[], Sample]) -> Callable[[], Sample]:
        def measured() -> Sample:
            with _emptied(server):
                return measure()

        return measured

    return [
        Contender("oss2 put_object", emptied(probe("uploads:plain_put", **given))),
        Contender("ours, put", emptied(probe("uploads:store_put", **given)), targets=(target,), is_ours=True),
    ]


@contextmanager
def _emptied(server: OssServer) -> Iterator[None]:
    """Empty the server before each measurement: it keeps objects in memory."""
    pace = server.bytes_per_second
    server.reset()
    server.bytes_per_second = pace
    yield
