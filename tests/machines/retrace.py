"""Takes a poll apart: the rows of its events one by one, each with the ladder before and after.

`core.advance` returns what a poll came to; a proof about single rows wants the ladder with the
event counted and the ladder that the row left.
"""

import msgspec
from msgspec.structs import replace

from machines import observe
from machines.grammar import Row
from machines.ladder import Ladder
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


class Retrace:
    """The rows of one poll, and of the answers to what it sent."""

    def __init__(self, polled: Polled, capabilities: Capabilities) -> None:
        self.polled = polled
        self.rows: list[Taken] = []
        self.ladder = polled.before
        self._events(observe.scene(polled.view, polled.quote, polled.now_ms, capabilities))
        # Beside the notes that `core` makes of what it sends, the ladder is the same.
        done = polled.done.ladder
        assert replace(self.ladder, sent_stops=done.sent_stops) == done
        for answer in polled.answers:
            self._answer(answer)

    def _events(self, here: observe.Scene) -> None:
        sent = len(self.polled.before.exits)
        for fill in observe.fill_events(self.ladder, here):
            counted, event = observe.count_fill(self.ladder, fill, here)
            self._take(counted, event, sent)
        for event in self.polled.asked:
            self._take(self.ladder, event, sent)
        for states, detect in observe.DETECTORS:
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
