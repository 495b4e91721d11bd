"""How the SQL of one kind of source is written: what its expressions may hold, and what they are checked by."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

# Values that can be written exactly: `date` is 2026-11-20, `datetime` 2026-11-20 08:00:00.5.
LiteralKind = Literal["number", "text", "date", "datetime"]
_NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, eq=False)
class Dialect:
    """The SQL that a kind of source understands. Words are in lower case.

    Attributes:
        title: what people call it: MySQL.
        sqlglot: what sqlglot calls it.
        quote_mark: stands around unusual names, doubled inside of them.
        tokens: matches one token; its groups are `space`, `comment`, `string`, `quoted`, `number`, `word`, `symbol`. It
            has to split a text as the server does, since the server runs what was checked.
        literal: writes a value, of which the text is given, so that the server reads exactly that value.
        constants: words that are values without brackets, and not names.
        clock_words: words and functions whose value depends on when a statement runs.
        functions: built into the server. Any other may be a stored function, which may read any table.
        functions_without_blank: those of them that are a stored function where a blank stands before the bracket.
        before_star: words behind which * means all columns; behind any other name it multiplies.
        refused_functions, refused_prefixes: functions, and beginnings of their names, that do more than read, or give
            another result each time; with what each of them does.
        refused_variables: variables of the server, behind @@, that differ from session to session, or by themselves.
        refused_words, refused_pairs: the same of words, and of two words that follow each other.
        statements: reserved words that begin a statement.
        obeyed_comments: how comments begin that the server obeys.
        hints: matches a hint behind SELECT, `/*+ ... */`, and whatever could hold the same signs without being one;
            None where there are no hints.
        system_databases: in which a server describes its tables: statistics hold values of columns, so do lists of
            statements.
        system_prefixes: with which names of such tables begin that need no database before them.
        figures: SQL of aggregate functions that differ from `FUNCTION({})`, by the function's name in the config. An
            empty text refuses the function.
        truth: the condition that holds for every row.
    """

    title: str
    sqlglot: str
    quote_mark: str
    tokens: re.Pattern[str]
    literal: Callable[[LiteralKind, str], str]
    constants: frozenset[str]
    clock_words: frozenset[str]
    functions: frozenset[str]
    refused_functions: Mapping[str, str]
    refused_words: Mapping[str, str]
    refused_pairs: Mapping[tuple[str, str], str]
    statements: frozenset[str]
    before_star: frozenset[str]
    refused_prefixes: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    refused_variables: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    functions_without_blank: frozenset[str] = frozenset()
    obeyed_comments: tuple[str, ...] = ()
    hints: re.Pattern[str] | None = None
    system_databases: frozenset[str] = frozenset(("information_schema",))
    system_prefixes: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    truth: str = "TRUE"

    @property
    def marks(self) -> str:
        """What messages call the quotation marks around names."""
        return "backticks" if self.quote_mark == "`" else "double quotes"

    def quote(self, name: str) -> str:
        """A name in quotation marks, which the server accepts whatever it holds."""
        return f"{self.quote_mark}{name.replace(self.quote_mark, self.quote_mark * 2)}{self.quote_mark}"

    def quoted(self, *parts: str | None) -> str:
        """The parts of a name in quotation marks, with dots between them; None is left out."""
        return ".".join(self.quote(part) for part in parts if part is not None)

    def is_quoted(self, text: str) -> bool:
        """Whether a text is one name in quotation marks, and nothing else."""
        mark = self.quote_mark
        return len(text) > 2 and text[0] == text[-1] == mark and mark not in text[1:-1].replace(mark * 2, "")

    def is_system_table(self, database: str, table: str) -> bool:
        """Whether a table is one of the server's own; names are case-folded, and `database` is empty without one."""
        return database in self.system_databases or (not database and table.startswith(self.system_prefixes))

    def call(self, function: str, argument: str) -> str:
        """SQL of an aggregate function of the config: `COUNT DISTINCT` of `id`."""
        if template := self.figures.get(function):
            return template.format(argument)
        return f"COUNT(DISTINCT {argument})" if function == "COUNT DISTINCT" else f"{function}({argument})"


def unquote(text: str) -> str:
    """The name inside of quotation marks, whichever they are."""
    mark = text[0]
    return text[1:-1].replace(mark * 2, mark)
