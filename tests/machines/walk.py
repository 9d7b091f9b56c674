"""Random lives of random ladders, told in the words of the scenarios.

A walk makes up a plan, then lets things happen that this book could see: fills in whole or in part,
endings, refusals, lost requests, prices, time. A walk that errs prints as a scenario, ready to be
kept in `tests/scenarios`.
"""

from collections.abc import Iterator
from decimal import Decimal
from random import Random

from machines.ladder import State
from machines.planning import Setting, refuse_at_start
from machines.spec import (
    Anchor,
    BreakEven,
    EntrySpec,
    LadderSpec,
    LateEntry,
    Price,
    Rounding,
    RoundingSpec,
    WhenBehind,
)
from machines.words import (
    Capabilities,
    Direction,
    Fees,
    Instrument,
    Mutation,
    Outcome,
    Quote,
    Refusal,
    Role,
    plain,
)
from tests.machines.book import ACCEPTED, refused
from tests.machines.happenings import SHORT, mutation_name
from tests.machines.scenario import Polled, Run
from tests.machines.script import Script, Step

GRIDS = (
    Instrument("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5)),
    Instrument("BTCUSDT", Decimal("0.05"), Decimal(1), Decimal(1)),
    Instrument("BTCUSDT", Decimal("0.5"), Decimal("0.01"), Decimal("0.01"), Decimal(50)),
)
SHARES = (
    "0.85 0.05 0.05 0.05",
    "0.25 0.25 0.25 0.25",
    "0.7 0.1 0.1 0.1",
    "0.5 0.25 0.15 0.1",
    "1",
    "0.6 0.4",
)
OPENING = Quote("BTCUSDT", Decimal(1000), 0, 0)
MOST = 12
"""Things that happen in one walk, unless it ends before."""
CALM = 8
"""Polls after which a ladder has come to rest: a refusal's pause, a sale, a confirmation, twice."""


def plan(random: Random) -> tuple[LadderSpec, Instrument]:
    """Make up a plan that is sound at 1000."""
    grid = random.choice(GRIDS)
    side = random.choice(list(Direction))
    sign = -1 if side is Direction.LONG else 1
    shares = tuple(map(Decimal, random.choice(SHARES).split()))
    at = [Decimal(random.randint(1, 30)) / 1000 for _ in range(random.randint(1, 4))]
    entries = [EntrySpec(Price(sign * x, percent=True), _quantity(random, grid)) for x in at]
    if random.random() < 0.3:
        entries.append(EntrySpec(None, _quantity(random, grid)))
    spec = LadderSpec(
        name="walk",
        ladder="walk",
        account="paper",
        symbol=grid.symbol,
        side=side,
        entries=tuple(entries),
        stop=Price(sign * Decimal(random.randint(40, 80)) / 1000, percent=True),
        targets=tuple(
            Price(-sign * Decimal(10 * (k + 1)) / 1000, percent=True) for k in range(len(shares))
        ),
        shares=shares,
        anchor=random.choice(list(Anchor)),
        rounding=RoundingSpec(exits=random.choice(list(Rounding))),
        break_even=random.choice([BreakEven.REMAINDER, BreakEven.REMAINDER, BreakEven.WHOLE_TRADE]),
        when_break_even_is_behind=random.choice(list(WhenBehind)),
        late_entry=random.choice(list(LateEntry)),
        step_stop=random.random() < 0.3,
        entry_ttl_ms=random.choice([60_000, 86_400_000]),
        cancel_if_missed=random.random() < 0.2,
    )
    return spec, grid


def _quantity(random: Random, grid: Instrument) -> Decimal:
    least = max(grid.min_qty, grid.min_notional / 900) // grid.step + 1
    return (least + random.choice([0, 4, 18, 33, 330, random.randint(0, 99)])) * grid.step


class Meddled(Run):
    """A run in which the venue refuses or loses some requests; ``meddling`` says which."""

    def __init__(self, script: Script, random: Random) -> None:
        super().__init__(script)
        self.random = random
        self.calm = False
        self.meddling: list[str] = []

    def take(self, mutation: Mutation) -> Outcome | None:
        chance = 1 if self.calm else self.random.random()
        if chance > 0.15:
            return super().take(mutation)
        name = mutation_name(mutation)
        if chance > 0.1:
            self.meddling.append(f"lose {name}")
            return ACCEPTED
        why = self.random.choice([Refusal.OTHER, Refusal.BEHIND_MARKET, Refusal.NO_POSITION])
        self.meddling.append(f"refuse {name} {why.value}")
        return refused(why)


class Walk:
    """One walk: `run` holds what became of it, `told` the scenario it makes."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        fees = self.random.choice([Fees(), Fees(Decimal("0.0002"), Decimal("0.00055"))])
        position_stop = self.random.random() < 0.5
        setting = plan(self.random)
        while refuse_at_start(setting[0], OPENING, Setting(setting[1], fees, Capabilities())):
            setting = plan(self.random)
        script = Script(f"walk {seed}", *setting, fees, position_stop, ())
        self.run = Meddled(script, self.random)
        self.told = [f"walk {seed}: {script}"]

    def polls(self) -> Iterator[Polled]:
        """Let things happen, one poll after the other."""
        yield self._step("opened at 1000")
        for _ in range(MOST):
            ladder = self.run.ladder
            if ladder is None or (ladder.state is State.CLOSED and self.random.random() < 0.8):
                return
            yield self._step(*self._happenings())

    def settle(self) -> Polled:
        """Let the venue do what it is told, sell what is to be sold at market, and nothing else."""
        self.run.calm = True
        self.told.append("and then, calm:")
        polled = self._step("market 1000")
        for _ in range(CALM):
            exits = [f"fill exit {n}" for n, _ in self.run.book.live(Role.EXIT)]
            polled = self._step("2000ms later", *exits)
        return polled

    def _step(self, *happens: str) -> Polled:
        self.run.meddling = []
        told = self.run.play_step(Step(len(self.told), happens, ()))
        self.told += [f"> {'; '.join([*happens, *self.run.meddling])}", *told]
        assert not any("Forbidden" in line for line in told), self
        return self.run.polls[-1]

    def __repr__(self) -> str:
        return "\n".join(self.told)

    def _happenings(self) -> list[str]:
        """Choose one to three things; of one order at most one, so that it can still happen."""
        kept: dict[str, str] = {}
        for _ in range(self.random.choice([1, 1, 1, 2, 3])):
            words = self._happening()
            subject = "stop" if "stop" in words else " ".join(words.split()[1:3])
            kept.setdefault(subject, words)
        # What the stop does comes first: flat, it is gone.
        return sorted(kept.values(), key=lambda words: "stop" not in words)

    def _happening(self) -> str:
        random, book = self.random, self.run.book
        role = random.choice(
            [Role.ENTRY, Role.ENTRY, Role.TAKE_PROFIT, Role.TAKE_PROFIT, Role.EXIT]
        )
        live = book.live(role)
        if not live or random.random() < 0.4:
            return self._other()
        n, order = random.choice(live)
        if random.random() < 0.15:
            return f"end {SHORT[role]} {n} {random.choice(['cancelled', 'rejected', 'expired'])}"
        steps = int(order.leaves_qty / book.instrument.step)
        part = random.randint(1, steps) * book.instrument.step
        qty = order.leaves_qty if random.random() < 0.5 else part
        return f"fill {SHORT[role]} {n} {plain(qty)}"

    def _other(self) -> str:
        random, book = self.random, self.run.book
        rests = book.stop is not None or bool(book.live(Role.STOP_LOSS))
        match random.choice(["time", "market", "market", "blind", "stop", "gone", "none"]):
            case "time":
                return f"{random.choice([500, 1000, 1000, 2000, 12_000, 60_000])}ms later"
            case "market":
                return f"market {random.randint(930, 1070)}"
            case "blind":
                return random.choice(["market unknown", "market silent"])
            case "stop" if rests and book.held:
                return "fill stop"
            case "gone" if rests and book.held:
                return "stop gone" if book.stop is not None else "end stop cancelled"
            case _:
                return "nothing"
