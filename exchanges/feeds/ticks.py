"""Ticks from a CSV file, with the best bid and ask where there is a file of those.

A tick is a bar that stands still: all four prices are the trade's. A change of the best bid or ask
is one at the last trade's price and without volume: it moves what orders meet at once, never what
waits. What a broken feed holds besides is left out and counted; a file that is not a tick file at
all gives no feed. Knows nothing of venues. Invariant: times never go back.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from heapq import merge
from pathlib import Path
from typing import NamedTuple

from exchanges.errors import BadFeed
from exchanges.feeds import file
from exchanges.feeds.bars import UNITS, Feed, Ticks, plain_decimal
from machines.words import plain

HEADER = "ts_ms,price,qty,side"
QUOTES_HEADER = "ts_ms,bid,bid_qty,ask,ask_qty"

DUPLICATE = "duplicate"
OUT_OF_ORDER = "out_of_order"
NO_PRICE = "no_price"
CROSSED = "crossed"
EARLY_QUOTE = "quote_before_first_trade"
"""Why a line is left out."""

SILENCE_MS = 10_000
"""A longer time without a tick is counted as a silence."""
NIGHT_MS = 3_600_000
"""A silence longer than this is a closed market: no trading time passes."""
_ABSENT = {"", "0", "-", "nan", "null", "none"}
_TRADE, _QUOTE = 1, 0  # at one instant the quote comes first: it is what the trade met


class _Line(NamedTuple):
    at_ms: int
    kind: int
    price: int
    """Of a quote the bid."""
    ask: int
    qty: str


def read(path: Path, symbol: str, quotes: Path | None = None) -> Feed:
    """Read a tick file, and its quotes. *Raises*: BadFeed naming file, line and value."""
    found = None if quotes is None else (file.content(quotes), str(quotes))
    return parse(file.content(path), symbol, str(path), found)


def parse(raw: bytes, symbol: str, name: str, quotes: tuple[bytes, str] | None = None) -> Feed:
    """Read a tick file's content, and that of its quotes with their name. *Raises*: BadFeed."""
    dropped: Counter[str] = Counter()
    lines = _sound(_trades(raw, name, dropped), dropped)
    if quotes is not None:
        lines = merge(lines, _sound(_quotes(*quotes, dropped), dropped), key=lambda one: one[:2])
    times: list[int] = []
    prices: list[int] = []
    volumes: list[str] = []
    bids: list[int] = []
    asks: list[int] = []
    last = bid = ask = 0
    for line in lines:
        if line.kind == _TRADE:
            last = line.price
        else:
            bid, ask = line.price, line.ask
            if not last:
                dropped[EARLY_QUOTE] += 1
                continue
        times.append(line.at_ms)
        prices.append(last)
        volumes.append(line.qty)
        bids.append(bid)
        asks.append(ask)
    if not times:
        raise BadFeed(f"{name}: holds no tick with a price")
    ticks = _told(times, dropped, bids, asks) if quotes else _told(times, dropped, [], [])
    return Feed(symbol, 0, times, prices, prices, prices, prices, volumes, ticks)


def summary(feed: Feed) -> str:
    """Say in a sentence how many ticks there are, what was left out, and how long it was silent."""
    found = feed.ticks
    assert found is not None, f"{feed.symbol}: a feed of ticks"
    left_out = ", ".join(f"{count} {why}" for why, count in found.dropped.items()) or "nothing"
    longest = plain(Decimal(found.longest_silence_ms) / 1000)
    return (
        f"{feed.symbol}: {len(feed)} ticks, left out: {left_out}; "
        f"{found.silences} silences over {SILENCE_MS // 1000} s, the longest {longest} s"
    )


def _told(times: list[int], dropped: Counter[str], bids: list[int], asks: list[int]) -> Ticks:
    traded: list[int] = []
    passed = silences = longest = 0
    before = times[0]
    for at_ms in times:
        gap, before = at_ms - before, at_ms
        if gap <= NIGHT_MS:
            passed += gap
            silences += gap > SILENCE_MS
            longest = max(longest, gap)
        traded.append(passed)
    return Ticks(traded, bids, asks, dict(sorted(dropped.items())), silences, longest)


def _sound(lines: Iterator[_Line | str], dropped: Counter[str]) -> Iterator[_Line]:
    """Yield what is in order, counting the rest."""
    before: _Line | None = None
    for line in lines:
        if isinstance(line, str):
            dropped[line] += 1
        elif before is not None and line.at_ms < before.at_ms:
            dropped[OUT_OF_ORDER] += 1
        else:
            before = line
            yield line


def _trades(raw: bytes, name: str, dropped: Counter[str]) -> Iterator[_Line | str]:
    """Yield each line, or why it is left out."""
    for number, cells in _cells(raw, name, HEADER, dropped):
        price = _price(cells[1], name, number, "price")
        qty = cells[2] or "0"
        if _number(qty, name, number, "qty") < 0:
            raise BadFeed(f"{name}: line {number}: qty {qty!r}: must be 0 or above")
        at_ms = _time(cells[0], name, number)
        yield NO_PRICE if price is None else _Line(at_ms, _TRADE, price, 0, qty)


def _quotes(raw: bytes, name: str, dropped: Counter[str]) -> Iterator[_Line | str]:
    for number, cells in _cells(raw, name, QUOTES_HEADER, dropped):
        bid = _price(cells[1], name, number, "bid")
        ask = _price(cells[3], name, number, "ask")
        at_ms = _time(cells[0], name, number)
        if bid is None or ask is None:
            yield NO_PRICE
        else:
            yield CROSSED if bid >= ask else _Line(at_ms, _QUOTE, bid, ask, "0")


def _cells(
    raw: bytes, name: str, header: str, dropped: Counter[str]
) -> Iterator[tuple[int, list[str]]]:
    try:
        text = raw.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BadFeed(f"{name}: line {line}: byte 0x{raw[error.start]:02x} is not UTF-8") from None
    lines = text.splitlines()
    if not lines or lines[0] != header:
        found = repr(lines[0][:60]) if lines else "nothing"
        raise BadFeed(f"{name}: line 1: header {found}: must be {header}")
    wanted, before = header.count(",") + 1, ""
    for number, line in enumerate(lines[1:], start=2):
        # Word for word what the line before said: the same tick once more.
        if line == before:
            dropped[DUPLICATE] += 1
            continue
        before, cells = line, line.split(",")
        if len(cells) != wanted:
            must = f"has {len(cells)} fields; must be {wanted}: {header}"
            raise BadFeed(f"{name}: line {number}: {line[:60]!r} {must}")
        yield number, cells


def _time(text: str, name: str, number: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise BadFeed(f"{name}: line {number}: ts_ms {text!r}: must be UTC milliseconds")
    return int(text)


def _price(text: str, name: str, number: int, field: str) -> int | None:
    """Return a price in units, or None when there is none."""
    if text.lower() in _ABSENT:
        return None
    price = _number(text, name, number, field)
    return price if price > 0 else None


def _number(text: str, name: str, number: int, field: str) -> int:
    try:
        return int(plain_decimal(text) * UNITS)
    except ValueError:
        must = "must be a number in plain decimal notation"
        raise BadFeed(f"{name}: line {number}: {field} {text!r}: {must}") from None
