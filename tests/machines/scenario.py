"""Plays a scenario (`tests.machines.script`) against the machines and a `Book`.

What happens (the words after `>`):

    opened at 104500              the plan meets this market; always the first
    12s later | at 239:59         time passes; the second counts from the opening
    market 104400 | 104400 / 104400.5   the last price; or bid and ask, the last at the bid
    market silent | unknown       no newer price arrives; no price at all
    fill entry 1 [QTY] [@ PRICE]  likewise tp 1, exit 1, stop
    late report of entry 2        it had filled before its end, and that is told only now
    end entry 2 cancelled         the venue's word for an order that ends: also rejected, expired,
                                  suspended, triggered, filled (amended down to what had filled)
    stop gone | stop back to P    the position's stop vanishes; an older one is there again
    position not visible | visible again   exits and stops are refused until it is
    refuse cancel entry 2 [WHY]   refuse what this poll sends; likewise place, amend, set_stop
    lose set_stop                 accept what this poll sends, and do nothing
    we book 0.33                  stands in for a booking (B1): entries cancelled, part sold
    we cancel entry 2             stands in for the rule that cancels an entry beyond the stop
    nothing                       a poll of its own

What follows is told in the same words that the file uses: see `Telling`.
"""

import difflib
import re
import sys
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec
from msgspec.structs import replace

from machines import core
from machines.errors import RungkeeperError
from machines.grammar import Row, Table
from machines.ladder import DeclaredOrder, Ladder, Standing, parse_order_id
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.position import TABLE
from machines.recipes import Instruction
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Event,
    Mutation,
    OrderStatus,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    PositionStop,
    Quote,
    Refusal,
    Role,
    SetStop,
    Trigger,
    View,
    plain,
)
from tests.machines.book import ACCEPTED, Book, refused
from tests.machines.script import Misread, Script, Step, duration_ms, read, tidy

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
START_MS = 1_748_736_000_000
"""When every scenario opens: 2025-06-01 00:00 UTC."""
ROLES = {"entry": Role.ENTRY, "tp": Role.TAKE_PROFIT, "stop": Role.STOP_LOSS, "exit": Role.EXIT}
SHORT = {role: word for word, role in ROLES.items()}


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
    asked: tuple[Event, ...]
    done: core.Advance
    answers: tuple[Answer, ...]


class Run:
    """A scenario being played. ``polls`` is what happened, for whoever wants more than the text."""

    def __init__(self, script: Script, table: Table[Instruction] = TABLE) -> None:
        self.script = script
        self.table = table
        spec = script.spec
        self.book = Book(spec.side, script.instrument, script.fees, script.position_stop)
        self.now_ms = START_MS
        self.ladder: Ladder | None = None
        self.quote_ms: int | None = None
        self.blind = False
        self.orders_sent: list[tuple[str, Outcome, bool]] = []
        self.polls: list[Polled] = []
        self.answered: list[core.Taken] = []
        self.asked: tuple[Event, ...] = ()

    # ------------------------------------------------------------------------------- playing

    def play(self) -> None:
        """Play every step. *Raises*: AssertionError with a readable diff at the first that errs."""
        for step in self.script.steps:
            told = self.play_step(step)
            if told != list(step.follows):
                raise AssertionError(self._difference(step, told))

    def play_step(self, step: Step) -> list[str]:
        """Let a step happen and tell what followed, `=` lines as the book answers them."""
        self.orders_sent = []
        told: list[str] = []
        try:
            for words in step.happens:
                self._happen(words.split())
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
        before, view, quote = self.ladder, self.book.view(), self._quote()
        capabilities = self.book.capabilities
        done = core.advance(
            before, view, quote, self.now_ms, capabilities, self.table, asked=self.asked
        )
        asked, self.asked = self.asked, ()
        self.ladder = done.ladder
        told = [row_told(taken) for taken in done.taken]
        answered: list[core.Taken] = []
        answers: list[Answer] = []
        repairs = [getattr(one, "mutation", one) for one in done.repairs]
        for mutation in done.mutations:
            outcome = self._send(mutation)
            told.append(self._sent_told(mutation, outcome, mutation in repairs))
            answers.append(Answer(self.ladder, mutation, outcome))
            self.ladder, rows = core.answer(
                self.ladder, mutation, outcome, quote, self.now_ms, self.table
            )
            answered += rows
        self.answered += answered
        left = [f"{op} was not sent" for op, _, used in self.orders_sent if not used]
        if left:
            raise Misread("; ".join(left))
        self.polls.append(Polled(before, view, quote, self.now_ms, asked, done, tuple(answers)))
        return told + [row_told(taken) for taken in answered]

    def _quote(self) -> Quote | None:
        if self.blind:
            return None
        at_ms = self.now_ms if self.quote_ms is None else self.quote_ms
        return replace(self.book.quote, at_ms=at_ms, trading_ms=self.now_ms - START_MS)

    def _send(self, mutation: Mutation) -> Outcome:
        name = mutation_name(mutation)
        for k, (told, outcome, used) in enumerate(self.orders_sent):
            if told == name and not used:
                self.orders_sent[k] = (told, outcome, True)
                return outcome
        return self.book.apply(mutation)

    # ------------------------------------------------------------------------------- telling

    def _sent_told(self, mutation: Mutation, outcome: Outcome, repair: bool) -> str:
        notes = ["repair"] if repair else []
        if outcome.kind is OutcomeKind.REFUSED:
            assert outcome.refusal is not None
            notes.append(f"refused: {outcome.refusal.value}")
        told = f"  {self._mutation_told(mutation)}"
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
        assert slot[:2] == (mutation.role, mutation.n), f"{mutation}: another order's id"
        again = "" if slot[2] == 1 else f", order {slot[2]}"
        return f"{name}{to} {plain(mutation.qty)} {at}{again}"

    def shows(self, what: str) -> str:
        """Answer a `=` line: `held`, `rests`, `break-even`, `average`."""
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
            case "realised":
                return f"= realised {plain(ladder.realised)}, fees {plain(ladder.fees)}"
            case _:
                raise Misread(f"= {what}: knows held, rests, break-even, realised")

    def _resting(self) -> list[str]:
        book = self.book
        found = [] if book.stop is None else [f"stop @ {plain(book.stop.trigger_px)}"]
        for word, role in (("stop", Role.STOP_LOSS), ("tp", Role.TAKE_PROFIT), *ROLES.items()):
            for n, order in book.live(role):
                px = order.trigger_px or order.price
                at = "at market" if px is None else f"@ {plain(px)}"
                name = word if role is Role.STOP_LOSS else f"{word} {n}"
                line = f"{name} {plain(order.leaves_qty)} {at}"
                if line not in found:
                    found.append(line)
        return found

    # ----------------------------------------------------------------------------- happening

    def _happen(self, words: list[str]) -> None:
        match words:
            case ["nothing"]:
                pass
            case ["opened", "at", px]:
                self._open(Decimal(px))
            case [time, "later"]:
                self.now_ms += duration_ms(time)
            case ["at", time]:
                self.now_ms = START_MS + duration_ms(time)
            case ["market", *market]:
                self._market(market)
            case ["fill" | "end" as verb, word, *rest] if word in ROLES:
                role = ROLES[word]
                n = 1 if role is Role.STOP_LOSS else int(rest.pop(0))
                (self._fill if verb == "fill" else self._end)(role, n, rest)
            case ["late", "report", "of", word, n]:
                self.book.report(ROLES[word], int(n), None, self.now_ms)
            case ["stop", "gone"]:
                self.book.stop = None
            case ["stop", "back", "to", px]:
                self.book.stop = PositionStop(Decimal(px))
            case ["position", "not", "visible"] | ["position", "visible", "again"]:
                self.book.visible = words[1] == "visible"
            case ["refuse" | "lose" as verb, op, *rest]:
                self._refuse(verb, op, rest)
            case ["we", "book", qty]:
                self._book(Decimal(qty))
            case ["we", "cancel", "entry", n]:
                self._cancel(int(n))
            case _:
                raise Misread(f"{' '.join(words)}: nobody knows what that means")

    def _open(self, last: Decimal) -> None:
        script, book = self.script, self.book
        book.quote = Quote(script.instrument.symbol, last, self.now_ms, 0)
        setting = Setting(script.instrument, script.fees, book.capabilities)
        faults = refuse_at_start(script.spec, book.quote, setting)
        if faults:
            raise Misread(f"the plan is refused: {'; '.join(faults)}")
        self.ladder = open_ladder(script.spec, setting, book.key, book.quote, self.now_ms)
        self.asked = (Event(Trigger.PLAN_ACCEPTED, self.now_ms),)

    def _market(self, words: list[str]) -> None:
        self.blind, self.quote_ms = False, None
        match words:
            case ["unknown"]:
                self.blind = True
            case ["silent"]:
                self.quote_ms = self.now_ms
            case [last]:
                self.book.quote = replace(self.book.quote, last=Decimal(last), bid=None, ask=None)
            case [bid, "/", ask]:
                touch = {"bid": Decimal(bid), "ask": Decimal(ask)}
                self.book.quote = replace(self.book.quote, last=touch["bid"], **touch)
            case _:
                raise Misread(f"market {' '.join(words)}: a price, two, `silent` or `unknown`")

    def _fill(self, role: Role, n: int, words: list[str]) -> None:
        px = Decimal(words[words.index("@") + 1]) if "@" in words else None
        qty = Decimal(words[0]) if words and words[0] != "@" else None
        self.book.fill(role, n, qty, px, self.now_ms)

    def _end(self, role: Role, n: int, words: list[str]) -> None:
        self.book.end(role, n, OrderStatus(words[0]))

    def _refuse(self, verb: str, op: str, words: list[str]) -> None:
        why = words.pop() if words and words[-1] in set(Refusal) else Refusal.OTHER
        outcome = ACCEPTED if verb == "lose" else refused(Refusal(why))
        self.orders_sent.append((" ".join([op, *words]), outcome, False))

    def _cancel(self, *numbers: int) -> None:
        assert self.ladder is not None
        entries = tuple(
            replace(entry, qty=ZERO, standing=Standing.CANCELLED)
            if entry.n in numbers and entry.working
            else entry
            for entry in self.ladder.entries
        )
        self.ladder = replace(self.ladder, entries=entries)

    def _book(self, qty: Decimal) -> None:
        assert self.ladder is not None
        self._cancel(*(entry.n for entry in self.ladder.entries))
        n = len(self.ladder.exits) + 1
        order = DeclaredOrder(Role.EXIT, n, OrderType.MARKET, qty)
        self.ladder = replace(self.ladder, exits=(*self.ladder.exits, order))


def mutation_name(mutation: Mutation) -> str:
    """Name a mutation without its numbers: `set_stop`, `cancel entry 2`, `amend stop`."""
    if isinstance(mutation, SetStop):
        return "set_stop"
    op = {PlaceOrder: "place", AmendOrder: "amend", CancelOrder: "cancel"}[type(mutation)]
    word = SHORT[mutation.role]
    return f"{op} {word}" if mutation.role is Role.STOP_LOSS else f"{op} {word} {mutation.n}"


def row_told(taken: core.Taken) -> str:
    """Tell a row as the files do: `E2 PENDING_LIMITS → FULLY_FILLED`, or what was ignored."""
    cell = taken.cell
    if not isinstance(cell, Row):
        return f"ignored in {taken.before}: {taken.event.trigger.value}"
    after = "itself" if taken.after == taken.before else taken.after
    return f"{cell.label} {taken.before} → {after}{' (alert)' if cell.alert else ''}"


@cache
def corpus() -> list[Script]:
    """Read every scenario, in the order of their names."""
    return [read(path) for path in sorted(SCENARIOS.glob("*.ladder"))]


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
