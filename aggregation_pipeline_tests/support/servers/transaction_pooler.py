"""A pooler of PostgreSQL by transactions: each goes to the next of its sessions, as with PgBouncer in that mode."""

import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Final

# Requests of encryption, which come before the start of a session; they are refused.
_ENCRYPTION: Final = {80877103, 80877104}
_SESSIONS: Final = 2
# Messages to which the server says nothing before Sync comes: Parse, Bind, Describe, Execute, Close.
_PARTS: Final = (b"P", b"B", b"D", b"E", b"C")


@contextmanager
def transaction_pooler(unix_socket: Path) -> Iterator[int]:
    """Listen on this machine before a server that asks for no password, and yield the port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            client: socket.socket = self.request
            start = _read_start(client)
            while struct.unpack("!i", start[4:8])[0] in _ENCRYPTION:
                client.sendall(b"N")
                start = _read_start(client)
            servers = [socket.socket(socket.AF_UNIX) for _ in range(_SESSIONS)]
            try:
                for server in servers:
                    server.connect(str(unix_socket))
                    server.sendall(start)
                answers = [_read_answer(server) for server in servers]
                client.sendall(answers[0])
                for server in cycle(servers):
                    # Until the server says that no transaction is open.
                    while True:
                        message = _read_message(client)
                        if message[:1] in (b"X", b""):
                            return
                        server.sendall(message)
                        if message[:1] in _PARTS:
                            continue
                        answer = _read_answer(server)
                        client.sendall(answer)
                        if answer[-1:] == b"I":
                            break
            finally:
                for server in servers:
                    server.close()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield listening.server_address[1]
        listening.shutdown()
        thread.join()


def _read_exactly(peer: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        part = peer.recv(size - len(read))
        if not part:
            return b""
        read += part
    return read


def _read_start(client: socket.socket) -> bytes:
    size = _read_exactly(client, 4)
    return size + _read_exactly(client, struct.unpack("!i", size)[0] - 4)


def _read_message(peer: socket.socket) -> bytes:
    """A letter, the size of the rest, and the rest; nothing if the peer is gone."""
    head = _read_exactly(peer, 5)
    return head + _read_exactly(peer, struct.unpack("!i", head[1:])[0] - 4) if head else b""


def _read_answer(server: socket.socket) -> bytes:
    """All messages until the server is ready for the next question."""
    answer = b""
    while True:
        message = _read_message(server)
        answer += message
        if message[:1] in (b"Z", b""):
            return answer
