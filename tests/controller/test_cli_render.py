"""What the terminal shows: figures, marks, tables that fit."""

from decimal import Decimal

import pytest
from rich.console import Console
from rich.table import Table

from controller.cmd_history import as_line
from controller.journal import Record
from controller.render import PositionRow, live_table, marks, money, short, summary_table
from controller.screen import ENDINGS
from machines.ladder import State
from machines.position import ROWS


def row(name: str = "btc-1", **changed: object) -> PositionRow:
    fields: dict[str, object] = {
        "name": name,
        "account": "paper",
        "symbol": "BTCUSDT",
        "side": "long",
        "state": "STOP_AT_BREAK_EVEN",
        "held": Decimal("0.0450"),
        "planned": Decimal("0.300"),
        "entered": Decimal("0.300"),
        "avg_px": Decimal("103903.3333333333333333333333"),
        "stop_px": Decimal("104129.10"),
        "break_even": None,
        "rungs": ((True, False), (False, True), (False, False)),
        "realised": Decimal("242.0865"),
        "fees": Decimal("0.0033"),
        "last_event": "T3 rung_hit",
        "reason": "stopped at break-even",
    }
    return PositionRow(**(fields | changed))  # pyright: ignore[reportArgumentType] — by name


def lines(table: Table, width: int = 200) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *[("0.0450", "0.045"), ("100", "100"), ("1000000", "1000000"), ("-0.0", "0")],
        *[("103903.33333333333", "103903.333333"), ("0.000000012", "0.000000012")],
    ],
)
def test_short_when_given_a_number_then_is_plain_without_idle_digits(
    value: str, expected: str
) -> None:
    assert short(Decimal(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("242.0865", "242.09"), ("-1", "-1.00"), ("0", "0.00"), ("0.00331", "0.0033")],
)
def test_money_when_small_then_keeps_two_digits(value: str, expected: str) -> None:
    assert money(Decimal(value)) == expected


def test_marks_when_hit_open_and_off_then_differ() -> None:
    assert marks([(True, False), (False, False), (False, True)]) == "●○·"


def test_live_table_when_some_are_closed_then_they_come_last() -> None:
    shown = lines(live_table([row("a", state="CLOSED"), row("b")], caption="2025-06-01 16:11:00"))
    assert shown[2].startswith("b ")
    assert "0.045/0.3  103903.333333  104129.1           -  ●·○" in shown[2]
    assert shown[3].startswith("a ")
    assert shown[4] == "2025-06-01 16:11:00"


def test_live_table_when_there_are_many_then_counts_the_rest() -> None:
    shown = lines(live_table([row(f"p-{n}") for n in range(100)]))
    assert shown[-1] == "… 60 more"


def test_summary_when_one_account_then_has_one_total() -> None:
    shown = lines(summary_table([row("a"), row("b", realised=Decimal(-100))]))
    assert shown[-1].split() == ["total", "142.09", "0.0066", "142.08", "2", "positions"]


def test_summary_when_two_accounts_then_never_adds_their_currencies() -> None:
    shown = lines(summary_table([row("a"), row("b", account="nse")]))
    assert [line.split()[:2] for line in shown[-2:]] == [["total", "nse"], ["total", "paper"]]


def test_summary_when_empty_then_is_only_a_head() -> None:
    assert lines(summary_table([]))[0].startswith("position  side")


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_tables_when_the_terminal_is_narrow_then_leave_out_what_matters_least(width: int) -> None:
    for table in (live_table([row()], width=width), summary_table([row()], width=width)):
        shown = lines(table, width)
        assert all(len(line) <= width for line in shown)
        assert "…" not in "".join(shown)
        assert "STOP_AT_BREAK_EVEN" in shown[2]
        assert "●·○" in shown[2]


def record(kind: str, **data: object) -> Record:
    return Record(1, 1_748_794_260_000, "paper", "btc-1", "btc-1", kind, data)


STOP = {"op": "set_stop", "role": "stop_loss", "qty": "0.045", "trigger_px": "104129.1"}
CANCEL = {"op": "cancel", "role": "entry", "n": 3}
T2 = {"row": "T2", "trigger": "rung_hit", "from": "FULLY_FILLED", "to": "TP1_HIT"}
EXIT = {"op": "place", "role": "exit", "type": "market", "qty": "0.1"}


BOOK = {"decision": "book", "by": "TIER", "reason": "booking 50%: sell 50"}


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (
            record("transition", **T2, mutations=[STOP, CANCEL]),
            "T2       rung_hit  FULLY_FILLED → TP1_HIT   stop 0.045 @ 104129.1; cancel entry 3",
        ),
        (
            record("transition", **T2, mutations=[], reason="end_of_feed"),
            "T2       rung_hit  FULLY_FILLED → TP1_HIT   (end_of_feed)",
        ),
        (
            record("transition", **(T2 | {"row": "T3", "from": "TP1_HIT"}), mutations=[]),
            "T3       rung_hit  in TP1_HIT",
        ),
        (record("intent", **EXIT, repair=True), "intent   place exit 0.1 at market (it did not "
         "rest yet)"),
        (
            record("outcome", **STOP, outcome="refused", reason="behind_market", text="too late"),
            "outcome  stop 0.045 @ 104129.1: refused: behind_market: too late",
        ),
        (
            record("decision", **BOOK, state="QUEUED", fraction="0.50"),
            "decision  QUEUED book 50% by TIER   (booking 50%: sell 50)",
        ),
        (
            record("decision", **BOOK, state="DONE", fraction="0.50", px="104", filled="50"),
            "decision  DONE book 50% by TIER: 50 @ 104",
        ),
        (
            record("decision", decision="move_stop", by="person", reason="", state="REFUSED",
                   price="99", why="behind_market"),
            "decision  REFUSED move_stop 99 by person: behind_market",
        ),
        (record("alert", row="S2", text="a rung was refused"), "alert    S2 a rung was refused"),
        (record("funding", amount="1.2", n=3), "funding  amount=1.2  n=3"),
    ],
    ids=["transition", "reason", "same state", "intent", "outcome", "queued", "done", "refused",
         "alert", "unknown"],
)  # fmt: skip
def test_history_when_a_record_is_shown_then_reads_as_a_sentence(
    shown: Record, expected: str
) -> None:
    assert as_line(shown) == f"2025-06-01 16:11:00 btc-1       {expected}"


def test_summary_when_any_row_has_led_to_the_end_then_says_so_in_words() -> None:
    last = {row.label for row in ROWS if row.target in (State.CLOSING, State.CLOSED)}
    assert last - {"C1"} == set(ENDINGS)
