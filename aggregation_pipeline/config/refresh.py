"""`refresh:` which partitions are read again because their rows have changed since they were published."""

from typing import Annotated, Final

from pydantic import Field, field_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.durations import Duration, parse_duration
from aggregation_pipeline.config.one_or_more import ONE_OR_MORE
from aggregation_pipeline.config.partitions import Partition
from aggregation_pipeline.config.sql.expressions import read_expression
from aggregation_pipeline.config.sql.in_use import dialect_in_use
from aggregation_pipeline.config.sql.tokens import tokenize

_SECONDS: Final = {"hour": 3_600, "day": 86_400, "week": 7 * 86_400, "month": 28 * 86_400}
# There is a SELECT for each window, and of shards one for each window and shard.
_MOST_WINDOWS: Final = 1_000
_MOST_SELECTS: Final = 4_000


class Refresh(ConfigModel):
    """`refresh: {look_back: 14d, key: MAX(updated_at)}`: partitions that got late rows are run again."""

    look_back: Duration
    """How far back late rows are looked for: 14d. At most 1,000 windows."""
    key: Annotated[tuple[str, ...], ONE_OR_MORE, Field(min_length=1)]
    """What tells that the rows of a window have changed: one aggregate, or a list: [COUNT(*), MAX(updated_at)]. MAX
    alone does not notice rows that were deleted, or that `where` does not take any more.
    """
    every: Duration = "1h"
    """How often the database is asked."""
    allow_scan: bool = False
    """true: ask also where no index leads to the rows, so that the server reads the whole table for each window."""

    @field_validator("key")
    @classmethod
    def _key_is_made_of_aggregates(cls, key: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(read_expression(text, "aggregate") for text in key)
        for text in found:
            if words := words_of_current_time(text):
                raise ValueError(
                    f"{text} depends on when it is asked ({words}), so it would change by itself. Leave {words} out"
                )
        return found

    def windows(self, partition: Partition) -> int:
        """How many windows `look_back` has at most."""
        return int(parse_duration(self.look_back).total_seconds() // _SECONDS[partition.every]) + 1


def words_of_current_time(sql: str) -> str:
    """Return the words in an expression that mean the current time, in upper case; empty without any.

    A run stands for the end of its partition, and the sensor asks later, so a key with one of them would differ without
    any change.
    """
    tokens, _ = tokenize(sql)
    clock = dialect_in_use().clock_words
    words = [token.name for token in tokens if token.kind == "word" and token.name in clock]
    texts = [token.text.casefold() for token in tokens]
    if any(texts[place : place + 3] == ["unix_timestamp", "(", ")"] for place in range(len(texts))):
        words.append("unix_timestamp()")
    return ", ".join(dict.fromkeys(word.upper() for word in words))


def check_refresh(refresh: Refresh, partition: Partition | None, where: str | None, shards: int) -> None:
    """Check what `refresh` needs of the rest of its entry, which reads so many `shards` as one table.

    Raises:
        ValueError: there are no partitions, too many of them, or the rows depend on the current time.
    """
    if partition is None:
        raise ValueError(
            "the entry has no partition, so there are no windows to run again; add `partition`, or leave `refresh` out"
        )
    if (windows := refresh.windows(partition)) > _MOST_WINDOWS:
        raise ValueError(
            f"look_back: {refresh.look_back} is up to {windows:,} windows, and {_MOST_WINDOWS:,} is the limit, because"
            " there is a SELECT for each of them; write a shorter one"
        )
    if shards > 1 and (selects := windows * shards) > _MOST_SELECTS:
        raise ValueError(
            f"look_back: {refresh.look_back} is up to {windows:,} windows of {shards:,} shards, so {selects:,} SELECTs"
            f" each time, and {_MOST_SELECTS:,} is the limit; write a shorter one"
        )
    if where is not None and (words := words_of_current_time(where)):
        raise ValueError(
            f"where depends on when it is asked ({words}), so rows would come and go without any change. A run over a"
            f" partition stands for the partition's end: compare {partition.column} with constants, or leave"
            " refresh out"
        )
