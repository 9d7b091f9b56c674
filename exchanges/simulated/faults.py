"""What may go wrong between a controller and a simulated venue, and when: by rate and by script.

A draw depends on the seed and on the number of the request or read, on nothing else: the same in
every process, and the same whatever else was drawn. Knows nothing of what a fault then does.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import cast

import msgspec

from exchanges.feeds.bars import plain_decimal, utc_ms
from machines.errors import InvalidSpec
from machines.words import ZERO, plain


class Fault(enum.StrEnum):
    """One class of fault (RELIABILITY §2.4)."""

    LOST_BEFORE = "lost_before"
    """The request never arrives; its outcome is unsure."""
    LOST_AFTER = "lost_after"
    """The request takes effect and its answer is lost; its outcome is unsure."""
    LATE = "late"
    """As lost before; but it arrives later, within the venue's window."""
    TWICE = "twice"
    """The request arrives twice; one of the two answers is heard."""
    REFUSED = "refused"
    """The venue refuses without a reason that it does not say."""
    BUSY = "busy"
    """Turned away before it was looked at."""
    MALFORMED = "malformed"
    """The answer makes no sense; the request may have taken effect."""
    STALE_READ = "stale_read"
    """A snapshot of an earlier moment."""
    PARTIAL_POLL = "partial_poll"
    """Some of the answers that make a snapshot are missing."""
    FAILED_READ = "failed_read"
    """No answer to a read."""
    NONSENSE = "nonsense"
    """An answer to a read that makes no sense."""
    OUTAGE = "outage"
    """For a time nothing is answered and nothing arrives."""


class Asked(enum.StrEnum):
    """What a fault meets."""

    REQUEST = "request"
    READ = "read"


BY_ASKED: dict[Asked, tuple[Fault, ...]] = {
    Asked.REQUEST: (
        *(Fault.LOST_BEFORE, Fault.LOST_AFTER, Fault.LATE, Fault.TWICE),
        *(Fault.REFUSED, Fault.BUSY, Fault.MALFORMED),
    ),
    Asked.READ: (Fault.STALE_READ, Fault.PARTIAL_POLL, Fault.FAILED_READ, Fault.NONSENSE),
}


class Scripted(msgspec.Struct, frozen=True):
    """A fault of the ``n``-th request or read, from 1; or of all in a time, its end left out."""

    fault: Fault
    n: int = 0
    from_ms: int = 0
    to_ms: int = 0


class Faults(msgspec.Struct, frozen=True):
    """All that goes wrong. *Units*: rates are fractions of the requests, or of the reads."""

    rates: dict[Fault, Decimal] = {}
    script: tuple[Scripted, ...] = ()


class Draw(msgspec.Struct, frozen=True):
    """What one request or read meets. ``detail`` decides what the fault leaves open."""

    fault: Fault | None
    detail: int


_WHOLE = 1 << 64


class Dice:
    """Draws the faults of one venue."""

    __slots__ = ("_faults", "_seed", "_thresholds")

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._seed = seed
        self._thresholds: dict[Asked, list[tuple[int, Fault]]] = {}
        for asked, classes in BY_ASKED.items():
            total = ZERO
            found = self._thresholds[asked] = []
            for fault in classes:
                total += faults.rates.get(fault, ZERO)
                found.append((int(total * _WHOLE), fault))

    def draw(self, asked: Asked, n: int, now_ms: int) -> Draw:
        """Say what the ``n``-th request or read meets: the script's word goes first."""
        text = f"{self._seed} {asked.value} {n}"
        digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
        chance, detail = int.from_bytes(digest[:8]), int.from_bytes(digest[8:])
        for line in self._faults.script:
            if line.n == n and line.fault in BY_ASKED[asked]:
                return Draw(line.fault, detail)
            if line.from_ms <= now_ms < line.to_ms and (
                line.fault is Fault.OUTAGE or line.fault in BY_ASKED[asked]
            ):
                return Draw(line.fault, detail)
        for threshold, fault in self._thresholds[asked]:
            if chance < threshold:
                return Draw(fault, detail)
        return Draw(None, detail)


# --------------------------------------------------------------------------------- reading it

_TIMES = 'two times in UTC like "2025-06-02T10:00Z..2025-06-02T11:00Z", the end left out'
_LINE = re.compile(r"(request|read) ([1-9][0-9]{0,8}) (\w+)|(\S+\.\.\S+) (\w+)", re.ASCII)
_LINES = '"request 3 lost_before", "read 7 stale_read" or "TIME..TIME busy"'


def faults_from(table: Mapping[str, object]) -> Faults:
    """Read faults as they are configured.

    *Shape*: a rate like "5%" by class of fault; ``outage``, a list of "TIME..TIME"; ``script``, a
    list of lines like "request 3 lost_before". *Raises*: InvalidSpec with every fault found.
    """
    wrong: list[str] = []
    rates: dict[Fault, Decimal] = {}
    script: list[Scripted] = []
    for name, value in table.items():
        try:
            match name:
                case "outage":
                    script += [Scripted(Fault.OUTAGE, 0, *_times(text)) for text in _texts(value)]
                case "script":
                    script += [_scripted(text) for text in _texts(value)]
                case _:
                    rates[_class(name)] = _rate(value)
        except ValueError as error:
            wrong.append(f"{name}: {error}")
    for asked, classes in BY_ASKED.items():
        total = sum((rates.get(fault, ZERO) for fault in classes), ZERO)
        if total > 1:
            named = " + ".join(fault.value for fault in classes if fault in rates)
            wrong.append(
                f"{named}: {plain((total * 100).normalize())}% of the {asked.value}s: at most 100%"
            )
    if wrong:
        raise InvalidSpec(wrong)
    return Faults(rates, tuple(script))


def _class(name: str) -> Fault:
    rated = [fault for classes in BY_ASKED.values() for fault in classes]
    if name not in [fault.value for fault in rated]:
        known = ", ".join([*(fault.value for fault in rated), "outage", "script"])
        raise ValueError(f"no such fault; there are {known}")
    return Fault(name)


def _rate(value: object) -> Decimal:
    try:
        number, percent, rest = (value if isinstance(value, str) else "").partition("%")
        rate = plain_decimal(number.strip()) / (100 if percent else 1)
        if rest or not 0 <= rate <= 1:
            raise ValueError
    except ValueError:
        raise ValueError(f'{value!r}: must be like "5%" or "0.05", at most "100%"') from None
    return rate


def _texts(value: object) -> list[str]:
    if isinstance(value, list):
        texts = cast("list[object]", value)
        if all(isinstance(text, str) for text in texts):
            return cast("list[str]", texts)
    raise ValueError(f"{value!r}: must be a list of texts")


def _times(text: str) -> tuple[int, int]:
    first, dots, last = text.partition("..")
    try:
        from_ms, to_ms = utc_ms(first), utc_ms(last)
    except ValueError:
        dots = ""
        from_ms = to_ms = 0
    if not dots or from_ms >= to_ms:
        raise ValueError(f"{text!r}: must be {_TIMES}")
    return from_ms, to_ms


def _scripted(text: str) -> Scripted:
    found = _LINE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r}: must be like {_LINES}")
    fault = _class(found[3] or found[5])
    if found[4]:
        return Scripted(fault, 0, *_times(found[4]))
    asked = Asked(found[1])
    if fault not in BY_ASKED[asked]:
        known = ", ".join(each.value for each in BY_ASKED[asked])
        raise ValueError(f"{text!r}: a {asked.value} can meet {known}")
    return Scripted(fault, int(found[2]))
