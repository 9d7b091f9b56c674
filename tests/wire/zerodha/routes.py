"""Kite's routes: a request in, the answer's data out. Knows no HTTP.

*Source*: the venue sheet §15.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from exchanges.zerodha.login import token_dies_ms
from tests.wire.zerodha import portfolio
from tests.wire.zerodha.broker import Broker
from tests.wire.zerodha.faults import Fault
from tests.wire.zerodha.rules import Refused
from tests.wire.zerodha.tickets import wall
from tests.wire.zerodha.triggers import Triggers

Fields = dict[str, str]


@dataclass
class Csv:
    """An answer that is a file."""

    text: str


@dataclass
class Request:
    """One request, read."""

    method: str
    path: str
    fields: Fields
    lists: dict[str, list[str]]
    headers: Mapping[str, str]
    now_ms: int
    fault: Fault | None = None

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class Access:
    """Who may call: one app, one living token."""

    def __init__(self, key: str, secret: str, token: str, now_ms: int) -> None:
        self.key, self.secret, self.token = key, secret, token
        self.dies_ms = token_dies_ms(now_ms)
        self.requests: set[str] = {"requesttoken1"}
        self.logins = 0

    def check(self, request: Request) -> None:
        """Refuse what does not carry the key and a living token."""
        if request.headers.get("X-Kite-Version") != "3":
            raise Refused("Invalid or missing `X-Kite-Version` header.")
        alive = request.now_ms < self.dies_ms and self.token
        if not alive or request.headers.get("Authorization") != f"token {self.key}:{self.token}":
            raise Refused("Incorrect `api_key` or `access_token`.", "TokenException", 403)

    def kill(self) -> None:
        """Let the token die, as by a login elsewhere."""
        self.token = ""

    def log_in(self, request: Request) -> dict[str, object]:
        """Exchange a request token, once."""
        fields = request.fields
        given = fields.get("request_token", "")
        checksum = hashlib.sha256(f"{self.key}{given}{self.secret}".encode()).hexdigest()
        if fields.get("api_key") != self.key or fields.get("checksum") != checksum:
            raise Refused("Invalid `checksum`.", "TokenException", 403)
        if given not in self.requests:
            raise Refused("Token is invalid or has expired.", "TokenException", 403)
        self.requests.remove(given)
        self.logins += 1
        self.token = f"fresh-token-{self.logins}"
        self.dies_ms = token_dies_ms(request.now_ms)
        return {
            "user_id": "AB1234",
            "user_name": "A Person",
            "api_key": self.key,
            "access_token": self.token,
            "public_token": "p",
            "refresh_token": "",
            "login_time": wall(request.now_ms),
            "meta": {"demat_consent": "physical"},
        }


class Routes:
    """Everything that one server answers."""

    def __init__(self, broker: Broker, triggers: Triggers, access: Access) -> None:
        self.broker = broker
        self.triggers = triggers
        self.access = access
        self.stale: list[dict[str, object]] | None = None
        """An old copy of the order book, shown instead of the present one."""
        self._table: list[tuple[re.Pattern[str], Callable[[Request, str], object]]] = [
            (re.compile(pattern), answer)
            for pattern, answer in (
                (r"GET /user/profile()$", self._profile),
                (r"GET /user/margins()$", self._margins),
                (r"POST /orders/regular()$", self._place),
                (r"PUT /orders/regular/(\d+)$", self._modify),
                (r"DELETE /orders/regular/(\d+)$", self._cancel),
                (r"GET /orders()$", self._orders),
                (r"GET /orders/(\d+)$", self._history),
                (r"GET /orders/(\d+)/trades$", self._order_trades),
                (r"GET /trades()$", self._trades),
                (r"GET /portfolio/positions()$", self._positions),
                (r"GET /portfolio/holdings()$", self._holdings),
                (r"GET /quote()$", self._quote),
                (r"GET /instruments/(\w+)$", self._instruments),
                (r"POST /gtt/triggers()$", self._gtt_place),
                (r"GET /gtt/triggers()$", self._gtts),
                (r"GET /gtt/triggers/(\d+)$", self._gtt),
                (r"PUT /gtt/triggers/(\d+)$", self._gtt_modify),
                (r"DELETE /gtt/triggers/(\d+)$", self._gtt_delete),
            )
        ]

    def answer(self, request: Request) -> object:
        """Answer a request. *Raises*: Refused."""
        if request.line == "POST /session/token":
            return self.access.log_in(request)
        self.access.check(request)
        self.broker.advance(request.now_ms)
        for pattern, answer in self._table:
            found = pattern.match(request.line)
            if found:
                return answer(request, found.group(1))
        raise Refused("Route not found", "GeneralException", 404)

    # -------------------------------------------------------------------------------- writes

    def _place(self, request: Request, _: str) -> object:
        if request.fault is Fault.NOT_APPLIED_200:
            return {"order_id": "1"}
        stuck = request.fault is Fault.STUCK
        order_id = self.broker.place(request.fields, request.now_ms, stuck=stuck)
        if request.fault is Fault.TWIN:
            self.broker.place(request.fields, request.now_ms)
        return {"order_id": order_id}

    def _modify(self, request: Request, order_id: str) -> object:
        self.broker.lie = request.fault is Fault.NOT_APPLIED_200
        self.broker.modify(order_id, request.fields, request.now_ms)
        return {"order_id": order_id}

    def _cancel(self, request: Request, order_id: str) -> object:
        if request.fault is not Fault.NOT_APPLIED_200:
            self.broker.cancel(order_id, request.now_ms)
        return {"order_id": order_id}

    def _gtt_place(self, request: Request, _: str) -> object:
        return {"trigger_id": self.triggers.place(request.fields, request.now_ms)}

    def _gtt_modify(self, request: Request, number: str) -> object:
        changed = self.triggers.modify(int(number), request.fields, request.now_ms)
        return {"trigger_id": changed}

    def _gtt_delete(self, request: Request, number: str) -> object:
        return {"trigger_id": self.triggers.delete(int(number), request.now_ms)}

    # --------------------------------------------------------------------------------- reads

    def book(self, now_ms: int) -> list[dict[str, object]]:
        """Write the order book as it shows now: late orders are not in it yet."""
        return [
            ticket.row() for ticket in self.broker.tickets.values() if ticket.visible_ms <= now_ms
        ]

    def _orders(self, request: Request, _: str) -> object:
        return self.book(request.now_ms) if self.stale is None else self.stale

    def _history(self, request: Request, order_id: str) -> object:
        ticket = self.broker.tickets.get(order_id)
        if ticket is None:
            raise Refused("Couldn't find that `order_id`.", "OrderException", 404)
        return [ticket.row(status) for status in ticket.history]

    def _order_trades(self, request: Request, order_id: str) -> object:
        ticket = self.broker.tickets.get(order_id)
        return [] if ticket is None else ticket.trades()

    def _trades(self, request: Request, _: str) -> object:
        return [row for ticket in self.broker.tickets.values() for row in ticket.trades()]

    def _positions(self, request: Request, _: str) -> object:
        by_ms = request.now_ms - self.broker.quirks.position_lag_ms
        return portfolio.positions(self.broker, by_ms)

    def _holdings(self, request: Request, _: str) -> object:
        return portfolio.holdings(self.broker)

    def _quote(self, request: Request, _: str) -> object:
        if not self.broker.quirks.quotes:
            raise Refused("Insufficient permission for that call.", "PermissionException", 403)
        return portfolio.quotes(self.broker, request.lists.get("i", []), request.now_ms)

    def _instruments(self, request: Request, exchange: str) -> object:
        return Csv(portfolio.instruments(self.broker, exchange))

    def _gtts(self, request: Request, _: str) -> object:
        return [trigger.row() for trigger in self.triggers.all.values()]

    def _gtt(self, request: Request, number: str) -> object:
        trigger = self.triggers.all.get(int(number))
        if trigger is None:
            raise Refused("Trigger not found.", "DataException", 404)
        return trigger.row()

    def _profile(self, request: Request, _: str) -> object:
        return {
            "user_id": "AB1234",
            "exchanges": ["NSE", "BSE", "NFO"],
            "products": ["CNC", "MIS", "NRML"],
            "order_types": ["MARKET", "LIMIT", "SL", "SL-M"],
            "meta": {"demat_consent": "physical"},
        }

    def _margins(self, request: Request, _: str) -> object:
        return {"equity": {"enabled": True, "net": float(self.broker.quirks.funds)}}

    # ------------------------------------------------------------------------------ the market

    def move(self, symbol: str, price: Decimal, now_ms: int, depth: Decimal | None = None) -> None:
        """Let a price happen, and GTTs fire by it."""
        if depth is None:
            self.broker.move(symbol, price, now_ms)
        else:
            self.broker.move(symbol, price, now_ms, depth)
        self.triggers.check_prices(now_ms)
