"""The files of sql/, executed as a person does in Supabase's editor."""

import sqlalchemy as sa

from aggregation_pipeline_tests.support.paths import REPOSITORY

SQL = REPOSITORY / "sql"


def execute(engine: sa.Engine, *names: str) -> None:
    with engine.begin() as connection:
        for name in names:
            connection.exec_driver_sql(
                (SQL / name).read_text(encoding="utf-8"), execution_options={"no_parameters": True}
            )
