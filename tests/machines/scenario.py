"""Plays a scenario (`tests.machines.script`) against the machines and a `Book`.

What can happen is listed in `tests.machines.happenings`. What follows is told in the words that
the file uses.
"""

import difflib
import re
import sys
from copy import copy
from functools import cache
from pathlib import Path

import msgspec

from machines import core
from machines.dispatch import Flight
from machines.errors import RungkeeperError
from machines.grammar import Row, Table
from machines.ladder import Ladder, parse_order_id
from machines.position import TABLE
from machines.recipes import Instruction
from machines.words import (
    AmendOrder,
    CancelOrder,
    Event,
    ExitStyle,
    Mutation,
    Outcome,
    OutcomeKind,
    Quote,
    Role,
    SetStop,
    View,
    plain,
)
from tests.machines.happenings import ROLES, World, mutation_name
from tests.machines.script import Misread, Script, Step, read, tidy

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"


class Answer(msgspec.Struct, frozen=True):
    """A venue's answer to one mutation, and the ladder that took it."""

    ladder: Ladder
    mutation: Mutation
    outcome: Outcome


class Polled(msgspec.Struct, frozen=True):
    """One poll of a run: what the machines were shown and what they made of it."""

    before: Ladder
    view: View
    quote: Quote | None
    now_ms: int
    read_ms: int | None
    asked: tuple[Event, ...]
    done: core.Advance
    answers: tuple[Answer, ...]


class Run(World):
    """A scenario being played. ``polls`` is what happened, for whoever wants more than the text."""

    def __init__(self, script: Script, table: Table[Instruction] = TABLE) -> None:
        super().__init__(script)
        self.table = table
        self.polls: list[Polled] = []
        self.answered: list[core.Taken] = []

    # ------------------------------------------------------------------------------- playing

    def fork(self, table: Table[Instruction] = TABLE) -> "Run":
        """Return a run that is as this one is now, and goes on by another table."""
        other = copy(self)
        other.book, other.table = self.book.fork(), table
        other.limbo, other.polls = list(self.limbo), list(self.polls)
        other.answered = list(self.answered)
        return other

    def play(self, start: int = 0) -> None:
        """Play every step. *Raises*: AssertionError with a readable diff at the first that errs."""
        for step in self.script.steps[start:]:
            told = self.play_step(step)
            if told != list(step.follows):
                raise AssertionError(self._difference(step, told))

    def play_step(self, step: Step) -> list[str]:
        """Let a step happen and tell what followed, `=` lines as the book answers them."""
        told: list[str] = []
        try:
            for times, _, each in (words.partition(" times ") for words in step.happens):
                if each:
                    for _ in range(int(times)):
                        self.play_step(Step(step.line, tuple(each.split(", ")), ()))
            self.said, self.read_ms = [], None
            for words in step.happens:
                if " times " not in words:
                    self.happen(words.split())
            if self.ladder is not None:
                told = self._poll()
        except Misread as error:
            raise Misread(f"{self.script.name}.ladder:{step.line}: {error}") from error
        except RungkeeperError as error:
            told = [f"{type(error).__name__}: {error}"]
        told = [tidy(line) for line in told or ["nothing"]]
        asked = [line.split()[1].rstrip(":") for line in step.follows if line.startswith("=")]
        return told + [tidy(self.shows(word)) for word in asked]

    def _difference(self, step: Step, told: list[str]) -> str:
        where = f"{self.script.name}.ladder:{step.line}"
        lines = difflib.unified_diff(
            step.follows, told, "what should follow", "what followed", lineterm="", n=99
        )
        happened = "; ".join(step.happens)
        return "\n".join([f"{where}: > {happened}", *lines])

    def _poll(self) -> list[str]:
        assert self.ladder is not None
        before, view, quote = self.ladder, self.book.view(), self.quote()
        asked, self.asked = self.asked, ()
        done = core.advance(
            before,
            view,
            quote,
            self.now_ms,
            self.book.capabilities,
            self.table,
            asked,
            self.read_ms,
        )
        self.ladder = done.ladder
        told = [row_told(taken) for taken in done.taken]
        answered: list[core.Taken] = []
        answers: list[Answer] = []
        for flight in done.flights:
            outcome = self.take(flight.mutation)
            told.append(self._sent_told(flight, outcome, flight in done.repairs))
            if outcome is None:  # we are dead: nothing more is sent
                break
            answers.append(Answer(self.ladder, flight.mutation, outcome))
            self.ladder, rows = core.answer(
                self.ladder, flight.mutation, outcome, quote, self.now_ms, self.table
            )
            answered += rows
        self.answered += answered
        told += [f"  gave up {mutation_name(flight.mutation)} (alert)" for flight in done.given_up]
        left = [f"{said.op} was not sent" for said in self.said if not said.used]
        if left:
            raise Misread("; ".join(left))
        self.polls.append(
            Polled(before, view, quote, self.now_ms, self.read_ms, asked, done, tuple(answers))
        )
        return told + [row_told(taken) for taken in answered]

    # ------------------------------------------------------------------------------- telling

    def _sent_told(self, flight: Flight, outcome: Outcome | None, repair: bool) -> str:
        notes = ["repair"] if repair else []
        if flight.tries > 1:
            notes.append(f"try {flight.tries}")
        if outcome is None:
            notes.append("no answer")
        elif outcome.kind is OutcomeKind.REFUSED:
            assert outcome.refusal is not None
            notes.append(f"refused: {outcome.refusal.value}")
        elif outcome.kind is not OutcomeKind.ACCEPTED:
            notes.append(outcome.kind.value)
        told = f"  {self._mutation_told(flight.mutation)}"
        return f"{told} ({', '.join(notes)})" if notes else told

    def _mutation_told(self, mutation: Mutation) -> str:
        name = mutation_name(mutation)
        if isinstance(mutation, SetStop):
            return f"{name} {plain(mutation.qty)} @ {plain(mutation.trigger_px)}"
        if isinstance(mutation, CancelOrder):
            return name
        to = " to" if isinstance(mutation, AmendOrder) else ""
        px = mutation.trigger_px or mutation.price
        at = "at market" if px is None else f"@ {plain(px)}"
        assert self.ladder is not None
        slot = parse_order_id(self.ladder.terms, mutation.client_order_id)
        assert slot is not None, f"{mutation}: not an id of this ladder"
        in_turn = self.script.exits is not ExitStyle.POOLED
        assert in_turn or slot[:2] == (mutation.role, mutation.n), f"{mutation}: another's id"
        again = "" if slot[2] == 1 else f", order {slot[2]}"
        return f"{name}{to} {plain(mutation.qty)} {at}{again}"

    def shows(self, what: str) -> str:
        """Answer a `=` line: `held`, `rests`, `break-even`, `average`, …."""
        assert self.ladder is not None
        ladder, book = self.ladder, self.book
        match what:
            case "held":
                return f"= held {plain(ladder.held)}, at the venue {plain(book.held)}"
            case "rests":
                return f"= rests {', '.join(self._resting()) or 'nothing'}"
            case "break-even":
                owed = ladder.break_even
                return f"= break-even {'not fixed' if owed is None else plain(owed)}"
            case "average":
                return f"= average {ladder.avg_px:.4f}"
            case "foreign":
                return f"= foreign {plain(ladder.foreign_qty)}"
            case "halted":
                return f"= halted: {ladder.reason}"
            case "unprotected":
                running = "" if ladder.naked_since_ms is None else ", still running"
                return f"= unprotected {ladder.unprotected_ms}ms{running}"
            case "realised":
                return f"= realised {plain(ladder.realised)}, fees {plain(ladder.fees)}"
            case _:
                raise Misread(
                    f"= {what}: knows held, rests, break-even, average, foreign, halted, "
                    "realised, unprotected"
                )

    def _resting(self) -> list[str]:
        book = self.book
        found = [] if book.stop is None else [f"stop @ {plain(book.stop.trigger_px)}"]
        for word, role in (("stop", Role.STOP_LOSS), ("tp", Role.TAKE_PROFIT), *ROLES.items()):
            for n, order in book.live(role):
                px = order.trigger_px or order.price
                at = "at market" if px is None else f"@ {plain(px)}"
                lone = role is Role.STOP_LOSS and (n == 0 or self.script.exits is ExitStyle.POOLED)
                name = word if lone else f"{word} {n}"
                line = f"{name} {plain(order.leaves_qty)} {at}"
                if line not in found:
                    found.append(line)
        return found


def row_told(taken: core.Taken) -> str:
    """Tell a row as the files do: `E2 PENDING_LIMITS → FULLY_FILLED`, or what was ignored."""
    cell = taken.cell
    if not isinstance(cell, Row) and taken.event.decision and taken.event.role is None:
        return f"refused in {taken.before}: {cell.reason}"
    if not isinstance(cell, Row):
        return f"ignored in {taken.before}: {taken.event.trigger.value}"
    after = "itself" if taken.after == taken.before else taken.after
    return f"{cell.label} {taken.before} → {after}{' (alert)' if cell.alert else ''}"


@cache
def corpus() -> list[Script]:
    """Read every scenario, in the order of their names."""
    return [read(path) for path in sorted(SCENARIOS.glob("*.ladder"))]


@cache
def played(script: Script) -> Run:
    """Play a scenario, once for all who only look at what happened."""
    run = Run(script)
    run.play()
    return run


def retold(path: Path) -> str:
    """Write a scenario file anew with what follows now, for a person to judge line by line."""
    run = Run(read(path))
    lines = path.read_text(encoding="utf-8").splitlines()
    steps = {step.line: step for step in run.script.steps}
    kept: list[str] = []
    for number, line in enumerate(lines, start=1):
        step = steps.get(number)
        if step is not None:
            kept += [line, *run.play_step(step), ""]
        elif number < min(steps) or line.startswith("#"):
            kept.append(line)
    return re.sub(r"\n+\Z", "\n", "\n".join(kept) + "\n")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        sys.stdout.write(retold(Path(name)))
