"""The finite facts a row may ask for, and how each is read off a ladder.

A fact is a boolean judged *after* the event has been counted. `FACTS` says which facts decide each
trigger; together they span every combination the table must answer.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from machines.carrier import Phase
from machines.carriers import exit_of, leaving
from machines.decided import scaled_break_even
from machines.ladder import Ladder, Standing, break_even_px, find
from machines.recipes import RETRY_MS, Moment, is_behind, known_exit_px, one_rung_behind
from machines.sharing import min_rung_qty
from machines.spec import LateEntry, NakedPolicy, WhenBehind
from machines.words import ZERO, Refusal, Role, Trigger

MAX_REFUSALS = 3
MIN_REFUSAL_SPAN_MS = 3_000
"""A stop is given up after three refusals over three seconds (S2)."""
BLIND_MS = 60_000
"""An exit that is refused without a quote for this long halts the ladder (SPEC §3)."""
LATE_SCALE_GAP = Decimal("0.005")
"""SPEC §6: scaling in after TP1 wants the new break-even this far behind the market."""
ALERT_AT_TRY = 3
"""A person hears of an exit that has ended unfilled as often as this (S1)."""


def entries_work(ladder: Ladder, _: Moment) -> bool:
    """An entry is still declared to work."""
    return ladder.entries_work


def refused(_: Ladder, moment: Moment) -> bool:
    """The venue refused it, at once or after having accepted it."""
    return moment.event.refusal is not None


def expired(ladder: Ladder, _: Moment) -> bool:
    """E5 declared the end and nothing had filled until this fill."""
    return ladder.expired and not ladder.entered_qty


def late(ladder: Ladder, moment: Moment) -> bool:
    """The filled entry had already been declared cancelled."""
    return is_late(ladder, moment.event.n)


def is_late(ladder: Ladder, n: int) -> bool:
    """Tell whether a fill of entry ``n`` is late: cancelled, or ended before TP1 was hit."""
    entry = find(ladder, Role.ENTRY, n)
    if entry is None or entry.standing in (Standing.WORKING, Standing.FILLED):
        return False
    return entry.standing is Standing.CANCELLED or ladder.break_even is not None


def keep_late(ladder: Ladder, _: Moment) -> bool:
    """The plan says late_entry = keep."""
    return ladder.terms.spec.late_entry is LateEntry.KEEP


def held(ladder: Ladder, _: Moment) -> bool:
    """Something stays held after this event."""
    return bool(ladder.held)


def behind(ladder: Ladder, moment: Moment) -> bool:
    """Moving the stop to break-even would put it at or beyond the known exit-side price."""
    price = ladder.break_even
    if price is None:
        price = break_even_px(ladder)
    resting = None if ladder.stop is None else ladder.stop.trigger_px
    if resting is not None and not ladder.direction.beyond(price, resting):
        return False
    return is_behind(ladder, price, moment.quote, moment.now_ms)


def keep_behind(ladder: Ladder, _: Moment) -> bool:
    """The plan says when_break_even_is_behind = keep."""
    return ladder.terms.spec.when_break_even_is_behind is WhenBehind.KEEP


def steps(ladder: Ladder, moment: Moment) -> bool:
    """The plan says step_stop, and one rung behind is not behind the market."""
    price = one_rung_behind(ladder)
    if not ladder.terms.spec.step_stop or price is None:
        return False
    return not is_behind(ladder, price, moment.quote, moment.now_ms)


def passed(_: Ladder, moment: Moment) -> bool:
    """The venue refused because the price is behind the market."""
    return moment.event.refusal is Refusal.BEHIND_MARKET


def stop_rests(ladder: Ladder, _: Moment) -> bool:
    """The last snapshot showed a stop resting."""
    return ladder.stop_seen


def spent(ladder: Ladder, moment: Moment) -> bool:
    """The venue has refused often and long enough."""
    if moment.event.role is Role.STOP_LOSS:
        since = moment.now_ms - ladder.stop_refused_ms
        return ladder.stop_refusals >= MAX_REFUSALS and since >= MIN_REFUSAL_SPAN_MS
    rung = find(ladder, Role.TAKE_PROFIT, moment.event.n)
    return rung is not None and rung.refusals >= MAX_REFUSALS


def third_try(ladder: Ladder, moment: Moment) -> bool:
    """An exit has ended unfilled for the third time."""
    order = exit_of(ladder, moment.event)
    return order is not None and order.refusals == ALERT_AT_TRY


def merges(ladder: Ladder, _: Moment) -> bool:
    """The plan takes foreign growth in (external_growth = merge, the default where exits pool)."""
    growth = ladder.terms.spec.external_growth
    return growth == "merge" if growth is not None else ladder.terms.merges


def closes_naked(ladder: Ladder, _: Moment) -> bool:
    """The plan says naked_policy = close."""
    return ladder.terms.spec.naked_policy is NakedPolicy.CLOSE


def after_tp1(ladder: Ladder, _: Moment) -> bool:
    """A rung has been hit: break-even is fixed."""
    return ladder.break_even is not None


def blind(ladder: Ladder, moment: Moment) -> bool:
    """An exit has been refused every second for a minute and there has been no quote."""
    order = exit_of(ladder, moment.event)
    if order is None or order.refusals < BLIND_MS // RETRY_MS:
        return False
    quote = moment.quote
    return quote is None or moment.now_ms - quote.at_ms >= BLIND_MS


def paused(ladder: Ladder, moment: Moment) -> bool:
    """The rung was converted three times within the hour, or its amendments are used up."""
    rung = find(ladder, Role.TAKE_PROFIT, moment.event.n)
    return rung is not None and rung.carrier.told


def rearming(ladder: Ladder, moment: Moment) -> bool:
    """Its limit was to end before a stop rests again."""
    rung = find(ladder, Role.TAKE_PROFIT, moment.event.n)
    return rung is not None and rung.carrier.phase is Phase.REARMING


def chased(ladder: Ladder, _: Moment) -> bool:
    """An order on its way out was sent to market for the second time."""
    return any(o.qty and o.carrier.asked == ALERT_AT_TRY - 1 for o in leaving(ladder))


def decided(ladder: Ladder, moment: Moment) -> bool:
    """A decision declared it, or moved it last."""
    event = moment.event
    assert event.role is not None, "asked of an order's event only"
    order = find(ladder, event.role, event.n)
    return order is not None and bool(order.decision)


def _least(ladder: Ladder, moment: Moment) -> Decimal:
    """Return the least quantity of an order at market; without a price, at what was paid."""
    price = ladder.avg_px if moment.quote is None else moment.quote.last
    return min_rung_qty(ladder.terms.instrument, price or ladder.terms.start_px)


def unbookable(ladder: Ladder, moment: Moment) -> bool:
    """It comes to nothing, or to less than the venue takes while enough would stay held."""
    return not moment.event.qty or (too_small(ladder, moment) and not takes_all(ladder, moment))


def too_small(ladder: Ladder, moment: Moment) -> bool:
    """The quantity is below what the venue takes."""
    return moment.event.qty < _least(ladder, moment)


def takes_all(ladder: Ladder, moment: Moment) -> bool:
    """It would leave less than what the venue takes."""
    return ladder.to_share - moment.event.qty < _least(ladder, moment)


def unpriced(ladder: Ladder, moment: Moment) -> bool:
    """The market's price is not known."""
    return known_exit_px(ladder, moment.quote, moment.now_ms) is None


def too_much(ladder: Ladder, moment: Moment) -> bool:
    """Entered and working quantity would pass max_qty times the plan."""
    spec = ladder.terms.spec
    working = sum((entry.qty for entry in ladder.entries if entry.working), ZERO)
    return ladder.entered_qty + working + moment.event.qty > spec.max_qty * spec.planned_qty


def scales_late(ladder: Ladder, moment: Moment) -> bool:
    """The plan allows it, and the new break-even is at least 0.5 % behind the market."""
    market = known_exit_px(ladder, moment.quote, moment.now_ms)
    if not ladder.terms.spec.scale_after_tp1 or market is None:
        return False
    room = (market - scaled_break_even(ladder, moment)) * ladder.sign
    return room >= market * LATE_SCALE_GAP


def others_work(ladder: Ladder, moment: Moment) -> bool:
    """Another entry is still declared to work."""
    return any(entry.working and entry.n != moment.event.n for entry in ladder.entries)


def moves_behind(ladder: Ladder, moment: Moment) -> bool:
    """It would put the stop at or beyond the known exit-side price."""
    price = moment.event.price
    assert price is not None, "a stop is moved somewhere"
    return is_behind(ladder, price, moment.quote, moment.now_ms)


def loosens(ladder: Ladder, moment: Moment) -> bool:
    """A rule would move the stop away from profit; only a person may."""
    price, stop = moment.event.price, ladder.stop
    assert price is not None, "a stop is moved somewhere"
    if moment.event.by_person or stop is None or stop.trigger_px is None:
        return False
    return not ladder.direction.beyond(price, stop.trigger_px)


PREDICATES: dict[str, Callable[[Ladder, Moment], bool]] = {
    fact.__name__: fact
    for fact in (
        entries_work, refused, expired, late, keep_late, held, behind, keep_behind, steps,
        passed, stop_rests, spent, third_try, merges, closes_naked, after_tp1, blind,
        decided, unpriced, unbookable, too_small, takes_all, too_much, scales_late, others_work,
        moves_behind, loosens,
        paused, rearming, chased,
    )
}  # fmt: skip

FACTS: dict[Trigger, tuple[str, ...]] = {
    Trigger.PLAN_ACCEPTED: (),
    Trigger.ENTRY_FILLED: ("late", "keep_late", "entries_work", "expired"),
    Trigger.ENTRY_ENDED: ("entries_work", "refused"),
    Trigger.ENTRY_TTL_ELAPSED: (),
    Trigger.TARGET_MISSED: (),
    Trigger.RUNG_PART_FILLED: ("held",),
    Trigger.RUNG_HIT: ("held", "behind", "keep_behind", "steps"),
    Trigger.RUNG_ENDED: ("spent", "rearming"),
    Trigger.TARGET_TOUCHED: ("paused",),
    Trigger.TARGET_LEFT: (),
    Trigger.STOP_TRIGGERED: ("held",),
    Trigger.STOP_ENDED: (),
    Trigger.STOP_REFUSED: ("passed", "stop_rests", "keep_behind", "spent", "decided"),
    Trigger.STOP_LOOSENED: (),
    Trigger.STOP_PASSED: (),
    Trigger.STOP_OVERDUE: ("closes_naked",),
    Trigger.BREAK_EVEN_SEEN: (),
    Trigger.BREAK_EVEN_DUE: ("behind",),
    Trigger.EXIT_FILLED: ("held", "decided"),
    Trigger.EXIT_ENDED: ("third_try", "blind", "decided"),
    Trigger.EXIT_OVERDUE: ("chased",),
    Trigger.FLAT_AND_CLEAR: (),
    Trigger.FOREIGN_GROWN: ("merges",),
    Trigger.FOREIGN_SHRUNK: ("held",),
    Trigger.BOOKS_DISAGREED: (),
    Trigger.ENTRY_MOVED: (),
    Trigger.RUNG_CANCELLED: (),
    Trigger.RUNG_MOVED: (),
    Trigger.STOP_MOVED: (),
    Trigger.SCALE_IN_ELAPSED: ("others_work",),
    Trigger.ENTRY_PASSED: ("others_work",),
    Trigger.BOOK_DECIDED: ("unbookable", "takes_all"),
    Trigger.SCALE_IN_DECIDED: ("unpriced", "too_small", "too_much", "scales_late"),
    Trigger.REBALANCE_DECIDED: (),
    Trigger.STOP_MOVE_DECIDED: ("held", "moves_behind", "loosens"),
    Trigger.EXIT_DECIDED: ("held",),
    Trigger.RELEASE_DECIDED: ("held", "after_tp1"),
}

_READERS = {trigger: tuple(PREDICATES[name] for name in names) for trigger, names in FACTS.items()}


def evaluate(ladder: Ladder, moment: Moment) -> tuple[bool, ...]:
    """Read the facts that decide ``moment``'s trigger, in the order of `FACTS`."""
    return tuple([read(ladder, moment) for read in _READERS.get(moment.event.trigger, ())])
