"""Rows from PostgreSQL to Parquet with other Python libraries, streamed, and with every value as it is stored.

Imports stand inside the functions: some of these libraries are in an environment of their own.
"""

import importlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

_FEW = " WHERE id <= 1000"


def _library(name: str) -> Any:
    return importlib.import_module(name)


def _rehearsed(run: Callable[[str, Path], int], folder: str) -> Callable[[], int]:
    def once(condition: str) -> int:
        with tempfile.TemporaryDirectory(dir=folder) as directory:
            return run(condition, Path(directory) / "out.parquet")

    once(_FEW)
    return lambda: once("")


def _dsn(address: dict[str, Any]) -> str:
    return "host={host} port={port} user={user} dbname={database}".format(**address)


def _write(schema: Any, batches: Iterable[Any], target: Path) -> int:
    rows = 0
    with _library("pyarrow.parquet").ParquetWriter(target, schema, compression="zstd", compression_level=1) as writer:
        for batch in batches:
            writer.write_batch(batch)
            rows += batch.num_rows
    return rows


def copy_parquet(address: dict[str, Any], folder: str, table: str) -> Callable[[], int]:
    """Let COPY send CSV, and pyarrow read it with the table's types while it comes: NULL and '' stay apart."""
    csv = _library("pyarrow.csv")

    def run(condition: str, target: Path) -> int:
        connection = _library("psycopg2").connect(_dsn(address))
        cursor = connection.cursor()
        cursor.execute("SET timezone = 'UTC'")
        schema = _arrow_schema(cursor, table)
        reading, writing = os.pipe()

        def copy() -> None:
            with os.fdopen(writing, "wb") as file:
                cursor.copy_expert(
                    f"COPY (SELECT * FROM {table}{condition} ORDER BY id) TO STDOUT (FORMAT csv)", file, 1 << 18
                )

        thread = threading.Thread(target=copy)
        thread.start()
        with os.fdopen(reading, "rb") as file:
            batches = csv.open_csv(
                file,
                read_options=csv.ReadOptions(column_names=schema.names, block_size=4 << 20),
                parse_options=csv.ParseOptions(newlines_in_values=True),
                convert_options=csv.ConvertOptions(
                    column_types=schema,
                    null_values=[""],
                    true_values=["t"],
                    false_values=["f"],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
            rows = _write(schema, batches, target)
        thread.join()
        connection.close()
        return rows

    return _rehearsed(run, folder)


def _arrow_schema(cursor: Any, table: str) -> Any:
    pa = _library("pyarrow")
    cursor.execute(
        "SELECT column_name, udt_name, numeric_precision, numeric_scale FROM information_schema.columns"
        " WHERE table_name = %s ORDER BY ordinal_position",
        (table,),
    )
    types = {
        "int2": pa.int16(),
        "int4": pa.int32(),
        "int8": pa.int64(),
        "float8": pa.float64(),
        "bool": pa.bool_(),
        "date": pa.date32(),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", "UTC"),
    }
    return pa.schema(
        [
            (name, pa.decimal128(precision, scale) if kind == "numeric" else types.get(kind, pa.string()))
            for name, kind, precision, scale in cursor.fetchall()
        ]
    )


def adbc_parquet(address: dict[str, Any], folder: str, table: str) -> Callable[[], int]:
    """Write what the driver returns: a NUMERIC as text of an opaque type, without its digits."""
    pa = _library("pyarrow")
    dbapi = _library("adbc_driver_postgresql.dbapi")

    def run(condition: str, target: Path) -> int:
        uri = f"postgresql:///{address['database']}?host={address['host']}&user={address['user']}"
        with dbapi.connect(uri) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}{condition} ORDER BY id")
            reader = cursor.fetch_record_batch()
            stored = pa.schema([(each.name, getattr(each.type, "storage_type", each.type)) for each in reader.schema])
            plain = (
                pa.record_batch([getattr(column, "storage", column) for column in batch.columns], schema=stored)
                for batch in reader
            )
            return _write(stored, plain, target)

    return _rehearsed(run, folder)


def duckdb_parquet(address: dict[str, Any], folder: str, table: str) -> Callable[[], int]:
    """Let DuckDB read ranges of the table's pages, which is its best way; the table has them in the key's order."""
    duckdb = _library("duckdb")
    package = Path(_library("duckdb_extension_postgres_scanner").__file__).parent
    (extension,) = package.glob("extensions/*/*.duckdb_extension")

    def run(condition: str, target: Path) -> int:
        with duckdb.connect() as connection:
            connection.execute(f"LOAD '{extension}'")
            connection.execute(f"ATTACH '{_dsn(address)}' AS shop (TYPE postgres, READ_ONLY)")
            connection.execute(
                f"COPY (SELECT * FROM shop.{table}{condition}) TO '{target}'"
                " (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)"
            )
            (rows,) = connection.fetchone()
            return int(rows)

    return _rehearsed(run, folder)
