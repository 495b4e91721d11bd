"""Loads the sample shop into a MySQL server that runs elsewhere, such as the one of docker-compose's profile `demo`.

    python -m aggregation_pipeline.embedded.load_shop --host mysql --user shop --password-file FILE --database shop

It replaces the tables `users`, `products` and `orders`, but only those that it has made itself.
"""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click
import pymysql

from aggregation_pipeline.embedded.sample_data import foreign_tables, load_sample_data
from aggregation_pipeline.errors import PipelineError


@click.command()
@click.option("--host", required=True, help="The server's address.")
@click.option("--port", type=click.IntRange(1, 65535), default=3306, show_default=True)
@click.option("--user", required=True, help="An account that may create tables.")
@click.option("--password-file", type=click.Path(path_type=Path), required=True, help="A file with its password.")
@click.option("--database", required=True, help="A database for the shop alone.")
@click.option("--timezone", default="Asia/Shanghai", show_default=True, help="The zone in which the shop's day ends.")
def main(host: str, port: int, user: str, password_file: Path, database: str, timezone: str) -> None:
    """Fill a database with the sample shop, of the 90 days before today."""
    try:
        password = password_file.read_text(encoding="utf-8").removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        raise click.ClickException(f"{password_file} cannot be read as a password") from None
    connect = {"host": host, "port": port, "user": user, "password": password, "database": database}
    try:
        _refuse_foreign_tables(connect)
        is_new = load_sample_data(connect, today=datetime.now(ZoneInfo(timezone)).date(), progress=_say)
    except PipelineError as error:
        raise click.ClickException(str(error)) from None
    except pymysql.MySQLError as error:
        number = error.args[0] if error.args else "unknown"
        raise click.ClickException(
            f"{host}:{port} does not let {user} load the shop into {database} (error {number})"
        ) from None
    click.echo("The sample shop is loaded" if is_new else "The sample shop of today is there already")


def _refuse_foreign_tables(connect: Mapping[str, Any]) -> None:
    """Raise PipelineError if there are tables of these names that were not made here."""
    with pymysql.connect(**connect) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        found = {str(name) for (name,) in cursor.fetchall()}
    if theirs := foreign_tables(found):
        raise PipelineError(
            f"{connect['database']} has tables that the sample shop would replace: {', '.join(theirs)}. Name a"
            " database for the shop alone."
        )


def _say(done: int, total: int) -> None:
    # A line each tenth, for the log of a container.
    if done == total or done * 10 // total != (done - 2_000) * 10 // total:
        click.echo(f"{done} of {total} rows")


if __name__ == "__main__":
    main()
