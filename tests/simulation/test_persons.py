"""What persons and the venue do, by script, through the whole controller and its journal.

Each case: what happens, the closes of the minutes, the acts with their minute, and what the journal
tells from the first act on (intents and refusals as they were asked for). In every case the books
end as the venue's, what rests is what is declared, and a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import anyio
import msgspec
import pytest

from controller import app, journal
from controller.accounts import Account, build_accounts, with_book
from controller.cmd_history import mutation
from controller.config import Config, parse
from controller.cycle import Voice
from controller.journal import Journal, Record
from exchanges.simulated import SimulatedVenue
from machines.ladder import Ladder

JOB = """
[controller]
state = "s.db"
poll = "bar"
[accounts.paper]
venue = "simulated"
slots = "one-way"
feed = { BTC = "script:bars" }
acts = "acts"
fees = { maker = "0.0002", taker = "0.00055" }
instruments = { BTC = { tick = "0.1", step = "0.01", min_qty = "0.01", min_notional = "1" } }
[[positions]]
name = "btc"
account = "paper"
symbol = "BTC"
side = "long"
entries = [{ price = "market", qty = "0.50" }, { price = "98", qty = "0.50" }]
stop = "95"
targets = ["104", "106", "108", "110"]
be_gap = "0%"
"""
WAITING = JOB.replace('{ price = "market", qty', '{ price = "99", qty')
"""The same plan with nothing filled yet."""
TARGETS = range(104, 112, 2)
BALANCE = Decimal(100_000)


class Case(msgspec.Struct, frozen=True):
    """One thing that others do, and what becomes of it."""

    what: str
    closes: str
    acts: tuple[str, ...]
    told: tuple[str, ...]
    state: str
    held: str
    rests: str
    """The stop, then what waits: price x quantity."""
    job: str = JOB


FULL = "95 | 104x0.43 106x0.03 108x0.02 110x0.02"
CASES = (
    Case(
        "a person cancels an entry: it is not placed again",
        "100 100 100 100 97 100", ("3 cancel BTC buy limit nth 1",),
        ("3 person entry_ended entry 2", "3 E4 FULLY_FILLED"),
        "FULLY_FILLED", "0.5", FULL,
    ),
    Case(
        "a person moves an entry: it stays there and fills there",
        "100 100 100 97.5 96.9 100", ("3 move BTC buy limit nth 1 price 97",),
        ("3 person entry_moved entry 2 @ 97", "3 P1 PARTIALLY_FILLED",
         "5 fill entry 2 0.50 @ 97", "5 E3 FULLY_FILLED", "5 amend TP1 0.85 @ 104.0",
         "5 amend TP2 0.05 @ 106.0", "5 amend TP3 0.05 @ 108.0", "5 amend TP4 0.05 @ 110.0"),
        "FULLY_FILLED", "1", "95 | 104x0.85 106x0.05 108x0.05 110x0.05",
    ),
    Case(
        "a person makes an entry smaller: so much fills",
        "100 100 100 97.9", ("3 move BTC buy limit nth 1 qty 0.20",),
        ("3 person entry_moved entry 2 @ 98.0", "3 P1 PARTIALLY_FILLED",
         "4 fill entry 2 0.20 @ 98.0", "4 E3 FULLY_FILLED", "4 amend TP1 0.60 @ 104.0",
         "4 amend TP2 0.04 @ 106.0", "4 amend TP3 0.03 @ 108.0", "4 amend TP4 0.03 @ 110.0"),
        "FULLY_FILLED", "0.7", "95 | 104x0.60 106x0.04 108x0.03 110x0.03",
    ),
    Case(
        "a person cancels every entry before one fills: over",
        "100 100 100 100", ("3 cancel BTC buy limit near 99", "3 cancel BTC buy limit near 98"),
        ("3 person entry_ended entry 1", "3 E4 CLOSING", "3 person entry_ended entry 2",
         "3 C1 CLOSED"),
        "CLOSED", "0", "- |", WAITING,
    ),
    Case(
        "a person moves an entry before it fills",
        "100 100 100 98.4", ("3 move BTC buy limit near 99 price 98.5",),
        ("3 person entry_moved entry 1 @ 98.5", "3 P1 PENDING_LIMITS", "4 fill entry 1 0.50 @ 98.5",
         "4 E2 PARTIALLY_FILLED", "4 stop 0.50 @ 95.0", "4 place TP1 0.43 @ 104.0",
         "4 place TP2 0.03 @ 106.0", "4 place TP3 0.02 @ 108.0", "4 place TP4 0.02 @ 110.0"),
        "PARTIALLY_FILLED", "0.5", "95 | 98x0.50 104x0.43 106x0.03 108x0.02 110x0.02", WAITING,
    ),
    Case(
        "a person cancels a rung: it stays off, its share goes to the others, later fills too",
        "100 100 100 97.9", ("3 cancel BTC sell limit near 106",),
        ("3 person rung_cancelled TP2 @ 106.0", "3 P2 PARTIALLY_FILLED",
         "3 amend TP1 0.45 @ 104.0", "3 amend TP3 0.03 @ 108.0", "4 fill entry 2 0.50 @ 98.0",
         "4 E3 FULLY_FILLED", "4 amend TP1 0.90 @ 104.0", "4 amend TP3 0.05 @ 108.0",
         "4 amend TP4 0.05 @ 110.0"),
        "FULLY_FILLED", "1", "95 | 104x0.90 108x0.05 110x0.05",
    ),
    Case(
        "a person moves a rung: it is hit there",
        "100 100 100 104.5 105.1 105", ("3 move BTC sell limit near 104 price 105",),
        ("3 person rung_moved TP1 @ 105", "3 P3 PARTIALLY_FILLED", "5 fill TP1 0.43 @ 105",
         "5 T2 TP1_HIT", "5 stop 0.07 @ 100.2", "5 cancel entry 2", "5 T5 STOP_AT_BREAK_EVEN"),
        "STOP_AT_BREAK_EVEN", "0.07", "100.2 | 106x0.03 108x0.02 110x0.02",
    ),
    Case(
        "a person makes a rung smaller: its quantity is ours to set",
        "100 100 100 100", ("3 move BTC sell limit near 104 qty 0.10",),
        ("3 amend TP1 0.43 @ 104.0",),
        "PARTIALLY_FILLED", "0.5", "95 | 98x0.50 104x0.43 106x0.03 108x0.02 110x0.02",
    ),
    Case(
        "a person cancels all rungs: the stop alone is left, and closes",
        "100 100 100 105 94", tuple(f"3 cancel BTC sell limit near {px}" for px in TARGETS),
        (*(line for n, px in enumerate(TARGETS, 1)
           for line in (f"3 person rung_cancelled TP{n} @ {px}.0", "3 P2 PARTIALLY_FILLED")),
         "5 fill entry 2 0.50 @ 98.0", "5 E3 FULLY_FILLED", "5 fill stop 1.00 @ 95.0",
         "5 S1 CLOSING", "5 C1 CLOSED"),
        "CLOSED", "0", "- |",
    ),
    Case(
        "a person tightens the stop: adopted",
        "100 100 100 98.9", ("3 stop BTC 99",),
        ("3 person stop_moved stop @ 99", "3 P4 PARTIALLY_FILLED", "3 alert",
         "3 B3 FULLY_FILLED", "3 cancel entry 2",
         "4 fill stop 0.50 @ 99", "4 S1 CLOSING", "4 cancel TP1",
         "4 cancel TP2", "4 cancel TP3", "4 cancel TP4", "4 C1 CLOSED"),
        "CLOSED", "0", "- |",
    ),
    Case(
        "a person loosens the stop: adopted",
        "100 100 100 94.5", ("3 stop BTC 94",),
        ("3 person stop_moved stop @ 94", "3 P4 PARTIALLY_FILLED", "3 alert",
         "4 fill entry 2 0.50 @ 98.0", "4 E3 FULLY_FILLED", "4 amend TP1 0.85 @ 104.0",
         "4 amend TP2 0.05 @ 106.0", "4 amend TP3 0.05 @ 108.0", "4 amend TP4 0.05 @ 110.0"),
        "FULLY_FILLED", "1", "94 | 104x0.85 106x0.05 108x0.05 110x0.05",
    ),
    Case(
        "a person takes the stop back from break-even: not imposed again",
        "100 100 104.1 104 104 99.9 98.9", ("4 stop BTC 99",),
        ("4 person stop_moved stop @ 99", "4 P4 STOP_AT_BREAK_EVEN", "4 alert",
         "7 fill stop 0.07 @ 99", "7 S1 CLOSING", "7 cancel TP2", "7 cancel TP3", "7 cancel TP4",
         "7 C1 CLOSED"),
        "CLOSED", "0", "- |",
    ),
    Case(
        "a person removes the stop: placed again",
        "100 100 100 100", ("3 stop BTC none",),
        ("3 S2 PARTIALLY_FILLED", "3 alert", "3 stop 0.50 @ 95.0"),
        "PARTIALLY_FILLED", "0.5", "95 | 98x0.50 104x0.43 106x0.03 108x0.02 110x0.02",
    ),
    Case(
        "a person buys more: merged at the second look, shared out",
        "100 100 100 100 100", ("3 buy BTC 0.30",),
        ("4 external foreign_grown 0.30 @ 100", "4 M1 PARTIALLY_FILLED", "4 alert",
         "4 amend TP1 0.68 @ 104.0", "4 amend TP2 0.04 @ 106.0", "4 amend TP3 0.04 @ 108.0",
         "4 amend TP4 0.04 @ 110.0"),
        "PARTIALLY_FILLED", "0.8", "95 | 98x0.50 104x0.68 106x0.04 108x0.04 110x0.04",
    ),
    Case(
        "a person opens a position before an entry fills: not ours to keep",
        "100 100 100 100 98.9", ("3 buy BTC 0.30",),
        ("4 external foreign_grown 0.30 @ 100", "4 M1 HALTED", "4 alert", "4 cancel entry 1",
         "4 cancel entry 2", "4 H2 CLOSING", "4 C1 CLOSED"),
        "CLOSED", "0", "- |", WAITING,
    ),
    Case(
        "a person sells some: the rest is shared out",
        "100 100 100 100 104.1", ("3 sell BTC 0.20",),
        ("4 external foreign_shrunk 0.20 @ 100", "4 M2 PARTIALLY_FILLED", "4 alert",
         "4 amend TP1 0.26 @ 104.0", "4 amend TP2 0.02 @ 106.0", "4 amend TP3 0.01 @ 108.0",
         "4 amend TP4 0.01 @ 110.0", "5 fill TP1 0.26 @ 104.0", "5 T2 TP1_HIT",
         "5 stop 0.04 @ 100.2", "5 cancel entry 2", "5 T5 STOP_AT_BREAK_EVEN"),
        "STOP_AT_BREAK_EVEN", "0.04", "100.2 | 106x0.02 108x0.01 110x0.01",
    ),
    Case(
        "a person sells some after TP1: what was hit stays hit",
        "100 100 104.1 104 104 104", ("4 sell BTC 0.03",),
        ("5 external foreign_shrunk 0.03 @ 104", "5 M2 STOP_AT_BREAK_EVEN", "5 alert",
         "5 amend TP2 0.02 @ 106.0", "5 amend TP3 0.01 @ 108.0", "5 amend TP4 0.01 @ 110.0"),
        "STOP_AT_BREAK_EVEN", "0.04", "100.2 | 106x0.02 108x0.01 110x0.01",
    ),
    Case(
        "a person closes: gone at the second look, and nothing of ours is left",
        "100 100 100 100", ("3 close BTC",),
        ("3 S2 PARTIALLY_FILLED", "3 alert", "3 stop 0.50 @ 95.0", "3 refused no_position",
         "3 S2 PARTIALLY_FILLED", "3:01 external foreign_shrunk 0.50 @ 100", "3:01 M2 CLOSING",
         "3:01 alert", "3:01 cancel entry 2", "3:01 cancel TP1", "3:01 cancel TP2",
         "3:01 cancel TP3", "3:01 cancel TP4", "3:01 C1 CLOSED"),
        "CLOSED", "0", "- |",
    ),
    Case(
        "a person sells more than is held: passing zero ends the ladder, the short is not ours",
        "100 100 100 100", ("3 sell BTC 0.80",), (), "CLOSED", "0", "- |",
    ),
    Case(
        "the venue deleverages: as if somebody had sold",
        "100 100 100 100", ("3 adl BTC 0.20",),
        ("4 external foreign_shrunk 0.20 @ 100", "4 M2 PARTIALLY_FILLED", "4 alert",
         "4 amend TP1 0.26 @ 104.0", "4 amend TP2 0.02 @ 106.0", "4 amend TP3 0.01 @ 108.0",
         "4 amend TP4 0.01 @ 110.0"),
        "PARTIALLY_FILLED", "0.3", "95 | 98x0.50 104x0.26 106x0.02 108x0.01 110x0.01",
    ),
    Case(
        "the venue liquidates: over",
        "100 100 100 100", ("3 liquidate BTC",), (), "CLOSED", "0", "- |",
    ),
    Case(
        "the venue cancels an entry: it has ended",
        "100 100 100 100", ("3 venue-cancel BTC buy limit nth 1",),
        ("3 E4 FULLY_FILLED",), "FULLY_FILLED", "0.5", FULL,
    ),
    Case(
        "the venue expires a rung: placed again",
        "100 100 100 100", ("3 venue-expire BTC sell limit near 104",),
        ("3 S2 PARTIALLY_FILLED", "3 place TP1 0.43 @ 104.0"),
        "PARTIALLY_FILLED", "0.5", "95 | 98x0.50 104x0.43 106x0.03 108x0.02 110x0.02",
    ),
    Case(
        "the venue rejects a rung after all: placed again a second later",
        "100 100 100 100", ("3 venue-reject BTC sell limit near 106",),
        ("3 S2 PARTIALLY_FILLED", "3:01 place TP2 0.03 @ 106.0"),
        "PARTIALLY_FILLED", "0.5", "95 | 98x0.50 104x0.43 106x0.03 108x0.02 110x0.02",
    ),
)  # fmt: skip


def config_of(case: Case, folder: Path) -> Config:
    bars, last = ["start 2025-06-01T00:00:00Z bar 1m"], ""
    for close in case.closes.split():
        both = sorted((last or close, close), key=Decimal)
        bars.append(f"{last or close} {both[1]} {both[0]} {close}")
        last = close
    (folder / "bars").write_text("\n".join(bars) + "\n")
    acts = [act.partition(" ") for act in case.acts]
    (folder / "acts").write_text(
        "".join(f"2025-06-01T00:0{minute}Z {deed}\n" for minute, _, deed in acts)
    )
    return parse(case.job, "persons", folder, {})


def run(config: Config) -> tuple[SimulatedVenue, Ladder, list[str], list[Record]]:
    """Run to the feed's end from where the files were left."""
    accounts: dict[str, Account] = {
        name: with_book(begun) for name, begun in build_accounts(config).items()
    }
    book = Journal(config.controller.state)
    heard: list[str] = []
    voice = Voice(lambda _name, text, _ms: heard.append(text))
    desks, _ = app.open_desks(config, accounts, book, voice=voice)
    assert anyio.run(app.drive, config, desks)
    book.close()
    venue = accounts["paper"].venue
    venue.close()
    assert isinstance(venue, SimulatedVenue)
    assert venue.undone == []
    (kept,) = desks["paper"].keeper.kept.values()
    assert kept.parked == ""
    return venue, kept.ladder, heard, list(journal.read(config.controller.state))


def telling(records: list[Record]) -> Iterator[str]:
    """Say each record in a few words, with its minute of the hour; acceptances left out."""
    for record in records:
        minute, second = divmod(record.at_ms // 1_000 % 3_600, 60)
        at = f"{minute}:{second:02}" if second else f"{minute}"
        data = record.data
        order = mutation({"op": "set_stop", **data}).replace("stop_loss", "stop")
        match record.kind:
            case "person":
                name = mutation({**data, "op": "set_stop", "qty": None})
                yield f"{at} person {data['what']} {name}".removesuffix(" at market")
            case "external":
                yield f"{at} external {data['what']} {data['qty']} @ {data['price']}"
            case "transition":
                yield f"{at} {data['row']} {data['to']}"
            case "fill":
                yield f"{at} fill {order}"
            case "intent":
                yield f"{at} {mutation(data)}"
            case "outcome" if data["outcome"] != "accepted":
                yield f"{at} {data['outcome']} {data['reason']}"
            case "alert":
                yield f"{at} alert"
            case _:
                pass


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_act_when_others_do_it_then_is_told_and_the_books_end_as_the_venues(
    tmp_path: Path, case: Case
) -> None:
    venue, ladder, heard, records = run(config_of(case, tmp_path))
    begun = int(case.acts[0].partition(" ")[0])
    if case.told:
        told = list(telling([r for r in records if r.at_ms // 60_000 % 60 >= begun]))
        assert told == list(case.told)
    assert (ladder.state, ladder.held) == (case.state, Decimal(case.held))
    (book,) = venue.state.books
    assert book.net_qty == ladder.held + ladder.foreign_qty
    stop, _, waiting = case.rests.partition(" |")
    assert (None if book.stop is None else book.stop.px) == (None if stop == "-" else Decimal(stop))
    assert {(w.px, w.order.leaves_qty) for w in book.live.values() if w.order is not None} == {
        (Decimal(px), Decimal(qty))
        for px, _, qty in (each.partition("x") for each in waiting.split())
    }
    assert heard == [str(r.data["text"]) for r in records if r.kind == "alert"]
    outside = {"foreign_grown", "foreign_shrunk"} & {str(r.data.get("what")) for r in records}
    if not outside:
        assert venue.cash - BALANCE == ladder.cash - ladder.fees
    _, again, _, unchanged = run(config_of(case, tmp_path))
    assert (again, unchanged) == (ladder, records)
