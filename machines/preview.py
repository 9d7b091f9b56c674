"""What a plan would declare, before anything is sent (SPEC §12 ``preview``).

Imagined fills are counted through the real table, so what is shown is what will be declared.
Knows no files, no clock and no venue.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from machines.errors import InvalidSpec
from machines.ladder import Ladder, break_even_px
from machines.planning import Setting, check, entry_prices, fill_up, open_ladder
from machines.spec import LadderSpec
from machines.words import ZERO, Key, Quote, plain


class PreviewOrder(msgspec.Struct, frozen=True):
    """An entry or a rung as the preview shows it."""

    n: int
    price: Decimal
    qty: Decimal


class PreviewStop(msgspec.Struct, frozen=True):
    """The stop as the preview shows it."""

    trigger_px: Decimal
    qty: Decimal


class Sized(msgspec.Struct, frozen=True):
    """The ladder after some quantity has filled. ``break_even`` as if TP1 were hit then."""

    filled: Decimal
    avg_px: Decimal
    stop: PreviewStop
    rungs: tuple[PreviewOrder, ...]
    break_even: Decimal


class Preview(msgspec.Struct, frozen=True):
    """What a plan would declare."""

    name: str
    entries: tuple[PreviewOrder, ...]
    at_full: Sized
    at_filled: Sized | None
    break_even: Decimal
    folded: tuple[int, ...]
    warnings: tuple[str, ...]


def preview(
    spec: LadderSpec, reference: Decimal, setting: Setting, filled: Decimal | None = None
) -> Preview:
    """Show what a plan declares when all, and when ``filled``, of its entries have filled.

    *Raises*: InvalidSpec with every fault of the plan, or of ``filled``.
    """
    faults = check(spec, reference, setting)
    step_size = setting.instrument.step
    if filled is not None and (not ZERO < filled <= spec.planned_qty or filled % step_size):
        faults.append(
            f"--filled {plain(filled)}: must be above 0, at most {plain(spec.planned_qty)} and a "
            f"multiple of the step {plain(step_size)}"
        )
    if faults:
        raise InvalidSpec([f"{spec.name}: {fault}" for fault in faults])
    prices = entry_prices(spec, reference, setting.instrument.tick)
    quote = Quote(spec.symbol, reference, 0, 0)
    opened = open_ladder(spec, setting, Key(spec.account, spec.symbol), quote, 0)
    full = fill_up(opened, prices, setting, spec.planned_qty)
    part = None if filled is None else _sized(fill_up(opened, prices, setting, filled))
    sized = _sized(full)
    folded = tuple(rung.n for rung in sized.rungs if not rung.qty)
    return Preview(
        name=spec.name,
        entries=tuple(
            PreviewOrder(n, price, entry.qty)
            for n, (entry, price) in enumerate(zip(spec.entries, prices, strict=True), 1)
        ),
        at_full=sized,
        at_filled=part,
        break_even=sized.break_even,
        folded=folded,
        warnings=_warnings(spec, folded, part),
    )


def _warnings(spec: LadderSpec, folded: tuple[int, ...], part: Sized | None) -> tuple[str, ...]:
    found: list[str] = []
    if len(folded) == len(spec.targets):
        found.append("no rung is large enough to rest: stop only")
    elif folded:
        names = ", ".join(f"TP{n}" for n in folded)
        found.append(f"{names} too small to rest: folded into a neighbour")
    if part is not None and not any(rung.qty for rung in part.rungs):
        found.append(f"at {plain(part.filled)} filled no rung is large enough: stop only")
    return tuple(found)


def _sized(ladder: Ladder) -> Sized:
    stop = ladder.stop
    assert stop is not None, "something is held"
    assert stop.trigger_px is not None, "a stop has a price"
    return Sized(
        filled=ladder.entered_qty,
        avg_px=ladder.avg_px,
        stop=PreviewStop(stop.trigger_px, stop.qty),
        rungs=tuple(PreviewOrder(rung.n, rung.price or ZERO, rung.qty) for rung in ladder.rungs),
        break_even=break_even_px(ladder),
    )
