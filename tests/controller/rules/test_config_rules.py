"""The rules' sections: SPEC's defaults, what may be changed, and what is refused with a reason."""

import tomllib
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest
from msgspec.structs import replace

from controller.config_rules import read_rules
from controller.config_table import Faults, Table
from controller.config_values import Unquoted
from controller.rules.settings import (
    BOOK_50,
    EXIT,
    NAMES,
    TRAIL,
    Behind,
    BookSettings,
    ExitSettings,
    RuleSettings,
    UserRule,
)

HOUR_MS = 3_600_000


def read(written: str, folder: Path = Path()) -> tuple[RuleSettings, list[str]]:
    faults = Faults("job.toml")
    raw = cast(dict[str, object], tomllib.loads(written, parse_float=Unquoted))
    top = Table(raw, "", faults)
    return read_rules(top.table("rules"), folder), faults.found


def sound(written: str, folder: Path = Path()) -> RuleSettings:
    rules, faults = read(written, folder)
    assert faults == []
    return rules


def test_rules_when_nothing_is_said_then_have_the_specified_defaults() -> None:
    rules = sound("")
    assert rules == RuleSettings()
    assert rules.enabled == rules.names == NAMES
    lower, higher = rules.book_50, rules.book_75
    assert (lower.profit, lower.age_ms, lower.book) == (
        Decimal("0.15"),
        HOUR_MS / 2,
        Decimal("0.5"),
    )
    assert (higher.profit, higher.age_ms, higher.book) == (Decimal("0.25"), 0, Decimal("0.75"))
    scale = rules.scale
    percents = (scale.profit, scale.change, scale.add)
    assert percents == (Decimal("0.05"), Decimal("0.01"), Decimal("0.25"))
    assert (scale.volume, rules.lock.profit, rules.lock.lock) == (
        *(2, Decimal("0.10"), Decimal("0.02")),
    )
    tighten, volatility, trail = rules.tighten, rules.volatility, rules.trail
    assert (tighten.age_ms, tighten.every_ms, tighten.steps) == (4 * HOUR_MS, HOUR_MS, 4)
    assert (volatility.ratio, volatility.atr, volatility.sessions) == (Decimal("1.5"), 3, 20)
    assert (trail.profit, trail.rung, trail.atr) == (Decimal("0.10"), 2, 3)
    assert (trail.behind, trail.distance) == (Behind.ATR, Decimal("0.02"))
    assert rules.exit.max_age_ms is None


def test_rule_when_thresholds_are_given_then_others_keep_their_defaults() -> None:
    rules = sound(
        f'[rules.{BOOK_50}]\nprofit = "1.5%"\nage = "5m"\n'
        f'[rules.{TRAIL}]\nbehind = "rung"\nenabled = false\n'
        f'[rules.{EXIT}]\nmax_age = "2d"'
    )
    assert rules.book_50 == BookSettings(
        profit=Decimal("0.015"), age_ms=300_000, book=Decimal("0.50")
    )
    assert rules.trail == replace(RuleSettings().trail, behind=Behind.RUNG, enabled=False)
    assert rules.exit == ExitSettings(max_age_ms=48 * HOUR_MS)
    assert rules.enabled == tuple(name for name in NAMES if name != TRAIL)


def test_rule_of_the_users_own_when_its_file_is_there_then_may_be_listed(tmp_path: Path) -> None:
    (tmp_path / "my_rules.py").touch()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "more.py").touch()
    rules = sound(
        '[rules.mine]\nfunction = "my_rules:f"\n'
        '[rules.other]\nfunction = "deeper.more:g"\nenabled = false',
        tmp_path,
    )
    assert rules.user == (
        UserRule(name="mine", function="my_rules:f"),
        UserRule(name="other", function="deeper.more:g", enabled=False),
    )
    assert rules.names == (*NAMES, "mine", "other")
    assert rules.enabled == (*NAMES, "mine")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("TRAILING_STP]", 'no "function" makes it your own; did you mean "TRAILING_STOP"?'),
        (f"{BOOK_50}]\nprofits = '1%'", 'unknown field; did you mean "profit"?'),
        (
            f"{BOOK_50}]\nprofit = 0.15",
            'numbers stand in quotes here, so that no digit is lost: "0',
        ),
        (f"{BOOK_50}]\nprofit = '0%'", 'above "0" is expected; "15%" is percent'),
        (f"{BOOK_50}]\nprofit = '15'", 'below "10" (1000%) is expected; "15%" is percent'),
        (f"{BOOK_50}]\nprofit = '-15%'", "no sign is allowed here"),
        (f"{BOOK_50}]\nbook = '120%'", 'a share is above "0" and at most "1"'),
        (f"{BOOK_50}]\nage = 30", "a duration is expected"),
        (f"{BOOK_50}]\nenabled = 'no'", "true or false is expected, without quotes"),
        (f"{BOOK_50}]\nfunction = 'a:b'", "this rule is Rungkeeper's own; give yours another name"),
        ("POSITION_SCALING_MOMENTUM]\nmax_scalings = 2", "it belongs in [ladder]"),
        ("STOP_LOSS_ADJUSTMENT]\nlock = '10%'", "the stop, at 10%, would not lie below the profit"),
        ("STOP_LOSS_ADJUSTMENT]\nprofit = '1%'", "the stop, at 2%, would not lie below the profit"),
        ("TIME_BASED_TIGHTENING]\nsteps = 0", "allowed: 1 to 100"),
        ("VOLATILITY_ADJUSTMENT]\nsessions = 251", "allowed: 1 to 250"),
        ("TRAILING_STOP]\nbehind = 'tick'", 'allowed: "atr", "percent", "rung"'),
        ("mine]\nfunction = 'f'", 'a function is named "module:function"'),
        ("mine]\nfunction = 'my_rules:f'", "there is no file my_rules.py; a module counts from"),
        ("mine]\nfunction = '../my_rules:f'", 'a function is named "module:function"'),
        ("mine]\nfunction = 'config:f'\nprofit = '1%'", "unknown field"),
        (
            "'my rule']\nfunction = 'a:b'",
            "a rule's name is made of A-Z, a-z, 0-9 and _, at most 40",
        ),
    ],
)
def test_rule_when_something_is_wrong_then_the_fault_says_what_is_allowed(
    written: str, expected: str
) -> None:
    _, faults = read(f"[rules.{written}")
    assert any(expected in fault for fault in faults), faults


def test_rules_when_no_table_then_is_one_fault() -> None:
    _, faults = read("rules = 1")
    assert faults == ["job.toml: rules = 1: a table is expected, like { … } or a section in "
                      "[brackets]"]  # fmt: skip
    _, faults = read(f"[rules]\n{BOOK_50} = 1\nmine = 2")
    assert len(faults) == 2
