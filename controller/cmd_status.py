"""``rungkeeper status``: how every position stands, from the journal alone.

Reads and never writes, so it may look on while a controller runs, and after it. Knows the shape of
``status --json`` (SPEC §12).
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import msgspec
import typer

from controller.demo import state_file
from controller.journal import JournalError, Saved, read_decisions, read_latest
from machines.decision import ENDED, Decision
from machines.errors import InvalidSpec
from machines.ladder import DeclaredOrder, Ladder, Standing, State
from machines.mirror import Drift, drift, primary_name
from machines.words import plain

DRIFT_DIGITS = 4
"""A hundredth of a percent."""


def status(name: str | None, config: Path | None, *, as_json: bool) -> int:
    """Write how every position, or those of one name, stands.

    *Raises*: InvalidSpec when there is no state file, or nothing of that name in it.
    """
    path = state_file(config)
    waiting = Counter(
        msgspec.json.decode(row.state, type=Decision).order.ladder
        for row in read_decisions(path)
        if row.standing not in ENDED
    )
    shown = [(saved, _decoded(saved, path)) for saved in read_latest(path)]
    known = {saved.position: ladder for saved, ladder in shown}
    if name is not None:
        shown = [each for each in shown if name in (each[0].position, each[1].terms.spec.ladder)]
        if not shown:
            raise InvalidSpec([f"{name}: {path} has no position of that name"])
    if as_json:
        found = [
            as_object(ladder, saved.at_ms, waiting[saved.position], drift_of(ladder, known))
            for saved, ladder in shown
        ]
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
        return 0
    if not shown:
        typer.echo("no positions")
        return 0
    _write_table(shown)
    for _, ladder in shown:
        found = drift_of(ladder, known)
        if found is not None and found.part:
            held, target = plain(found.held), plain(found.target)
            typer.echo(f"{ladder.terms.spec.name}: holds {held}, as a mirror it should {target}")
    return 0


def drift_of(ladder: Ladder, known: Mapping[str, Ladder]) -> Drift | None:
    """Return how far a mirror is from its target; None for a ladder that is none, or follows not.

    ``known`` are all ladders by name.
    """
    primary = known.get(primary_name(ladder.terms.spec.name))
    if primary is None or ladder.state is State.CLOSED:
        return None
    spec, account = primary.terms.spec, ladder.terms.key.account
    mirror = next((one for one in spec.mirrors if one.account == account), None)
    if mirror is None or (primary.state is State.CLOSED and not spec.follow_close):
        return None
    return drift(primary, ladder, mirror, ladder.terms.instrument.step)


def _decoded(saved: Saved, path: Path) -> Ladder:
    try:
        return msgspec.json.decode(saved.state, type=Ladder)
    except msgspec.DecodeError as error:
        raise JournalError(
            f"state {path}: the last record of {saved.position} cannot be read: {error}"
        ) from error


def _write_table(shown: list[tuple[Saved, Ladder]]) -> None:
    """Show the open ones first, as a table of the live view's columns."""
    from controller.render import console_for, live_table
    from controller.rows import row_of

    console = console_for(sys.stdout)
    by_state = sorted(shown, key=lambda each: each[1].state is State.CLOSED)
    rows = [row_of(ladder) for _, ladder in by_state]
    console.print(live_table(rows, caption="", width=console.width))


def as_object(
    ladder: Ladder, as_of_ms: int, waiting: int = 0, off: Drift | None = None
) -> dict[str, object]:
    """Describe a ladder as ``status --json`` does: money as text, times as UTC ms.

    ``waiting`` counts the decisions that have not ended; ``off`` is a mirror's drift.
    """
    spec, stop = ladder.terms.spec, ladder.stop
    naked_ms = 0
    if ladder.naked_since_ms is not None:
        naked_ms = max(0, as_of_ms - ladder.naked_since_ms)
    return {
        "name": spec.name,
        "ladder": spec.ladder,
        "account": spec.account,
        "symbol": spec.symbol,
        "side": spec.side.value,
        "state": ladder.state.value,
        "held": plain(ladder.held),
        "avg_px": plain(ladder.avg_px) if ladder.held else None,
        "stop": None
        if stop is None or stop.trigger_px is None
        else {"trigger_px": plain(stop.trigger_px), "qty": plain(stop.qty)},
        "rungs": [_rung(rung) for rung in ladder.rungs],
        "entries": [_entry(entry) for entry in ladder.entries],
        "break_even": None if ladder.break_even is None else plain(ladder.break_even),
        "realised": plain(ladder.realised),
        "fees": plain(ladder.fees),
        "funding": plain(ladder.funding),
        "foreign_qty": plain(ladder.foreign_qty),
        "unprotected_ms": ladder.unprotected_ms + naked_ms,
        "decisions_waiting": waiting,
        "halted_reason": ladder.reason if ladder.state is State.HALTED else None,
        "drift": None if off is None else plain(round(off.part, DRIFT_DIGITS)),
        "as_of_ms": as_of_ms,
    }


def _rung(rung: DeclaredOrder) -> dict[str, object]:
    return {
        "n": rung.n,
        "price": None if rung.price is None else plain(rung.price),
        "qty": plain(rung.qty),
        "filled": plain(rung.filled_qty),
        "hit": rung.standing is Standing.HIT,
    }


def _entry(entry: DeclaredOrder) -> dict[str, object]:
    return {
        "n": entry.n,
        "price": None if entry.price is None else plain(entry.price),
        "qty": plain(entry.qty + entry.filled_qty),
        "filled": plain(entry.filled_qty),
        "state": entry.standing.value,
    }
