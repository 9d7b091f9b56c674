"""The eight rules of SPEC §7, each a pure function: a view and its thresholds in, a wish out.

None reads a clock or remembers anything. Each is written for longs; `PositionView` mirrors.
Invariant: a rule whose price, candles or ATR are unknown asks for nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Context, Decimal

from controller.rules import settings as names
from controller.rules.candles import CANDLE_MS
from controller.rules.proposals import Priority, Proposal, book, leave, move_stop, scale_in
from controller.rules.settings import (
    Behind,
    BookSettings,
    ExitSettings,
    LockSettings,
    RuleSettings,
    ScaleSettings,
    TightenSettings,
    TrailSettings,
    VolatilitySettings,
)
from controller.rules.stops import allowed_stop
from controller.rules.views import PositionView
from machines.words import ZERO, plain

_MOMENTUM_CANDLES = 3
_VOLUME_CANDLES = 20
_SHOWN = Context(prec=12)  # no venue quotes more digits; an average of fills may have 28


def book_50(view: PositionView, settings: BookSettings) -> Proposal | None:
    """Book the lower tier, unless it or the higher one is spent."""
    if view.is_spent(names.BOOK_50, names.BOOK_75):
        return None
    return _book(view, settings)


def book_75(view: PositionView, settings: BookSettings) -> Proposal | None:
    """Book the higher tier, which spends the lower."""
    return None if view.is_spent(names.BOOK_75) else _book(view, settings)


def _book(view: PositionView, settings: BookSettings) -> Proposal | None:
    profit = view.profit
    if profit is None or profit < settings.profit or view.age_ms < settings.age_ms:
        return None
    qty = view.part(settings.book)
    if not qty:
        return None
    asks = f"sell {_short(qty)}, {_short(view.held - qty)} remain"
    return book(settings.book, f"{view.symbol} booking {_percent(settings.book)} "
                               f"({_standing(view)}): {asks}")  # fmt: skip


def scale(view: PositionView, settings: ScaleSettings) -> Proposal | None:
    """Add to a winner that runs on volume."""
    profit, change = view.profit, _change(view)
    if not view.may_scale or profit is None or profit < settings.profit:
        return None
    if change is None or change < settings.change:
        return None
    volume, usual = view.candles[-1].volume, _usual_volume(view)
    if usual is None or volume < settings.volume * usual:
        return None
    qty = view.part(settings.add)
    if not ZERO < qty <= view.room_qty:
        return None
    market = f"{_percent(change, 1)} in {_MOMENTUM_CANDLES} candles, volume {volume / usual:.1f}x"
    asks = f"buy {_short(qty)}, {_short(view.held + qty)} held"
    return scale_in(settings.add, f"{view.symbol} scaling in {_percent(settings.add)} "
                                  f"({_standing(view)}, {market}): {asks}")  # fmt: skip


def _change(view: PositionView) -> Decimal | None:
    """Return the way the last three candles went, as a fraction, from open to close."""
    last = view.candles[-_MOMENTUM_CANDLES:]
    # An older candle is not the last one: the market has been silent since.
    if len(last) < _MOMENTUM_CANDLES or view.now_ms - last[-1].close_ms > CANDLE_MS:
        return None
    return view.sign * (last[-1].close / last[0].open - 1)


def _usual_volume(view: PositionView) -> Decimal | None:
    """Return the mean volume of 20 candles, the last one among them, as averages are drawn."""
    last = view.candles[-_VOLUME_CANDLES:]
    total = sum((candle.volume for candle in last), ZERO)
    return total / _VOLUME_CANDLES if len(last) == _VOLUME_CANDLES and total else None


def lock(view: PositionView, settings: LockSettings) -> Proposal | None:
    """Move the stop beyond the average entry."""
    profit = view.profit
    if profit is None or profit < settings.profit:
        return None
    price = view.toward_profit(view.avg_px, view.avg_px * settings.lock)
    why = f"average {_short(view.avg_px)} + {_percent(settings.lock)}"
    return _stop(view, price, why, Priority.NEXT_CYCLE)


def tighten(view: PositionView, settings: TightenSettings) -> Proposal | None:
    """Move the stop toward break-even, step by step, as the position grows old."""
    if view.s0_px is None or view.break_even is None or view.age_ms < settings.age_ms:
        return None
    k = min(settings.steps, 1 + (view.age_ms - settings.age_ms) // settings.every_ms)
    price = view.s0_px + (view.break_even - view.s0_px) * k / settings.steps
    return _stop(view, price, f"step {k} of {settings.steps} to break-even", Priority.NEXT_CYCLE)


def volatility(view: PositionView, settings: VolatilitySettings) -> Proposal | None:
    """Move the stop to a few ATR behind the market when it moves more than it uses to."""
    if view.exit_px is None or view.atr is None or view.usual_atr is None:
        return None
    if not view.atr or view.atr < settings.ratio * view.usual_atr:
        return None
    price = view.toward_profit(view.exit_px, -settings.atr * view.atr)
    why = f"ATR {_short(view.atr)}, usually {_short(view.usual_atr)}"
    return _stop(view, price, why, Priority.BACKGROUND)


def trail(view: PositionView, settings: TrailSettings) -> Proposal | None:
    """Follow the best price since the rule was armed, or the rungs."""
    if view.best_px is None:
        return None
    if settings.behind is Behind.RUNG:
        if view.rung_behind_px is None:
            return None
        return _stop(view, view.rung_behind_px, "one rung behind", Priority.BACKGROUND)
    if settings.behind is Behind.PERCENT or view.atr is None:
        gap, how = view.best_px * settings.distance, _percent(settings.distance)
    else:
        gap, how = view.atr * settings.atr, f"{_short(settings.atr)} ATR of {_short(view.atr)}"
    price = view.toward_profit(view.best_px, -gap)
    return _stop(view, price, f"best {_short(view.best_px)} - {how}", Priority.BACKGROUND)


def full_exit(view: PositionView, settings: ExitSettings) -> Proposal | None:
    """Leave a position that has grown too old."""
    if settings.max_age_ms is None or view.age_ms < settings.max_age_ms or not view.held:
        return None
    return leave(f"{view.symbol} exit ({_standing(view)}): too old")


def square_off(view: PositionView) -> Proposal | None:
    """Leave an intraday position, or its entries, before the broker does; never switched off."""
    if view.square_off_ms is None or view.now_ms < view.square_off_ms or view.exit_px is None:
        return None
    return leave(f"{view.symbol} exit ({_standing(view)}): intraday positions end now")


def _stop(view: PositionView, price: Decimal, why: str, priority: Priority) -> Proposal | None:
    stop_px = allowed_stop(view, price)
    if stop_px is None or view.stop_px is None:
        return None
    said = f"{view.symbol} stop to {_short(stop_px)} ({_standing(view)}, {why})"
    return move_stop(stop_px, f"{said}: was {_short(view.stop_px)}", priority)


def _standing(view: PositionView) -> str:
    profit = ZERO if view.profit is None else view.profit
    return f"P&L {_percent(profit, 1)}, age {Decimal(view.age_ms) / 60_000:.1f} min"


def _percent(fraction: Decimal, places: int | None = None) -> str:
    percent = fraction * 100
    return f"{_short(percent) if places is None else format(percent, f'.{places}f')}%"


def _short(value: Decimal) -> str:
    """Write a number for the eye: twelve digits at most, no zeros at the end."""
    return plain(_SHOWN.plus(value).normalize()) if value else "0"


RULES: dict[str, Callable[[PositionView, RuleSettings], Proposal | None]] = {
    names.BOOK_50: lambda view, rules: book_50(view, rules.book_50),
    names.BOOK_75: lambda view, rules: book_75(view, rules.book_75),
    names.SCALE: lambda view, rules: scale(view, rules.scale),
    names.LOCK: lambda view, rules: lock(view, rules.lock),
    names.TIGHTEN: lambda view, rules: tighten(view, rules.tighten),
    names.VOLATILITY: lambda view, rules: volatility(view, rules.volatility),
    names.TRAIL: lambda view, rules: trail(view, rules.trail),
    names.EXIT: lambda view, rules: full_exit(view, rules.exit),
}
"""Every rule by its name, in SPEC §7's order."""
