"""Bars written by hand, for tests and demonstrations.

One bar a line, ``open high low close [volume]``; ``#`` begins a comment; the first line may be
``start 2025-06-01T00:00:00Z bar 5m``. Knows nothing of venues.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from exchanges.errors import BadFeed
from exchanges.feeds.bars import DAY_MS, MINUTE_MS, Bar, Feed, bar_fault, plain_decimal, utc_ms

START_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z: the first bar opens here unless the script says otherwise."""

_FIELDS = ("open", "high", "low", "close", "volume")
_LENGTH = re.compile(r"([1-9][0-9]{0,5})([smhd])", re.ASCII)
_UNIT_MS = {"s": 1_000, "m": MINUTE_MS, "h": 60 * MINUTE_MS, "d": DAY_MS}


def read(path: Path, symbol: str) -> Feed:
    """Read a script file. *Raises*: BadFeed naming file, line, value and what is allowed."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise BadFeed(f"{path}: there is no such file") from error
    except UnicodeDecodeError as error:
        raise BadFeed(f"{path}: byte {error.start} is not UTF-8") from error
    except OSError as error:
        raise BadFeed(f"{path}: cannot be read: {error.strerror}") from error
    return parse(text, symbol, str(path))


def parse(text: str, symbol: str, name: str = "script") -> Feed:
    """Read a script's text. *Raises*: BadFeed; ``name`` stands for the file."""
    start_ms, bar_ms = START_MS, MINUTE_MS
    rows: list[Bar] = []
    first = True
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if first and words[0] == "start":
                start_ms, bar_ms = _start(words)
            else:
                rows.append(_bar(words, start_ms + (len(rows) + 1) * bar_ms))
        except ValueError as error:
            raise BadFeed(f"{name}: line {number}: {error}") from error
        first = False
    if not rows:
        raise BadFeed(f"{name}: holds no bar; a bar is a line: open high low close [volume]")
    return Feed.of(symbol, bar_ms, rows)


def _start(words: list[str]) -> tuple[int, int]:
    if len(words) != 4 or words[2] != "bar":
        raise ValueError(f"{' '.join(words)!r}: must be like: start 2025-06-01T00:00:00Z bar 1m")
    try:
        start_ms = utc_ms(words[1])
    except ValueError:
        raise ValueError(
            f"start {words[1]!r}: must be ISO-8601 in UTC, like 2025-06-01T00:00:00Z"
        ) from None
    length = _LENGTH.fullmatch(words[3])
    if length is None:
        raise ValueError(f"bar {words[3]!r}: must be a number and s, m, h or d, like 5m")
    return start_ms, int(length[1]) * _UNIT_MS[length[2]]


def _bar(words: list[str], close_ms: int) -> Bar:
    if len(words) not in (4, 5):
        raise ValueError(f"{' '.join(words)!r}: must be: open high low close [volume]")
    numbers: list[Decimal] = []
    for field, text in zip(_FIELDS, words, strict=False):
        try:
            numbers.append(plain_decimal(text))
        except ValueError:
            raise ValueError(f"{field} {text!r}: must be a plain decimal number") from None
    opened, high, low, close = numbers[:4]
    bar = Bar(close_ms, opened, high, low, close, numbers[4] if numbers[4:] else Decimal(0))
    fault = bar_fault(bar)
    if fault is not None:
        raise ValueError(fault)
    return bar
