"""Random lives where nothing is reduce-only: the walk of `tests.machines.walk` on a `RungBook`.

The book asserts at every request that no more is on sale than is held, and that nothing sent makes
no sense there. What is added to a walk: orders that trigger, answers that get lost and land later.
"""

from collections.abc import Iterator
from random import Random

from machines.words import (
    ExitStyle,
    Mutation,
    OrderStatus,
    OrderType,
    Outcome,
    OutcomeKind,
    Role,
    plain,
)
from tests.machines.happenings import SHORT, mutation_name
from tests.machines.scenario import Polled, Run
from tests.machines.script import Script
from tests.machines.walk import Meddled, Walk

MOST = 30
CALM = 14
"""A window of unknown outcomes, a rung that rearms, a stop that is chased."""
UNSURE = Outcome(OutcomeKind.UNSURE)
BUSY = Outcome(OutcomeKind.BUSY)


class Unsure(Meddled):
    """A run in which answers also get lost after the request has landed, or before it lands."""

    def __init__(self, script: Script, random: Random) -> None:
        super().__init__(script, random)
        self.lost_ms: dict[Mutation, int] = {}
        """When a request got lost: it lands within the venue's window or not at all."""

    def take(self, mutation: Mutation) -> Outcome | None:
        chance = 1 if self.calm else self.random.random()
        name = mutation_name(mutation)
        if chance > 0.12:
            return Run.take(self, mutation)
        if chance > 0.08:
            self.meddling.append(f"unsure {name} landed")
            self.book.apply(mutation)
            return UNSURE
        if chance > 0.04:
            self.meddling.append(f"unsure {name}")
            self.limbo = [*(each for each in self.limbo if each != mutation), mutation]
            self.lost_ms[mutation] = self.now_ms
            return UNSURE
        self.meddling.append(f"busy {name}")
        return BUSY


class RungWalk(Walk):
    """One walk with an order for each rung."""

    def __init__(self, seed: int, exits: ExitStyle) -> None:
        super().__init__(seed)
        before = self.run.script
        script = Script(
            *(f"walk {seed}", before.spec, before.instrument, before.fees, False, (), exits),
        )
        self.random = Random(seed)
        self.run = Unsure(script, self.random)
        self.told = [f"walk {seed} {exits}: {script}"]

    def polls(self) -> Iterator[Polled]:
        yield self._step("opened at 1000")
        for _ in range(MOST):
            yield self._step(*(self._landing() or self._happenings()))

    def _step(self, *happens: str) -> Polled:
        polled = super()._step(*happens)
        assert not any("Broken" in line for line in self.told[-12:]), self
        return polled

    def _landing(self) -> list[str]:
        run = self.run
        assert isinstance(run, Unsure)
        since = run.now_ms - run.book.capabilities.window_ms
        run.limbo = [each for each in run.limbo if run.lost_ms[each] > since]
        if not run.limbo or self.random.random() < 0.7:
            return []
        return [f"{mutation_name(run.limbo[0])} lands"]

    def settle(self) -> Polled:
        assert isinstance(self.run, Unsure)
        self.run.calm = True
        self.run.limbo.clear()
        self.told.append("and then, calm:")
        polled = self._step("60s later", "market 1000")
        for _ in range(CALM):
            polled = self._step("3s later", *self._sold())
        return polled

    def _sold(self) -> list[str]:
        """Let what works at market, or has triggered, fill."""
        book = self.run.book
        fired = [
            (role, n)
            for role in (Role.EXIT, Role.TAKE_PROFIT, Role.STOP_LOSS)
            for n, order in book.live(role)
            if order.type is OrderType.MARKET or order.status is OrderStatus.TRIGGERED
        ]
        return [f"fill {SHORT[role]} {n}" for role, n in fired]

    def _happening(self) -> str:
        random, book = self.random, self.run.book
        role = random.choice([Role.ENTRY, Role.ENTRY, Role.STOP_LOSS, Role.TAKE_PROFIT, Role.EXIT])
        live = book.live(role)
        if not live or random.random() < 0.6:
            return self._other()
        n, order = random.choice(live)
        name = f"{SHORT[role]} {n}"
        if random.random() < 0.2:
            how = random.choice(["cancelled", "rejected", "expired"])
            stops = role is Role.STOP_LOSS
            return (
                f"end {name} triggered" if stops and random.random() < 0.5 else f"end {name} {how}"
            )
        steps = int(order.leaves_qty / book.instrument.step)
        part = random.randint(1, steps) * book.instrument.step
        qty = order.leaves_qty if random.random() < 0.5 else part
        return f"fill {name} {plain(qty)}"

    def _other(self) -> str:
        random = self.random
        match random.choice(["time", "time", "market", "market", "blind", "none"]):
            case "time":
                return f"{random.choice([500, 1000, 1000, 3000, 7000, 60_000])}ms later"
            case "market":
                return f"market {random.randint(950, 1070)}"
            case "blind":
                return random.choice(["market unknown", "market silent"])
            case _:
                return "nothing"
