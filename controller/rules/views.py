"""What a rule may see: one frozen view of one position, and the little that rules must remember.

A view is built from a ladder, a quote, the market's candles and a `Memory`; a memory changes only
through the functions here, each of which returns a new one, and is written as JSON beside its
ladder. Shorts are mirrored in `PositionView.profit`, `toward_profit` and `ahead`, so that a rule is
written once. Knows no rule and no threshold but what arms a trailing stop.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from controller.config_accounts import VenueName
from controller.rules.candles import Market
from controller.rules.settings import TrailSettings
from exchanges.feeds import Bar
from machines.decision import Kind
from machines.ladder import Ladder, Standing, State, break_even_px
from machines.pricing import exit_px as rounded_exit_px
from machines.recipes import known_exit_px, one_rung_behind
from machines.sharing import floor_to
from machines.spec import Rounding
from machines.words import ZERO, Direction, Quote

replace = msgspec.structs.replace


class Spent(msgspec.Struct, frozen=True):
    """A decision of a rule that has filled: it has used that rule up once."""

    rule: str
    kind: Kind
    decision: str


class Memory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a ladder's rules remember. Empty when the ladder opens."""

    first_fill_trading_ms: int | None = None
    """The venue's trading time at the first entry fill; ages count from it."""
    s0_px: Decimal | None = None
    """The stop at the last entry fill."""
    armed_ms: int | None = None
    """When the trailing stop was armed; it stays so."""
    best_px: Decimal | None = None
    """The best exit-side price since then."""
    stop_sent_ms: int | None = None
    """When a rule's stop was last sent."""
    spent: tuple[Spent, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """What a position's account adds to what its ladder says."""

    venue: VenueName = VenueName.SIMULATED
    square_off_ms: int | None = None
    """When this session's MIS positions are closed by us; None where nothing is MIS."""


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """One position as rules see it.

    *Units*: prices and quantities as the venue's, ``profit`` a fraction, ``…_ms`` UTC but
    ``age_ms``, which is trading time since the first fill.
    """

    name: str
    symbol: str
    side: Direction
    state: State
    now_ms: int
    held: Decimal
    planned_qty: Decimal
    entered_qty: Decimal
    avg_px: Decimal
    """The average entry of what is held; zero while nothing is."""
    exit_px: Decimal | None
    """The exit-side price; None when it is unknown, and then no rule fires."""
    age_ms: int
    stop_px: Decimal | None
    """The stop as it is declared."""
    s0_px: Decimal | None
    break_even: Decimal | None
    """As fixed at TP1; before that as it would be now. None while nothing is held."""
    rungs_hit: tuple[int, ...]
    rung_behind_px: Decimal | None
    """The target before the furthest rung hit."""
    may_scale: bool
    """The state and the plan's ``max_scalings`` leave room for another scale-in."""
    room_qty: Decimal
    """What may still be entered below ``max_qty``, beside the entries that work."""
    spent: tuple[Spent, ...]
    candles: tuple[Bar, ...]
    atr: Decimal | None
    usual_atr: Decimal | None
    armed_ms: int | None
    best_px: Decimal | None
    stop_sent_ms: int | None
    tick: Decimal
    step: Decimal
    rounding: Rounding
    venue: VenueName
    in_session: bool
    session_ends_ms: int | None
    square_off_ms: int | None
    rules: tuple[str, ...] | bool
    """The plan's own word on which rules look after it."""

    @property
    def profit(self) -> Decimal | None:
        """Return the profit of what is held, on price alone, as a fraction; None when unknown."""
        if self.exit_px is None or not self.held:
            return None
        return self.sign * (self.exit_px / self.avg_px - 1)

    @property
    def sign(self) -> int:
        """Return 1 for a long and −1 for a short."""
        return 1 if self.side is Direction.LONG else -1

    def toward_profit(self, price: Decimal, by: Decimal) -> Decimal:
        """Return the price ``by`` further toward profit; away from it where ``by`` is negative."""
        return price + self.sign * by

    def ahead(self, price: Decimal, mark: Decimal) -> Decimal:
        """Return how far ``price`` is on the profit side of ``mark``; negative behind it."""
        return self.sign * (price - mark)

    def on_tick(self, price: Decimal) -> Decimal:
        """Round an exit's price as the plan says."""
        return rounded_exit_px(price, self.tick, self.side, self.rounding)

    def part(self, fraction: Decimal) -> Decimal:
        """Return a fraction of what is held, floored to the step."""
        return floor_to(self.held * fraction, self.step)

    def is_spent(self, *rules: str) -> bool:
        """Tell whether a decision of one of these rules has filled."""
        return any(done.rule in rules for done in self.spent)


def view_of(
    ladder: Ladder,
    quote: Quote | None,
    now_ms: int,
    memory: Memory,
    market: Market = Market(),  # noqa: B008 - frozen
    place: Place = Place(),  # noqa: B008 - frozen
) -> PositionView:
    """Lay one position out for its rules."""
    spec, held = ladder.terms.spec, ladder.held
    break_even = ladder.break_even
    if break_even is None and held:
        break_even = break_even_px(ladder)
    scalings = sum(done.kind is Kind.SCALE_IN for done in memory.spent)
    entering = ladder.state in (State.PARTIALLY_FILLED, State.FULLY_FILLED)
    return PositionView(
        name=spec.name,
        symbol=spec.symbol,
        side=spec.side,
        state=ladder.state,
        now_ms=now_ms,
        held=held,
        planned_qty=spec.planned_qty,
        entered_qty=ladder.entered_qty,
        avg_px=ladder.avg_px,
        exit_px=known_exit_px(ladder, quote, now_ms),
        age_ms=_age_ms(memory, quote),
        stop_px=None if ladder.stop is None else ladder.stop.trigger_px,
        s0_px=memory.s0_px,
        break_even=break_even,
        rungs_hit=tuple(r.n for r in ladder.rungs if r.standing is Standing.HIT),
        rung_behind_px=one_rung_behind(ladder),
        may_scale=scalings < spec.max_scalings and (entering or spec.scale_after_tp1),
        room_qty=_room_qty(ladder),
        spent=memory.spent,
        candles=market.candles,
        atr=market.atr,
        usual_atr=market.usual_atr,
        armed_ms=memory.armed_ms,
        best_px=memory.best_px,
        stop_sent_ms=memory.stop_sent_ms,
        tick=ladder.terms.instrument.tick,
        step=ladder.terms.instrument.step,
        rounding=spec.rounding.exits,
        venue=place.venue,
        in_session=quote is not None and quote.in_session,
        session_ends_ms=None if quote is None else quote.session_ends_ms,
        square_off_ms=place.square_off_ms,
        rules=spec.rules,
    )


def _room_qty(ladder: Ladder) -> Decimal:
    spec = ladder.terms.spec
    working = sum((entry.qty for entry in ladder.entries if entry.working), ZERO)
    return spec.max_qty * spec.planned_qty - ladder.entered_qty - working


def _age_ms(memory: Memory, quote: Quote | None) -> int:
    if quote is None or memory.first_fill_trading_ms is None:
        return 0
    return max(0, quote.trading_ms - memory.first_fill_trading_ms)


def remember_fills(
    memory: Memory, before: Ladder, after: Ladder, quote: Quote, filled_ms: int | None = None
) -> Memory:
    """Note what entry fills between two states of a ladder mean for its rules.

    ``filled_ms`` is when the first of them happened; left out, it is the quote's moment. What was
    seen late, as after an outage, is as old as it is.
    """
    # A merge grows only what is entered, a late fill that is sold again only what has filled.
    if after.entered_qty <= before.entered_qty or _bought(after) <= _bought(before):
        return memory
    if memory.first_fill_trading_ms is None:
        late_ms = 0 if filled_ms is None else max(0, quote.at_ms - filled_ms)
        began_ms = max(after.terms.opened_trading_ms, quote.trading_ms - late_ms)
        memory = replace(memory, first_fill_trading_ms=began_ms)
    stop_px = None if after.stop is None else after.stop.trigger_px
    return memory if stop_px is None else replace(memory, s0_px=stop_px)


def _bought(ladder: Ladder) -> Decimal:
    return sum((entry.filled_qty for entry in ladder.entries), ZERO)


def remember_best(memory: Memory, view: PositionView, trail: TrailSettings) -> Memory:
    """Arm the trailing stop when its time has come, and keep the best price since then."""
    price, profit = view.exit_px, view.profit
    if price is None or profit is None:
        return memory
    if memory.armed_ms is None:
        if profit < trail.profit and not any(n >= trail.rung for n in view.rungs_hit):
            return memory
        return replace(memory, armed_ms=view.now_ms, best_px=price)
    if memory.best_px is not None and view.ahead(price, memory.best_px) <= ZERO:
        return memory
    return replace(memory, best_px=price)


def remember_filled(memory: Memory, rule: str, kind: Kind, decision: str) -> Memory:
    """Note that a rule's decision has filled, in part or whole; again for a second fill is fine."""
    done = Spent(rule, kind, decision)
    return memory if done in memory.spent else replace(memory, spent=(*memory.spent, done))


def remember_stop_sent(memory: Memory, sent_ms: int) -> Memory:
    """Note that a rule's stop has been sent; an earlier one heard of later changes nothing."""
    return replace(memory, stop_sent_ms=max(sent_ms, memory.stop_sent_ms or 0))
