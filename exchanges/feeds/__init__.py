"""Feeds: where a simulated market's bars come from. A feed is handed to a venue, never fetched."""

from __future__ import annotations

from pathlib import Path

from exchanges.errors import BadFeed
from exchanges.feeds import file, script, walk
from exchanges.feeds.bars import Bar, Feed
from machines.words import Instrument

__all__ = ["Bar", "Feed", "file", "load", "script", "walk"]


def load(text: str, symbol: str, instrument: Instrument, base_dir: Path) -> Feed:
    """Make the feed that a configuration names.

    *Shape*: a candle file | ``random-walk:SEED`` | ``script:FILE`` | ``live:VENUE``; files are
    relative to ``base_dir``. *Raises*: BadFeed.
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
                f"feed of {symbol}: {text!r}: live prices are not built yet (step 5); "
                "use a file, random-walk:SEED or script:FILE"
            )
        case _:
            return file.read(base_dir / text, symbol)
