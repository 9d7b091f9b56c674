"""A WebSocket server of a hundred lines, for loopback venues: one thread a connection.

RFC 6455 as far as a client library needs it: the handshake, text, ping, pong and close frames, no
fragments from us. Knows nothing of what is said.
"""

from __future__ import annotations

import base64
import hashlib
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
LONGEST = 1 << 20


class Connection:
    """One client. ``send`` may be called from any thread."""

    def __init__(self, sock: socket.socket, path: str) -> None:
        self.path = path
        self.mute = False
        """Nothing is sent any more, not even an answer to a ping."""
        self._sock = sock
        self._lock = threading.Lock()

    def send(self, text: str) -> None:
        """Send a text frame; a client that has gone hears nothing."""
        self.frame(TEXT, text.encode())

    def frame(self, kind: int, body: bytes) -> None:
        """Send one frame."""
        if self.mute:
            return
        head = bytes([0x80 | kind])
        if len(body) < 126:
            head += bytes([len(body)])
        elif len(body) < 1 << 16:
            head += bytes([126]) + struct.pack(">H", len(body))
        else:
            head += bytes([127]) + struct.pack(">Q", len(body))
        with self._lock, suppress(OSError):
            self._sock.sendall(head + body)

    def receive(self) -> tuple[int, bytes] | None:
        """Wait for a frame; None when there will be none."""
        try:
            first, second = self._exactly(2)
            length = second & 0x7F
            if length == 126:
                (length,) = struct.unpack(">H", self._exactly(2))
            elif length == 127:
                (length,) = struct.unpack(">Q", self._exactly(8))
            if length > LONGEST:
                return None
            mask = self._exactly(4) if second & 0x80 else bytes(4)
            body = bytes(b ^ mask[n % 4] for n, b in enumerate(self._exactly(length)))
        except (OSError, EOFError):
            return None
        return first & 0x0F, body

    def _exactly(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            part = self._sock.recv(count - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def drop(self) -> None:
        """Cut the line without a word."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


class WebSocketServer:
    """Listens on this machine. ``heard`` gets every text frame; ``opened`` every connection."""

    def __init__(
        self,
        heard: Callable[[Connection, str], None],
        opened: Callable[[Connection], None] | None = None,
        port: int = 0,
    ) -> None:
        self.connections: list[Connection] = []
        self._heard = heard
        self._opened = opened
        self._listener = socket.create_server(("127.0.0.1", port))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                sock, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection = Connection(sock, "")
        try:
            connection.path, answer = _read_upgrade(sock)
            self.connections.append(connection)  # before its other end knows that it stands
            sock.sendall(answer)
        except (OSError, ValueError):
            self._forget(connection)
            return
        if self._opened is not None:
            self._opened(connection)
        while (frame := connection.receive()) is not None:
            kind, body = frame
            if kind == PING:
                connection.frame(PONG, body)
            elif kind == TEXT:
                self._heard(connection, body.decode())
            elif kind == CLOSE:
                connection.frame(CLOSE, body)
                break
        self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        connection.drop()

    def drop_all(self) -> None:
        """Cut every line without a word."""
        for connection in list(self.connections):
            connection.drop()

    def close(self) -> None:
        """Stop listening and cut every line."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_all()


def _read_upgrade(sock: socket.socket) -> tuple[str, bytes]:
    """Read a request to upgrade; return its path and the answer. *Raises*: ValueError."""
    text = b""
    while not text.endswith(b"\r\n\r\n"):
        part = sock.recv(4096)
        if not part or len(text) > 1 << 16:
            raise ValueError("no handshake")
        text += part
    request, *lines = text.decode().split("\r\n")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
    }
    key = headers.get("sec-websocket-key", "")
    if not key:
        raise ValueError("no key")
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
    answer = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )
    return request.split(" ")[1], answer.encode()
