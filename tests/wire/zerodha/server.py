"""The HTTP of the loopback venue: envelopes, limits, faults. Thread per connection, one lock."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from exchanges.zerodha.sessions import Calendar, Market, read_calendar
from machines.words import Instrument
from tests.wire.zerodha.broker import Broker
from tests.wire.zerodha.clock import WireClock
from tests.wire.zerodha.faults import Fault, Faults
from tests.wire.zerodha.floor import Floor
from tests.wire.zerodha.rates import Rates, kind_of
from tests.wire.zerodha.routes import Access, Csv, Request, Routes
from tests.wire.zerodha.rules import Refused
from tests.wire.zerodha.triggers import Triggers
from tests.wire.zerodha.watch import Watch

KEY, SECRET, TOKEN = "loopback-key", "loopback-secret", "loopback-token"
FRIDAY_10_15 = 1_795_149_900_000
LATE_MS = 8_000
"""An order has been seen to land so long after its request."""
JSON = "application/json"
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."


@dataclass
class Reply:
    """What goes back over the wire; ``None`` as content type leaves the header out."""

    status: int
    body: bytes
    content_type: str | None = JSON
    cut: bool = False
    location: str = ""


def envelope(data: object) -> bytes:
    return json.dumps({"status": "success", "data": data}).encode()


def error(status: int, kind: str, message: str) -> Reply:
    body = {"status": "error", "message": message, "error_type": kind, "data": None}
    return Reply(status, json.dumps(body).encode())


def html(status: int) -> Reply:
    return Reply(status, b"<html><h1>Bad gateway</h1></html>", "text/html")


_INSTEAD = {
    Fault.APPLIED_400_TIMED_OUT: error(400, "InputException", TIMED_OUT),
    Fault.APPLIED_504_HTML: html(504),
    Fault.HTML_502: html(502),
    Fault.HTML_429: html(429),
    Fault.JSON_429: error(429, "NetworkException", "Too many requests"),
    Fault.JSON_503: error(503, "NetworkException", "Service is unavailable"),
    Fault.APPLIED_503: error(503, "NetworkException", "Service is unavailable"),
    Fault.TOKEN_403: error(403, "TokenException", "Incorrect `api_key` or `access_token`."),
    Fault.PERMISSION_403: error(403, "PermissionException", "The IP address is not registered"),
    Fault.APPLIED_BAD_JSON: Reply(200, b'{"status": "success", "data"'),
    Fault.APPLIED_DATA_NULL: Reply(200, envelope(None)),
    Fault.APPLIED_NO_ERROR_TYPE: Reply(400, b'{"status": "error", "message": "odd"}'),
    Fault.REDIRECT: Reply(302, b"", location="/orders"),
}
_SILENT = (Fault.LATE, Fault.APPLIED_HANG, Fault.HANG, Fault.APPLIED_RESET, Fault.RESET)


def spoiled(fault: Fault, good: Reply) -> Reply | None:
    """Return what is answered instead of ``good``; None: nothing at all."""
    if fault in _SILENT:
        return None
    if fault is Fault.APPLIED_CUT:
        return replace(good, cut=True)
    if fault is Fault.APPLIED_NO_CONTENT_TYPE:
        return replace(good, content_type=None)
    if fault is Fault.APPLIED_500_SUCCESS:
        return replace(good, status=500)
    return _INSTEAD.get(fault, good)


class Venue:
    """One loopback venue: what a test moves, spoils and looks at."""

    def __init__(
        self,
        instruments: dict[str, Instrument],
        prices: dict[str, Decimal],
        start_ms: int = FRIDAY_10_15,
        markets: dict[str, Market] | None = None,
        calendar: Calendar | None = None,
    ) -> None:
        self.clock = WireClock(start_ms)
        self.latency_s = 0.0
        floor = Floor(instruments, prices, start_ms)
        default = {
            name: Market.FNO if name.startswith("NFO:") else Market.CASH for name in instruments
        }
        self.broker = Broker(floor, calendar or read_calendar(), default | (markets or {}))
        self.triggers = Triggers(self.broker)
        self.access = Access(KEY, SECRET, TOKEN, start_ms)
        self.routes = Routes(self.broker, self.triggers, self.access)
        self.faults = Faults()
        self.rates = Rates()
        self.log: list[str] = []
        """Every request, as ``METHOD /path``."""
        self.watch: Watch | None = None
        self.lock = threading.RLock()
        self.over = threading.Event()
        self.url = ""
        self.mistakes: list[str] = []
        """What went wrong in the server itself; must stay empty."""

    def move(
        self, price: str | Decimal, symbol: str = "NSE:INFY", depth: int | None = None
    ) -> None:
        """Let a price happen now."""
        with self.lock:
            volume = None if depth is None else Decimal(depth)
            self.routes.move(symbol, Decimal(price), self.clock.now_ms(), volume)

    def writes(self) -> list[str]:
        """Return the mutating requests so far."""
        return [line for line in self.log if not line.startswith("GET ")]

    def handle(self, request: Request) -> Reply | None:
        """Answer one request; None: hang or cut the line."""
        with self.lock:
            self.log.append(request.line)
            request.now_ms = self.clock.now_ms()
            if not self.rates.allow(kind_of(request.method, request.path), request.now_ms):
                return error(429, "NetworkException", "Too many requests")
            request.fault = fault = self.faults.pick(request.line)
            good = Reply(200, envelope(None))
            if fault is Fault.LATE:
                self.broker.at(request.now_ms + LATE_MS, lambda at_ms: self._late(request, at_ms))
            if fault is None or fault.applies or fault is Fault.NOT_APPLIED_200:
                try:
                    good = _good(self.routes.answer(request))
                except Refused as refused:
                    return error(refused.code, refused.kind, refused.message)
            if self.watch is not None:
                self.broker.advance(request.now_ms)
                self.watch.look(request.line)
            return good if fault is None else spoiled(fault, good)

    def _late(self, request: Request, at_ms: int) -> None:
        """Do what was asked for long ago, as when a line comes back."""
        request.now_ms = at_ms
        with suppress(Refused):
            self.routes.answer(request)


def _good(data: object) -> Reply:
    if isinstance(data, Csv):
        return Reply(200, data.text.encode(), "text/csv")
    return Reply(200, envelope(data))


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two packets: the second would wait
    server: "Server"  # pyright: ignore[reportIncompatibleVariableOverride] - it is always ours

    def _serve(self) -> None:
        venue = self.server.venue
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        lists = parse_qs(parts.query) | parse_qs(body, keep_blank_values=True)
        if parts.path == "/__sim__/price":
            asked = json.loads(body)
            venue.move(asked["price"], asked["symbol"], asked.get("depth"))
            self._send(Reply(200, envelope(True)))
            return
        fields = {name: values[-1] for name, values in lists.items()}
        if venue.latency_s:
            venue.over.wait(venue.latency_s)
        request = Request(self.command, parts.path, fields, lists, dict(self.headers), 0)
        reply = venue.handle(request)
        if reply is not None:
            self._send(reply)
            return
        self.close_connection = True
        if request.fault in (Fault.HANG, Fault.APPLIED_HANG):
            venue.over.wait()  # whoever asked loses patience long before

    do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the library's names

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        if reply.content_type is not None:
            self.send_header("Content-Type", reply.content_type)
        if reply.location:
            self.send_header("Location", reply.location)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[:-9] if reply.cut else reply.body)
        if reply.cut:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """The listening side, on this machine only."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, venue: Venue, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.venue = venue
        venue.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over a client that has hung up; keep what is a mistake of ours."""
        error = sys.exception()
        if not isinstance(error, OSError):
            self.venue.mistakes.append(repr(error))


@contextmanager
def serve(venue: Venue, port: int = 0) -> Iterator[Venue]:
    """Serve a venue until the block is left."""
    server = Server(venue, port)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield venue
    finally:
        venue.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
    assert venue.mistakes == []
