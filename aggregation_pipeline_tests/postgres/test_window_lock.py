"""Two runs never write the same window at once, and a dead one never blocks the living."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
import sqlalchemy as sa

from aggregation_pipeline.errors import LockError
from aggregation_pipeline.postgres.advisory_lock import AdvisoryLock, lock_key
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.postgres.window_lock import window_lock
from aggregation_pipeline_tests.support.servers.fence import take_lock_away
from aggregation_pipeline_tests.support.waiting import until

HOLDER = """
import sys
from aggregation_pipeline.postgres.window_lock import window_lock
with window_lock(sys.argv[1], "shop", "orders", "2026-11-20", holder="aggregation run 1a2b3c4d", on_wait=print):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def other_process(url: str):
    """A process that holds the lock on shop/orders/2026-11-20 until it dies or its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def nobody_expected(words: str):
    raise AssertionError(words)


def test_a_second_process_waits_learns_for_whom_and_continues_when_the_holder_is_killed(postgres: Any):
    said = []
    with other_process(postgres.url) as holder:

        def kill_the_holder(words: str):
            said.append(words)
            os.kill(holder.pid, signal.SIGKILL)

        with window_lock(
            postgres.url,
            "shop",
            "orders",
            "2026-11-20",
            holder="aggregation run 5e6f7a8b",
            on_wait=kill_the_holder,
            poll=0.1,
        ) as lock:
            lock.assert_held()
            assert holder.wait(10) == -signal.SIGKILL
    assert said[0].startswith(
        "Waiting for table orders, window 2026-11-20: it is held by aggregation run 1a2b3c4d (PostgreSQL process "
    )


def test_another_window_can_be_held_too_for_a_while(postgres: Any):
    said: list[str] = []

    def hold(window: str, seen: list[str]) -> None:
        with window_lock(postgres.url, "shop", "orders", window, holder="another run", on_wait=seen.append, poll=0.05):
            seen.append("held")

    with window_lock(
        postgres.url, "shop", "orders", "2026-11-20", holder="aggregation run 1a2b3c4d", on_wait=nobody_expected
    ) as lock:
        waiting = threading.Thread(target=hold, args=("latest.json", said))
        with lock.hold_also("latest.json"):
            waiting.start()
            until("the other to wait", lambda: said, 10)
            assert said[0].startswith(
                "Waiting for table orders, window latest.json: it is held by aggregation run 1a2b3c4d"
            )
        waiting.join(10)
        assert said[-1] == "held"
        # The first is held all the same.
        lock.assert_held()
        others: list[str] = []
        waiting = threading.Thread(target=hold, args=("2026-11-20", others))
        waiting.start()
        until("the other to wait", lambda: others, 10)
    waiting.join(10)
    assert (len(others), others[-1]) == (2, "held")


def test_other_windows_tables_and_prefixes_are_free_meanwhile(postgres: Any):
    with contextlib.ExitStack() as stack:
        for prefix, table, window in [
            ("shop", "orders", "1"),
            ("shop", "orders", "2"),
            ("shop", "users", "1"),
            ("", "orders", "1"),
            ("shop", "订单", "1"),
        ]:
            stack.enter_context(
                window_lock(postgres.url, prefix, table, window, holder="aggregation test", on_wait=nobody_expected)
            )


def test_the_lock_is_free_again_after_the_body_and_after_an_error_in_it(postgres: Any):
    for _ in range(2):
        with (
            contextlib.suppress(ZeroDivisionError),
            window_lock(postgres.url, "shop", "orders", "again", holder="aggregation test", on_wait=nobody_expected),
        ):
            raise ZeroDivisionError


def test_a_lock_whose_session_was_ended_by_the_server_says_so(postgres: Any):
    engine = create_engine(postgres.url, application_name="aggregation test")
    with window_lock(
        engine, "shop", "orders", "lost", holder="aggregation run 1a2b3c4d", on_wait=nobody_expected
    ) as lock:
        lock.assert_held()
        with engine.connect() as connection:
            killed = connection.execute(
                sa.text(
                    "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE application_name LIKE '%"
                    " 1a2b3c4d'"
                )
            )
            assert killed.scalar_one() == 1
        for _ in range(2):
            with pytest.raises(
                LockError,
                match=(
                    r"The lock on table orders, window lost was lost: the PostgreSQL session that held it ended.*run it"
                    r" again"
                ),
            ):
                lock.assert_held()


@pytest.mark.parametrize("ended", [True, False])
def test_a_lock_is_taken_again_also_where_its_old_session_is_still_there(postgres: Any, ended: bool):
    engine = create_engine(postgres.url, application_name="test")
    with window_lock(postgres.url, "shop", "orders", "2026-11-20", holder="test", on_wait=print) as lock:
        if ended:
            take_lock_away(engine, "shop", "orders", "2026-11-20")
        # A session of our own that lives on would be waited for without an end.
        with deadline_of(20), lock.reacquire() as held:
            held.assert_held()
            with held.hold_also("latest.json"):
                held.assert_held()
        with pytest.raises(LockError):
            lock.assert_held()
    engine.dispose()


@contextlib.contextmanager
def deadline_of(seconds: int):
    def give_up(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def test_a_waiter_can_be_interrupted(postgres: Any):
    class Cancelled(BaseException):
        pass

    def cancel(_words: str):
        raise Cancelled

    with (
        other_process(postgres.url),
        pytest.raises(Cancelled),
        window_lock(postgres.url, "shop", "orders", "2026-11-20", holder="aggregation test", on_wait=cancel),
    ):
        pass


def test_many_waiters_get_the_lock_one_after_another(postgres: Any):
    inside, most, order = 0, 0, []

    def work(number: int):
        nonlocal inside, most
        with window_lock(
            postgres.url,
            "shop",
            "orders",
            "crowd",
            holder=f"aggregation run {number}",
            on_wait=lambda _words: None,
            poll=0.05,
        ):
            inside += 1
            most = max(most, inside)
            order.append(number)
            time.sleep(0.02)
            inside -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (most, sorted(order)) == (1, list(range(6)))


def test_a_postgresql_that_is_down_is_named(postgres: Any):
    url = sa.make_url(postgres.url).update_query_dict({"port": "1"}).set(port=1).render_as_string(hide_password=False)
    with (
        pytest.raises(
            LockError,
            match=r"lock on table orders, window x cannot be taken: PostgreSQL does not answer .*Check DAGSTER_PG_URL",
        ),
        window_lock(url, "shop", "orders", "x", holder="aggregation test", on_wait=nobody_expected),
    ):
        pass


def test_the_key_of_a_window_never_changes_and_parts_do_not_run_together():
    assert lock_key(AdvisoryLock.WINDOW, "shop", "orders", "2026-11-20") == lock_key(
        AdvisoryLock.WINDOW, "shop", "orders", "2026-11-20"
    )
    assert lock_key(AdvisoryLock.WINDOW, "shop", "orders", "2026-11-20") == LOCK_KEY_OF_TODAY
    assert lock_key(AdvisoryLock.WINDOW, "a", "bc", "d") != lock_key(AdvisoryLock.WINDOW, "ab", "c", "d")
    assert -(2**63) <= lock_key(AdvisoryLock.WINDOW, "", "", "") < 2**63


# Two releases side by side have to agree on it.
LOCK_KEY_OF_TODAY = 7227949954764657409
