"""One account's rules at work: remembers for each ladder, asks the engine, writes decisions.

What `controller.keeper` calls: after each change of a ladder, when a rule's decision has filled,
once a strategy cycle, and before a rule's decision is sent. Holds no position and sends nothing.
Invariant: a ladder's memory changes only here, and is all that has to be durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from controller.journal import Remembered
from controller.rules.candles import Market, MarketData
from controller.rules.engine import Engine
from controller.rules.proposals import Proposal
from controller.rules.settings import RuleSettings
from controller.rules.views import (
    Memory,
    Place,
    PositionView,
    remember_best,
    remember_filled,
    remember_fills,
    remember_stop_sent,
    view_of,
)
from machines.decision import Decision, Kind, Order
from machines.ladder import Ladder
from machines.words import Quote

_EMPTY = Memory()


class SeesMarket(Protocol):
    """Candles of one symbol: of a feed, fetched, or made of the prices that are seen here."""

    def at(self, now_ms: int) -> Market:
        """Return what rules see at a moment."""
        ...


PlaceOf = Callable[[str, int], Place]
"""Where a symbol is traded, and its square-off, at a moment (UTC ms)."""


class Asked(msgspec.Struct, frozen=True):
    """What a ladder's rules decided in one cycle, and what went wrong with them."""

    orders: tuple[Order, ...] = ()
    alerts: tuple[str, ...] = ()


class RuleDesk:
    """The rules of one account's ladders."""

    def __init__(
        self,
        engine: Engine,
        settings: RuleSettings,
        markets: Mapping[str, SeesMarket],
        place_of: PlaceOf,
        memories: Mapping[str, Memory] | None = None,
    ) -> None:
        """``markets`` by symbol; ``memories`` by ladder, as an earlier run left them."""
        self._engine = engine
        self._trail = settings.trail
        self._markets = markets
        self._place_of = place_of
        self.memories: dict[str, Memory] = dict(memories or {})
        self._changed: set[str] = set()
        """Whose memory is to be written with the next append."""

    def changed(
        self, before: Ladder, after: Ladder, quote: Quote | None, filled_ms: int | None = None
    ) -> None:
        """Note what a poll has done to a ladder; ``filled_ms`` is its first entry fill's time."""
        if quote is not None:
            memory = self._memory(after)
            learnt = remember_fills(memory, before, after, quote, filled_ms)
            self._keep(after.terms.spec.name, learnt)

    def heard(self, decision: Decision) -> None:
        """Note what has become of a decision: its fill, or that its stop was sent."""
        order, memory = decision.order, self.memories.get(decision.order.ladder, _EMPTY)
        if order.by_person:
            return
        if decision.filled_qty:
            memory = remember_filled(memory, order.by, order.kind, order.id)
        if order.kind is Kind.MOVE_STOP and decision.sent_ms is not None:
            memory = remember_stop_sent(memory, decision.sent_ms)
        self._keep(order.ladder, memory)

    def cycle(
        self, ladder: Ladder, quote: Quote | None, now_ms: int, open_decisions: Iterable[Decision]
    ) -> Asked:
        """Evaluate a ladder's rules; ``open_decisions`` are those that have not ended."""
        name, seen = ladder.terms.spec.name, self._markets.get(ladder.terms.spec.symbol)
        if quote is not None and quote.in_session and isinstance(seen, MarketData):
            seen.add_price(quote.at_ms, quote.last, quote.day_volume)
        view = self._view(ladder, quote, now_ms)
        before = self._memory(ladder)
        memory = remember_best(before, view, self._trail)
        if memory is not before:
            self._keep(name, memory)
            view = self._view(ladder, quote, now_ms)
        mine = (each.order for each in open_decisions if each.order.ladder == name)
        found = self._engine.evaluate(view, _waiting(mine, ladder))
        return Asked(tuple(_order(each, name, now_ms) for each in found.proposals), found.alerts)

    def still_true(self, order: Order, ladder: Ladder, quote: Quote | None, now_ms: int) -> bool:
        """Tell whether a rule's decision is still what the rule would decide."""
        return self._engine.still_true(order, self._view(ladder, quote, now_ms))

    def forget(self, name: str) -> None:
        """Drop the memory of a ladder that is closed; its name is never used again."""
        self.memories.pop(name, None)

    def take_changes(self, account: str) -> list[Remembered]:
        """Hand over the memories that are to be written with the next append."""
        changed, self._changed = sorted(self._changed), set()
        return [
            Remembered(name, account, msgspec.json.encode(self.memories[name]).decode())
            for name in changed
            if name in self.memories
        ]

    def _view(self, ladder: Ladder, quote: Quote | None, now_ms: int) -> PositionView:
        symbol = ladder.terms.spec.symbol
        seen = self._markets.get(symbol)
        market = Market() if seen is None else seen.at(now_ms)
        place = self._place_of(symbol, now_ms)
        return view_of(ladder, quote, now_ms, self._memory(ladder), market, place)

    def _memory(self, ladder: Ladder) -> Memory:
        return self.memories.get(ladder.terms.spec.name, _EMPTY)

    def _keep(self, name: str, memory: Memory) -> None:
        if memory != self.memories.get(name, _EMPTY):
            self.memories[name] = memory
            self._changed.add(name)


def _waiting(orders: Iterable[Order], ladder: Ladder) -> dict[str, Decimal | None]:
    """Return the rules that wait for what they decided, each with its tightest stop."""
    found: dict[str, Decimal | None] = {}
    for order in orders:
        before = found.get(order.by)
        if order.by_person:
            continue
        ahead = (
            before is None or order.price is None or ladder.direction.beyond(order.price, before)
        )
        found[order.by] = order.price if ahead else before
    return found


def _order(proposal: Proposal, ladder: str, now_ms: int) -> Order:
    """Write a proposal as a decision, whose id is the same however often the cycle is run."""
    return Order(
        id=f"{ladder}:{proposal.rule}:{now_ms}",
        ladder=ladder,
        kind=proposal.kind,
        by=proposal.rule,
        reason=proposal.reason,
        priority=proposal.priority,
        fraction=proposal.fraction,
        price=proposal.price,
    )
