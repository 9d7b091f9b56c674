"""What can happen in a scenario (the words after `>`), and the world it happens to.

opened at 104500              the plan meets this market; always the first
12s later | at 239:59         time passes; the second counts from the opening
market 104400 | 104400 / 104400.5   the last price; or bid and ask, the last at the bid
market silent | unknown       no newer price arrives; no price at all
fill entry 1 [QTY] [@ PRICE]  likewise tp 1, exit 1, stop
untold fill tp 1 [QTY]        order and position show it, the list of fills does not yet
told                          now it does
late report of entry 2        it had filled before its end, and that is told only now
end entry 2 cancelled         the venue's word for an order: also rejected, expired, suspended,
                              triggered, unknown, open, filled (amended down to what had filled)
stop gone | stop back to P    the position's stop vanishes; an older one is there again
session ends | session begins   resting orders are suspended, and none is taken until it begins
twin stop                     the conditional stop before the present one rests again
position not visible | visible again   exits and stops are refused until it is
read began 3s ago             this poll's view is as old as that

person cancels tp 2           likewise entry 1, stop
person moves tp 2 @ PRICE     likewise entry 1 [QTY] @ PRICE, stop @ PRICE
others add QTY [@ PRICE]      somebody else's trade, or the venue's (ADL), grows the position;
others take QTY [@ PRICE]     makes it smaller; `unseen`: no fill of it is shown

decide book 50%               a person decides: likewise `exit`, `rebalance`, `release`,
decide scale in 25% | QTY     `stop PRICE`
decide …, by rule | version 7      a rule does; it is for that version of the ladder

refuse cancel entry 2 [WHY]   refuse what this poll sends; likewise place, amend, set_stop
lose set_stop                 accept what this poll sends, and do nothing
busy set_stop                 turn it away unread
unsure | garbled | cut set_stop [landed]   no answer, a senseless one, or we die before it
set_stop lands                what was lost, or its answer, takes effect only now
restart                       we start again from what the books say

we book 0.33                  stands in for a booking (B1): entries cancelled, part sold
we cancel entry 2             stands in for the rule that cancels an entry beyond the stop
tp 1 has 5 changes left       its one order has been changed so often before
nothing                       a poll of its own
"""

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from machines.dispatch import Turn
from machines.flights import restarted
from machines.ladder import DeclaredOrder, Ladder, Standing, find, slot_named, with_order
from machines.planning import Setting, open_ladder, refuse_at_start
from machines.words import (
    ZERO,
    AmendOrder,
    CancelOrder,
    Event,
    ExitStyle,
    Mutation,
    OrderStatus,
    OrderType,
    Outcome,
    OutcomeKind,
    PlaceOrder,
    PlacePair,
    PositionStop,
    Quote,
    Refusal,
    Role,
    SetStop,
    Trigger,
)
from tests.machines.book import ACCEPTED, Book, refused
from tests.machines.rung_book import RungBook
from tests.machines.script import Misread, Script, duration_ms

START_MS = 1_748_736_000_000
"""When every scenario opens: 2025-06-01 00:00 UTC."""
ROLES = {"entry": Role.ENTRY, "tp": Role.TAKE_PROFIT, "stop": Role.STOP_LOSS, "exit": Role.EXIT}
SHORT = {role: word for word, role in ROLES.items()}
NO_ANSWER = {
    "lose": ACCEPTED,
    "busy": Outcome(OutcomeKind.BUSY),
    "unsure": Outcome(OutcomeKind.UNSURE),
    "garbled": Outcome(OutcomeKind.MALFORMED),
    "cut": None,
}


class Said(msgspec.Struct):
    """What the venue will say to one request of this poll; None is nothing, for we are dead."""

    op: str
    outcome: Outcome | None
    lands: bool = False
    used: bool = False


def mutation_name(mutation: Mutation) -> str:
    """Name a mutation without its numbers: `set_stop`, `cancel entry 2`, `amend stop`."""
    if isinstance(mutation, SetStop):
        return "set_stop"
    op = {PlaceOrder: "place", PlacePair: "place", AmendOrder: "amend", CancelOrder: "cancel"}[
        type(mutation)
    ]
    word = SHORT[mutation.role]
    slot = slot_named(mutation.client_order_id)
    if mutation.role is Role.STOP_LOSS and slot.startswith(Role.STOP_LOSS):
        return f"{op} {word}"
    # A rung's order that leaves at market is no exit of its own: it is told by its rung.
    if mutation.role is Role.EXIT and slot.startswith(Role.TAKE_PROFIT):
        return f"{op} tp {mutation.n} as exit"
    return f"{op} {word} {mutation.n}"


def amounts(words: list[str]) -> tuple[Decimal | None, Decimal | None]:
    """Read `[QTY] [@ PRICE]`."""
    px = Decimal(words[words.index("@") + 1]) if "@" in words else None
    qty = Decimal(words[0]) if words and words[0] != "@" else None
    return qty, px


def _decided(words: list[str]) -> dict[str, object]:
    """Read what is decided, as fields of its event."""
    match words:
        case ["exit" | "rebalance" | "release" as what]:
            return {"trigger": Trigger(f"{what}_decided")}
        case ["stop", px]:
            return {"trigger": Trigger.STOP_MOVE_DECIDED, "price": Decimal(px)}
        case ["book", share] if share.endswith("%"):
            return {"trigger": Trigger.BOOK_DECIDED, "fraction": Decimal(share[:-1]) / 100}
        case ["scale", "in", share] if share.endswith("%"):
            return {"trigger": Trigger.SCALE_IN_DECIDED, "fraction": Decimal(share[:-1]) / 100}
        case ["scale", "in", qty]:
            return {"trigger": Trigger.SCALE_IN_DECIDED, "qty": Decimal(qty)}
        case _:
            raise Misread(f"decide {' '.join(words)}: nobody can decide that")


class World:
    """The venue, the clock, the market and the ladder of one scenario."""

    def __init__(self, script: Script) -> None:
        spec = script.spec
        self.script = script
        grid, fees = script.instrument, script.fees
        self.book = (
            Book(spec.side, grid, fees, script.position_stop)
            if script.exits is ExitStyle.POOLED
            else RungBook(spec.side, grid, fees, script.exits)
        )
        self.now_ms = START_MS
        self.read_ms: int | None = None
        self.ladder: Ladder | None = None
        self.quote_ms: int | None = None
        self.blind = False
        self.said: list[Said] = []
        self.limbo: list[Mutation] = []
        """Sent, and not landed: it may land yet."""
        self.asked: tuple[Event, ...] = ()

    def quote(self) -> Quote | None:
        if self.blind:
            return None
        at_ms = self.now_ms if self.quote_ms is None else self.quote_ms
        return replace(self.book.quote, at_ms=at_ms, trading_ms=self.now_ms - START_MS)

    def take(self, mutation: Mutation) -> Outcome | None:
        """Answer a request as this poll was told to, else as the book does."""
        name = mutation_name(mutation)
        for said in self.said:
            if not said.used and f"{name} ".startswith(f"{said.op} "):
                said.used = True
                if said.lands:
                    self.book.apply(mutation)
                else:
                    self.limbo.append(mutation)
                return said.outcome
        return self.book.apply(mutation)

    def happen(self, words: list[str]) -> None:
        match words:
            case ["nothing"]:
                pass
            case ["opened", "at", px]:
                self._open(Decimal(px))
            case [time, "later"]:
                self.now_ms += duration_ms(time)
            case ["at", time]:
                self.now_ms = START_MS + duration_ms(time)
            case ["read", "began", time, "ago"]:
                self.read_ms = self.now_ms - duration_ms(time)
            case ["market", *market]:
                self._market(market)
            case ["refuse", *rest]:
                self._refuse(rest)
            case ["lose" | "busy" | "unsure" | "garbled" | "cut" as verb, *rest]:
                lands = rest[-1] == "landed"
                op = " ".join(rest[:-1] if lands else rest)
                self.said.append(Said(op, NO_ANSWER[verb], lands))
            case ["restart"]:
                turn = Turn(self.now_ms, self.book.capabilities.window_ms)
                self.ladder = restarted(self._ladder(), turn)
            case ["decide", *rest]:
                self._decide(rest)
            case ["we", "book", qty]:
                self._book(Decimal(qty))
            case ["we", "cancel", "entry", n]:
                self._cancel(int(n))
            case ["tp", n, "has", left, "change" | "changes", "left"]:
                self._use_up(int(n), int(left))
            case _:
                self._at_venue(words)

    def _at_venue(self, words: list[str]) -> None:
        book = self.book
        match words:
            case ["fill", *rest]:
                book.fill(*self._order(rest), *amounts(rest), self.now_ms)
            case ["untold", "fill", *rest]:
                book.fill(*self._order(rest), *amounts(rest), self.now_ms, untold=True)
            case ["told"]:
                book.tell()
            case ["end", *rest]:
                book.end(*self._order(rest), OrderStatus(rest[0]))
            case ["late", "report", "of", word, n]:
                book.report(ROLES[word], int(n), None, self.now_ms)
            case ["session", "ends" | "begins" as verb]:
                book.quote = replace(book.quote, in_session=verb == "begins")
                if verb == "ends":
                    book.suspend()
            case ["stop", "gone"]:
                book.stop = None
            case ["stop", "back", "to", px]:
                book.stop = PositionStop(Decimal(px))
            case ["twin", "stop"]:
                book.revive_stop()
            case ["position", "not", "visible"] | ["position", "visible", "again"]:
                book.visible = words[1] == "visible"
            case ["person", "cancels", *rest]:
                book.person_cancels(*self._order(rest))
            case ["person", "moves", *rest]:
                book.person_moves(*self._order(rest), *amounts(rest))
            case ["others", "add" | "take" as verb, *rest]:
                qty, px = amounts(rest)
                shown = "unseen" not in rest
                book.others(qty or ZERO, px, self.now_ms, grows=verb == "add", shown=shown)
            case [*op, "lands"]:
                self._land(" ".join(op))
            case _:
                raise Misread(f"{' '.join(words)}: nobody knows what that means")

    def _order(self, words: list[str]) -> tuple[Role, int]:
        """Take `entry 2` or `stop` off the front of what is said."""
        word = words.pop(0)
        if word not in ROLES:
            raise Misread(f"{word}: is no order ({', '.join(ROLES)})")
        role = ROLES[word]
        if role is not Role.STOP_LOSS:
            return role, int(words.pop(0))
        if self.script.exits is ExitStyle.POOLED:
            return role, 1
        return role, int(words.pop(0)) if words and words[0].isdigit() else 0

    def _ladder(self) -> Ladder:
        assert self.ladder is not None, "a scenario opens first"
        return self.ladder

    def _land(self, op: str) -> None:
        for mutation in self.limbo:
            if mutation_name(mutation) == op:
                self.limbo.remove(mutation)
                self.book.apply(mutation)
                return
        raise Misread(f"{op} was never lost")

    def _decide(self, words: list[str]) -> None:
        what, _, rest = " ".join(words).partition(", ")
        by_rule, version = rest == "by rule", rest.removeprefix("version ")
        event = Event(
            Trigger.EXIT_DECIDED,
            self.now_ms,
            by_person=not by_rule,
            decision=f"d{self.now_ms - START_MS}-{len(self.asked)}",
            expect_version=int(version) if version.isdigit() else None,
        )
        self.asked = (*self.asked, replace(event, **_decided(what.split())))

    def _open(self, last: Decimal) -> None:
        script, book = self.script, self.book
        book.quote = Quote(script.instrument.symbol, last, self.now_ms, 0)
        setting = Setting(script.instrument, script.fees, book.capabilities)
        faults = refuse_at_start(script.spec, book.quote, setting, book.view())
        if faults:
            raise Misread(f"the plan is refused: {'; '.join(faults)}")
        self.ladder = open_ladder(
            script.spec, setting, book.key, book.quote, self.now_ms, book.view()
        )
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

    def _refuse(self, words: list[str]) -> None:
        why = words.pop() if words[-1] in set(Refusal) else Refusal.OTHER
        self.said.append(Said(" ".join(words), refused(Refusal(why))))

    def _cancel(self, *numbers: int) -> None:
        ladder = self._ladder()
        entries = tuple(
            replace(entry, qty=ZERO, standing=Standing.CANCELLED)
            if entry.n in numbers and entry.working
            else entry
            for entry in ladder.entries
        )
        self.ladder = replace(ladder, entries=entries)

    def _book(self, qty: Decimal) -> None:
        self._cancel(*(entry.n for entry in self._ladder().entries))
        ladder = self._ladder()
        order = DeclaredOrder(Role.EXIT, len(ladder.exits) + 1, OrderType.MARKET, qty)
        self.ladder = replace(ladder, exits=(*ladder.exits, order))

    def _use_up(self, n: int, left: int) -> None:
        rung, most = (
            find(self._ladder(), Role.TAKE_PROFIT, n),
            self.book.capabilities.max_amendments,
        )
        assert rung is not None, "a plan has four rungs"
        assert most is not None, "only what is counted is used up"
        carrier = replace(rung.carrier, amended=most - left)
        self.ladder = with_order(self._ladder(), replace(rung, carrier=carrier))
