"""Instructions for a rung whose one order is its stop and its target in turn (SPEC §9, R1 to R3).

As in `machines.recipes`: each edits the declared ladder and nothing else.
"""

from __future__ import annotations

from machines import carriers
from machines.carrier import Phase
from machines.ladder import Ladder, find, replace, with_order
from machines.recipes import Instruction, Moment
from machines.words import Role


def _convert(ladder: Ladder, moment: Moment) -> Ladder:
    rung = find(ladder, Role.TAKE_PROFIT, moment.event.n)
    assert rung is not None, "a row of a rung's target"
    rung = carriers.with_phase(rung, Phase.CONVERTING)
    times = (*rung.carrier.converted_ms, moment.now_ms)[-carriers.MAX_CONVERSIONS :]
    carrier = replace(rung.carrier, converted_ms=times, told=False)
    return with_order(ladder, replace(rung, carrier=carrier))


def _leave_target(ladder: Ladder, moment: Moment) -> Ladder:
    """Let a limit end; one that was never converted is still its stop."""
    rung = find(ladder, Role.TAKE_PROFIT, moment.event.n)
    assert rung is not None, "a row of a rung's target"
    limit = rung.carrier.phase is Phase.TARGET
    return with_order(ladder, carriers.with_phase(rung, Phase.REARMING if limit else Phase.STOP))


_T = (Role.TAKE_PROFIT,)

CONVERT = Instruction("convert", "its stop becomes a limit just inside the target", _T, _convert)
LEAVE_TARGET = Instruction(
    "leave_target", "its limit is cancelled, and ends before a stop rests again", _T, _leave_target
)
