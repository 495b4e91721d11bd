"""What fails says what helps, and no piece of a cell: in no event, row, log, alert or answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from aggregation_pipeline.alerts.chat_text import one_line
from aggregation_pipeline.assets import retries
from aggregation_pipeline.cli.main import main
from aggregation_pipeline.errors import PipelineError, SourceError, UnexpectedError
from aggregation_pipeline.export import window as window_module
from aggregation_pipeline.postgres.engine import create_engine, safe_reason
from aggregation_pipeline.runs.redaction import redact_errors, redacted
from aggregation_pipeline.storage.crc64 import crc64_of_file
from aggregation_pipeline_tests.end_to_end.shop_job import row_of, run
from aggregation_pipeline_tests.support.canaries import CELLS, CORES, DIGITS_AMONG_CLOCKS, FUNCTIONS, TABLE, pieces_in
from aggregation_pipeline_tests.support.deployment import Deployment
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.chosen import on
from aggregation_pipeline_tests.support.servers.handles import PostgresServer

ATTACKS = (
    "CAST(v AS SIGNED)",
    "u - n - u",
    "EXTRACTVALUE('<a/>', v)",
    "say_1064(v)",
    "say_2013(v)",
)


@redact_errors
def chained() -> None:
    try:
        pa.array([CELLS[0]]).cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise SourceError("column 'v' holds no number") from error


@redact_errors
def yielding() -> Iterator[int]:
    yield 1
    pa.array([CELLS[0]]).cast(pa.int64())


def test_our_own_errors_pass_alone():
    with pytest.raises(SourceError, match="column 'v' holds no number") as caught:
        chained()
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_whatever_else_is_raised_tells_its_type_and_place_alone():
    with pytest.raises(UnexpectedError, match=r"an unexpected pyarrow.lib.ArrowInvalid\. .*Please report") as caught:
        list(yielding())
    assert pieces_in(repr(caught.value)) == []
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    with pytest.raises(
        UnexpectedError, match=r"FileNotFoundError at storage/crc64.py:\d+ \(crc64_of_file\), No such file"
    ) as missing:
        redact_errors(crc64_of_file)(Path("/", CORES[0]))
    assert pieces_in(repr(missing.value)) == []


def test_an_interrupt_stays_one_and_loses_what_it_interrupted():
    @redact_errors
    def interrupted() -> None:
        try:
            raise ValueError(CELLS[0])
        except ValueError:
            raise KeyboardInterrupt from None

    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted()
    assert caught.value.__context__ is None


def test_a_generator_behind_the_gate_still_returns_and_closes():
    @redact_errors
    def counting() -> Iterator[int]:
        yield from (1, 2)

    assert list(counting()) == [1, 2]
    begun = counting()
    next(begun)
    begun.close()  # type: ignore[attr-defined]


@pytest.fixture
def attacked(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    called = {"functions": [word for attack in ATTACKS if (word := attack.partition("(")[0]).startswith("say_")]}
    entries: dict[str, Any] = {
        f"t{place}": {"table": "t", "select_fields": ["id", {"expr": attack, "alias": "x"}], "allow": called}
        for place, attack in enumerate(ATTACKS)
    }
    # Masks hide rows, not what a server says of them.
    entries["masked"] = {"table": "m", "select_fields": ["id", "v"], "where": "v + 0 > 0", "mask": {"v": "drop"}}
    deployment.configure(json.dumps({"tables": entries}))
    deployment.execute(TABLE, TABLE.replace("TABLE t ", "TABLE m "), *FUNCTIONS)
    with deployment.source.connect(database=deployment.database) as connection, connection.cursor() as cursor:
        for place, cell in enumerate(CELLS, start=1):
            cursor.execute(
                "INSERT INTO t VALUES (%s, %s, 7391937140873919371, 17391937140873919371, 1, 1)", (place, cell)
            )
        cursor.execute("INSERT INTO m SELECT * FROM t")
        connection.commit()
    deployment.enter(monkeypatch, OUTPUT_FORMAT="csv")
    monkeypatch.chdir(REPOSITORY)
    return deployment


def everything_of(deployment: Deployment, run_id: str) -> str:
    """Dagster's events as they are stored, the row of batch_jobs, the logs and whatever else lies in the folder."""
    engine = create_engine(deployment.postgres_url, application_name="test")
    with engine.connect() as connection:
        events = (
            connection.execute(sa.text("SELECT event FROM event_logs WHERE run_id = :id"), {"id": run_id})
            .scalars()
            .all()
        )
    files = [path for path in deployment.folder.rglob("*") if path.is_file() and path.name != "aggregation.yaml"]
    assert any(path.name == "combined.log" for path in files)
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    return "\n".join([*events, json.dumps(row_of(deployment, run_id), default=str), *texts])


@on("mariadb")
def test_a_run_that_fails_by_its_cells_tells_nobody_of_them(
    attacked: Deployment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    # What passes by itself is tried again, and told by other events.
    monkeypatch.setattr(retries, "seconds_to_wait", lambda _retry_number: 0.05)
    result = run()
    assert [name for name, table in result.tables.items() if table.status != "failed"] == []
    said = capfd.readouterr()
    everything = everything_of(attacked, result.batch_job_id)
    assert pieces_in(everything, digits=DIGITS_AMONG_CLOCKS) == []
    assert pieces_in(json.dumps(result.to_dict(), default=str) + said.out + said.err, digits=DIGITS_AMONG_CLOCKS) == []
    errors = [str(table.error) for table in result.tables.values()]
    assert pieces_in("".join(map(one_line, errors))) == []
    assert "1292" in str(result.tables["t0"].error)
    assert "BIGINT UNSIGNED value is out of range" in str(result.tables["t1"].error)
    assert "It comes from the output x." in str(result.tables["t1"].error)


@on("mariadb")
def test_a_mistake_of_ours_keeps_the_cells_to_itself(
    attacked: Deployment, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    def evaluate_checks(*_: object) -> None:
        try:
            pa.array(list(CELLS)).cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise KeyError(CELLS[0]) from error

    attacked.configure("tables: {t: {select_fields: ['id']}}")
    monkeypatch.setattr(window_module, "evaluate_checks", evaluate_checks)
    result = run()
    said = capfd.readouterr()
    assert str(result.tables["t"].error).startswith("an unexpected builtins.KeyError at export/window.py:")
    everything = everything_of(attacked, result.batch_job_id) + said.out + said.err
    assert pieces_in(everything, digits=DIGITS_AMONG_CLOCKS) == []


@on("mariadb")
def test_a_command_that_fails_unexpectedly_shows_no_traceback(attacked: Deployment, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object) -> None:
        raise ValueError(CELLS[0])

    monkeypatch.setattr("aggregation_pipeline.source.mysql.read_plan.describe_entry", broken)
    result = CliRunner().invoke(main, ["plan"])
    assert result.exit_code == 1
    assert "an unexpected builtins.ValueError at source/mysql/read_plan.py:" in result.stderr
    assert pieces_in(result.output + repr(result.exception)) == []
    assert isinstance(redacted(ValueError("x")), PipelineError)


def test_postgresql_quotes_names_and_no_values(postgres: PostgresServer):
    engine = create_engine(postgres.url, application_name="test")
    refused = {
        f"SELECT CAST('{CORES[0]}' AS int)": "InvalidTextRepresentation, SQLSTATE 22P02",
        f"SELECT CAST('{CORES[0]}' AS date)": "InvalidDatetimeFormat, SQLSTATE 22007",
        f"SELECT '{CORES[0]}' {CORES[0]} {CORES[0]}": "SyntaxError, SQLSTATE 42601",
        f"DO $$ BEGIN RAISE EXCEPTION '{CORES[0]}'; END $$": "RaiseException, SQLSTATE P0001",
        f"CREATE TEMP TABLE k (x text UNIQUE); INSERT INTO k VALUES ('{CORES[0]}'), ('{CORES[0]}')": (
            "duplicate key value violates"
        ),
        "SELECT * FROM nowhere_at_all": 'relation "nowhere_at_all" does not exist',
    }
    for statement, words in refused.items():
        with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as caught:
            connection.execute(sa.text(statement))
        assert safe_reason(caught.value).startswith(words)
        assert pieces_in(safe_reason(caught.value)) == []
