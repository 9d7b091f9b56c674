"""Which plans wait, and when one may become a ladder (SPEC §1).

A name is opened once; a repeat is NAME-0001, NAME-0002, … and waits for its own last run. Knows
no venue's ways and sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from machines.spec import LadderSpec, WhenBusy

RUN_DIGITS = 4


class Waiting(msgspec.Struct):
    """A plan that has not started."""

    spec: LadderSpec
    runs: int = 0
    last_run: str = ""
    """The name of its latest run; a repeat waits until that is closed."""

    @property
    def due_ms(self) -> int:
        """Return when it may start at the earliest."""
        return self.spec.not_before_ms or 0

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
        return [p for p in self.waiting if not is_open(p.last_run) and not is_busy(p)]

    def opened(self, plan: Waiting, name: str) -> None:
        """Note that a plan has become the ladder ``name``."""
        plan.runs += 1
        plan.last_run = name
        if plan.spec.repeat is None:
            self.waiting.remove(plan)

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
