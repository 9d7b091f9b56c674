"""What has been read of an account: fills, ends of orders, the last cut that was believed. Pure.

Executions are counted once, by the venue's id; an order that is not open any more is missing until
its end has been read. Invariants: a cut is believed as a whole or not at all; nothing missing is
taken for ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from decimal import Decimal

import msgspec

from exchanges.bybit import cut, parse
from exchanges.bybit.cut import Execution, Held, Mode
from exchanges.bybit.wire import ExecutionRow, OrderRow
from machines.errors import RungkeeperError
from machines.words import NAMELESS, ZERO, Key, Mutation, Order, PlaceOrder, SetStop, View

SHOWN_WITHIN_MS = 5_000
"""What was accepted and is not shown by then is not waited for. Source: venues/bybit.md §7.1."""
LOOK_UP_FOR_MS = 60_000
"""A placement whose end is not known is looked up by its id this long: past any window."""
LOST_AFTER_MS = 30_000
"""An order that was open and is neither open nor ended is looked for this long."""
SKEW_MS = 10_000
"""More is shown than asked for by this much: the venue's clock is not the one that asks."""
DRIFT_READS = 5
"""A difference that so many reads show the same is how the venue sees it, not a lag."""


class Torn(RungkeeperError):
    """The answers do not fit together: one of them is older than another."""


class _Sent(msgspec.Struct, frozen=True):
    mutation: Mutation
    at_ms: int
    sure: bool


class _Watched(msgspec.Struct, frozen=True):
    row: OrderRow
    shown_ms: int


class Missing(msgspec.Struct, frozen=True):
    """Orders to be looked up: client order ids and their symbols."""

    owed: dict[str, str]
    """These are somewhere: they were open, accepted, or have filled."""
    asked: dict[str, str]
    """These may never have arrived."""


class Memory:
    """One account's memory."""

    def __init__(self, mode: Mode) -> None:
        self.mode = mode
        self.covered_ms: int | None = None
        """From here on all executions and all ends of orders are known; None: nothing is."""
        self.cursor_ms = 0
        """When the newest execution happened."""
        self._executions: dict[str, Execution] = {}
        self._filled: dict[str, Decimal] = {}
        """What each order's executions add up to, by venue order id."""
        self._since: list[Execution] = []
        """Executions that the last cut did not hold."""
        self._held: dict[Key, Held] | None = None
        self._believed = False
        self._drift: dict[Key, Decimal] = {}
        self._drift_reads = 0
        self._watched: dict[str, _Watched] = {}
        self._ended: dict[str, OrderRow] = {}
        self._found: dict[str, OrderRow] = {}
        """Ends that no cut held yet: an end is final, so what was looked up need not be again."""
        self._sent: dict[tuple[Key, str], _Sent] = {}
        self._views: dict[Key, View] = {}

    @property
    def _from_ms(self) -> int:
        """Return from when on everything is shown."""
        return (self.covered_ms or 0) - SKEW_MS

    @property
    def symbols(self) -> set[str]:
        """Name the symbols where anything is or was."""
        return {key.symbol for key in self._views}

    def sent(self, mutation: Mutation, now_ms: int, *, sure: bool) -> None:
        """Note a request that was accepted (``sure``) or may have been."""
        name = "" if isinstance(mutation, SetStop) else mutation.client_order_id
        self._sent[mutation.key, name] = _Sent(mutation, now_ms, sure)

    def start(
        self, since_ms: int, fills: Sequence[ExecutionRow], ended: Sequence[OrderRow]
    ) -> None:
        """Begin, or begin anew farther back, with all that happened since."""
        for execution in self.mode.executions(fills):
            self._count(execution)
        self._ended |= {row.order_link_id: row for row in ended if row.order_link_id}
        self.covered_ms = since_ms
        self.cursor_ms = max(self.cursor_ms, since_ms)
        self._held = None
        self._believed = False

    def learn(self, rows: Iterable[ExecutionRow]) -> None:
        """Count executions that are new."""
        for execution in self.mode.executions(rows):
            if execution.fill.fill_id not in self._executions:
                self._count(execution)
                self._since.append(execution)

    def _count(self, execution: Execution) -> None:
        fill = execution.fill
        if fill.fill_id in self._executions:
            return
        self._executions[fill.fill_id] = execution
        self._filled[execution.order_id] = self._filled.get(execution.order_id, ZERO) + fill.qty
        self.cursor_ms = max(self.cursor_ms, fill.at_ms)

    def find(self, rows: Iterable[OrderRow]) -> list[OrderRow]:
        """Keep the ends among orders that were looked up; return those that are open after all."""
        live: list[OrderRow] = []
        for row in rows:
            if parse.order(row).status.live:
                live.append(row)
            else:
                self._found[row.order_link_id] = row
        return live

    def missing(self, orders: Iterable[OrderRow]) -> Missing:
        """Name what is not open and whose end is not known."""
        shown = {row.order_link_id for row in orders} | self._ended.keys() | self._found.keys()
        owed = {name: watched.row.symbol for name, watched in self._watched.items()}
        asked: dict[str, str] = {}
        for (key, name), sent in self._sent.items():
            if isinstance(sent.mutation, PlaceOrder):
                (owed if sent.sure else asked)[name] = key.symbol
        for execution in self._since:
            name = execution.fill.client_order_id
            if name and not name.startswith(NAMELESS):  # others' are not waited for
                owed[name] = execution.key.symbol
        return Missing(_without(owed, shown), _without(asked, shown | owed.keys()))

    # ------------------------------------------------------------------------------- judging

    def judge(
        self,
        orders: Mapping[str, OrderRow],
        held: Mapping[Key, Held],
        now_ms: int,
        *,
        patient: bool,
    ) -> None:
        """Believe a cut or not. ``orders``: the open ones, by client order id.

        ``patient``: another attempt follows. *Raises*: Torn.
        """
        for name in orders:
            if name in self._found or name in self._ended:
                raise Torn(f"order {name} is shown open after its end")
        orders = {**self._found, **orders}
        wrong = self._lost(orders, now_ms) or self._disagreeing(orders)
        wrong = wrong or cut.behind(held, self._since) or self._drifted(held, patient=patient)
        if wrong is None and patient:
            wrong = self._unseen(orders, held, now_ms)
        if wrong is not None:
            raise Torn(wrong)

    def _lost(self, orders: Mapping[str, OrderRow], now_ms: int) -> str | None:
        for name, watched in list(self._watched.items()):
            if name in orders or name in self._ended:
                continue
            if now_ms - watched.shown_ms < LOST_AFTER_MS:
                return f"order {name} is neither open nor ended"
            del self._watched[name]
        return None

    def _disagreeing(self, orders: Mapping[str, OrderRow]) -> str | None:
        for row in orders.values():
            created_ms = parse.number(row.created_time, f"order {row.order_link_id}: createdTime")
            # What filled before our time is not in our books.
            if created_ms is None or created_ms < self._from_ms:
                continue
            wrong = cut.untold(row, self._filled)
            if wrong is not None:
                return wrong
        return None

    def _drifted(self, held: Mapping[Key, Held], *, patient: bool) -> str | None:
        """Say that positions changed by something else than what traded."""
        found = {} if self._held is None else cut.drift(held, self._held, self._since)
        if self._held is not None and not found:
            self._drift_reads = 0
            return None
        if not self._believed:  # the first cut is what the second is judged by
            self._held = dict(held)
            self._since.clear()
            return "a first read must be seen twice"
        if not patient:
            self._drift_reads = self._drift_reads + 1 if found == self._drift else 1
            self._drift = found
            if self._drift_reads >= DRIFT_READS:
                return None
        symbols = ", ".join(sorted(key.symbol for key in found))
        return f"{symbols}: the position changed by something else than what traded"

    def _unseen(
        self, orders: Mapping[str, OrderRow], held: Mapping[Key, Held], now_ms: int
    ) -> str | None:
        known = {**self._ended, **orders}
        for sent in self._sent.values():
            if sent.sure and now_ms - sent.at_ms < SHOWN_WITHIN_MS:
                wrong = cut.unseen(sent.mutation, known, held)
                if wrong is not None:
                    return wrong
        return None

    # ------------------------------------------------------------------------------- keeping

    def take(
        self, rows: Iterable[OrderRow], held: dict[Key, Held], since_ms: int, now_ms: int
    ) -> dict[Key, View]:
        """Keep a cut that was believed, and return every position's view."""
        self._held, self._believed = dict(held), True
        self._since.clear()
        live: list[tuple[Key, Order]] = []
        for row in sorted(rows, key=_placed):
            order = parse.order(row)
            if order.status.live:
                live.append((self.mode.key(row.symbol, row.position_idx), order))
                if row.order_link_id:
                    self._watched[row.order_link_id] = _Watched(row, now_ms)
        for name, row in self._found.items():
            self._ended[name] = row
            self._watched.pop(name, None)
        self._found = {}
        self._sent = {
            slot: sent
            for slot, sent in self._sent.items()
            if now_ms - sent.at_ms < LOOK_UP_FOR_MS and slot[1] not in self._ended
        }
        self._prune(since_ms)
        return self._show(live, held)

    def _prune(self, since_ms: int) -> None:
        """Forget what nobody asks for any more."""
        if self.covered_ms is None or since_ms <= self.covered_ms:
            return
        self.covered_ms = since_ms
        self._ended = {
            name: row for name, row in self._ended.items() if parse.order_time(row) >= self._from_ms
        }
        kept = {
            name: execution
            for name, execution in self._executions.items()
            # One more overlap than is asked for, so that nothing old looks new.
            if execution.fill.at_ms >= min(since_ms, self.cursor_ms) - 2 * LOOK_UP_FOR_MS
        }
        if len(kept) < len(self._executions):
            self._executions = kept
            self._filled = {}
            for execution in kept.values():
                order_id, qty = execution.order_id, execution.fill.qty
                self._filled[order_id] = self._filled.get(order_id, ZERO) + qty

    def _show(self, live: list[tuple[Key, Order]], held: Mapping[Key, Held]) -> dict[Key, View]:
        orders: dict[Key, list[Order]] = {}
        for row in self._ended.values():
            orders.setdefault(self.mode.key(row.symbol, row.position_idx), []).append(
                parse.order(row)
            )
        for key, order in live:
            orders.setdefault(key, []).append(order)
        fills: dict[Key, list[Execution]] = {}
        for execution in self._executions.values():
            if execution.fill.at_ms >= self._from_ms:
                fills.setdefault(execution.key, []).append(execution)
        views: dict[Key, View] = {}
        for key in orders.keys() | fills.keys() | held.keys():
            is_held = held.get(key, cut.NOTHING)
            view = View(
                key=key,
                net_qty=is_held.net_qty,
                avg_px=is_held.avg_px,
                orders=tuple(orders.get(key, ())),
                fills=tuple(
                    each.fill
                    for each in sorted(fills.get(key, ()), key=lambda e: (e.fill.at_ms, e.seq))
                ),
                stop=is_held.stop,
            )
            old = self._views.get(key, view)
            views[key] = old if old == view else view
        self._views = views
        return views


def _placed(row: OrderRow) -> tuple[str, str]:
    """Sort orders as they were placed: the venue's own order changes within a millisecond."""
    return (row.created_time or "").zfill(16), row.order_link_id


def _without(names: dict[str, str], shown: Set[str]) -> dict[str, str]:
    return {name: symbol for name, symbol in names.items() if name not in shown}
