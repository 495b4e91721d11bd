"""What the run of a table needs of the machine that computes it: a queue of workers, processors and memory."""

import re
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Annotated, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from aggregation_pipeline.config.base_model import ConfigModel
from aggregation_pipeline.config.one_or_more import ONE_OR_MORE

_QUEUE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
# What Celery keeps in Redis beside its queues.
_NO_QUEUE: Final = re.compile(r"unacked(_index|_mutex)?")
_QUANTITY: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_UNITS: Final = {"": Decimal(1), "m": Decimal("0.001")} | {
    f"{letter}{binary}": Decimal(base) ** power
    for power, letter in enumerate("kMGT", start=1)
    for binary, base in (("", 1000), ("i", 1024))
}
# Kubernetes writes the binary kilo with a capital letter.
_UNITS["Ki"] = _UNITS.pop("ki")


def amount(quantity: str) -> Decimal:
    """Return a quantity of Kubernetes as a number: of processors, or of bytes. `500m` is 0.5, `1Gi` is 1073741824.

    Raises:
        ValueError: the text is no such quantity.
    """
    match = _QUANTITY.fullmatch(quantity)
    if match is None or not (found := Decimal(match[1]) * _UNITS[match[2] or ""]):
        raise ValueError("a quantity as in Kubernetes is expected: 500m or 2 processors, 512Mi or 1Gi of memory")
    return found


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _checked_quantity(quantity: str) -> str:
    amount(quantity)
    return quantity


def queue_problem(name: str) -> str:
    """Why a queue of workers cannot have this name; empty if it can."""
    if not _QUEUE.fullmatch(name):
        return "the name of a queue is expected: at most 63 letters, digits, '_', '.' and '-'"
    if _NO_QUEUE.fullmatch(name):
        return "the name of a queue is expected, and Celery keeps this one for itself: choose another"
    return ""


def _checked_queue(name: str) -> str:
    if problem := queue_problem(name):
        raise ValueError(problem)
    return name


Quantity = Annotated[str, BeforeValidator(_as_text), AfterValidator(_checked_quantity)]
Queue = Annotated[str, AfterValidator(_checked_queue)]


class Amounts(ConfigModel):
    """Processors and memory, in the words of Kubernetes."""

    cpu: Quantity | None = None
    """Processors: 500m, 2."""
    memory: Quantity | None = None
    """Memory: 512Mi, 1Gi."""


class Resources(Amounts):
    """`resources: {cpu: 500m, memory: 1Gi}`: what a container is given at least, with `limits` for the most."""

    limits: Amounts = Amounts()
    """The most that it may take: {cpu: 2, memory: 2Gi}. Of memory, without a limit here, what memory says."""

    @model_validator(mode="after")
    def _limits_are_higher(self) -> Self:
        for name in ("cpu", "memory"):
            least, most = getattr(self, name), getattr(self.limits, name)
            if least is not None and most is not None and amount(least) > amount(most):
                raise ValueError(f"the limit of {name}, {most}, is below what is asked for, {least}")
        return self


class QueueRule(ConfigModel):
    """One of `queues:`, for all tables whose names match."""

    tables: Annotated[tuple[str, ...], ONE_OR_MORE, Field(min_length=1)]
    """A name or a pattern, big_*, or a list of them."""
    queue: Queue
    """Its queue."""


def queue_of(table: str, rules: tuple[QueueRule, ...]) -> str | None:
    """Return the queue of the first rule that a table matches; None where none does."""
    return next((rule.queue for rule in rules if any(fnmatchcase(table, each) for each in rule.tables)), None)
