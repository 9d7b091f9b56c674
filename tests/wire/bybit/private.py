"""The loopback venue's private stream: greets by key, acknowledges late, tells what changed.

*Source*: venues/bybit.md §2.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading

from tests.wire.bybit.exchange import Exchange
from tests.wire.bybit.rows import Row
from tests.wire.common_ws import Connection, WebSocketServer

ACK_S = 0.03
"""pybit loses an acknowledgement that comes at once (§2.3)."""
PATH = "/v5/private"


class PrivateStream:
    """The stream of one venue. Close it."""

    def __init__(self, exchange: Exchange, port: int = 0) -> None:
        self.exchange = exchange
        self.refuses_keys = False
        self.refuses_topics = False
        self.silent = False
        """Takes connections and says nothing any more."""
        self.flaps = False
        """Cuts every connection once it has subscribed."""
        self.greeted = 0
        self.subscribed = threading.Event()
        self._closing = threading.Event()
        self._topics: dict[Connection, set[str]] = {}
        self._server = WebSocketServer(self._heard, port=port)
        exchange.listeners.append(self.tell)

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"ws://127.0.0.1:{self._server.port}{PATH}"

    def tell(self, topic: str, found: list[Row]) -> None:
        """Push rows to who has asked for the topic."""
        frame = {"id": "1", "topic": topic, "creationTime": self.exchange.now_ms()}
        text = json.dumps({**frame, "data": found})
        for connection, topics in list(self._topics.items()):
            if topic in topics and not self.silent:
                connection.send(text)

    def say(self, text: str) -> None:
        """Send any text to everybody."""
        for connection in list(self._topics):
            connection.send(text)

    def mute(self) -> None:
        """Fall silent: not even a ping is answered."""
        self.silent = True
        for connection in list(self._server.connections):
            connection.mute = True

    def drop(self) -> None:
        """Cut every line."""
        self._server.drop_all()

    def close(self) -> None:
        """Stop."""
        self._closing.set()
        self.exchange.listeners.remove(self.tell)
        self._server.close()

    def _heard(self, connection: Connection, text: str) -> None:
        said = json.loads(text)
        match said["op"]:
            case "auth":
                self._greet(connection, *said["args"])
            case "subscribe":
                self._subscribe(connection, said)
            case "ping":
                connection.send(json.dumps({"op": "pong", "args": ["1"], "conn_id": "c1"}))
            case _:
                connection.drop()

    def _greet(self, connection: Connection, key: str, expires_ms: int, sign: str) -> None:
        rules = self.exchange.rules
        text = f"GET/realtime{expires_ms}".encode()
        want = hmac.new(rules.secret.encode(), text, hashlib.sha256).hexdigest()
        good = key == rules.key and hmac.compare_digest(want, sign)
        good = good and expires_ms > self.exchange.now_ms() and not self.refuses_keys
        self.greeted += good
        if good:
            self._topics[connection] = set()
        connection.send(json.dumps({"success": good, "ret_msg": "", "op": "auth", "conn_id": "c"}))

    def _subscribe(self, connection: Connection, said: dict[str, object]) -> None:
        self._closing.wait(ACK_S)
        good = connection in self._topics and not self.refuses_topics
        req_id, args = said["req_id"], said["args"]
        assert isinstance(args, list)
        ack = {"success": good, "ret_msg": "", "op": "subscribe", "req_id": req_id}
        connection.send(json.dumps({**ack, "conn_id": "c"}))
        if not good:
            return
        self._topics[connection] |= set(args)
        if {"order", "execution"} <= self._topics[connection]:
            self.subscribed.set()
            if self.flaps:
                connection.drop()
