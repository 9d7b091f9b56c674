"""The loopback venue's reads: filters, pages, cursors, and whatever each path shows now.

*Source*: venues/bybit.md §3.5 to §3.16.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from exchanges.simulated.state import Book
from machines.words import ZERO, Key, plain
from tests.wire.bybit import rows
from tests.wire.bybit.exchange import ACCOUNT, Exchange, Shown
from tests.wire.bybit.params import Err
from tests.wire.bybit.rows import Row

Query = dict[str, str]
Result = tuple[object, object]
REALTIME, HISTORY = "/v5/order/realtime", "/v5/order/history"
EXECUTIONS, POSITIONS = "/v5/execution/list", "/v5/position/list"
WEEK_MS = 7 * 86_400_000
CLOSED_KEPT = 500


class Queries:
    """The reads of one venue."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.rules = exchange.rules

    # ----------------------------------------------------------------------------------- orders

    def realtime(self, query: Query) -> Result:
        _allow(query, "orderId", "orderLinkId", "openOnly", "orderFilter")
        shown = self.exchange.shown(REALTIME)
        found = list(shown.open.values())
        if query.get("orderId") or query.get("orderLinkId"):
            found += list(shown.ended.values())[-CLOSED_KEPT:]
        return _page(_newest(_matching(found, query), "createdTime"), query, 50), {}

    def history(self, query: Query) -> Result:
        _allow(query, "orderId", "orderLinkId", "startTime", "endTime", "orderStatus")
        shown = self.exchange.shown(HISTORY)
        found = _within(_matching(shown.ended.values(), query), query, "createdTime")
        return _page(_newest(found, "createdTime"), query, 50), {}

    def executions(self, query: Query) -> Result:
        _allow(query, "orderId", "orderLinkId", "startTime", "endTime", "execType")
        shown = self.exchange.shown(EXECUTIONS)
        found = _matching(self.exchange.executions[: shown.executions], query)
        return _page(_newest(_within(found, query, "execTime"), "execTime"), query, 100), {}

    # -------------------------------------------------------------------------------- positions

    def positions(self, query: Query) -> Result:
        _allow(query)
        shown = self.exchange.shown(POSITIONS)
        symbol = query.get("symbol")
        if symbol:
            slots = ("long", "short") if self.rules.hedge else ("",)
            found = [self._position(shown, Key(ACCOUNT, symbol, slot)) for slot in slots]
        else:
            found = [row for row in shown.positions.values() if row["side"]]
        page = _page(found, query, 200)
        if not page["nextPageCursor"] and found:  # the venue hands one out on its only page, too
            page["nextPageCursor"] = f"{found[-1]['symbol']}%2C1719444330678%2C0"
        return page, {}

    def _position(self, shown: Shown, key: Key) -> Row:
        if key.symbol not in self.rules.instruments:
            raise Err(10001, f"params error: symbol invalid {key.symbol}")
        row = shown.positions.get(key)
        return row or rows.position_row(Book(key), key.symbol, key.slot, -1, self.rules)

    # ----------------------------------------------------------------------------------- market

    def tickers(self, query: Query) -> Result:
        _allow(query)
        found: list[Row] = []
        for symbol in self._symbols(query):
            last = plain(self.exchange.last(symbol))
            found.append(
                {
                    "symbol": symbol,
                    "lastPrice": last,
                    "indexPrice": last,
                    "markPrice": last,
                    "bid1Price": last,
                    "bid1Size": "1",
                    "ask1Price": last,
                    "ask1Size": "1",
                }
            )
        return {"category": "linear", "list": found}, {}

    def instruments(self, query: Query) -> Result:
        _allow(query, "status", "baseCoin")
        found: list[Row] = []
        for symbol in self._symbols(query):
            instrument = self.rules.instruments[symbol]
            found.append(
                {
                    "symbol": symbol,
                    "contractType": "LinearPerpetual",
                    "status": "Trading",
                    "settleCoin": "USDT",
                    "deliveryTime": "0",
                    "priceFilter": {
                        "minPrice": plain(instrument.tick),
                        "maxPrice": "1999999.80",
                        "tickSize": plain(instrument.tick),
                    },
                    "lotSizeFilter": {
                        "minOrderQty": plain(instrument.min_qty),
                        "maxOrderQty": "1190.000",
                        "maxMktOrderQty": "500.000",
                        "qtyStep": plain(instrument.step),
                        "minNotionalValue": plain(instrument.min_notional),
                    },
                }
            )
        return _page(found, query, 1000), {}

    def _symbols(self, query: Query) -> list[str]:
        symbol = query.get("symbol")
        if symbol is None:
            return list(self.rules.instruments)
        if symbol not in self.rules.instruments:
            raise Err(10001, f"params error: symbol invalid {symbol}")
        return [symbol]

    def kline(self, query: Query) -> Result:
        _allow(query, "interval", "start", "end")
        symbol, span_ms = self._symbols(query)[0], 60_000 * int(query["interval"])
        now_ms = self.exchange.now_ms()
        until_ms = min(now_ms, int(query.get("end", now_ms)))
        starts = range(until_ms // span_ms * span_ms, int(query.get("start", "0")) - 1, -span_ms)
        starts = starts[: int(query.get("limit", "200"))]
        candles = [self._candle(symbol, start_ms, start_ms + span_ms) for start_ms in starts]
        return {"category": "linear", "symbol": symbol, "list": candles}, {}

    def _candle(self, symbol: str, start_ms: int, end_ms: int) -> list[str]:
        """Sum up a span; one without a price stands where the last one before it ended."""
        feed = self.exchange.engine.markets[symbol].feed
        began, ended = feed.closed_by(start_ms - 1), feed.closed_by(end_ms - 1)
        bars = [feed[n] for n in range(began, ended)]
        before = feed.close_px(max(0, began - 1))
        prices = (
            bars[0].open if bars else before,
            max((bar.high for bar in bars), default=before),
            min((bar.low for bar in bars), default=before),
            bars[-1].close if bars else before,
        )
        volume = sum((bar.volume for bar in bars), ZERO)
        return [str(start_ms), *map(plain, prices), plain(volume), plain(volume * prices[3])]

    def server_time(self, query: Query) -> Result:
        nano = time.time_ns() + self.rules.clock_offset_ms * 1_000_000
        return {"timeSecond": str(nano // 10**9), "timeNano": str(nano)}, {}

    # ---------------------------------------------------------------------------------- account

    def fee_rates(self, query: Query) -> Result:
        fees = self.rules.fees
        found = [
            {"symbol": s, "takerFeeRate": plain(fees.taker), "makerFeeRate": plain(fees.maker)}
            for s in self._symbols(query)
        ]
        return {"list": found}, {}

    def account_info(self, query: Query) -> Result:
        return {"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": self.rules.unified}, {}

    def key(self, query: Query) -> Result:
        return {
            "id": "13770661",
            "apiKey": self.rules.key,
            "readOnly": self.rules.read_only,
            "secret": "",
            "permissions": self.rules.permissions,
            "ips": self.rules.ips,
            "deadlineDay": self.rules.deadline_day,
            "expiredAt": "2027-01-01T00:00:00Z",
            "unified": 0,
            "uta": 1,
        }, {}


def _allow(query: Query, *names: str) -> None:
    allowed = {"category", "symbol", "settleCoin", "limit", "cursor", *names}
    unknown = sorted(query.keys() - allowed)
    if unknown or query.get("category") != "linear":
        raise Err(10001, f"loopback: unknown parameters {', '.join(unknown)} or no category")


def _matching(found: Iterable[Row], query: Query) -> list[Row]:
    """Filter rows as the venue does: an id outdoes all else."""
    for name in ("orderId", "orderLinkId", "symbol"):
        value = query.get(name)
        if value:
            return [row for row in found if row[name] == value]
    if query.get("settleCoin") != "USDT":
        raise Err(10001, "params error: symbol or settleCoin is needed")
    return list(found)


def _within(found: Iterable[Row], query: Query, field: str) -> list[Row]:
    start = int(query.get("startTime", "0"))
    end = int(query.get("endTime", "0")) or start + WEEK_MS
    if start and end - start > WEEK_MS:
        raise Err(10001, "params error: the time range exceeds 7 days")
    if not start:
        return list(found)
    return [row for row in found if start <= int(str(row[field])) <= end]


def _newest(found: list[Row], field: str) -> list[Row]:
    return sorted(found, key=_time_of(field), reverse=True)


def _time_of(field: str) -> Callable[[Row], int]:
    return lambda row: int(str(row[field]))


def _page(found: list[Row], query: Query, most: int) -> Row:
    limit = int(query.get("limit", "20"))
    if not 1 <= limit <= most:
        raise Err(10001, f"params error: limit {limit} is not 1 to {most}")
    start = int(query.get("cursor", "offset=0").partition("=")[2] or "0")
    more = start + limit < len(found)
    cursor = f"offset%3D{start + limit}" if more else ""
    return {"category": "linear", "list": found[start : start + limit], "nextPageCursor": cursor}


__all__ = ["EXECUTIONS", "HISTORY", "POSITIONS", "REALTIME", "Queries"]
