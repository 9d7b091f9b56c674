"""Reads an account whole: orders, executions, positions and prices, until they fit together.

Asks everything at once and again until `Memory` believes it. Knows no ladders and keeps nothing.
Invariant: a read that failed in part has failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import anyio
from anyio import create_task_group

from exchanges.bybit import parse
from exchanges.bybit.line import Failed, Line
from exchanges.bybit.memory import LOOK_UP_FOR_MS, Memory, Missing, Torn
from exchanges.bybit.parse import Misread
from exchanges.bybit.wire import ExecutionRow, OrderRow, PositionRow, TickerRow
from exchanges.errors import VenueUnavailable
from machines.words import Key, Quote, View

CATEGORY = "linear"
SETTLE_COIN = "USDT"
PAUSES_S = (0.05, 0.1, 0.2, 0.4)
"""Between the attempts at one cut. Source: venues/bybit.md §7.1 advises 50 to 200 ms."""
OVERLAP_MS = 60_000
"""Executions are asked for again this far back: they may come late, and in no order."""
WEEK_MS = 7 * 86_400_000
"""No query of executions or ended orders spans more (§3.7, §3.8)."""
OLDEST_MS = 730 * 86_400_000
"""No ladder is older; it bounds how much is asked for when somebody asks for everything."""
MANY_SYMBOLS = 8
"""Beyond so many, one answer with every symbol's price is cheaper than one each."""
FEW = 5
"""So many missing orders are asked for one by one at one attempt: fifty reads a second (§5)."""
PAGES = 400
"""Of one list: 20 000 orders. A list that does not end is no answer."""

T = TypeVar("T")


class _Answers:
    """What one attempt brought."""

    def __init__(self) -> None:
        self.orders: list[OrderRow] = []
        self.executions: list[ExecutionRow] = []
        self.positions: list[PositionRow] = []
        self.quotes: dict[str, Quote] = {}


class Reader:
    """One account's reads."""

    def __init__(
        self,
        line: Line,
        memory: Memory,
        symbols: Sequence[str],
        now_ms: Callable[[], int],
        pauses_s: Sequence[float] = PAUSES_S,
    ) -> None:
        self._line = line
        self._memory = memory
        self._symbols = frozenset(symbols)
        self._now_ms = now_ms
        self._pauses_s = pauses_s

    async def read(self, since_ms: int) -> tuple[dict[Key, View], dict[str, Quote]]:
        """Return every position's view, and prices. *Raises*: VenueUnavailable."""
        account = self._memory.mode.account
        try:
            covered_ms = self._memory.covered_ms
            if covered_ms is None or since_ms < covered_ms:
                await self._look_back(since_ms)
            for pause_s in self._pauses_s:
                try:
                    return await self._attempt(since_ms, patient=True)
                except Torn:
                    await anyio.sleep(pause_s)
            return await self._attempt(since_ms, patient=False)
        except (Failed, Misread) as error:
            raise VenueUnavailable(f"account {account}: {error}") from error
        except Torn as error:
            text = f"account {account}: the answers do not fit together: {error}"
            raise VenueUnavailable(text) from None

    async def _attempt(
        self, since_ms: int, *, patient: bool
    ) -> tuple[dict[Key, View], dict[str, Quote]]:
        memory, answers = self._memory, await self._ask()
        memory.learn(answers.executions)
        held = memory.mode.positions(answers.positions)
        # An order may come on two pages, when another was placed while they were read.
        shown = {row.order_id: row for row in answers.orders if not parse.belongs_to_position(row)}
        missing = memory.missing(shown.values())
        shown |= {row.order_id: row for row in memory.find(await self._look_up(missing))}
        rows = list(shown.values())
        by_name = {parse.name_of(row): row for row in rows}
        now_ms = self._now_ms()
        memory.judge(by_name, held, now_ms, patient=patient)
        return memory.take(rows, held, since_ms, now_ms), answers.quotes

    async def _ask(self) -> _Answers:
        """Ask for everything at once; what does not fit is asked for again."""
        found = _Answers()
        troubles: list[Failed | Misread] = []

        async def each(ask: Callable[[], Awaitable[None]]) -> None:
            try:
                await ask()
            except (Failed, Misread) as error:
                troubles.append(error)

        coin: dict[str, object] = {"settleCoin": SETTLE_COIN}
        start_ms = self._memory.cursor_ms - OVERLAP_MS
        async with create_task_group() as group:
            for ask in (
                partial(self._pages, "get_open_orders", OrderRow, 50, coin, found.orders),
                partial(self._pages, "get_positions", PositionRow, 200, coin, found.positions),
                partial(self._fills, start_ms, found.executions),
                partial(self._quotes, found.quotes),
            ):
                group.start_soon(each, ask)
        if troubles:
            raise troubles[0]
        return found

    async def _pages(
        self, method: str, kind: type[T], limit: int, query: dict[str, object], into: list[T]
    ) -> None:
        """Read every page of a list. *Source*: §3.1 *Pagination*."""
        params: dict[str, object] = {"category": CATEGORY, "limit": limit, **query}
        cursors: set[str] = set()
        while True:
            rows, cursor = parse.page(await self._line.ask(method, params), kind)
            into += rows
            if len(rows) < limit or not cursor or cursor in cursors:
                return
            if len(cursors) >= PAGES:
                raise Misread(f"{method}: the list does not end")
            cursors.add(cursor)
            params = params | {"cursor": cursor}

    async def _fills(self, start_ms: int, into: list[ExecutionRow]) -> None:
        for window in self._weeks(start_ms):
            await self._pages("get_executions", ExecutionRow, 100, window, into)

    def _weeks(self, start_ms: int) -> Iterator[dict[str, object]]:
        """Cut the time since into queries that the venue answers."""
        now_ms = self._now_ms()
        start_ms = max(start_ms, now_ms - OLDEST_MS)
        while now_ms - start_ms > WEEK_MS:
            end_ms = start_ms + WEEK_MS
            yield {"settleCoin": SETTLE_COIN, "startTime": start_ms, "endTime": end_ms}
            start_ms = end_ms
        yield {"settleCoin": SETTLE_COIN, "startTime": start_ms}

    async def _quotes(self, into: dict[str, Quote]) -> None:
        wanted = self._symbols | self._memory.symbols
        few = len(wanted) <= MANY_SYMBOLS
        queries: list[dict[str, object]] = [{"symbol": symbol} for symbol in sorted(wanted)]
        for query in queries if few else [{}]:
            body = await self._line.ask("get_tickers", {"category": CATEGORY, **query})
            rows, _ = parse.page(body, TickerRow)
            now_ms = self._now_ms()
            into |= {row.symbol: parse.quote(row, now_ms) for row in rows if row.symbol in wanted}

    async def _look_back(self, since_ms: int) -> None:
        """Read what happened before there was a memory: executions, and ends of orders."""
        fills: list[ExecutionRow] = []
        ended: list[OrderRow] = []
        await self._fills(since_ms - OVERLAP_MS, fills)
        for window in self._weeks(since_ms - OVERLAP_MS):
            await self._pages("get_order_history", OrderRow, 50, window, ended)
        self._memory.start(since_ms, fills, ended)

    async def _look_up(self, missing: Missing) -> list[OrderRow]:
        """Find orders that are not open any more, or not shown yet.

        A few are asked for one by one. Of more, the history's list shows most; then only a few of
        those that must be somewhere are asked for, and the others when this is tried again.
        """
        into: list[OrderRow] = []
        names = missing.owed | missing.asked
        if len(names) > FEW:
            start_ms = self._now_ms() - LOOK_UP_FOR_MS
            query: dict[str, object] = {"settleCoin": SETTLE_COIN, "startTime": start_ms}
            ended: list[OrderRow] = []
            await self._pages("get_order_history", OrderRow, 50, query, ended)
            into += [row for row in ended if row.order_link_id in names]
            found = {row.order_link_id for row in ended}
            names = {name: missing.owed[name] for name in missing.owed if name not in found}
        for name, symbol in list(names.items())[:FEW]:
            row = await self._find(symbol, name)
            if row is not None:
                into.append(row)
        return into

    async def _find(self, symbol: str, name: str) -> OrderRow | None:
        """Find one order among the open and the lately ended, else in the history (§7.2)."""
        query = {"category": CATEGORY, "symbol": symbol, "orderLinkId": name}
        for method in ("get_open_orders", "get_order_history"):
            rows, _ = parse.page(await self._line.ask(method, query), OrderRow)
            for row in rows:
                if row.order_link_id == name:
                    return row
        return None
