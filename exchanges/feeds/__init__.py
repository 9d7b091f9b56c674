"""Feeds: where a simulated market's bars come from. A feed is handed to a venue, never fetched."""

from __future__ import annotations

from pathlib import Path

from exchanges.errors import BadFeed
from exchanges.feeds import file, script, ticks, walk
from exchanges.feeds.bars import Bar, Feed, Ticks
from machines.words import Instrument

__all__ = ["Bar", "Feed", "Ticks", "file", "load", "script", "ticks", "walk"]


def load(text: str, symbol: str, instrument: Instrument, base_dir: Path) -> Feed:
    """Make the feed that a configuration names.

    *Shape*: a file | ``random-walk:SEED`` | ``script:FILE`` | ``live:VENUE``; files are relative to
    ``base_dir``. A file holds candles or ticks, as its header says; ``TICKS+QUOTES`` are ticks
    with their best bids and asks. *Raises*: BadFeed.
    """
    kind, colon, rest = text.partition(":")
    match kind if colon else "":
        case "random-walk":
            if not (rest.isascii() and rest.isdigit() and len(rest) <= 18):
                raise BadFeed(
                    f"feed of {symbol}: seed {rest!r}: must be a whole number of at most 18 digits"
                )
            return walk.walk(symbol, instrument, int(rest))
        case "script":
            return script.read(base_dir / rest, symbol)
        case "live":
            raise BadFeed(
                f"feed of {symbol}: {text!r}: live prices come as they are made; "
                "a file, random-walk:SEED or script:FILE can be read beforehand"
            )
        case _:
            return _from_file(text, symbol, base_dir)


def _from_file(text: str, symbol: str, base_dir: Path) -> Feed:
    first, plus, second = text.partition("+")
    if plus and not (base_dir / text).is_file():
        return ticks.read(base_dir / first, symbol, base_dir / second)
    raw, name = file.content(base_dir / text), str(base_dir / text)
    read = ticks.parse if raw.startswith(ticks.HEADER.encode()) else file.parse
    return read(raw, symbol, name)
