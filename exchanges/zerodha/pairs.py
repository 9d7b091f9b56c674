"""Two-leg GTTs as pairs: which is ours, what it shows, and how it is asked for (scheme A).

A GTT is the broker's: it blocks no shares, fires once, places a limit order and is gone, whatever
becomes of that order. Pure but for `Memory`. *Source*: the venue sheet §7, §13.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from exchanges.zerodha import ist
from exchanges.zerodha.classify import refusal_of
from exchanges.zerodha.instruments import Listing
from exchanges.zerodha.memory import KEEP_MS, Bound, Memory
from exchanges.zerodha.parse import TWIN
from exchanges.zerodha.render import Pair
from exchanges.zerodha.wire import WireGtt, WireLeg
from machines.words import ZERO, Leg, Order, OrderStatus, OrderType, Refusal, Side

GONE_READS = 3
"""So many lists in a row must lack a GTT before it is gone."""
_EARLY_MS = 5_000
"""Kite's clock may be this far behind ours."""
_ENDED = {
    "expired": OrderStatus.EXPIRED,
    "rejected": OrderStatus.REJECTED,
    "cancelled": OrderStatus.CANCELLED,
    "disabled": OrderStatus.CANCELLED,
    "deleted": OrderStatus.CANCELLED,
}


class Fired(msgspec.Struct, frozen=True):
    """An order that a leg has placed. ``trigger_px`` is its stop's; None: it was the target."""

    name: str
    trigger_px: Decimal | None


class Pairs:
    """One account's pairs."""

    def __init__(self, memory: Memory, listings: Mapping[str, Listing]) -> None:
        self._memory = memory
        self._listings = listings
        self._gtts: dict[int, WireGtt] = {}
        self._gone: dict[int, int] = {}
        """How many readings in a row have lacked a GTT that was there before."""
        self._twins: dict[str, int] = {}
        """Kite's numbers of surplus twins, by the names that set them apart."""
        self.fired: dict[str, Fired] = {}
        """By Kite's order id."""

    def see(self, gtts: Iterable[WireGtt], now_ms: int) -> None:
        """Take a reading of all GTTs: bind those of unknown outcome, find those that fired."""
        self._merge({gtt.id: gtt for gtt in gtts})
        taken = {bound.number for bound in self._memory.pairs.values()}
        for bound in self._memory.pairs.values():
            if not bound.number:
                bound.number = next(
                    (gtt.id for gtt in self._gtts.values()
                     if gtt.id not in taken and self._is(gtt, bound)),
                    0,
                )  # fmt: skip
                if bound.number:
                    taken.add(bound.number)
                    self._memory.keep()
        self._memory.pairs = {
            name: bound
            for name, bound in self._memory.pairs.items()
            if bound.number in self._gtts or now_ms - bound.asked_ms < KEEP_MS
        }
        self._twins = {}
        for gtt in self._gtts.values():
            name = self._twin_of(gtt, taken)
            if name:
                self._twins[f"{name}{TWIN}{len(self._twins) + 2}"] = gtt.id
        self.fired = {}
        for name, bound in self._memory.pairs.items():
            gtt = self._gtts.get(bound.number)
            if gtt is None:
                continue
            leg = _fired_leg(gtt)
            result = None if leg is None or leg.result is None else leg.result.order_result
            if leg is not None and result is not None and result.order_id:
                stop = _is_stop(gtt, leg)
                self.fired[result.order_id] = Fired(name, _trigger(gtt, leg) if stop else None)

    def _merge(self, found: dict[int, WireGtt]) -> None:
        """Take a list; what one reading lacks may be missing from a stale copy only."""
        for number, gtt in self._gtts.items():
            if number not in found:
                times = self._gone[number] = self._gone.get(number, 0) + 1
                if times < GONE_READS:
                    found[number] = gtt
        for number in [number for number in self._gone if number in found]:
            if found[number] is not self._gtts.get(number):
                del self._gone[number]
        self._gtts = found

    def _twin_of(self, gtt: WireGtt, taken: set[int]) -> str:
        """Name the pair that an active GTT of nobody repeats, if there is one."""
        if gtt.id in taken or gtt.status != "active":
            return ""
        for name, bound in self._memory.pairs.items():
            if bound.number and self._is(gtt, bound):
                return name
        return ""

    def _is(self, gtt: WireGtt, bound: Bound) -> bool:
        """Tell whether a GTT is what was asked for and not answered."""
        listing = self._listings.get(bound.symbol)
        if listing is None or gtt.type != "two-leg" or len(gtt.orders) != 2:
            return False
        here = (gtt.condition.exchange, gtt.condition.tradingsymbol)
        young = gtt.created_at is None or gtt.created_at >= bound.asked_ms - _EARLY_MS
        place = (listing.exchange, listing.tradingsymbol)
        return young and here == place and _pair(gtt) == bound.pair

    @property
    def names(self) -> dict[str, str]:
        """Return client order ids of fired orders, by Kite's order id."""
        return {order_id: fired.name for order_id, fired in self.fired.items()}

    @property
    def tags(self) -> set[str]:
        """Return the client order ids that Kite is known to have."""
        return {name for name, bound in self._memory.pairs.items() if bound.number in self._gtts}

    def active(self, name: str) -> tuple[int, Pair] | None:
        """Return Kite's number and the present shape of a pair that waits."""
        bound = self._memory.pairs.get(name)
        number = self._twins.get(name, 0) if bound is None else bound.number
        gtt = self._gtts.get(number)
        if gtt is None or gtt.status != "active":
            return None
        return gtt.id, _pair(gtt)

    def waiting_qty(self, symbol: str) -> Decimal:
        """Return what a symbol's waiting pairs would sell if all fired, twins included.

        One that was changed counts as the larger of what it shows and what was asked for.
        """
        names = [name for name, bound in self._memory.pairs.items() if bound.symbol == symbol]
        names += [name for name in self._twins if self._own(name).symbol == symbol]
        return sum(
            (
                max(found[1].qty, self._own(name).pair.qty)
                for name in names
                if (found := self.active(name)) is not None
            ),
            ZERO,
        )

    def _own(self, name: str) -> Bound:
        """Return what was asked for under a name, or under the name that it is a twin of."""
        return self._memory.pairs[name.partition(TWIN)[0]]

    def bound(self, name: str) -> Bound | None:
        """Return what was asked for under a name."""
        return self._memory.pairs.get(name)

    def intend(self, name: str, symbol: str, pair: Pair, now_ms: int) -> Bound:
        """Write down that a pair is about to be asked for."""
        bound = self._memory.pairs[name] = Bound(symbol, pair, now_ms)
        self._memory.keep()
        return bound

    def keep(self) -> None:
        """Write down what has changed."""
        self._memory.keep()

    def forget(self, name: str) -> None:
        """Strike off a pair that was refused."""
        self._memory.pairs.pop(name, None)
        self._memory.keep()

    # ------------------------------------------------------------------------------ showing

    def orders(self, symbol: str, booked: Mapping[str, object], now_ms: int) -> list[Order]:
        """Return a symbol's pairs as orders, but for those whose order the book shows.

        ``booked`` is the order book by Kite's ids.
        """
        found: list[Order] = []
        for name, number in self._twins.items():
            bound = self._own(name)
            if bound.symbol == symbol:
                found.append(_order(name, number, bound.pair, bound, "active"))
        for name, bound in self._memory.pairs.items():
            if bound.symbol != symbol or not bound.number:
                continue
            gtt = self._gtts.get(bound.number)
            if gtt is None:
                if bound.number in self._gone:  # deleted GTTs leave the list after a while
                    found.append(_order(name, bound.number, bound.pair, bound, "deleted"))
            elif gtt.status != "triggered":
                found.append(_order(name, gtt.id, _pair(gtt), bound, gtt.status))
            else:
                order = _triggered(name, gtt, booked, now_ms)
                found += [] if order is None else [order]
        return found


def _order(name: str, number: int, pair: Pair, bound: Bound, word: str) -> Order:
    status = OrderStatus.OPEN if word == "active" else _ENDED.get(word, OrderStatus.UNKNOWN)
    by_person = status is OrderStatus.OPEN and pair not in (bound.pair, bound.was)
    if word == "deleted":
        by_person = not bound.deleted
    return Order(
        client_order_id=name,
        venue_order_id=str(number),
        side=pair.side,
        type=OrderType.PAIR,
        qty=pair.qty,
        filled_qty=ZERO,
        status=status,
        price=pair.stop.price,
        trigger_px=pair.stop.trigger_px,
        refusal=Refusal.OTHER if status is OrderStatus.REJECTED else None,
        by_person=by_person,
        target=pair.target,
    )


def _triggered(name: str, gtt: WireGtt, booked: Mapping[str, object], now_ms: int) -> Order | None:
    """Show a fired pair that the book does not show: refused, or not there yet."""
    leg = _fired_leg(gtt)
    result = None if leg is None or leg.result is None else leg.result.order_result
    today = gtt.updated_at is None or ist.day_of(gtt.updated_at) == ist.day_of(now_ms)
    if leg is None or result is None or result.order_id in booked or not today:
        return None
    stop = _is_stop(gtt, leg)
    failed = not result.order_id
    live = OrderStatus.TRIGGERED if stop else OrderStatus.OPEN
    return Order(
        client_order_id=name,
        venue_order_id=result.order_id,
        side=_side(leg),
        type=OrderType.STOP_LIMIT if stop else OrderType.LIMIT,
        qty=leg.quantity,
        filled_qty=ZERO,
        status=OrderStatus.REJECTED if failed else live,
        price=leg.price,
        trigger_px=_trigger(gtt, leg) if stop else None,
        refusal=refusal_of(result.rejection_reason) if failed else None,
    )


def _side(leg: WireLeg) -> Side:
    return Side.BUY if leg.transaction_type == "BUY" else Side.SELL


def _pair(gtt: WireGtt) -> Pair:
    """Read a two-leg GTT: of a sale the lower leg is the stop, of a purchase the upper."""
    lower, upper = (
        Leg(trigger, leg.price)
        for trigger, leg in zip(gtt.condition.trigger_values, gtt.orders, strict=True)
    )
    side = _side(gtt.orders[0])
    stop, target = (lower, upper) if side is Side.SELL else (upper, lower)
    return Pair(side, gtt.orders[0].quantity, stop, target)


def _fired_leg(gtt: WireGtt) -> WireLeg | None:
    return next((leg for leg in gtt.orders if leg.result is not None), None)


def _is_stop(gtt: WireGtt, leg: WireLeg) -> bool:
    return (leg is gtt.orders[0]) is (_side(leg) is Side.SELL)


def _trigger(gtt: WireGtt, leg: WireLeg) -> Decimal:
    return gtt.condition.trigger_values[0 if leg is gtt.orders[0] else 1]
