"""What went wrong, by Dagster's record of an error, without the errors that Dagster wraps around it."""

import re
from typing import Protocol


class RecordedError(Protocol):
    """What is read of Dagster's SerializableErrorInfo, which is not public."""

    @property
    def message(self) -> str:
        """The type and the text of the error."""
        ...

    @property
    def cls_name(self) -> str | None:
        """The name of its class."""
        ...

    @property
    def cause(self) -> "RecordedError | None":
        """The error that it was raised from."""
        ...


def innermost_message(error: RecordedError | None) -> str | None:
    """Return the message of the error that Dagster's own errors were raised from, without its module's path."""
    if error is None:
        return None
    while (
        error.cause is not None
        and (error.cls_name or "").startswith(("Dagster", "Retry"))
        # A private class of a library, such as gRPC's, says how the call failed and not what is wrong.
        and not (error.cause.cls_name or "").startswith("_")
    ):
        error = error.cause
    return re.sub(r"^(?:\w+\.)+(?=\w+(?::|\s|$))", "", error.message.strip())
