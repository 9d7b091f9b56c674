"""The configuration reader: what it takes, and the one error that lists all that is wrong."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from controller.config import load
from exchanges.simulated import Oversell, PricePath, Product, Session
from machines.errors import InvalidSpec
from machines.spec import Anchor, EntrySpec, Price, Rounding, RoundingSpec
from machines.words import Direction, ExitStyle, Fees
from tests.controller.plans import ACCOUNT, PLAN, POSITION, changed, faults, read


def test_plan_when_sound_then_is_read_with_the_defaults() -> None:
    config = read(PLAN)
    (spec,) = config.positions
    assert (spec.name, spec.ladder, spec.account, spec.symbol) == ("btc-1",) * 2 + (
        "paper",
        "BTCUSDT",
    )
    assert spec.side is Direction.LONG
    assert spec.entries == (
        EntrySpec(Price(Decimal(104000)), Decimal("0.33")),
        EntrySpec(None, Decimal("0.34")),
    )
    assert spec.stop == Price(Decimal(101500))
    assert spec.targets[0] == Price(Decimal("0.01"), percent=True)
    assert sum(spec.shares) == 1
    assert spec.entry_ttl_ms == 24 * 3_600_000
    assert spec.be_slippage is None
    assert spec.be_gap == Decimal("0.002")


def test_account_when_little_is_said_then_has_the_defaults() -> None:
    account = read(PLAN).accounts["paper"]
    assert account.path is PricePath.ADAPTIVE
    assert (account.speed, account.slippage, account.fees) == (None, 0, Fees())
    assert account.poll_ms == 12_000


def test_ladder_when_given_then_stands_under_each_position() -> None:
    written = """
[ladder]
anchor = "average"
entry_ttl = "240m"
rounding = { exits = "nearest" }
be_gap = "0%"
shares = ["0.7", "30%"]
""" + PLAN.replace('["1%", "2%", "3%", "4%"]', '["1%", "2%"]')
    own = 'be_gap = "0.001"\nentry_ttl = "5m"\nrounding = { entries = "nearest" }\n'
    second = POSITION.replace("btc-1", "btc-2").replace('["1%", "2%", "3%", "4%"]', '["1%", "2%"]')
    first, other = read(written + second + own).positions
    assert first.anchor is other.anchor is Anchor.AVERAGE
    assert first.shares == other.shares == (Decimal("0.7"), Decimal("0.3"))
    assert (first.entry_ttl_ms, other.entry_ttl_ms) == (14_400_000, 300_000)
    assert (first.be_gap, other.be_gap) == (0, Decimal("0.001"))
    assert first.rounding == RoundingSpec(exits=Rounding.NEAREST)
    assert other.rounding == RoundingSpec(Rounding.NEAREST, Rounding.NEAREST)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("12s", 12_000), ("500ms", 500), ("5m", 300_000), ("1h", 3_600_000), ("2d", 172_800_000)],
)
def test_duration_when_written_with_its_unit_then_is_milliseconds(
    written: str, expected: int
) -> None:
    assert read(f'[controller]\npoll = "{written}"').controller.poll_ms == expected


def test_poll_when_bar_then_is_once_a_bar_for_every_account_without_its_own() -> None:
    config = read('[controller]\npoll = "bar"' + ACCOUNT)
    assert config.accounts["paper"].poll_ms is None
    config = read('[controller]\npoll = "bar"' + ACCOUNT + 'poll = "1s"')
    assert config.accounts["paper"].poll_ms == 1_000


def test_ratio_when_percent_or_fraction_then_is_the_same() -> None:
    for written in ("0.055%", "0.00055"):
        account = read(ACCOUNT + f'fees = {{ maker = "-0.01%", taker = "{written}" }}')
        assert account.accounts["paper"].fees == Fees(Decimal("-0.0001"), Decimal("0.00055"))


def test_not_before_when_utc_then_is_milliseconds() -> None:
    (spec,) = read(PLAN + 'not_before = "2025-06-02T00:00:00Z"').positions
    assert spec.not_before_ms == 1_748_822_400_000


def test_paths_when_relative_then_count_from_the_file(tmp_path: Path) -> None:
    config = read('[controller]\nstate = "a.db"' + ACCOUNT + 'book = "b.db"', base_dir=tmp_path)
    assert config.controller.state == tmp_path / "a.db"
    assert config.accounts["paper"].book == tmp_path / "b.db"


ONE_FAULT: list[tuple[str, str, str]] = [
    # what is written instead of, what is wrong, what the message says
    (
        'stop = "101500"',
        'stop = "101500"\nstpo = "1"',
        'positions[1].stpo = "1": unknown field; did you mean "stop"?',
    ),
    (
        'qty = "0.33"',
        "qty = 0.330",
        "positions[1].entries[1].qty = 0.330: numbers stand in quotes here, so that no digit is "
        'lost: "0.330"',
    ),
    (
        'qty = "0.33"',
        'qty = "0.0305"',
        'positions[1].entries[1].qty = "0.0305": not a multiple of the step of BTCUSDT, 0.001; '
        'nearest: "0.030", "0.031"',
    ),
    ('qty = "0.33"', 'qty = "0.001"', "below the least quantity of BTCUSDT, 0.002"),
    ('qty = "0.33"', 'qty = "-0.33"', "no sign is allowed here"),
    ('qty = "0.33"', 'qty = "0"', "it must be above zero"),
    ('price = "104000", qty = "0.33"', 'price = "1200", qty = "0.004"', "worth 4.8 at 1200, below"),
    ('price = "104000"', 'price = "-100%"', 'a percentage is above "-100%"'),
    ('price = "104000"', 'price = "makret"', 'like "-1.5%", or "market"'),
    ('"4%"]', "4.0]", "positions[1].targets[4] = 4.0: numbers stand in quotes"),
    (
        '"4%"]',
        '"-4%"]',
        'targets[4] = "-4%": on the wrong side; a long\'s targets lie above its entries (0%)',
    ),
    ('stop = "101500"', 'stop = "1.5%"', "the stop of a long lies below the entry"),
    ('stop = "101500"', 'stop = "0%"', "the stop of a long lies below the entry"),
    (', "4%"]', "]", "3 targets, but 4 shares (0.85, 0.05, 0.05, 0.05)"),
    ('["1%", "2%", "3%", "4%"]', '["1%"]\nshares = ["0.99"]', "they sum to 0.99; they must sum to"),
    ('["1%", "2%", "3%", "4%"]', '["1%"]\nshares = ["1", "0"]', 'a share is above "0"'),
    ('["1%", "2%", "3%", "4%"]', "[]\nshares = []", "0 targets; 1 to 8 are allowed"),
    (
        '"random-walk:7"',
        '"bars.csv"',
        'accounts.paper.feed.BTCUSDT = "bars.csv": there is no file bars.csv',
    ),
    ('symbol = "BTCUSDT"', 'symbol = "ETHUSDT"', "accounts.paper has neither instrument nor feed"),
    ('feed = { BTCUSDT = "random-walk:7" }', "", "instruments.BTCUSDT = { tick"),
    ('BTCUSDT = "random-walk:7"', 'X = "random-walk:7"', "no such instrument; accounts.paper.inst"),
    ('account = "paper"', 'account = "papr"', 'there is no [accounts.papr]; did you mean "paper"?'),
    ('side = "long"', 'side = "Long"', 'did you mean "long"?'),
    ('side = "long"\n', "\n", 'positions[1].side: missing; allowed: "long", "short"'),
    ('name = "btc-1"', 'name = "btc_1"', "a name is made of a-z, 0-9 and -"),
    ('name = "btc-1"', 'name = "btc-1-and-much-more-1"', "at most 20 characters; this has 21"),
    ("{ BTCUSDT = { tick", "{ BTCUSDT = { tik", 'did you mean "tick"?'),
]


@pytest.mark.parametrize(("old", "new", "message"), ONE_FAULT, ids=[new for _, new, _ in ONE_FAULT])
def test_plan_when_something_is_wrong_then_the_message_names_it(
    old: str, new: str, message: str
) -> None:
    found = faults(changed(old, new))
    assert any(message in fault for fault in found), found
    assert all(fault.startswith("job.toml: ") for fault in found)


@pytest.mark.parametrize(
    "number",
    [
        *("NaN", "nan", "inf", "-Infinity", "1e3", "1_000", "+ 1", " 1", "1 ", ".5", "5.", ""),
        *("0x10", "٣", "1,5", "½", "1" * 16, "0." + "1" * 13),
    ],
)
def test_quantity_when_no_plain_decimal_then_is_refused(number: str) -> None:
    (fault,) = faults(changed('qty = "0.33"', f'qty = "{number}"'))
    assert f'job.toml: btc-1: positions[1].entries[1].qty = "{number}": ' in fault
    assert "a plain decimal in quotes" in fault or "too long" in fault


def test_account_when_nothing_is_reduce_only_there_then_says_how_it_fills() -> None:
    written = (
        '"simulated"\nexits = "per-rung"\nfill_share = "0.5"\nslippage = "0.001"\n'
        'oversell = "short"\nproduct = "MIS"\nsession = "09:15-15:30 Asia/Kolkata"'
    )
    config = read(PLAN.replace('"simulated"', written) + "touch_slack = 5")
    account = config.accounts["paper"]
    assert (account.exits, account.product) == (ExitStyle.PER_RUNG, Product.MIS)
    assert (account.oversell, account.fill_share) == (Oversell.SHORT, Decimal("0.5"))
    assert account.session == Session(555, 930, "Asia/Kolkata")
    assert config.positions[0].touch_slack == 5


def test_session_when_not_written_like_one_then_says_how() -> None:
    (fault,) = faults(PLAN.replace('"simulated"', '"simulated"\nsession = "9-15"'))
    assert 'a session is written like "09:15-15:30 Asia/Kolkata"' in fault


def test_account_when_on_live_prices_then_goes_by_real_time() -> None:
    account = read(PLAN.replace('"random-walk:7"', '"live:bybit"')).accounts["paper"]
    assert (account.live_fed, account.real_time) == (True, True)
    assert not read(PLAN).accounts["paper"].real_time


def test_enhanced_switch_when_in_the_environment_then_it_has_the_last_word() -> None:
    written = "[controller]\nenhanced_tp_sl = false\n" + PLAN
    assert read(PLAN).controller.enhanced_tp_sl
    assert not read(written).controller.enhanced_tp_sl
    assert not read(PLAN, {"ENABLE_ENHANCED_TP_SL": "false"}).controller.enhanced_tp_sl
    assert read(written, {"ENABLE_ENHANCED_TP_SL": "true"}).controller.enhanced_tp_sl
    (fault,) = faults(PLAN, {"ENABLE_ENHANCED_TP_SL": "maybe"})
    assert "allowed: true, false" in fault


def test_names_when_equal_then_the_second_is_refused() -> None:
    (fault,) = faults(PLAN + POSITION)
    assert 'positions[2].name = "btc-1": positions[1] has this name already' in fault


def test_names_when_a_repeat_would_bear_one_then_it_is_refused() -> None:
    written = PLAN + 'repeat = "when-flat"' + POSITION.replace("btc-1", "btc-1-0001")
    (fault,) = faults(written)
    assert 'repeats of "btc-1" are named so' in fault


def test_short_when_its_signs_are_a_longs_then_each_is_named() -> None:
    written = changed('side = "long"', 'side = "short"').replace('"101500"', '"-1.5%"')
    found = faults(written)
    assert len(found) == 5
    assert "the stop of a short lies above the entry" in found[0]
    assert "on the wrong side; a short's targets lie below its entries (0%)" in found[1]


@pytest.mark.parametrize(
    ("side", "stop", "entries", "targets", "nearest"),
    [
        ("long", "-3%", ["-1%", "-2%"], ["-0.9%", "0%", "1%", "2%"], None),
        ("long", "-3%", ["-1%", "-2%"], ["-1%", "0%", "1%", "2%"], "above its entries (-1%)"),
        ("short", "3%", ["1%", "2%"], ["0.9%", "0%", "-1%", "-2%"], None),
        ("short", "3%", ["1%", "2%"], ["1.5%", "0%", "-1%", "-2%"], "below its entries (1%)"),
        ("short", "3%", ["1%", "market"], ["0%", "-1%", "-2%", "-3%"], "below its entries (0%)"),
    ],
)
def test_targets_when_in_percent_of_the_start_then_are_compared_with_the_entries(
    side: str, stop: str, entries: list[str], targets: list[str], nearest: str | None
) -> None:
    written = (
        PLAN.replace('side = "long"', f'side = "{side}"')
        .replace('"101500"', f'"{stop}"')
        .replace('"104000"', f'"{entries[0]}"')
        .replace('"market"', f'"{entries[1]}"')
        .replace('["1%", "2%", "3%", "4%"]', str(targets).replace("'", '"'))
    )
    if nearest is None:
        assert len(read(written).positions) == 1
        written += 'anchor = "average"\n'
        nearest = f"{'above' if side == 'long' else 'below'} the average entry"
    assert nearest in faults(written)[0]
    assert "positions[1].targets[1] = " in faults(written)[0]


def test_file_when_much_is_wrong_then_one_error_lists_all() -> None:
    found = faults(
        """
stop = "1"
[controler]
[controller]
poll = "12"
cycle = "1s"
[accounts.paper]
venue = "simulated"
balance = 100_000
instruments = { BTCUSDT = { tick = "0.1", step = "1e-3", min_qty = "1" } }
[ladder]
max_qty = "0.5"
targets = ["1%"]
[[positions]]
acount = "paper"
"""
    )
    for path in (
        "stop",
        "controler",
        "controller.poll",
        "controller.cycle",
        "accounts.paper.balance",
        "accounts.paper.instruments.BTCUSDT.step",
        "ladder.max_qty",
        "ladder.targets",
        "positions[1].name",
        "positions[1].account",
        "positions[1].symbol",
        "positions[1].side",
        "positions[1].entries",
        "positions[1].stop",
        "positions[1].targets",
        "positions[1].acount",
    ):
        assert [fault for fault in found if f"job.toml: {path}" in fault], path
    assert len(found) == 17  # and BTCUSDT has no feed


def test_ladder_when_it_holds_a_positions_field_then_the_message_says_where_it_belongs() -> None:
    (fault,) = faults('[ladder]\nstop = "-1%"')
    assert "it belongs in [[positions]]" in fault


@pytest.mark.parametrize(
    "written",
    [
        *("accounts = 1", "accounts = { a = 1 }", "positions = 1", "positions = [1]"),
        *('[positions]\nname = "a"', "rules = 1", "rules = { a = 1 }", "ladder = []"),
        *("[ladder]\nrounding = 1", "[ladder]\nshares = 1", "[ladder]\nshares = [[1]]"),
        *("[ladder]\nrules = 1", "[ladder]\nmirrors = 1", "[ladder]\nstep_stop = 1"),
        *("[ladder]\ntouch_slack = true", '[ladder]\ntouch_slack = "2"'),
        *("[controller]\nstate = 1", "[controller]\npoll = 12"),
    ],
)
def test_value_when_of_another_type_then_is_refused(written: str) -> None:
    (fault,) = faults(written)
    assert "expected" in fault


def test_rules_when_some_are_listed_then_only_those_look_after_the_position() -> None:
    listed = 'rules = ["PARTIAL_PROFIT_BOOKING_50%", "TRAILING_STOP"]'
    config = read(PLAN + listed + '\n[rules.TRAILING_STOP]\nprofit = "5%"')
    assert config.positions[0].rules == ("PARTIAL_PROFIT_BOOKING_50", "TRAILING_STOP")
    assert config.rules.trail.profit == Decimal("0.05")
    assert read(PLAN).positions[0].rules is True
    (fault,) = faults(PLAN + 'rules = ["TRAILING_STP"]')
    assert 'no rule "TRAILING_STP"; did you mean "TRAILING_STOP"?' in fault


def test_rules_when_switched_off_then_are_read() -> None:
    config = read(PLAN + "rules = []\n[rules.TRAILING_STOP]\nenabled = false")
    assert config.positions[0].rules is False
    (fault,) = faults(PLAN + "[rules.TRAILING_STP]\nenabled = false")
    assert 'did you mean "TRAILING_STOP"?' in fault


@pytest.mark.parametrize(
    ("asked", "on"),
    [
        ("", False), ("rules = true", True), ("rules = false", False), ("rules = []", False),
        ('rules = ["FULL_EXIT"]', True), ("\n[rules]", True), ("\n[ladder]\nrules = true", True),
    ],
)  # fmt: skip
def test_rules_when_nobody_asks_for_them_then_none_runs(asked: str, on: bool) -> None:
    assert read(PLAN + asked).rules_on is on


FILES: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: None, "there is no such file"),
    (lambda path: path.mkdir(), "this is a folder"),
    (lambda path: path.write_bytes(b"a = 1\nb = \xff"), "byte 0xff at line 2, column 5"),
    (lambda path: path.write_text("a = 1\nb = [1,\nc"), "not TOML: Invalid value (at line 3"),
    (lambda path: path.write_text("a = " + "1" * 5_000), "not TOML"),
    (lambda path: path.write_text("a = " + "[" * 5_000), "nested too deep"),
]


@pytest.mark.parametrize(("make", "message"), FILES, ids=[message for _, message in FILES])
def test_file_when_it_cannot_be_read_then_the_message_says_why(
    tmp_path: Path, make: Callable[[Path], object], message: str
) -> None:
    path = tmp_path / "job.toml"
    make(path)
    with pytest.raises(InvalidSpec) as caught:
        load(path)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{path}: ")
    assert message in fault


def test_file_when_it_begins_with_a_byte_order_mark_then_is_read(tmp_path: Path) -> None:
    path = tmp_path / "job.toml"
    path.write_text(PLAN, encoding="utf-8-sig")
    assert load(path, {}).base_dir == tmp_path
