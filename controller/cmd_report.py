"""``rungkeeper report``: what was decided, what came of it, and what it was worth.

Reads the journal and never writes. Per decision its timeline and effects; per rule, per position
and per day the sums (SPEC §6, §12).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import typer

from controller.demo import state_file
from controller.journal import read_decisions
from controller.render import short
from controller.tracking import AT_CLOSE
from machines.decision import Decision
from machines.words import ZERO, plain

_ENDINGS = ("done", "refused", "expired", "superseded", "waiting")


class Sum(msgspec.Struct):
    """Decisions of one rule, position or day, counted by how they ended."""

    decisions: int = 0
    done: int = 0
    refused: int = 0
    expired: int = 0
    superseded: int = 0
    waiting: int = 0
    filled: Decimal = Decimal(0)
    worth: Decimal = Decimal(0)
    """Money that changed hands."""
    gains: dict[str, Decimal] = {}
    """By how much later: what bookings got beyond the price then."""

    def add(self, decision: Decision) -> None:
        """Count one more."""
        self.decisions += 1
        word = decision.standing.value.lower() if decision.ended else "waiting"
        setattr(self, word, getattr(self, word) + 1)
        self.filled += decision.filled_qty
        self.worth += decision.filled_cost
        for effect in decision.effects:
            self.gains[effect.after] = self.gains.get(effect.after, ZERO) + effect.gain

    def as_object(self) -> dict[str, object]:
        """Describe it as ``report --json`` does: money as text."""
        counts: dict[str, object] = {word: getattr(self, word) for word in ("decisions", *_ENDINGS)}
        gains = {after: plain(gain) for after, gain in self.gains.items()}
        return counts | {"filled": plain(self.filled), "worth": plain(self.worth), "gains": gains}


def report(name: str | None, config: Path | None, *, as_json: bool) -> int:
    """Write every decision, or those of one position, and the sums.

    *Raises*: InvalidSpec when there is no state file.
    """
    found = [
        msgspec.json.decode(row.state, type=Decision) for row in read_decisions(state_file(config))
    ]
    if name is not None:
        found = [one for one in found if one.order.ladder == name]
    if as_json:
        whole: dict[str, object] = {"decisions": [as_object(one) for one in found]}
        for title, sums in _summed(found):
            whole[f"by_{title}"] = {key: total.as_object() for key, total in sums.items()}
        sys.stdout.write(msgspec.json.encode(whole).decode() + "\n")
        return 0
    for one in found:
        typer.echo(as_line(one))
    for title, sums in _summed(found):
        for key, total in sums.items():
            typer.echo(f"by {title}: {key}: {_counted(total)}")
    if not found:
        typer.echo("nothing has been decided")
    return 0


def _summed(found: Sequence[Decision]) -> Iterator[tuple[str, dict[str, Sum]]]:
    yield "rule", _sums((one.order.by, one) for one in found)
    yield "position", _sums((one.order.ladder, one) for one in found)
    yield "day", _sums((_day(one), one) for one in found)


def _sums(pairs: Iterable[tuple[str, Decision]]) -> dict[str, Sum]:
    sums: dict[str, Sum] = {}
    for key, decision in pairs:
        sums.setdefault(key, Sum()).add(decision)
    return dict(sorted(sums.items()))


def _day(decision: Decision) -> str:
    return datetime.fromtimestamp(decision.made_ms / 1000, UTC).strftime("%Y-%m-%d")


def as_object(decision: Decision) -> dict[str, object]:
    """Describe a decision as ``report --json`` does: money as text, times as UTC ms."""
    order, filled = decision.order, decision.filled_qty
    return {
        "id": order.id,
        "position": order.ladder,
        "decision": order.kind.value,
        "by": order.by,
        "reason": order.reason,
        "priority": order.priority.name.lower(),
        "decided_ms": decision.made_ms,
        "sent_ms": decision.sent_ms,
        "ended_ms": decision.ended_ms,
        "state": decision.standing.value,
        "why": decision.reason,
        "partial": decision.partial,
        "retries": decision.retries,
        "filled": plain(filled),
        "px": plain(decision.filled_cost / filled) if filled else None,
        "effects": [
            {"after": e.after, "price": plain(e.price), "gain": plain(e.gain)}
            for e in decision.effects
        ],
    }


def as_line(decision: Decision) -> str:
    """Say a decision in a line."""
    order, filled = decision.order, decision.filled_qty
    at = datetime.fromtimestamp(decision.made_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    words = [at, f"{order.ladder:<12}", f"{order.kind.value:<10}", decision.standing.value]
    if decision.reason:
        words.append(f"({decision.reason})")
    if filled:
        words.append(f"{short(filled)} @ {short(decision.filled_cost / filled)}")
    words.append(f"by {order.by}")
    words += [f"{_when(e.after)} {short(e.gain)}" for e in decision.effects]
    return "  ".join(words)


def _counted(total: Sum) -> str:
    parts = [f"{getattr(total, word)} {word}" for word in _ENDINGS if getattr(total, word)]
    gains = "".join(f", {_when(after)} {short(gain)}" for after, gain in total.gains.items())
    noun = "decision" if total.decisions == 1 else "decisions"
    return f"{total.decisions} {noun}: {', '.join(parts)}{gains}"


def _when(after: str) -> str:
    return "at the close" if after == AT_CLOSE else f"{after} later"
