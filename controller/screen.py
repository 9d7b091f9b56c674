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

from controller.alerts import log_alert, log_news
from controller.keeper import Keeper, Kept
from controller.render import PositionRow, console_for, live_table, summary_table
from controller.rows import row_of
from machines.ladder import State

_REFRESH_PER_SECOND = 8
ENDINGS = {
    "B1": "booked whole",
    "B3": "stop passed the entries",
    "B4": "exit decided",
    "B6": "released",
    "E4": "entries ended unfilled",
    "E5": "not filled in time",
    "E6": "late fill sold",
    "T2b": "out: break-even behind the market",
    "T4": "all rungs hit",
    "H2": "over while halted",
    "M2": "gone without us",
    "S1": "stopped out",
    "S2": "out: no stop could rest",
}
"""What led to the end of a position, by the label of the row."""


def ended_by(kept: Kept) -> str:
    """Say in a few words what ended a position; empty while it is open."""
    if kept.parked:
        return f"parked: {kept.parked}"
    if kept.ladder.state is State.HALTED:
        return f"halted: {kept.ladder.reason}"
    if kept.ladder.state not in (State.CLOSING, State.CLOSED):
        return ""
    if kept.closing_row == "S1" and kept.ladder.break_even is not None:
        return "stopped at break-even"
    return ENDINGS.get(kept.closing_row, kept.closing_row)


def complaints(keepers: Iterable[Keeper]) -> list[str]:
    """Say what a run leaves for a person to look at.

    Refused plans, halted and parked positions, and venues that never answered.
    """
    found: list[str] = []
    for keeper in keepers:
        found += keeper.openings.refused
        stuck = [kept for kept in keeper.open if kept.parked or kept.ladder.state is State.HALTED]
        found += [f"{kept.ladder.terms.spec.name}: {ended_by(kept)}" for kept in stuck]
        since_ms = keeper.reading.down_since_ms
        if since_ms is not None and keeper.reading.last is None:
            found.append(f"account {keeper.venue.account}: no answer since {stamp(since_ms)}")
    return found


def _row(kept: Kept) -> PositionRow:
    return row_of(kept.ladder, kept.last_row, ended_by(kept))


class Screen:
    """Shows one run on one console."""

    def __init__(self, *, quiet: bool) -> None:
        self._keepers: Mapping[str, Keeper] = {}
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

    def show(self, keepers: Mapping[str, Keeper]) -> None:
        """Say whose ladders to show."""
        self._keepers = keepers

    def alert(self, name: str, text: str, at_ms: int) -> None:
        """Hear of what a person should know: it goes to the log, above the live view."""
        log_alert(name, text, at_ms)

    def news(self, name: str, text: str, at_ms: int) -> None:
        """Hear of what has been decided: it goes to the log, and among the lines."""
        log_news(name, text, at_ms)
        if self._lines:
            self._console.print(f"{stamp(at_ms)}  {name:<20}  {text}")

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
        rows = [_row(kept) for keeper in self._keepers.values() for kept in keeper.kept.values()]
        self._console.print()
        self._console.print(summary_table(rows, width=self._console.width))
        for note in notes:
            self._console.print(note)

    def _table(self) -> Table:
        rows = [_row(kept) for keeper in self._keepers.values() for kept in keeper.kept.values()]
        return live_table(
            rows, caption=stamp(self._now_ms) if self._now_ms else "", width=self._console.width
        )


def stamp(at_ms: int) -> str:
    """Write a time the way a person reads it, in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
