"""Errors of a server are reported in our words, with known names and a remedy."""

import re

import pymysql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregation_pipeline.config.table_entry import TableEntry
from aggregation_pipeline.source.mysql.error_messages import DEPRECATION, REFUSALS, RETRYABLE
from aggregation_pipeline.source.mysql.errors import describe_warning, to_source_error
from aggregation_pipeline.source.mysql.quotable import QuotableNames

ENTRY = TableEntry.model_validate(
    {
        "name": "v",
        "select_fields": [
            "agee",
            {"expr": "DATE_SUB(born, INTERVAL 7 DAYS)", "alias": "week_ago"},
            {"expr": "shop.hash_of(name)"},
        ],
        "where": "born > 'now'",
    }
)
KNOWN = QuotableNames.of(user="reader", database="shop", entry=ENTRY).plus(["age"])


def message_for(code: int, said: str) -> str:
    return str(to_source_error(pymysql.err.OperationalError(code, said), quotable=KNOWN))


@pytest.mark.parametrize(
    ("code", "said", "shown"),
    [
        (1690, "BIGINT value is out of range in '(`t`.`o`.`secret` + 1)'", "BIGINT value is out of range."),
        (1690, "BIGINT UNSIGNED value is out of range in ''(secret + 1)''", "BIGINT UNSIGNED value is out of range."),
        (1292, "Truncated incorrect DOUBLE value: 'it's secret'", "Truncated or incorrect DOUBLE value:"),
        (1292, "Incorrect datetime value: 'O'Brien secret'", "Truncated or incorrect datetime value:"),
        (
            1366,
            "Incorrect integer value: 'secret' for column 'age' at row 1",
            "Incorrect integer value for column 'age':",
        ),
        (
            1366,
            "Incorrect string value: 'a'secret\\n'b' for column `shop`.`v`.`age` at row 2",
            "value for column 'shop.v.age':",
        ),
        (1366, "Incorrect integer value: 'x' for column `secret`", "Incorrect integer value:"),
        # The cell is a word that is known as a name; it is no column's name here.
        (1366, "Incorrect integer value: 'born' for column ``.``.`secret` at row 1", "Incorrect integer value: a text"),
        (
            1366,
            "Incorrect integer value: 'born' for column 'age' at row 1",
            "Incorrect integer value for column 'age':",
        ),
        (
            1366,
            "Incorrect integer value: 'x' for column 'born' for column 'age' at row 1",
            "Incorrect integer value for column 'age':",
        ),
        (1292, 'Incorrect secret value: "secret"', "Truncated or incorrect value:"),
        (1054, "Unknown column 'agee' in 'field list'", "Unknown column 'agee'."),
        (1054, "Unknown column 'secret' in 'field list'", "Unknown column."),
        (1146, "Table 'shop.v' doesn't exist", "Table 'shop.v' doesn't exist."),
        (1356, "View 'shop.v' references invalid table(s)", "View 'shop.v' references invalid table(s)"),
        (
            1267,
            "Illegal mix of collations (secret,IMPLICIT) for operation '='",
            "Illegal mix of collations. Texts of two collations",
        ),
        (1305, "FUNCTION shop.hash_of does not exist", "FUNCTION 'shop.hash_of' does not exist."),
        (1370, "execute command denied to user 'secret'@'%' for routine 'shop.hash_of'", "routine 'shop.hash_of'."),
        (1142, "SELECT command denied to user 'reader'@'secret' for table 'v'", "SELECT is denied on table 'v'."),
        (1045, "Access denied for user 'secret'@'secret' (using password: YES)", "Access denied for user 'reader'."),
        (
            1064,
            "... syntax to use near 'born, INTERVAL 7 DAYS), secret' at line 1",
            "SQL syntax near 'born, INTERVAL 7 DAYS)'.",
        ),
        (1064, "... syntax to use near 'secret' at line 1", "You have an error in your SQL syntax."),
        (1105, "XPATH syntax error: 'secret'", "An expression failed on some row"),
        (1644, "secret", "raised an error of its own (SIGNAL)"),
        (
            1030,
            "Got error secret from storage engine",
            "(error 1030, ER_GET_ERRNO): its words may hold values of cells",
        ),
        (7777, "secret", "(error 7777): its words may hold values of cells"),
        (2013, "secret", "the server went away in the middle of a statement (error 2013)."),
    ],
)
def test_names_stay_and_values_go(code: int, said: str, shown: str):
    assert shown in message_for(code, said)
    assert "secret" not in message_for(code, said)
    assert "secret" not in describe_warning(code, said, KNOWN)
    assert "secret" not in describe_warning(code, said, KNOWN, "deprecated")


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (1370, "Check the function's name"),
        (1356, "SHOW CREATE VIEW"),
        (1690, "CAST(... AS DECIMAL(65))"),
        (1044, "Check DB_NAME, whose case"),
        (9999, "`aggregation-pipeline plan` prints it"),
    ],
)
def test_a_refusal_brings_its_remedy(code: int, remedy: str):
    assert remedy in message_for(code, "x")


def test_a_unit_in_the_plural_is_told():
    said = "You have an error in your SQL syntax; check the manual for the right syntax to use near 'DAYS)' at line 1"
    assert "MySQL's units have no s: INTERVAL 7 DAY." in message_for(1064, said)
    assert "units" not in message_for(1064, said.replace("DAYS", "DAYSHIFT"))


def test_a_note_on_deprecated_syntax_is_repeated_where_it_holds_nothing_else():
    note = "'&& as a synonym for AND' is deprecated and will be removed in a future release. Please use AND instead"
    assert describe_warning(1287, note, KNOWN, "deprecated") == f"1287 {note}"
    for forged in (note.replace("&&", "secret"), note.replace("&&", "🦄"), note.replace("&&", "138")):
        assert describe_warning(1287, forged, KNOWN, "deprecated") == "1287 deprecated"


# As MySQL, MariaDB and OceanBase word them.
TEMPLATES = (
    "Truncated incorrect DOUBLE value: '{}'",
    "Incorrect datetime value: '{}' for column `shop`.`v`.`age` at row 1",
    "Incorrect string value: '{}' for column 'age' at row 1",
    "BIGINT value is out of range in '(`shop`.`v`.`age` + {})'",
    "Duplicate entry '{}' for key 'group_key'",
    "XPATH syntax error: '{}'",
    "Unknown column '{}' in 'field list'",
    "Unknown column '{}.{}' in 'where clause'",
    "Got error '{}' from regexp",
    'Invalid JSON text in argument 1 to function json_extract: "Invalid value." at position 0. near {}',
    "You have an error in your SQL syntax; check the manual for the right syntax to use near '{}' at line 1",
    "Table '{}.{}' doesn't exist",
    "FUNCTION {}.{} does not exist",
    "View '{}' references invalid table(s) or column(s)",
    "SELECT command denied to user '{}'@'{}' for table `{}`",
    "Illegal mix of collations ({},IMPLICIT) and ({},COERCIBLE) for operation '{}'",
    "'{}' is deprecated and will be removed in a future release. Please use {} instead",
    "{} value is out of range in '{}'",
    "Incorrect {} value: '{}'",
    "Cast to {} converted",
    "{}",
)
CELL = st.text(max_size=60) | st.from_regex(r"[a-z]{4,12}(['\"`. ][a-z0-9]{4,12}){0,4}['\"`]?", fullmatch=True)
# Our own sentences, and what is known: pieces of these may be shown.
SENTENCES = [" ".join(refusal) for refusal in REFUSALS.values()]
OURS = " ".join(
    [*SENTENCES, *RETRYABLE.values(), *KNOWN.names.values(), *KNOWN.texts, *DEPRECATION, message_for(9999, "")]
).casefold()
CODES = [*sorted({*REFUSALS, *RETRYABLE}), 9999]


@given(cell=CELL, template=st.sampled_from(TEMPLATES), code=st.sampled_from(CODES))
def test_no_piece_of_a_cell_survives_any_template_under_any_number(cell: str, template: str, code: int):
    said = template.replace("{}", cell)
    shown = " ".join(
        (
            message_for(code, said),
            describe_warning(code, said, KNOWN),
            describe_warning(code, said, KNOWN, "deprecated"),
        )
    ).casefold()
    frame = OURS + " " + template.casefold()
    for word in re.findall(r"\w{4,}", cell):
        for at in range(len(word) - 3):
            piece = word[at : at + 4].casefold()
            assert piece in frame or piece not in shown
