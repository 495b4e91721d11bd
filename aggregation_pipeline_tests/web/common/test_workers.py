"""Work that waits for a server takes a few threads and no more, and requests that wait for runs take none."""

import asyncio
import threading
import time
from collections.abc import Collection

import pytest

from aggregation_pipeline.errors import NotReadyError
from aggregation_pipeline.web.aggregate.run_watch import RunWatch
from aggregation_pipeline.web.common.workers import Workers


def test_results_and_errors_are_those_of_the_work():
    async def work() -> None:
        workers = Workers("a server", threads=1, seconds=10, refuse=NotReadyError)
        assert await workers.run(threading.get_ident) != threading.get_ident()
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 // 0)

    asyncio.run(work())


@pytest.mark.slow
def test_while_a_server_is_frozen_no_more_threads_wait_than_there_are_workers():
    async def work() -> None:
        thaw, begun = threading.Event(), []

        def ask() -> bool:
            begun.append(threading.current_thread())
            return thaw.wait(60)

        workers = Workers("a server", threads=2, seconds=1, refuse=NotReadyError)
        try:
            answers = await asyncio.gather(*(workers.run(ask) for _ in range(50)), return_exceptions=True)
            assert {type(answer) for answer in answers} == {NotReadyError}
            assert len(begun) == 2, "those who found none free have not begun"
            many = await asyncio.gather(*(workers.run(ask) for _ in range(70)), return_exceptions=True)
            assert sum("Too many requests wait" in str(answer) for answer in many) == 70 - 64
            with pytest.raises(NotReadyError, match="a server took longer than 1 s"):
                await workers.run(ask)
        finally:
            thaw.set()
        for thread in begun:
            thread.join(10)
        assert await workers.run(ask) is True

    asyncio.run(work())


@pytest.mark.slow
def test_however_many_wait_for_runs_there_is_one_question_a_second():
    async def work() -> None:
        asked: list[Collection[str]] = []

        async def ended(run_ids: Collection[str]) -> Collection[str]:
            asked.append(run_ids)
            if len(asked) == 1:
                raise NotReadyError("PostgreSQL is away")
            return {"a", "b"} if len(asked) > 2 else {"a"}

        watch = RunWatch(ended)
        begun = time.monotonic()
        late = asyncio.create_task(watch.until_over(["c"], 3))
        await asyncio.gather(*(watch.until_over(["a", "b"], 60) for _ in range(200)))
        assert asked[:3] == [{"a", "b", "c"}] * 2 + [{"b", "c"}]
        assert not late.done()
        await late
        assert time.monotonic() - begun >= 3
        count = len(asked)
        assert count < 10
        await asyncio.sleep(1.5)
        assert len(asked) <= count + 1, "nobody waits, so nobody is asked"

    asyncio.run(work())
