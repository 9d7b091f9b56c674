"""Takes a poll apart: the rows of its events one by one, each with the ladder before and after.

`core.advance` returns what a poll came to; a proof about single rows wants the ladder with the
event counted and the ladder that the row left.
"""

import msgspec
from msgspec.structs import replace

from machines import core, detectors, observe
from machines.dispatch import Turn
from machines.flights import resolve
from machines.grammar import Row
from machines.ladder import DeclaredOrder, Ladder
from machines.position import step
from machines.recipes import Instruction, Moment
from machines.words import Capabilities, Event, OutcomeKind
from tests.machines.scenario import Answer, Polled


class Taken(msgspec.Struct, frozen=True):
    """One row as it was taken: the ladder with the event counted, and as the row left it."""

    row: Row[Instruction]
    moment: Moment
    counted: Ladder
    after: Ladder


NOTES = {
    "sent_stops", "flights", "intents",
    "naked_since_ms", "naked_found_ms", "naked_told", "unprotected_ms",
}  # fmt: skip
"""What `core` notes of what it sends and of cover; no event and no row writes there."""


def edited(ladder: Ladder) -> dict[str, object]:
    """Return all of a ladder that events and rows may change."""
    found = {name: getattr(ladder, name) for name in ladder.__struct_fields__ if name not in NOTES}
    for name in ("entries", "rungs", "exits"):
        orders: tuple[DeclaredOrder, ...] = getattr(ladder, name)
        found[name] = [unsent(order) for order in orders]
    found["stop"] = None if ladder.stop is None else unsent(ladder.stop)
    return found


def unsent(order: DeclaredOrder) -> DeclaredOrder:
    carrier = replace(order.carrier, amended=0, sent=0)
    return replace(order, sent_px=(), end_asked=False, carrier=carrier)


class Retrace:
    """The rows of one poll, and of the answers to what it sent."""

    def __init__(self, polled: Polled, capabilities: Capabilities) -> None:
        self.polled = polled
        self.rows: list[Taken] = []
        self.ladder = polled.before
        self._events(
            observe.scene(polled.view, polled.quote, polled.now_ms, capabilities, polled.read_ms)
        )
        assert edited(self.ladder) == edited(polled.done.ladder)
        for answer in polled.answers:
            self._answer(answer)

    def _events(self, here: observe.Scene) -> None:
        sent = len(self.polled.before.exits)
        turn = Turn(here.now_ms, here.capabilities.window_ms)
        self.ladder = resolve(self.ladder, here, turn)
        for fill in observe.fill_events(self.ladder, here):
            counted, event = observe.count_fill(self.ladder, fill, here)
            self._take(counted, event, sent)
        for event in self.polled.asked:
            self.ladder, event = core.ready(self.ladder, event, here)  # noqa: PLW2901 (the same)
            if event.expect_version in (None, self.ladder.version):
                self._take(self.ladder, event, sent)
        for states, detect in detectors.detectors_for(here.capabilities):
            if self.ladder.state in states:
                counted, events = detect(self.ladder, here)
                self.ladder = counted
                for event in events:
                    self._take(self.ladder, event, sent)

    def _answer(self, answer: Answer) -> None:
        refusal, mutation = answer.outcome.refusal, answer.mutation
        op = type(mutation).__struct_config__.tag
        judged = op in ("place", "set_stop") or (op == "amend" and mutation.role == "stop_loss")
        if answer.outcome.kind is OutcomeKind.REFUSED and refusal is not None and judged:
            counted, event = observe.count_refusal(
                answer.ladder, mutation.role, mutation.n, refusal, self.polled.now_ms
            )
            self._take(counted, event, len(counted.exits))

    def _take(self, counted: Ladder, event: Event, sent: int) -> None:
        moment = Moment(event, self.polled.now_ms, self.polled.quote, sent)
        self.ladder, cell = step(counted, moment)
        if isinstance(cell, Row):
            self.rows.append(Taken(cell, moment, counted, self.ladder))
