"""Positions for rules to look at: a filled ladder, its market, and a frozen clock for the time.

Everything that a rule sees is built the way a run builds it, from a ladder whose entries went
through the table and a quote. Prices of the short are the long's, mirrored at the average.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from freezegun import freeze_time
from freezegun.api import FrozenDateTimeFactory
from msgspec.structs import replace

from controller.config_accounts import VenueName
from controller.rules.candles import Market
from controller.rules.engine import Engine, Evaluation
from controller.rules.settings import RuleSettings
from controller.rules.views import (
    Memory,
    Place,
    PositionView,
    remember_best,
    remember_fills,
    view_of,
)
from exchanges.feeds import Bar
from machines.ladder import Ladder, Standing, State, with_order
from machines.planning import Setting, entry_prices, fill_up, open_ladder
from machines.spec import EntrySpec, LadderSpec, Price
from machines.words import Capabilities, Direction, Fees, Instrument, Key, Quote

NINE_FIFTEEN = datetime(2025, 6, 2, 3, 45, tzinfo=UTC)
"""A Monday's opening in India, 09:15 there."""
SHARE = Instrument("KOTAKBANK", Decimal("0.05"), Decimal(1), Decimal(1))
AVERAGE = Decimal(1800)
MINUTE_MS = 60_000
FIVE_MS = 5 * MINUTE_MS


def now_ms() -> int:
    """Read the clock, frozen or not."""
    return round(datetime.now(tz=UTC).timestamp() * 1000)


def at(percent: str, side: Direction = Direction.LONG) -> Decimal:
    """Return the price at which the position's profit is so many percent."""
    sign = 1 if side is Direction.LONG else -1
    return AVERAGE * (1 + sign * Decimal(percent) / 100)


def spec_of(side: Direction = Direction.LONG, qty: int = 100, **more: object) -> LadderSpec:
    """A plan whose targets are far enough away for every rule."""
    sign = 1 if side is Direction.LONG else -1
    spec = LadderSpec(
        name="kotak",
        ladder="kotak",
        account="paper",
        symbol="KOTAKBANK",
        side=side,
        entries=(EntrySpec(Price(AVERAGE), Decimal(qty)),),
        stop=Price(AVERAGE * (1 - sign * Decimal("0.015"))),
        targets=tuple(Price(AVERAGE * (1 + sign * Decimal(n) / 10)) for n in (3, 4, 5, 6)),
        be_gap=Decimal(0),
    )
    return replace(spec, **more)


def filled(spec: LadderSpec, at_ms: int, trading_ms: int, held: int | None = None) -> Ladder:
    """Open the plan's ladder and fill it through the table."""
    setting = Setting(SHARE, Fees(), Capabilities())
    quote = Quote(spec.symbol, AVERAGE, at_ms, trading_ms)
    ladder = open_ladder(spec, setting, Key(spec.account, spec.symbol), quote, at_ms)
    prices = entry_prices(spec, AVERAGE, SHARE.tick)
    return fill_up(ladder, prices, setting, spec.planned_qty if held is None else Decimal(held))


class Trader:
    """A position whose every look at the time is a look at the frozen clock.

    Its market trades from the start on: trading time is what has passed since then, less `nights`.
    """

    def __init__(
        self, clock: FrozenDateTimeFactory, spec: LadderSpec, settings: RuleSettings, folder: Path
    ) -> None:
        self.clock = clock
        self.settings = settings
        self.engine = Engine(settings, folder, lambda: 0)
        self.began_ms = now_ms()
        self.nights_ms = 0
        self.price: Decimal | None = AVERAGE
        self.in_session = True
        self.silent: Quote | None = None
        self.market = Market()
        self.place = Place()
        before = filled(spec, self.began_ms, 0, 0)
        self.ladder = filled(spec, self.began_ms, 0)
        self.memory = remember_fills(Memory(), before, self.ladder, self.quote(AVERAGE))

    def move(self, **by: float) -> "Trader":
        self.clock.tick(timedelta(**by))
        return self

    def night(self, **by: float) -> "Trader":
        """Let time pass in which nothing trades."""
        self.nights_ms += timedelta(**by) // timedelta(milliseconds=1)
        return self.move(**by)

    def see(self, percent: str) -> "Trader":
        """Let the market stand where the profit is so many percent."""
        self.price = at(percent, self.ladder.direction)
        return self

    def quote(self, price: Decimal) -> Quote:
        if self.silent is not None:
            return self.silent
        traded_ms = now_ms() - self.began_ms - self.nights_ms
        return Quote("KOTAKBANK", price, now_ms(), traded_ms, in_session=self.in_session)

    def falls_silent(self) -> None:
        """Let the last quote stay as it is, and grow old."""
        assert self.price is not None
        self.silent = self.quote(self.price)

    def hit(self, *rungs: int) -> "Trader":
        """Note rungs as hit, and nothing else of what that brings about."""
        for rung in self.ladder.rungs:
            if rung.n in rungs:
                self.ladder = with_order(self.ladder, replace(rung, standing=Standing.HIT))
        return self

    def stop_at(self, price: Decimal) -> "Trader":
        assert self.ladder.stop is not None
        stop = replace(self.ladder.stop, trigger_px=price)
        self.ladder = replace(self.ladder, stop=stop)
        return self

    def in_state(self, state: State) -> "Trader":
        self.ladder = replace(self.ladder, state=state)
        return self

    @property
    def view(self) -> PositionView:
        quote = None if self.price is None else self.quote(self.price)
        return view_of(self.ladder, quote, now_ms(), self.memory, self.market, self.place)

    def evaluate(self) -> Evaluation:
        """One strategy cycle."""
        self.memory = remember_best(self.memory, self.view, self.settings.trail)
        return self.engine.evaluate(self.view)

    @property
    def fires(self) -> list[str]:
        """What fires in a strategy cycle now: the rules' names."""
        return [proposal.rule for proposal in self.evaluate().proposals]

    @property
    def says(self) -> list[str]:
        """What is proposed now, in the words of the log."""
        return [proposal.reason for proposal in self.evaluate().proposals]

    @property
    def stop(self) -> Decimal | None:
        """The one stop that is proposed now."""
        stops = [one.price for one in self.evaluate().proposals if one.price is not None]
        assert len(stops) <= 1
        return stops[0] if stops else None


@contextmanager
def trading(
    side: Direction = Direction.LONG,
    settings: RuleSettings = RuleSettings(),  # noqa: B008 - frozen
    qty: int = 100,
    folder: Path = Path(),
    venue: VenueName = VenueName.SIMULATED,
    **more: object,
) -> Iterator[Trader]:
    """Freeze the clock at an opening and hold a position since then."""
    with freeze_time(NINE_FIFTEEN) as frozen:
        assert isinstance(frozen, FrozenDateTimeFactory)
        trader = Trader(frozen, spec_of(side, qty, **more), settings, folder)
        trader.place = Place(venue)
        yield trader


def candles(closes: list[str], volumes: list[int], last_ms: int) -> tuple[Bar, ...]:
    """Candles of five minutes that end at a time; each opens where the one before closed."""
    count = len(closes) - 1
    return tuple(
        Bar(
            last_ms - (count - 1 - n) * FIVE_MS,
            *(Decimal(closes[n]), Decimal(closes[n + 1]), Decimal(closes[n])),
            Decimal(closes[n + 1]),
            Decimal(volumes[n]),
        )
        for n in range(count)
    )
