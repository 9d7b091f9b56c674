"""Rules of the user's own: one that misbehaves is told of by name, and the others go on."""

import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from textwrap import dedent

import pytest

from controller.rules import guests
from controller.rules.engine import Engine
from controller.rules.guests import MOST_FAILURES
from controller.rules.settings import BOOK_75, RuleSettings, UserRule
from controller.rules.views import PositionView, remember_filled
from machines.decision import Kind
from tests.controller.rules.positions import trading

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
MS = 1_000_000


def rules_in(folder: Path, *functions: str, file: str = "mine") -> RuleSettings:
    """Settings with a rule for each function of a file of the folder."""
    user = tuple(UserRule(name=name, function=f"{file}:{name}") for name in functions)
    return RuleSettings(user=user)


def write(folder: Path, body: str) -> None:
    head = "from decimal import Decimal\nfrom controller.rules.proposals import *\n"
    (folder / "mine.py").write_text(head + dedent(body))


def ticking(*steps_ms: float) -> Callable[[], int]:
    """A timer that says how long each call took, one after the other; then nothing takes time."""
    now, reads = 0, 0
    left = list(steps_ms)

    def read() -> int:
        nonlocal now, reads
        reads += 1
        if reads % 2 == 0 and left:
            now += int(left.pop(0) * MS)
        return now

    return read


def view_at(percent: str) -> PositionView:
    with trading(rules=True) as trader:
        return trader.see(percent).view


BAD = {
    "raises": ("return 1 / 0", "ZeroDivisionError: division by zero (raises, line 4)"),
    "leaves": ("raise SystemExit(3)", "asked the controller to end"),
    "floats": ("return book(0.5, '')", "TypeError: 0.5: a Decimal is expected"),
    "books_all_twice": ("return book(Decimal(2), '')", "ValueError: book 2: above 0 and at most 1"),
    "sets_no_stop": (
        "return move_stop(Decimal('NaN'), '')",
        "ValueError: NaN: a number is expected",
    ),
    "stops_at_zero": ("return move_stop(Decimal(0), '')", "ValueError: stop 0: a price above 0"),
    "says": ("return 'sell'", "returned str: a Proposal or None is expected"),
    "writes": ("view.held = 0", "AttributeError: immutable type: 'PositionView' (writes, line 4)"),
    "endless": ("return endless(view)", "RecursionError"),
}


@pytest.mark.parametrize("name", BAD)
def test_rule_when_it_fails_then_is_named_and_the_others_go_on(name: str, tmp_path: Path) -> None:
    body, expected = BAD[name]
    write(tmp_path, f"def {name}(view):\n    {body}\ndef good(view):\n"
                    "    return book(Decimal('0.1'), 'a tenth')\n")  # fmt: skip
    engine = Engine(rules_in(tmp_path, name, "good"), tmp_path, lambda: 0)
    assert engine.alerts == []
    done = engine.evaluate(view_at("1"))
    assert [proposal.rule for proposal in done.proposals] == ["good"]
    (alert,) = done.alerts
    assert alert.startswith(f"rule {name}: kotak: {expected}")
    assert "\n" not in alert
    assert len(alert) < 260


def test_rule_when_it_fails_again_and_again_then_is_told_of_twice_and_off(tmp_path: Path) -> None:
    write(tmp_path, "calls = []\ndef bad(view):\n    calls.append(1)\n    return calls.x\n")
    engine = Engine(rules_in(tmp_path, "bad"), tmp_path, lambda: 0)
    told = [engine.evaluate(view_at("1")).alerts for _ in range(6)]
    assert [len(alerts) for alerts in told] == [1, 0, 1, 0, 0, 0]
    assert told[2][0].startswith(f"rule bad: {MOST_FAILURES} failures in a row, it is off: ")


def test_rule_when_it_answers_between_failures_then_stays_on(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        def wavers(view):
            return book(Decimal("0.1"), "") if view.profit > 0 else view.nothing
        """,
    )
    engine = Engine(rules_in(tmp_path, "wavers"), tmp_path, lambda: 0)
    for _ in range(4):
        assert engine.evaluate(view_at("-1")).alerts != ()
        assert engine.evaluate(view_at("-1")).alerts == ()
        assert len(engine.evaluate(view_at("1")).proposals) == 1


def test_rule_when_slower_than_fifty_ms_then_is_told_of_and_in_the_end_off(tmp_path: Path) -> None:
    write(tmp_path, "def slow(view):\n    return book(Decimal('0.1'), '')\n")
    timer = ticking(50, 51, 70, 50, 60, 61, 62)
    engine = Engine(rules_in(tmp_path, "slow"), tmp_path, timer)
    done = [engine.evaluate(view_at("1")) for _ in range(9)]
    assert [one.alerts for one in done] == [
        (),
        ("rule slow: kotak: took 51 ms: at most 50 are expected",),
        (),
        (),
        ("rule slow: kotak: took 60 ms: at most 50 are expected",),
        (),
        ("rule slow: 3 failures in a row, it is off: took 62 ms: at most 50 are expected",),
        (),
        (),
    ]
    # What it said late is as true as what it said in time.
    assert [len(one.proposals) for one in done] == [1] * 7 + [0] * 2


def test_rule_when_it_never_returns_then_is_off_at_once_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guests, "LONGEST_S", 0.01)
    write(tmp_path, "import threading\nend = threading.Event()\n"
                    "def hangs(view):\n    end.wait()\n"
                    "def good(view):\n    return book(Decimal('0.1'), 'a tenth')\n")  # fmt: skip
    engine = Engine(rules_in(tmp_path, "hangs", "good"), tmp_path, lambda: 0)
    done = [engine.evaluate(view_at("1")) for _ in range(2)]
    sys.modules["rungkeeper_user_rules.mine"].end.set()
    assert [[one.rule for one in each.proposals] for each in done] == [["good"], ["good"]]
    assert [each.alerts for each in done] == [
        ("rule hangs: it is off: did not return within 0.01 s",),
        (),
    ]


@pytest.mark.parametrize(
    ("written", "function", "expected"),
    [
        ("def f(view:\n", "f", "SyntaxError"),
        ("import nothing_of_that_name", "f", "ModuleNotFoundError: No module named"),
        ("raise SystemExit", "f", "asked the controller to end"),
        ("f = 1", "f", "has no function f"),
        ("", "f", "has no function f"),
    ],
)
def test_file_when_it_cannot_be_read_then_its_rule_is_named_and_the_others_go_on(
    written: str, function: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "mine.py").write_text(written)
    engine = Engine(rules_in(tmp_path, function), tmp_path, lambda: 0)
    (alert,) = engine.alerts
    assert alert.startswith("rule f: mine:f cannot be read: ")
    assert expected in alert
    assert [one.rule for one in engine.evaluate(view_at("26")).proposals][:1] == [BOOK_75]


def test_file_when_it_has_gone_then_its_rule_is_named(tmp_path: Path) -> None:
    engine = Engine(rules_in(tmp_path, "f"), tmp_path, lambda: 0)
    (alert,) = engine.alerts
    assert "FileNotFoundError" in alert


def test_stop_of_a_rule_when_it_loosens_or_is_too_near_then_is_dropped(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        def looser(view):
            return move_stop(view.stop_px - 10, "")
        def near(view):
            return move_stop(view.exit_px * Decimal("0.998"), "")
        def off_tick(view):
            return move_stop(Decimal("1790.01"), "")
        """,
    )
    engine = Engine(rules_in(tmp_path, "looser", "near", "off_tick"), tmp_path, lambda: 0)
    done = engine.evaluate(view_at("1"))
    assert [(one.rule, one.price) for one in done.proposals] == [("off_tick", Decimal("1790.05"))]


def test_booking_of_a_rule_when_it_has_filled_then_is_spent(tmp_path: Path) -> None:
    write(tmp_path, "def third(view):\n    return book(Decimal('0.33'), 'a third')\n")
    with trading(settings=rules_in(tmp_path, "third"), folder=tmp_path) as trader:
        assert trader.see("1").fires == ["third"]
        trader.memory = remember_filled(trader.memory, "third", Kind.BOOK, "d1")
        assert trader.fires == []


def test_rule_when_it_scales_in_or_leaves_then_is_held_to_what_every_rule_is(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        """
        def adds(view):
            return scale_in(Decimal("0.1"), "") if view.profit > 0 else leave("enough")
        """,
    )
    with trading(settings=rules_in(tmp_path, "adds"), folder=tmp_path) as trader:
        assert [one.kind for one in trader.see("1").evaluate().proposals] == [Kind.SCALE_IN]
        trader.memory = remember_filled(trader.memory, "adds", Kind.SCALE_IN, "d1")
        assert trader.fires == []  # max_scalings is one, whoever scales
        assert [one.kind for one in trader.see("-1").evaluate().proposals] == [Kind.EXIT]


def test_rule_when_it_asks_for_what_no_rule_may_then_is_told_of(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        from machines.decision import Kind, Priority
        def lets_go(view):
            return Proposal(Kind.RELEASE, "", Priority.IMMEDIATE)
        """,
    )
    engine = Engine(rules_in(tmp_path, "lets_go"), tmp_path, lambda: 0)
    (alert,) = engine.evaluate(view_at("1")).alerts
    assert "ValueError: release: no rule decides that" in alert


def test_rule_when_switched_off_then_is_not_even_read(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise ValueError")
    off = UserRule(name="f", function="mine:f", enabled=False)
    engine = Engine(RuleSettings(user=(off,)), tmp_path, lambda: 0)
    assert engine.alerts == []
    assert engine.evaluate(view_at("1")).proposals == ()


def test_example_when_the_news_are_ten_minutes_away_then_books_a_third_once() -> None:
    rule = UserRule(name="news", function="my_rules:book_before_news")
    with trading(settings=RuleSettings(user=(rule,)), folder=EXAMPLES) as trader:
        trader.see("0.2").move(hours=8, minutes=35)  # 03:45 + 08:35 = 12:20
        assert trader.move(milliseconds=-1).fires == []
        assert trader.move(milliseconds=1).fires == ["news"]
        assert trader.see("0.19").fires == []
        assert trader.see("0.2").move(minutes=10).fires == []
