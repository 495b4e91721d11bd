"""What `check` has found: one line for each thing that was looked at."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class Finding:
    """One line. It holds no secret and no value of a cell.

    Attributes:
        name: what was looked at: `grants`.
        status: a warning lets runs go on; a failure keeps them from working.
        text: what was found.
        remedy: what to do about it; empty where nothing is to be done, or where `text` says it already.
        subject: what it belongs to: `mysql`.
    """

    name: str
    status: Status
    text: str
    remedy: str = ""
    subject: str = ""


def ok(name: str, text: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(name, "ok", text)


def warning(name: str, text: str, remedy: str) -> Finding:
    """Return a finding that should be seen to, while runs go on."""
    return Finding(name, "warning", text, remedy)


def failure(name: str, text: str, remedy: str = "") -> Finding:
    """Return a finding that keeps runs from working."""
    return Finding(name, "failure", text, remedy)
