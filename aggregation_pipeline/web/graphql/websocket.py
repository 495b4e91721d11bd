"""The websocket of GraphQL. Whoever sends what Dagster cannot read is told so, and the websocket is closed.

Dagster itself fails at such a message, with thirty lines in the log for each.
"""

from contextlib import suppress
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from aggregation_pipeline.web.graphql.body import problem_of_values

# A message that is none of the protocol. Its reason may have 123 bytes.
_BAD_MESSAGE: Final = 4400
_LONGEST_REASON: Final = 120
_EXPECTED: Final = 'A message is an object of JSON: {"type": "start", "id": "1", "payload": {"query": "..."}}.'
# A page of Dagster's listens to a few things. Each listener has a thread, or asks PostgreSQL again and again.
_MOST_LISTENERS: Final = 100


class ReadableWebSocket(WebSocket):
    """A websocket that is closed at the first message that cannot be read."""

    def __init__(self, websocket: WebSocket) -> None:
        super().__init__(websocket.scope, websocket.receive, websocket.send)
        self._listeners: set[str] = set()

    async def receive_json(self, mode: str = "text") -> object:
        """Return the next message.

        Raises:
            WebSocketDisconnect: the other side has gone, or has sent what is no message.
        """
        try:
            message = await super().receive_json(mode)
            # Starlette reads the text, and there is none in a binary message.
        except (KeyError, TypeError, ValueError, RecursionError):
            message = None
        problem = self._problem_of(message)
        if problem is not None:
            # Whoever has sent it may have left already.
            with suppress(RuntimeError):
                await self.close(_BAD_MESSAGE, problem[:_LONGEST_REASON])
            raise WebSocketDisconnect(_BAD_MESSAGE, problem)
        return message

    def _problem_of(self, message: object) -> str | None:
        if not isinstance(message, dict) or not isinstance(message.get("type"), str):
            return _EXPECTED
        listener = message.get("id")
        if not isinstance(listener, str | None):
            return _EXPECTED
        if message["type"] == "stop":
            self._listeners.discard(listener or "")
        if message["type"] != "start":
            return None
        self._listeners.add(listener or "")
        if len(self._listeners) > _MOST_LISTENERS:
            return f"More than {_MOST_LISTENERS} are started and not stopped."
        payload = message.get("payload")
        if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
            return _EXPECTED
        # Dagster reads this key, which others write in another way.
        return problem_of_values({**payload, "operationName": payload.get("operation_name")})
