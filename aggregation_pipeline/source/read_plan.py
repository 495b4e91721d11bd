"""What reading a window would do, in values of no kind of database."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DatasetPlan:
    """One query.

    Attributes:
        columns: name to type, as the database names it; empty if the server refused the query.
        masks: by output, how it is masked.
        estimate: how many rows the server expects to examine; None if it does not say.
        index: the index that the server uses; None if it scans the table.
    """

    name: str
    sql: str
    order: str
    limit: int | None
    columns: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, str] = field(default_factory=dict)
    estimate: int | None = None
    index: str | None = None


@dataclass(frozen=True)
class KeyPlan:
    """What tells whether the window has changed once it is published. The sensor asks so for each of its windows.

    Attributes:
        sql: for this window.
        every: how often.
        estimate: how many rows the server expects to examine; None if it does not say.
        index: the index that the server uses; None if it scans the table.
    """

    sql: str
    every: str
    estimate: int | None = None
    index: str | None = None


@dataclass
class ReadPlan:
    """What reading one window would do, filled as far as the server answers.

    Attributes:
        server: version of the source database; None if it was not reached.
        server_abilities: what the server has shown that it can do, in words.
        snapshot: whether both datasets would be of one moment, as far as the server's isolation level says.
        engines: the storage engines of the tables that would be read; empty if that is not known, or if there are none.
        warnings: problems that do not stop the run.
        problems: what would fail the table.
        refresh: how late rows of the window are noticed; None if the entry does not ask for that.
    """

    table: str
    source: str
    window: str
    server: str | None = None
    snapshot: bool | None = None
    server_abilities: str = ""
    engines: str = ""
    datasets: list[DatasetPlan] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    refresh: KeyPlan | None = None
