"""What a person sees of a run: a live table on a terminal, lines elsewhere, a summary at the end.

Reads the keepers; decides nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.table import Table

from controller.keeper import Keeper, Kept
from controller.render import PositionRow, console_for, live_table, summary_table
from machines.ladder import Standing, State

_REFRESH_PER_SECOND = 8
_ENDINGS = {
    "E4": "entries ended unfilled",
    "E5": "not filled in time",
    "E6": "late fill sold",
    "T2b": "out: break-even behind the market",
    "T4": "all rungs hit",
    "S2": "out: no stop could rest",
}


def ended_by(kept: Kept) -> str:
    """Say in a few words what ended a position; empty while it is open."""
    if kept.parked:
        return f"parked: {kept.parked}"
    if kept.ladder.state not in (State.CLOSING, State.CLOSED):
        return ""
    if kept.closing_row == "S1":
        at_break_even = kept.ladder.break_even is not None
        return "stopped at break-even" if at_break_even else "stopped out"
    return _ENDINGS.get(kept.closing_row, kept.closing_row)


def row_of(kept: Kept) -> PositionRow:
    """Show a kept ladder as one line of a table."""
    ladder = kept.ladder
    spec = ladder.terms.spec
    stop = ladder.stop
    closed = ladder.state is State.CLOSED  # nothing rests any more, hit or not
    return PositionRow(
        name=spec.name,
        account=spec.account,
        symbol=spec.symbol,
        side=spec.side.value,
        state=ladder.state.value,
        held=ladder.held,
        planned=spec.planned_qty,
        entered=ladder.entered_qty,
        avg_px=ladder.average_fill if ladder.entered_qty else None,
        stop_px=stop.trigger_px if stop is not None else None,
        break_even=ladder.break_even,
        rungs=tuple(
            (rung.standing is Standing.HIT, closed or rung.standing is Standing.OFF)
            for rung in ladder.rungs
        ),
        realised=ladder.realised,
        fees=ladder.fees,
        last_event=kept.last_row,
        reason=ended_by(kept),
    )


class Screen:
    """Shows one run on one console."""

    def __init__(self, keepers: Mapping[str, Keeper], *, quiet: bool) -> None:
        self._keepers = keepers
        self._console: Console = console_for(sys.stdout)
        self._lines = not quiet and not self._console.is_terminal
        self._live: Live | None = None
        self._now_ms = 0
        if not quiet and self._console.is_terminal:
            self._live = Live(
                get_renderable=self._table,
                console=self._console,
                refresh_per_second=_REFRESH_PER_SECOND,
                transient=True,
            )

    def __enter__(self) -> Screen:
        """Start the live view, where there is one."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the live view."""
        if self._live is not None:
            self._live.stop()

    def changed(self, kept: Kept, now_ms: int) -> None:
        """Hear that a ladder took a row."""
        self._now_ms = now_ms
        if self._lines:
            ladder = kept.ladder
            name = ladder.terms.spec.name
            self._console.print(
                f"{stamp(now_ms)}  {name:<20}  {kept.last_row:<24}  {ladder.state.value}"
            )

    def summary(self, notes: Iterable[str] = ()) -> None:
        """Print every position and the totals."""
        rows = [row_of(kept) for keeper in self._keepers.values() for kept in keeper.kept.values()]
        self._console.print()
        self._console.print(summary_table(rows, width=self._console.width))
        for note in notes:
            self._console.print(note)

    def _table(self) -> Table:
        rows = [row_of(kept) for keeper in self._keepers.values() for kept in keeper.kept.values()]
        return live_table(
            rows, caption=stamp(self._now_ms) if self._now_ms else "", width=self._console.width
        )


def stamp(at_ms: int) -> str:
    """Write a time the way a person reads it, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
