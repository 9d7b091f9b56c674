"""A second account that follows at a ratio: its plan, its decisions, how far it is off (SPEC §8).

Pure arithmetic over the primary's ladder and the mirror's. A mirror is a ladder of its own, with
its own fills and its own average; what is mirrored is what was decided, never what was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from machines.decision import Decision, Kind, Order
from machines.ladder import Ladder, Standing, State, replace
from machines.sharing import ceil_to, floor_to
from machines.spec import Anchor, EntrySpec, LadderSpec, Mirror, Price
from machines.words import ZERO, Instrument, plain

ENTERING = (State.NEW, State.PENDING_LIMITS, State.PARTIALLY_FILLED)
"""The entry phase: when the primary leaves it, the mirror's working entries are cancelled."""
LIFE_MS = 86_400_000
"""No decision waits longer (RELIABILITY §4.4)."""
AT = "@"
"""Parts a mirror's name; no plan's name has it, so none can collide."""


def mirror_name(primary: str, account: str) -> str:
    """Name the mirror of a ladder, or of a plan, in an account."""
    return f"{primary}{AT}{account}"


def primary_name(name: str) -> str:
    """Return whose mirror a ladder of this name is; empty when it is none."""
    primary, at, _ = name.partition(AT)
    return primary if at else ""


def too_small(
    entries: Sequence[EntrySpec], prices: Sequence[Decimal], mirror: Mirror, grid: Instrument
) -> Iterator[str]:
    """Yield why there would be no mirror: each entry that is below what its venue takes."""
    for n, (entry, price) in enumerate(zip(entries, prices, strict=True), 1):
        qty = floor_to(entry.qty * mirror.ratio, grid.step)
        least = max(grid.step, grid.min_qty, ceil_to(grid.min_notional / price, grid.step))
        if qty < least:
            yield (
                f"no mirror in {mirror.account}: entries[{n}] {plain(entry.qty)} × "
                f"{plain(mirror.ratio)} is {plain(qty)}, at least {plain(least)} is taken there"
            )


def mirror_plan(ladder: Ladder, mirror: Mirror, grid: Instrument, *, late: bool) -> LadderSpec:
    """Return the plan of a mirror: the primary's prices, its quantities at the ratio, no rules.

    ``late``: the primary is some time ahead, so nothing is bought at market in its place; an entry
    that has filled waits at the price where the primary started.
    """
    spec, start_px = ladder.terms.spec, ladder.terms.start_px

    def price_of(n: int, entry: EntrySpec) -> Price | None:
        if entry.price is None:
            return Price(start_px) if late else None
        shown = ladder.entries[n].price
        return entry.price if shown is None else Price(shown)

    def fixed(price: Price) -> Price:
        """Write what the primary takes of its start as the price that it is."""
        moves = spec.anchor is Anchor.AVERAGE
        return price if moves or not price.percent else Price(price.at(start_px))

    return msgspec.structs.replace(
        spec,
        name=mirror_name(spec.name, mirror.account),
        ladder=mirror_name(spec.ladder, mirror.account),
        account=mirror.account,
        entries=tuple(
            EntrySpec(price_of(n, entry), floor_to(entry.qty * mirror.ratio, grid.step))
            for n, entry in enumerate(spec.entries)
        ),
        stop=fixed(spec.stop),
        targets=tuple(fixed(target) for target in spec.targets),
        rules=False,
        mirrors=(),
        not_before_ms=None,
        repeat=None,
    )


def mirrored(decision: Decision, primary: Ladder, ladder: Ladder, ratio: Decimal) -> Order:
    """Return what a decision that the primary has taken means for its mirror.

    Fractions are of what the mirror holds; quantities at the ratio; a rule's stop is as far from
    the mirror's average as it was from the primary's; a person's price is taken as it is. What is
    done already is done for a day, for a venue may be away; more is bought in time or not at all.
    """
    order, account = decision.order, ladder.terms.key.account
    price, qty, in_time = order.price, order.qty, order.kind is Kind.SCALE_IN
    if price is not None and not order.by_person and primary.avg_px and ladder.avg_px:
        price = price * ladder.avg_px / primary.avg_px
    return replace(
        order,
        id=mirror_name(order.id, account),
        ladder=ladder.terms.spec.name,
        qty=None if qty is None else qty * ratio,
        price=price,
        expires_ms=order.expires_ms if in_time else decision.made_ms + LIFE_MS,
        expect_version=None,
    )


class Drift(msgspec.Struct, frozen=True):
    """How far a mirror is from what it should hold. ``part`` is a fraction of the target."""

    target: Decimal
    held: Decimal

    @property
    def part(self) -> Decimal:
        """Return the difference as a fraction of the target; all of it where that is nothing."""
        off = abs(self.held - self.target)
        if self.target:
            return off / self.target
        return Decimal(1) if off else ZERO


def drift(primary: Ladder, ladder: Ladder | None, mirror: Mirror, step: Decimal) -> Drift:
    """Compare a mirror with its floored target.

    The target is each entry's filled quantity at the ratio, floored as its order was, and of that
    the part that the primary still holds.
    """
    held = ZERO if ladder is None else ladder.held
    filled = [entry.filled_qty for entry in primary.entries]
    others = max(ZERO, primary.entered_qty - sum(filled, ZERO))
    entered = sum((floor_to(qty * mirror.ratio, step) for qty in (*filled, others)), ZERO)
    whole = max(primary.entered_qty, sum(filled, ZERO))
    if not whole or primary.state is State.CLOSED:
        return Drift(ZERO, held)
    return Drift(floor_to(entered * primary.held / whole, step), held)


def outlived(primary: Ladder, ladder: Ladder) -> tuple[int, ...]:
    """Return the mirror's entries that work although the primary has left the entry phase."""
    if primary.state in ENTERING:
        return ()
    return tuple(
        entry.n
        for entry in ladder.entries
        if entry.standing is Standing.WORKING and entry.expires_ms is None
    )
