"""Reads the body of a request up to a limit."""

from typing import Final

from starlette.requests import Request

# So much more is read and thrown away: a client that is still sending when we close sees a reset, and no answer.
_THROWN_AWAY: Final = 4 * 2**20


async def read_body(request: Request, most_bytes: int) -> bytes | None:
    """Return the body; None if it has more than `most_bytes`.

    Raises:
        ClientDisconnect: the client went away.
    """
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most_bytes:
            body += chunk
        elif size > most_bytes + _THROWN_AWAY:
            return None
    return bytes(body) if size <= most_bytes else None
