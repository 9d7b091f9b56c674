"""A ladder as one line of a table: the one place where its fields become columns."""

from __future__ import annotations

from controller.render import PositionRow
from machines.ladder import Ladder, Standing, State


def row_of(ladder: Ladder, last_event: str = "", reason: str = "") -> PositionRow:
    """Show a ladder as one line of a table."""
    spec, stop = ladder.terms.spec, ladder.stop
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
        last_event=last_event,
        reason=reason,
    )
