"""What has to be true after the storm: of runs, rows and windows, and of what processes leave behind."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from aggregation_pipeline.alerts import outbox
from aggregation_pipeline.postgres.engine import create_engine
from aggregation_pipeline.storage.expiry import RetentionRule
from aggregation_pipeline.storage.keys import MANIFEST, latest_key, manifest_key, mark_key
from aggregation_pipeline.storage.lock_protocol import NoLock
from aggregation_pipeline.storage.manifest import Manifest
from aggregation_pipeline.storage.published import fetch_window, load_latest, load_manifest, published_windows
from aggregation_pipeline.storage.retention import apply_retention
from aggregation_pipeline.storage.stable_names import find_wrong_names, stable_names_of
from aggregation_pipeline_tests.storm.bank import DAYS
from aggregation_pipeline_tests.storm.people import COMMAND
from aggregation_pipeline_tests.storm.readers import TABLES, check_files, parsed
from aggregation_pipeline_tests.storm.runs import Seen, Watch
from aggregation_pipeline_tests.storm.scene import DEPLOYMENT, Scene
from aggregation_pipeline_tests.storm.strikes import BROKEN
from aggregation_pipeline_tests.support.waiting import until

# So many seconds after the end of its run, or of the storm, a row has to be right.
ROW_SECONDS: Final = 80
# Queued runs are executed one after the other, and a run that was lost at its start is found after 90 s.
QUIET_SECONDS: Final = 420
_HELD_SLOTS: Final = sa.text("SELECT run_id || ' ' || step_key FROM concurrency_slots WHERE run_id IS NOT NULL")
_LEFT_WAITING: Final = sa.text("SELECT count(*) FROM pending_steps")
_LOCKS: Final = sa.text(
    "SELECT coalesce(application_name, '?') FROM pg_locks JOIN pg_stat_activity USING (pid)"
    " WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
)
_SESSIONS: Final = sa.text(
    "SELECT application_name || ' ' || state FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'aggregation%'"
)
_STARTED_AGAIN: Final = sa.text("SELECT run_id FROM run_tags WHERE key = 'dagster/will_retry' AND value = 'true'")
_UNTOLD: Final = sa.text(
    "SELECT count(*) FROM aggregation_alerts.deliveries WHERE delivered_at IS NULL AND moved_at IS NULL"
)
_TOLD: Final = sa.text("SELECT count(*) FROM aggregation_alerts.deliveries")


@dataclass
class Books:
    """Each method proves one thing, or fails and says what is wrong."""

    scene: Scene
    watch: Watch
    healed: float

    @contextmanager
    def _database(self) -> Iterator[sa.Connection]:
        engine = create_engine(self.watch.url, application_name="storm books")
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def _asked(self, query: sa.TextClause) -> list[Any]:
        with self._database() as connection:
            return list(connection.execute(query).scalars())

    def every_run_ends(self) -> None:
        """No run stays queued or started for ever."""

        def open_runs() -> list[tuple[str, str]]:
            return [(each.run_id, each.status) for each in self.watch.seen.values() if each.over_since is None]

        since = self.watch.looks + 2
        until("a look at all runs", lambda: self.watch.looks > since, 60)
        until(
            "the end of all runs",
            lambda: not open_runs(),
            QUIET_SECONDS,
            said=lambda: f"{open_runs()}\n{self.scene.dev.log()[-3000:]}",
        )

    def every_run_has_its_row(self) -> None:
        """Every run has one row in batch_jobs, which was right soon."""

        def due() -> list[Seen]:
            return [each for each in self.watch.ours() if each.right is None and not _never_began(each)]

        until("every row", lambda: not due(), ROW_SECONDS, said=lambda: str(due()))
        waited = {
            each.run_id: round(each.right - self._since(each), 1)
            for each in self.watch.ours()
            if each.right is not None
        }
        print(f"rows were right after {max(waited.values(), default=0.0)} s at most")
        late = {run_id: seconds for run_id, seconds in waited.items() if seconds > ROW_SECONDS}
        assert not late, f"rows that were right too late: {late}"
        # A run that was made and deleted between two looks was never seen.
        unknown = self.watch.rows_without_run - {each.run_id for each in self.watch.ours()}
        assert len(unknown) <= 1, unknown
        open_rows = self._asked(sa.text("SELECT id::text FROM batch_jobs WHERE status IN ('pending', 'in_progress')"))
        assert not open_rows, f"rows that stay open: {open_rows}"
        twice = self._asked(
            sa.text("SELECT metadata -> 'dagster' ->> 'run_id' FROM batch_jobs GROUP BY 1 HAVING count(*) > 1")
        )
        assert not twice

    def _since(self, run: Seen) -> float:
        assert run.over_since is not None
        return max(run.over_since, self.healed)

    def every_window_is_of_one_moment_of_the_source(self) -> dict[tuple[str, str], Manifest]:
        """Compare each published window with the ledger; return the manifests."""
        store, wrong, found = self.scene.store, list[str](), dict[tuple[str, str], Manifest]()
        for table, window in published_windows(store, ""):
            manifest = load_manifest(store, "", table, window)
            assert manifest is not None
            found[table, window] = manifest
            with tempfile.TemporaryDirectory() as folder:
                paths = fetch_window(store, manifest, Path(folder))
                contents = {file.name: path.read_bytes() for file, path in zip(manifest.files, paths, strict=True)}
            wrong += check_files(manifest, contents)
            if table != "archive":
                wrong += self._against_the_ledger(manifest, parsed("x.json", contents[f"{table}.json"]))
        assert not wrong, "\n".join(wrong)
        return found

    def _against_the_ledger(self, manifest: Manifest, window: Any) -> list[str]:
        bank, table = self.scene.bank, manifest.table
        if table == "accounts":
            right = bank.accounts_at(int(window["summary"][0]["seen"] or 0))
            same = {int(row["id"]): (_number(row["balance"]), int(row["moves"])) for row in window["detail"]} == right
        else:
            rows = [
                (int(row["id"]), int(row["sender"]), int(row["receiver"]), _number(row["amount"]))
                for row in window["detail"]
            ]
            same = rows == bank.ledger(bank.newest(), manifest.window)[: len(rows)]
        return [] if same else [f"{table} {manifest.window}: at no moment did the source hold this"]

    def one_more_run_of_everything_says_what_the_source_says(self) -> None:
        """Without transfers and faults, another run of all tables publishes exactly what the source holds."""
        self.scene.bank.close()
        for words in (
            ["backfill", "--table", "moves", "--from", DAYS[0], "--to", DAYS[-1]],
            ["run", "--tables", "accounts,archive"],
        ):
            done = subprocess.run(
                [*COMMAND, *words],
                env=dict(self.scene.dev.environment), cwd=self.scene.dev.folder,
                capture_output=True, text=True, timeout=300, check=False,
            )  # fmt: skip
            assert done.returncode == 0, done.stdout + done.stderr
        found = self.every_window_is_of_one_moment_of_the_source()
        newest = self.scene.bank.newest()
        for day in DAYS:
            assert _rows(found["moves", day]) == len(self.scene.bank.ledger(newest, day)), (
                f"{day} is not what the source holds"
            )
        last = max(window for table, window in found if table == "accounts")
        manifest = found["accounts", last]
        with tempfile.TemporaryDirectory() as folder:
            paths = dict(
                zip(
                    (file.name for file in manifest.files),
                    fetch_window(self.scene.store, manifest, Path(folder)),
                    strict=True,
                )
            )
            assert parsed("x.json", paths["accounts.json"].read_bytes())["summary"][0]["seen"] == newest
        for table in TABLES:
            latest = load_latest(self.scene.store, "", table)
            assert latest is not None
            assert latest.window == max(window for name, window in found if name == table)
        for manifest in found.values():
            assert not find_wrong_names(self.scene.store, "", manifest, "copy")

    def nothing_is_held_by_the_dead(self) -> None:
        """No dead process holds a slot of a pool, or a session at MariaDB."""
        until("free slots", lambda: not self._asked(_HELD_SLOTS), 120, said=lambda: str(self._asked(_HELD_SLOTS)))
        until("no step that waits for a slot", lambda: self._asked(_LEFT_WAITING) == [0], 60)
        until(
            "no session of ours at MariaDB",
            lambda: not self.scene.bank.sessions(),
            60,
            said=lambda: str(self.scene.bank.sessions()),
        )

    def every_failure_was_told_of_and_not_too_often(self) -> None:
        """Each failed run has an incident, and each message was delivered, hardly any twice."""
        # A run that was started again has its incident by the new run.
        again = set(self._asked(_STARTED_AGAIN))
        failed = {
            each.run_id for each in self.watch.ours() if each.status == "FAILURE" and each.deleted is None
        } - again
        with self._database() as connection:

            def untold() -> set[str]:
                return failed - outbox.runs_with_incidents(connection, DEPLOYMENT, failed)

            until("every incident", lambda: not untold(), 90, said=lambda: str(untold()))
        until("every message", lambda: self._asked(_UNTOLD) == [0], 150)
        (messages,) = self._asked(_TOLD)
        assert not failed or messages
        # A message that was sent just before the daemon was killed may be sent again.
        assert messages <= len(self.scene.sink.received) <= messages + 10

    def nothing_is_left_when_the_services_have_stopped(self) -> None:
        """No process, lock, session, upload or temporary file is left."""
        self.scene.dev.stop()
        until("the end of all processes", lambda: not self.scene.family(), 60, said=lambda: str(self.scene.family()))
        until("no lock", lambda: not self._asked(_LOCKS), 30, said=lambda: str(self._asked(_LOCKS)))
        until("no session of ours", lambda: not self._asked(_SESSIONS), 30, said=lambda: str(self._asked(_SESSIONS)))
        uploads = self.scene.oss.bucket.uploads if self.scene.oss else {}
        assert not uploads, f"uploads in parts that nobody ends: {uploads}"
        temp = self.scene.disk / "temp"
        # Each text that a code server has loaded is kept for a while, for workers that outlive it.
        kept = [path for path in temp.rglob("*") if path.parent.name == "loaded"]
        assert len(kept) <= 1 + len(BROKEN), kept
        left = [
            path
            for path in temp.rglob("*")
            if path not in kept and (path.is_file() or path.parent.name.startswith("window-"))
        ]
        assert not left, f"left in TEMP_DIR: {left}"
        # Dagster's own killed processes leave files there whose names begin with tmp.
        left = [path for path in (self.scene.folder / "tmp").iterdir() if not path.name.startswith("tmp")]
        assert not left, f"left in the folder for temporary files: {left}"

    def retention_takes_all_that_no_manifest_names(self) -> None:
        """Three days later retention deletes what dead runs left and what was replaced, and nothing else."""
        store = self.scene.store
        swept = apply_retention(
            store,
            "",
            [RetentionRule("accounts", keep_last=3), RetentionRule("moves"), RetentionRule("archive", keep_last=2)],
            now=datetime.now(UTC) + timedelta(days=3),
            keep_extracts=timedelta(days=365),
            lock=lambda _table, _window: NoLock().reacquire(),
            is_active=lambda _: False,
            report=lambda _: None,
            dry_run=False,
        )
        assert not swept.problems
        wanted = {latest_key("", table) for table in TABLES}
        for table, window in published_windows(store, ""):
            manifest = load_manifest(store, "", table, window)
            assert manifest is not None
            wanted |= manifest.keys | set(stable_names_of("", manifest, "copy")) | {manifest_key("", table, window)}
            for publication in {manifest.publication} | {key.split("/")[-2] for key in manifest.keys}:
                wanted |= {
                    manifest_key("", table, window, publication=publication),
                    mark_key("", table, window, publication),
                }
            latest = load_latest(store, "", table)
            wanted |= {f"{table}/latest/{name}" for name in latest.names} if latest else set()
        there = {stored.key for stored in store.list("")}
        assert there - wanted == set(), "what nobody names is still there"
        half = [
            path for path in (self.scene.disk / "exports").rglob("*") if path.is_file() and path.name.startswith(".")
        ]
        assert not half, "half-written files"
        named = {key for key in wanted if not key.endswith((MANIFEST, "publication.json"))}
        assert named - there == set(), "what is named is not there any more"


def _never_began(run: Seen) -> bool:
    """Return whether a run was deleted while it waited, before a sensor saw it: then it gets no row."""
    return (
        run.deleted is not None and run.row is None and run.status in {"NOT_STARTED", "QUEUED", "STARTING", "CANCELED"}
    )


def _rows(manifest: Manifest) -> int:
    return next(dataset.rows for dataset in manifest.datasets if dataset.name == "detail")


def _number(cell: Any) -> Decimal:
    return Decimal(str(cell))
