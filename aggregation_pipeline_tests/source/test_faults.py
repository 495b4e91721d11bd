"""What a server says is passed on without what stood in a cell, and with the remedy."""

import pymysql
import pytest

from aggregation_pipeline.source.faults import describe_warning, explain


@pytest.mark.parametrize(
    ("code", "said", "shown"),
    [
        (1690, "BIGINT value is out of range in '(`t`.`o`.`secret` + 1)'", "BIGINT value is out of range in '…'."),
        (1690, "BIGINT value is out of range in ''(secret + 1)''", "BIGINT value is out of range in '…'."),
        (1292, "Truncated incorrect DOUBLE value: 'it's secret'", "Truncated incorrect DOUBLE value: '…'."),
        (1366, "Incorrect integer value: 'secret' for column 'age' at row 1", "Incorrect integer value: '…' for column 'age' at row 1."),
        (1366, "Incorrect string value: 'a'secret\\n'b' for column 'n' at row 2", "Incorrect string value: '…' for column 'n' at row 2."),
        (1292, 'Incorrect value: "secret"', "Incorrect value: '…'."),
        (1292, "Incorrect value: 'secret that was cut", "Incorrect value: '…'."),
        (1054, "Unknown column 'agee' in 'field list'", "Unknown column 'agee' in 'field list'."),
        (1356, "View 'shop.v' references invalid table(s) or lack rights to use them", "View 'shop.v' references invalid table(s)"),
        (1267, "Illegal mix of collations (a,IMPLICIT) and (b,IMPLICIT) for operation '='", "for operation '='. Texts of two collations"),
    ],
)
def test_names_stay_and_values_go(code: int, said: str, shown: str):
    words = str(explain(pymysql.err.OperationalError(code, said)))
    assert f"MySQL refused a statement (error {code}): {shown}" in words or shown in words
    assert "secret" not in words
    assert "secret" not in describe_warning(code, said)


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (1370, "Check the function's name"),
        (1356, "SHOW CREATE VIEW"),
        (1690, "CAST(... AS DECIMAL(65))"),
        (1044, "Check DB_NAME, whose case"),
    ],
)
def test_a_refusal_brings_its_remedy(code: int, remedy: str):
    assert remedy in str(explain(pymysql.err.OperationalError(code, "x")))


def test_a_unit_in_the_plural_is_told():
    said = "You have an error in your SQL syntax; check the manual for the right syntax to use near 'DAYS)' at line 1"
    assert "MySQL's units have no s: INTERVAL 7 DAY." in str(explain(pymysql.err.OperationalError(1064, said)))
    assert "units" not in str(explain(pymysql.err.OperationalError(1064, said.replace("DAYS", "DAYSHIFT"))))
