"""Which plans wait, and when one may become a ladder (SPEC §1).

A name is opened once; a repeat is NAME-0001, NAME-0002, … and waits for its own last run, or for a
time after its opening; after a run that came to nothing at once it waits longer each time. Knows no
venue's ways and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from controller.config_values import duration_ms
from machines.ladder import Ladder
from machines.spec import WHEN_FLAT, LadderSpec, WhenBusy

RUN_DIGITS = 4
FUTILE_MS = 60_000
"""A run that ended within a minute and entered nothing was refused, or as good as that."""
MOST_PAUSE_MS = 3_600_000
"""A venue that refuses is asked again, for as long as the plan stands, but once an hour."""


class Waiting(msgspec.Struct):
    """A plan that has not started."""

    spec: LadderSpec
    runs: int = 0
    last_run: str = ""
    """The name of its latest run; a repeat when flat waits until that is closed."""
    last_ms: int | None = None
    """When its latest run was opened."""
    futile: int = 0
    """How many runs, the last one included, came to nothing at once."""
    paused_until_ms: int = 0

    @property
    def due_ms(self) -> int:
        """Return when it may start at the earliest."""
        first_ms = max(self.spec.not_before_ms or 0, self.paused_until_ms)
        every_ms = self.every_ms
        if every_ms is None or self.last_ms is None:
            return first_ms
        return max(first_ms, self.last_ms + every_ms)

    @property
    def every_ms(self) -> int | None:
        """Return how long after a run's opening the next one opens, if it repeats by time."""
        repeat = self.spec.repeat
        return None if repeat is None or repeat == WHEN_FLAT else duration_ms(repeat)

    def waits_for(self, is_open: Callable[[str], bool]) -> bool:
        """Tell whether it waits for its own last run."""
        return self.every_ms is None and is_open(self.last_run)

    def named(self) -> LadderSpec:
        """Name a repeat's next run; a plan that runs once keeps its name."""
        if self.spec.repeat is None:
            return self.spec
        name = f"{self.spec.ladder}-{self.runs + 1:0{RUN_DIGITS}d}"
        return msgspec.structs.replace(self.spec, name=name)


class Openings:
    """The plans of one account that wait."""

    def __init__(self, plans: Sequence[Waiting]) -> None:
        self.waiting = list(plans)
        self.refused: list[str] = []
        """Sentences about plans that were refused at their start."""

    def startable(
        self, is_busy: Callable[[Waiting], bool], is_open: Callable[[str], bool]
    ) -> list[Waiting]:
        """Return the plans that wait for nothing but a time or a price."""
        return [p for p in self.waiting if not p.waits_for(is_open) and not is_busy(p)]

    def opened(self, plan: Waiting, name: str, now_ms: int) -> None:
        """Note that a plan has become the ladder ``name``."""
        plan.runs += 1
        plan.last_run, plan.last_ms = name, now_ms
        if plan.spec.repeat is None:
            self.waiting.remove(plan)

    def closed(self, ladder: Ladder, now_ms: int) -> None:
        """Note that a run is over; its plan pauses when the run came to nothing at once."""
        is_futile = not ladder.entered_qty and now_ms - ladder.terms.opened_ms < FUTILE_MS
        for plan in self.waiting:
            if plan.last_run == ladder.terms.spec.name:
                plan.paused_until_ms = 0
                if is_futile:
                    pause_ms = FUTILE_MS << min(plan.futile, 10)
                    plan.paused_until_ms = now_ms + min(pause_ms, MOST_PAUSE_MS)
                plan.futile = plan.futile + 1 if is_futile else 0

    def refuse(self, plan: Waiting, text: str) -> None:
        """Note that a plan will not start."""
        self.waiting.remove(plan)
        self.refused.append(text)


def busy_refusal(spec: LadderSpec, owner: str) -> str:
    """Say why a plan for a live key is refused; empty when it waits (``when_busy``)."""
    if spec.when_busy is WhenBusy.QUEUE:
        return ""
    return (
        f"{spec.name} refused: {spec.account} {spec.symbol} belongs to {owner}; "
        'wait until it is closed, or set when_busy = "queue"'
    )
