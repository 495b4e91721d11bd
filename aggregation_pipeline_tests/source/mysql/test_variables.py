"""The table of variables covers every variable of the servers, and docs/variables.md shows it."""

import pymysql
import pytest

from aggregation_pipeline.source.mysql import variables_page
from aggregation_pipeline.source.mysql.session_setup import SET_BY_US
from aggregation_pipeline_tests.source.mysql.session_variables import KNOWN
from aggregation_pipeline_tests.source.mysql.test_session_setup import NOT_OURS
from aggregation_pipeline_tests.support.paths import REPOSITORY
from aggregation_pipeline_tests.support.servers.handles import MySQLServer

pytestmark = pytest.mark.sample


def test_each_variable_that_a_session_can_set_is_known(mysql: MySQLServer):
    with mysql.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION VARIABLES")
        unknown = []
        for name, _ in cursor.fetchall():
            try:
                cursor.execute(f"SET SESSION `{name}` = @@SESSION.`{name}`")
            except pymysql.MySQLError as error:
                if error.args[0] in NOT_OURS:
                    continue
            if name not in SET_BY_US | KNOWN:
                unknown.append(name)
    assert unknown == [], (
        "fix them in source/mysql/variables.py, or show them harmless here, or name them in docs/types.md"
    )


def test_no_variable_is_said_to_be_two_things():
    assert set() == SET_BY_US & KNOWN


def test_the_page_of_the_variables_is_what_the_code_sets():
    assert (REPOSITORY / "docs" / "variables.md").read_text(encoding="utf-8") == variables_page.page()
