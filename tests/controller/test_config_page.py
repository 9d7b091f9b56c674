"""The specification's page of configuration: read as it stands, then with every value spoilt."""

import re
from pathlib import Path

import pytest

from controller.config import parse
from controller.config_accounts import AccountSettings
from controller.rules.settings import NAMES, RuleSettings, UserRule
from machines.errors import InvalidSpec

# Every key there is, at the values that the specification shows.
PAGE = """
[controller]
state = "rungkeeper.db"
poll = "12s"
cycle = "12s"
enhanced_tp_sl = true
socket = "rungkeeper.sock"
at_end = "leave"

[accounts.paper]
venue = "simulated"
exits = "pooled"
oversell = "refuse"
slots = "one-way"
feed = { BTCUSDT = "BTCUSDT-1m.csv.gz" }
path = "adaptive"
speed = "max"
fill_share = "1"
slippage = "0"
balance = "100000"
instruments = { BTCUSDT = { tick = "0.10", step = "0.001", min_qty = "0.001", min_notional = "5" } }
fees = { maker = "0.0002", taker = "0.00055" }
product = "CNC"
book = "rungkeeper.venue.db"

[rules.PARTIAL_PROFIT_BOOKING_50]
enabled = true
profit = "15%"
age = "30m"
[rules.mine]
function = "my_rules:book_before_news"

[ladder]
shares = ["0.85", "0.05", "0.05", "0.05"]
anchor = "start"
rounding = { entries = "favourable", exits = "favourable" }
break_even = "remainder"
be_slippage = "0.05%"
be_gap = "0.2%"
when_break_even_is_behind = "exit"
late_entry = "exit"
entry_ttl = "24h"
cancel_if_missed = false
step_stop = false
when_busy = "refuse"
naked_policy = "close"
external_growth = "merge"
max_qty = "1.25"
max_scalings = 1
scale_after_tp1 = false
touch_slack = 2
rules = true
mirrors = []
follow_close = true

[[positions]]
name = "btc-1"
account = "paper"
symbol = "BTCUSDT"
side = "long"
entries = [ { price = "104000", qty = "0.33" }, { price = "103500", qty = "0.33" }, { price = "market", qty = "0.34" } ]
stop = "101500"
targets = ["105000", "106000", "107000", "108000"]
not_before = "2025-06-02T00:00:00Z"
repeat = "when-flat"
"""  # noqa: E501 — the page as it stands
VALUE = re.compile(r"= (\"[^\"]*\"|\[.*\]|true|false|\d+)(?=[ ,\n])")
JUNK = (
    *("0", "1", "-1", "1.5", "nan", "-inf", "1e400", "true", "false", "[]", "[[]]", "[1]", "{}"),
    *('""', '" "', '"x"', '"-1"', '"1%"', '"1e3"', '"NaN"', '"1s"', '"%"', '"$"', '"${"', '":"'),
    *(r'"\u0000"', r'"\u001b[31m"', "1979-05-27", "07:32:00", "['a', 1, {}]", "{ a = 1 }"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "BTCUSDT-1m.csv.gz").touch()
    (tmp_path / "my_rules.py").touch()
    return tmp_path


def test_page_when_it_stands_as_specified_then_is_read(folder: Path) -> None:
    config = parse(PAGE, "page.toml", folder, {})
    assert config.rules.enabled == (*NAMES, "mine")
    assert config.rules == RuleSettings(
        user=(UserRule(name="mine", function="my_rules:book_before_news"),)
    )
    (spec,) = config.positions
    assert (spec.planned_qty, spec.repeat, spec.rules) == (1, "when-flat", True)
    settings = config.accounts["paper"]
    defaults = AccountSettings(name="paper")
    for field in ("exits", "oversell", "slots", "path", "speed", "fill_share", "product"):
        assert getattr(settings, field) == getattr(defaults, field)


def faults(written: str, folder: Path) -> list[str]:
    """Read it; anything but faults that are said escapes."""
    try:
        parse(written, "page.toml", folder, {})
    except InvalidSpec as error:
        return error.faults or ["an error without a fault"]
    return []


@pytest.mark.parametrize("junk", JUNK)
def test_page_when_a_value_is_spoilt_then_is_read_or_its_fault_is_named(
    folder: Path, junk: str
) -> None:
    for found in VALUE.finditer(PAGE):
        spoilt = PAGE[: found.start(1)] + junk + PAGE[found.end(1) :]
        for fault in faults(spoilt, folder):
            assert fault.startswith("page.toml: ")
            assert fault.isprintable()


def test_page_when_any_line_is_missing_then_is_read_or_its_fault_is_named(folder: Path) -> None:
    lines = PAGE.splitlines(keepends=True)
    for n in range(len(lines)):
        for fault in faults("".join(lines[:n] + lines[n + 1 :]), folder):
            assert fault.startswith("page.toml: ")
