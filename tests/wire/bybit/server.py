"""The loopback venue's HTTP side: what the unmodified pybit talks to.

Strict about keys, signatures over the bytes on the wire, times and rate limits. *Source*:
venues/bybit.md §3.1, §5, §9.1.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from decimal import Decimal
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import parse_qsl

from tests.wire.bybit.exchange import Exchange
from tests.wire.bybit.faults import CODES, STATUSES, Faults, Wrong
from tests.wire.bybit.params import Err
from tests.wire.bybit.queries import EXECUTIONS, HISTORY, POSITIONS, REALTIME, Queries
from tests.wire.bybit.rules import Rules
from tests.wire.bybit.trading import Trading

Result = tuple[object, object]
Endpoint = Callable[[Any], Result]
BATCHES = ("/v5/order/create-batch", "/v5/order/amend-batch", "/v5/order/cancel-batch")
_READS = (REALTIME, HISTORY, EXECUTIONS, POSITIONS, "/v5/account/info")
PER_SECOND = dict.fromkeys(_READS, 50) | {"/v5/account/fee-rate": 5}
"""Source: §5; every other signed path takes ten."""


class Gate:
    """Rate limits: a rolling second for each path, the headers that tell of it."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._taken: dict[str, list[int]] = {}
        self._lock = threading.Lock()

    def take(self, path: str, now_ms: int, cost: int) -> tuple[int, dict[str, str]]:
        """Let as much through as the second has left. *Raises*: Err 10006 when that is nothing."""
        limit = self._rules.per_second.get(path, PER_SECOND.get(path, 10))
        with self._lock:
            taken = [at for at in self._taken.get(path, []) if at > now_ms - 1000]
            room = limit - len(taken) if self._rules.limits else cost
            within = min(cost, room)
            if within <= 0:
                headers = _limit_headers(limit, 0, taken[0] + 1000)
                raise Err(10006, "Too many visits. Exceeded the API Rate Limit.", headers)
            self._taken[path] = taken + [now_ms] * within
        return within, _limit_headers(limit, max(0, room - within), now_ms)


def _limit_headers(limit: int, left: int, reset_ms: int) -> dict[str, str]:
    return {
        "X-Bapi-Limit": str(limit),
        "X-Bapi-Limit-Status": str(left),
        "X-Bapi-Limit-Reset-Timestamp": str(reset_ms),
    }


class Loopback:
    """A venue that runs: its books, its faults, its address. Close it."""

    def __init__(self, rules: Rules, prices: dict[str, str], port: int = 0) -> None:
        self.rules = rules
        self.exchange = Exchange(rules, {symbol: Decimal(px) for symbol, px in prices.items()})
        self.faults = Faults()
        self.latency_s = 0.0
        self.after: Callable[[str], None] = lambda path: None
        """Called when a request to a path has been done, before it is answered."""
        self.requests: list[tuple[str, str, str]] = []
        """Every request that arrived: method, path, query or body."""
        self.closing = threading.Event()
        self.at_work = threading.Condition()
        self.working = 0
        self.gate = Gate(rules)
        self.signed, self.unsigned = _routes(self.exchange)
        self._server = _Server(("127.0.0.1", port), Handler)
        self._server.venue = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.daemon = True
        self._thread.start()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def asked(self, path: str) -> int:
        """Count the requests to a path."""
        return sum(1 for _, each, _ in self.requests if each == path)

    def mutations(self) -> list[str]:
        """Name the requests that ask for a change, in order."""
        return [path.rpartition("/")[2] for method, path, _ in self.requests if method == "POST"]

    def count(self, change: int) -> None:
        """Note that a request is looked at, or that no more will come of it."""
        with self.at_work:
            self.working += change
            self.at_work.notify_all()

    def rest(self) -> None:
        """Wait until nothing more comes of what has arrived."""
        with self.at_work:
            assert self.at_work.wait_for(lambda: not self.working, 30), "a request hangs"

    def close(self) -> None:
        """Stop listening and let go of who waits for an answer."""
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    venue: Loopback


def _routes(exchange: Exchange) -> tuple[dict[str, Endpoint], dict[str, Endpoint]]:
    trading, queries = Trading(exchange), Queries(exchange)
    signed: dict[str, Endpoint] = {
        "POST /v5/order/create": trading.create,
        "POST /v5/order/amend": trading.amend,
        "POST /v5/order/cancel": trading.cancel,
        "POST /v5/order/create-batch": trading.create_batch,
        "POST /v5/order/amend-batch": trading.amend_batch,
        "POST /v5/order/cancel-batch": trading.cancel_batch,
        "POST /v5/position/trading-stop": trading.trading_stop,
        f"GET {REALTIME}": queries.realtime,
        f"GET {HISTORY}": queries.history,
        f"GET {EXECUTIONS}": queries.executions,
        f"GET {POSITIONS}": queries.positions,
        "GET /v5/account/fee-rate": queries.fee_rates,
        "GET /v5/account/info": queries.account_info,
        "GET /v5/user/query-api": queries.key,
    }
    unsigned: dict[str, Endpoint] = {
        "GET /v5/market/time": queries.server_time,
        "GET /v5/market/tickers": queries.tickers,
        "GET /v5/market/instruments-info": queries.instruments,
        "GET /v5/market/kline": queries.kline,
    }
    return signed, unsigned


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # one send a response; the default costs 45 ms a call

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""

    @property
    def venue(self) -> Loopback:
        """Return the venue behind this connection."""
        return cast("_Server", self.server).venue

    def do_GET(self) -> None:
        """Answer a read."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a request."""
        self._answer()

    def _answer(self) -> None:
        self.venue.count(+1)
        self._counted = True
        try:
            self._respond()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            self._uncount()

    def _uncount(self) -> None:
        if self._counted:
            self._counted = False
            self.venue.count(-1)

    def _respond(self) -> None:
        venue = self.venue
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        path, _, query = self.path.partition("?")
        payload = query if self.command == "GET" else raw
        venue.requests.append((self.command, path, payload))
        if venue.latency_s:
            venue.closing.wait(venue.latency_s)
        wrong = venue.faults.draw(path)
        if wrong is not None and not wrong.takes_effect:
            self._go_wrong(wrong, b"")
            return
        status, body, headers = self._perform(path, payload)
        venue.after(path)
        if wrong is Wrong.TWICE:
            status, body, headers = self._perform(path, payload)
        elif wrong is not None:
            self._go_wrong(wrong, body)
            return
        self._send(status, body, headers)

    def _perform(self, path: str, payload: str) -> tuple[int, bytes, dict[str, str]]:
        """Do what is asked and write the answer."""
        venue, name = self.venue, f"{self.command} {path}"
        endpoint = venue.signed.get(name) or venue.unsigned.get(name)
        if endpoint is None:
            return 404, b"", {}
        headers: dict[str, str] = {}
        try:
            args: dict[str, object] = (
                dict(parse_qsl(payload, keep_blank_values=True))
                if self.command == "GET"
                else json.loads(payload or "{}")
            )
            if name in venue.signed:
                if not self.headers.get("X-BAPI-API-KEY"):
                    return 401, b"", {}
                authorise(venue, self.headers, payload)
                items = args.get("request") if path in BATCHES else None
                cost = len(cast("list[object]", items)) if isinstance(items, list) else 1
                within, headers = venue.gate.take(path, venue.exchange.now_ms(), cost)
                result, extra = limited(endpoint, args, within, cost)
            else:
                with venue.exchange.lock:
                    result, extra = endpoint(args)
            answer: dict[str, object] = {"retCode": 0, "retMsg": "OK", "result": result}
            answer["retExtInfo"] = extra
        except Err as error:
            headers = error.headers or headers
            answer = {"retCode": error.code, "retMsg": error.text, "result": {}, "retExtInfo": {}}
        answer["time"] = venue.exchange.now_ms()
        return 200, json.dumps(answer).encode(), headers

    # ---------------------------------------------------------------------------- going wrong

    def _go_wrong(self, wrong: Wrong, body: bytes) -> None:
        match wrong:
            case Wrong.DROP_BEFORE | Wrong.DROP_AFTER:
                self.close_connection = True
            case Wrong.SILENT_BEFORE | Wrong.SILENT_AFTER:
                self._hang()
            case Wrong.HALF | Wrong.STALL:
                self._head(200, len(body), {})
                self.wfile.write(body[: len(body) // 2])
                self.wfile.flush()
                if wrong is Wrong.STALL:
                    self._hang()
                self.close_connection = True
            case Wrong.REDIRECT:
                self._send(302, b"", {"Location": "http://127.0.0.1:9/elsewhere"})
            case Wrong.HTML_200 | Wrong.HTML_502:
                self._send(STATUSES.get(wrong, 200), b"<html>Bad Gateway</html>", {})
            case Wrong.EMPTY | Wrong.A_LIST | Wrong.NULL:
                said = {Wrong.EMPTY: b"", Wrong.A_LIST: b"[1]", Wrong.NULL: b"null"}
                self._send(200, said[wrong], {})
            case Wrong.NO_TEXT:
                self._send(200, b'{"retCode":10016}', {})
            case Wrong.ODD_CODE:
                self._send(200, b'{"retCode":"E1","retMsg":"odd"}', {})
            case Wrong.NO_EXTRA:
                answer = json.loads(body)
                del answer["retExtInfo"]
                self._send(200, json.dumps(answer).encode(), {})
            case _ if wrong in STATUSES:
                self._send(STATUSES[wrong], b"", {})
            case _:
                self._say(wrong)

    def _say(self, wrong: Wrong) -> None:
        code, text = CODES[wrong]
        now_ms = self.venue.exchange.now_ms()
        headers = {
            Wrong.LIMITED: _limit_headers(10, 0, now_ms + 300),
            Wrong.LIMITED_PAST: _limit_headers(10, 0, now_ms - 300),
        }.get(wrong, {})
        answer = {"retCode": code, "retMsg": text, "result": {}, "retExtInfo": {}, "time": now_ms}
        self._send(200, json.dumps(answer).encode(), headers)

    def _hang(self) -> None:
        """Say nothing until the other side has long given up."""
        self._uncount()
        self.venue.closing.wait(10)
        self.close_connection = True

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(body), headers)
        self.wfile.write(body)
        self.wfile.flush()

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


def authorise(venue: Loopback, headers: Message, payload: str) -> None:
    """Refuse a wrong key, a wrong signature or a wrong time. *Raises*: Err."""
    key, rules = headers["X-BAPI-API-KEY"], venue.rules
    if key != rules.key:
        raise Err(10003, "API key is invalid.")
    at_ms, window = int(headers["X-BAPI-TIMESTAMP"]), int(headers["X-BAPI-RECV-WINDOW"])
    text = f"{at_ms}{key}{window}{payload}"
    want = hmac.new(rules.secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(want, headers.get("X-BAPI-SIGN", "")):
        raise Err(10004, "error sign! please check your signature generation algorithm.")
    now_ms = venue.exchange.now_ms()
    if not now_ms - window <= at_ms < now_ms + 1000:
        raise Err(
            10002,
            "invalid request, please check your server timestamp or recv_window param. "
            f"req_timestamp[{at_ms}],server_timestamp[{now_ms}],recv_window[{window}]",
        )


def limited(endpoint: Endpoint, args: dict[str, object], within: int, cost: int) -> Result:
    """Do a request; a batch's items beyond the second's quota fail one by one."""
    owner: Trading | Queries = cast("Any", endpoint).__self__
    with owner.exchange.lock:
        if within >= cost:
            return endpoint(args)
        items = cast("list[dict[str, object]]", args["request"])
        result, extra = endpoint({**args, "request": items[:within]})
    shown = cast("dict[str, list[object]]", result)["list"]
    codes = cast("dict[str, list[object]]", extra)["list"]
    for item in items[within:]:
        shown.append({"orderId": "", "orderLinkId": item.get("orderLinkId", "")})
        codes.append({"code": 10006, "msg": "Too many visits. Exceeded the API Rate Limit."})
    return result, extra
