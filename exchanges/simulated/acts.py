"""What others do at a simulated venue: a person at its screen, and the venue itself.

Acts as data, and as lines of text with a time. A venue knows no roles, so an order is named by its
client order id, or by where and what it is: of several, the one nearest to a price or the n-th in
the order of placing. Knows nothing of books.

A line is ``TIME WHAT …``; ``#`` begins a comment; KEY is ``SYMBOL`` or ``SYMBOL/SLOT``; ORDER is
``id CLIENT_ORDER_ID``, ``KEY SIDE TYPE near PRICE`` or ``KEY SIDE TYPE nth N``::

    2025-06-01T10:00Z cancel ORDER
    2025-06-01T10:00Z move ORDER [price PRICE] [qty QUANTITY]
    2025-06-01T10:00Z stop KEY PRICE | none
    2025-06-01T10:00Z buy KEY QUANTITY
    2025-06-01T10:00Z sell KEY QUANTITY
    2025-06-01T10:00Z close KEY
    2025-06-01T10:00Z adl KEY QUANTITY
    2025-06-01T10:00Z liquidate KEY
    2025-06-01T10:00Z venue-cancel ORDER [REASON]
    2025-06-01T10:00Z venue-reject ORDER [REASON]
    2025-06-01T10:00Z venue-expire ORDER
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec

from exchanges.feeds.bars import plain_decimal, utc_ms
from machines.errors import InvalidSpec
from machines.words import OrderType, Refusal, Side


class Deed(enum.StrEnum):
    """What is done."""

    CANCEL = "cancel"
    MOVE = "move"
    STOP = "stop"
    """Set, move or remove a position's own stop."""
    BUY = "buy"
    SELL = "sell"
    CLOSE = "close"
    ADL = "adl"
    """Auto-deleveraging: the venue takes a quantity off the position."""
    LIQUIDATE = "liquidate"
    """The venue cancels the position's orders and closes all that is held."""
    VENUE_CANCEL = "venue-cancel"
    VENUE_REJECT = "venue-reject"
    VENUE_EXPIRE = "venue-expire"

    @property
    def of_an_order(self) -> bool:
        """Tell whether it is done to an order, not to a position."""
        return self in (Deed.CANCEL, Deed.MOVE) or self.value.startswith("venue-")


class Act(msgspec.Struct, frozen=True, tag_field="op", tag="act"):
    """One act. *Units*: ``qty`` is an order's total, or what is traded."""

    do: Deed
    symbol: str = ""
    slot: str = ""
    client_order_id: str = ""
    """Names the order by itself; empty, the next four do."""
    side: Side | None = None
    type: OrderType | None = None
    near: Decimal | None = None
    nth: int = 1
    price: Decimal | None = None
    """Of a moved order what it waits for: of a stop, and of a pair's, the trigger, from which its
    limit keeps its distance. No price: no stop."""
    qty: Decimal | None = None
    reason: Refusal | None = None
    at_ms: int = 0
    """When it is due, for an act that was written down beforehand."""


def read(path: Path) -> tuple[Act, ...]:
    """Read a file of acts. *Raises*: InvalidSpec naming every line that is not one."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidSpec([f"{path}: there is no such file"]) from None
    except UnicodeDecodeError as error:
        raise InvalidSpec([f"{path}: byte {error.start} is not UTF-8"]) from None
    except OSError as error:
        raise InvalidSpec([f"{path}: cannot be read: {error.strerror}"]) from error
    return parse(text, str(path))


def parse(text: str, name: str = "acts") -> tuple[Act, ...]:
    """Read acts from text, earliest first. *Raises*: InvalidSpec; ``name`` stands for the file."""
    acts: list[Act] = []
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if words:
            try:
                acts.append(_act(_Words(words)))
            except ValueError as error:
                faults.append(f"{name}: line {number}: {error}")
    if faults:
        raise InvalidSpec(faults)
    return tuple(sorted(acts, key=lambda act: act.at_ms))


class _Words:
    """A line's words, taken one after the other."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._at = 0

    def take(self, what: str) -> str:
        if self._at == len(self._words):
            raise ValueError(f"{' '.join(self._words)!r}: ends where {what} must follow")
        self._at += 1
        return self._words[self._at - 1]

    def take_if(self, word: str) -> bool:
        """Take the next word if it is this one."""
        found = self._words[self._at : self._at + 1] == [word]
        self._at += found
        return found

    def rest(self) -> list[str]:
        found, self._at = self._words[self._at :], len(self._words)
        return found


def _act(words: _Words) -> Act:
    time = words.take("a time")
    try:
        at_ms = utc_ms(time)
    except ValueError:
        raise ValueError(f"time {time!r}: must be UTC, like 2025-06-01T10:00Z") from None
    act = Act(_one_of(Deed, words.take("what is done"), "deed"), at_ms=at_ms)
    act = _on_order(act, words) if act.do.of_an_order else _on_position(act, words)
    rest = words.rest()
    if rest:
        raise ValueError(f"{' '.join(rest)!r}: nothing more may follow")
    return act


def _on_order(act: Act, words: _Words) -> Act:
    replace = msgspec.structs.replace
    if words.take_if("id"):
        act = replace(act, client_order_id=words.take("a client order id"))
    else:
        act = _keyed(act, words)
        side = _one_of(Side, words.take("a side"), "side")
        kind = _one_of(OrderType, words.take("a type of order"), "type")
        act = replace(act, side=side, type=kind)
        if words.take_if("near"):
            act = replace(act, near=_number(words, "price"))
        elif words.take_if("nth"):
            act = replace(act, nth=_count(words.take("a number")))
        else:
            found = words.take("'near PRICE' or 'nth N'")
            raise ValueError(f"{found!r}: must be 'near PRICE' or 'nth N'")
    if act.do is Deed.MOVE:
        if words.take_if("price"):
            act = replace(act, price=_number(words, "price"))
        if words.take_if("qty"):
            act = replace(act, qty=_number(words, "qty"))
        if act.price is None and act.qty is None:
            found = words.take("'price PRICE' or 'qty QUANTITY'")
            raise ValueError(f"{found!r}: must be 'price PRICE' or 'qty QUANTITY'")
    elif act.do in (Deed.VENUE_CANCEL, Deed.VENUE_REJECT):
        reasons = words.rest()
        if reasons:
            act = replace(act, reason=_one_of(Refusal, " ".join(reasons), "reason"))
    return act


def _on_position(act: Act, words: _Words) -> Act:
    act = _keyed(act, words)
    if act.do is Deed.STOP:
        if not words.take_if("none"):
            act = msgspec.structs.replace(act, price=_number(words, "price"))
    elif act.do in (Deed.BUY, Deed.SELL, Deed.ADL):
        act = msgspec.structs.replace(act, qty=_number(words, "qty"))
    return act


def _keyed(act: Act, words: _Words) -> Act:
    symbol, _, slot = words.take("a symbol").partition("/")
    return msgspec.structs.replace(act, symbol=symbol, slot=slot)


E = TypeVar("E", bound=enum.StrEnum)


def _one_of(kind: type[E], word: str, what: str) -> E:
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(each.value for each in kind)
        raise ValueError(f"{what} {word!r}: must be one of {known}") from None


def _number(words: _Words, what: str) -> Decimal:
    word = words.take(f"a {what}")
    try:
        number = plain_decimal(word)
        if number <= 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"{what} {word!r}: must be a plain number above 0") from None
    return number


def _count(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 0 < int(word) < 10**6):
        raise ValueError(f"nth {word!r}: must be a whole number from 1 on")
    return int(word)


def digest(acts: Sequence[Act]) -> int:
    """Sum acts up in 63 bits, so that a file tells whether they are the same."""
    encoded = msgspec.json.encode(acts)
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest()) >> 1
