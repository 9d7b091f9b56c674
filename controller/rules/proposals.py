"""What a rule may ask for: book a part, scale in, move the stop, exit (SPEC §7).

A proposal is no decision yet: the queue gives it an id, an expiry and an ending. Knows no rule.
Invariant: a proposal that exists is well-formed; whether it can be done is judged later.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from machines.decision import Kind, Priority
from machines.words import ZERO


class Proposal(msgspec.Struct, frozen=True):
    """One wish of one rule. Make it with `book`, `scale_in`, `move_stop` or `leave`.

    *Units*: ``fraction`` of what is held, ``price`` the stop's trigger. *Raises*: ValueError,
    TypeError when it makes no sense.
    """

    kind: Kind
    reason: str
    """A line that a trader wants to read."""
    priority: Priority
    fraction: Decimal | None = None
    price: Decimal | None = None
    rule: str = ""
    """Whose it is; the engine writes it."""

    def __post_init__(self) -> None:
        for value in (self.fraction, self.price):
            # User rules are not type-checked: a float would carry its noise into an order.
            if value is not None and not isinstance(value, Decimal):  # pyright: ignore[reportUnnecessaryIsInstance] - user rules are unchecked
                raise TypeError(f"{value!r}: a Decimal is expected")
            if value is not None and not value.is_finite():
                raise ValueError(f"{value}: a number is expected")
        if self.kind in (Kind.BOOK, Kind.SCALE_IN):
            if self.fraction is None or not ZERO < self.fraction <= 1:
                raise ValueError(f"{self.kind} {self.fraction}: above 0 and at most 1 is expected")
        elif self.kind is Kind.MOVE_STOP:
            if self.price is None or not self.price > ZERO:
                raise ValueError(f"stop {self.price}: a price above 0 is expected")
        elif self.kind is not Kind.EXIT:
            raise ValueError(f"{self.kind}: no rule decides that")


def book(fraction: Decimal, reason: str) -> Proposal:
    """Propose to sell a fraction of what is held."""
    return Proposal(Kind.BOOK, reason, Priority.IMMEDIATE, fraction=fraction)


def scale_in(fraction: Decimal, reason: str) -> Proposal:
    """Propose to add a fraction of what is held."""
    return Proposal(Kind.SCALE_IN, reason, Priority.IMMEDIATE, fraction=fraction)


def move_stop(price: Decimal, reason: str, priority: Priority = Priority.NEXT_CYCLE) -> Proposal:
    """Propose to tighten the stop; a looser one, or one too near the market, is dropped."""
    return Proposal(Kind.MOVE_STOP, reason, priority, price=price)


def leave(reason: str) -> Proposal:
    """Propose to exit all that is held."""
    return Proposal(Kind.EXIT, reason, Priority.IMMEDIATE)
