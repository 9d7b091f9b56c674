"""Acts written down beforehand: how they are read, when they happen, that they happen once."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from exchanges.errors import VenueFileError
from exchanges.feeds import script
from exchanges.simulated import Act, Deed, Faults, FaultyVenue, SimulatedVenue
from exchanges.simulated.acts import parse, read
from machines.errors import InvalidSpec
from machines.words import OrderType, Refusal, Side
from tests.exchanges.desk import BUY, SYMBOL, Desk, settings
from tests.exchanges.venue_files import CALM, MINUTE_MS, START_MS, WILD, entries, image, tree


def desk_with(acts: Sequence[Act] | str, path: Path | None = None, bars: str = WILD) -> Desk:
    """Open a desk at which acts will happen."""
    desk = Desk(bars)
    feeds = {SYMBOL: script.parse(bars, SYMBOL)}
    if isinstance(acts, str):
        acts = parse(acts)
    desk.venue = SimulatedVenue.open(settings(), feeds, path, acts=acts)
    return desk


def at(minute: int, seconds: int = 0) -> str:
    return f"2025-01-01T00:{minute:02}:{seconds:02}Z"


# ------------------------------------------------------------------------------------ reading


WRITTEN = """
# TIME              WHAT
2025-06-01T10:00Z   cancel id abc-1
2025-06-01T10:00Z   cancel BTCUSDT/btc-1 sell limit near 105000
2025-06-01T10:00Z   move BTCUSDT sell stop_market nth 2 price 101500.5   # trigger
2025-06-01T10:00Z   move id abc-2 price 105500 qty 0.2
2025-06-01T10:00Z   stop BTCUSDT/long 101000
2025-06-01T10:00Z   stop BTCUSDT none
2025-06-01T10:00Z   buy BTCUSDT 0.1
2025-06-01T10:00Z   adl BTCUSDT 0.3
2025-06-01T10:00Z   close BTCUSDT
2025-06-01T10:00Z   liquidate BTCUSDT
2025-06-01T10:00Z   venue-cancel id abc-1 too_small
2025-06-01T10:00Z   venue-reject id abc-1
2025-06-01T09:00Z   venue-expire BTCUSDT buy limit nth 1
"""


def test_acts_when_read_then_are_these() -> None:
    acts = parse(WRITTEN)
    at_ms = 1_748_772_000_000
    assert {act.at_ms for act in acts[1:]} == {at_ms}
    assert acts[0] == Act(
        *(Deed.VENUE_EXPIRE, SYMBOL, "", "", Side.BUY, OrderType.LIMIT), at_ms=at_ms - 3_600_000
    )
    sell = {"slot": "btc-1", "side": Side.SELL, "type": OrderType.LIMIT, "near": Decimal(105_000)}
    expected = [
        (Deed.CANCEL, {"client_order_id": "abc-1"}),
        (Deed.CANCEL, {"symbol": SYMBOL, **sell}),
        (
            Deed.MOVE,
            {"symbol": SYMBOL, "side": Side.SELL, "type": OrderType.STOP_MARKET, "nth": 2}
            | {"price": Decimal("101500.5")},
        ),
        (
            Deed.MOVE,
            {"client_order_id": "abc-2", "price": Decimal(105_500), "qty": Decimal("0.2")},
        ),
        (Deed.STOP, {"symbol": SYMBOL, "slot": "long", "price": Decimal(101_000)}),
        (Deed.STOP, {"symbol": SYMBOL}),
        (Deed.BUY, {"symbol": SYMBOL, "qty": Decimal("0.1")}),
        (Deed.ADL, {"symbol": SYMBOL, "qty": Decimal("0.3")}),
        (Deed.CLOSE, {"symbol": SYMBOL}),
        (Deed.LIQUIDATE, {"symbol": SYMBOL}),
        (Deed.VENUE_CANCEL, {"client_order_id": "abc-1", "reason": Refusal.TOO_SMALL}),
        (Deed.VENUE_REJECT, {"client_order_id": "abc-1"}),
    ]
    assert list(acts[1:]) == [
        msgspec.convert({"op": "act", "do": do, **given, "at_ms": at_ms}, Act)
        for do, given in expected
    ]
    assert msgspec.json.decode(msgspec.json.encode(acts), type=tuple[Act, ...]) == acts


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("10:00 close BTCUSDT", "time '10:00': must be UTC, like 2025-06-01T10:00Z"),
        ("2025-06-01T10:00 close BTCUSDT", "time '2025-06-01T10:00': must be UTC"),
        ("2025-06-01T10:00Z", "ends where what is done must follow"),
        ("2025-06-01T10:00Z shout BTCUSDT", "deed 'shout': must be one of cancel, move, stop, "),
        ("2025-06-01T10:00Z close", "ends where a symbol must follow"),
        ("2025-06-01T10:00Z close BTCUSDT 3", "'3': nothing more may follow"),
        ("2025-06-01T10:00Z buy BTCUSDT", "ends where a qty must follow"),
        ("2025-06-01T10:00Z buy BTCUSDT -3", "qty '-3': must be a plain number above 0"),
        ("2025-06-01T10:00Z buy BTCUSDT 1e3", "qty '1e3': must be a plain number above 0"),
        ("2025-06-01T10:00Z stop BTCUSDT off", "price 'off': must be a plain number above 0"),
        ("2025-06-01T10:00Z cancel BTCUSDT up", "side 'up': must be one of buy, sell"),
        ("2025-06-01T10:00Z cancel BTCUSDT buy stop", "type 'stop': must be one of limit, mark"),
        ("2025-06-01T10:00Z cancel BTCUSDT buy limit", "ends where 'near PRICE' or 'nth N' must"),
        ("2025-06-01T10:00Z cancel BTCUSDT buy limit 3", "'3': must be 'near PRICE' or 'nth N'"),
        ("2025-06-01T10:00Z cancel BTCUSDT buy limit nth 0", "nth '0': must be a whole number"),
        ("2025-06-01T10:00Z move id a", "ends where 'price PRICE' or 'qty QUANTITY' must follow"),
        ("2025-06-01T10:00Z move id a 3", "'3': must be 'price PRICE' or 'qty QUANTITY'"),
        ("2025-06-01T10:00Z venue-cancel id a bad mood", "reason 'bad mood': must be one of beh"),
        ("2025-06-01T10:00Z venue-expire id a other", "'other': nothing more may follow"),
    ],
)
def test_acts_when_a_line_is_wrong_then_says_what_is_allowed(line: str, says: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse(f"\n{line}\n2025-06-01T10:00Z close BTCUSDT", "person.acts")
    (fault,) = caught.value.faults
    assert fault.startswith("person.acts: line 2: ")
    assert says in fault


def test_acts_when_several_lines_are_wrong_then_names_them_all() -> None:
    with pytest.raises(InvalidSpec) as caught:
        parse("x\n2025-06-01T10:00Z close BTCUSDT\ny")
    assert [fault[:12] for fault in caught.value.faults] == ["acts: line 1", "acts: line 3"]


def test_acts_when_the_file_cannot_be_read_then_says_so(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    (tmp_path / "good").write_text("2025-06-01T10:00Z close BTCUSDT\n")
    for name, says in (
        ("none", "there is no such file"),
        ("bytes", "byte 0 is not UTF-8"),
        (".", "cannot be read: Is a directory"),
    ):
        with pytest.raises(InvalidSpec, match=says):
            read(tmp_path / name)
    assert len(read(tmp_path / "good")) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (f"{at(2)} close ETHUSDT", "symbol 'ETHUSDT': not traded here; there are BTCUSDT"),
        (f"{at(2)} close BTCUSDT/x", "slot 'x': one-way accounts have one position a symbol"),
        (
            f"{at(0)} close BTCUSDT",
            "2025-01-01T00:00:00Z: the feed's bars close from 2025-01-01T00",
        ),
        (f"{at(30)} close BTCUSDT", "00:01:00Z to 2025-01-01T00:13:00Z"),
    ],
)
def test_acts_when_the_account_could_never_do_one_then_is_refused_at_the_start(
    tmp_path: Path, line: str, says: str
) -> None:
    with pytest.raises(InvalidSpec, match=r"account paper: act 1 \(close\): ") as caught:
        desk_with(line, tmp_path / "venue.db")
    assert says in str(caught.value)
    assert not (tmp_path / "venue.db").exists()


# ----------------------------------------------------------------------------------- happening


def test_act_when_due_then_wakes_and_happens_between_the_bars() -> None:
    desk = desk_with(f"{at(2, 30)} buy BTCUSDT 2")
    desk.bar(2)
    assert desk.venue.next_ms(None) == START_MS + 2 * MINUTE_MS + 30_000
    assert desk.venue.next_ms(START_MS + 2 * MINUTE_MS + 1) == START_MS + 2 * MINUTE_MS + 1
    desk.bar()
    (fill,) = desk.fills
    assert (fill.at_ms, fill.price) == (START_MS + 2 * MINUTE_MS + 30_000, 101)
    assert desk.venue.next_ms(None) == START_MS + 13 * MINUTE_MS


def test_act_when_due_at_a_close_then_the_bar_happens_first() -> None:
    desk = desk_with(f"{at(2)} close BTCUSDT")
    desk.bar()
    desk.limit("a", BUY, 2, 98)
    desk.bar()
    assert desk.trades == [("a", "98", "2"), ("stop", "101", "2")]
    assert not desk.fills[1].by_position_stop
    assert desk.venue.undone == []


def test_acts_when_time_jumps_over_several_then_each_happens_at_its_own() -> None:
    desk = desk_with(
        f"{at(4)} sell BTCUSDT 1\n{at(1)} buy BTCUSDT 3\n{at(2, 1)} stop BTCUSDT 97\n"
        f"{at(3)} move id none price 3\n{at(3)} stop BTCUSDT none\n{at(3)} stop BTCUSDT none"
    )
    desk.venue.advance(START_MS + 13 * MINUTE_MS)
    assert [(fill.at_ms - START_MS, fill.price, fill.qty) for fill in desk.fills] == [
        (MINUTE_MS, 100, 3),
        (4 * MINUTE_MS, 95, 1),
    ]
    assert desk.venue.undone == ["move: no order none is resting", "stop: was so already"]


def test_acts_when_the_venue_is_killed_at_any_moment_then_each_happens_once(
    tmp_path: Path,
) -> None:
    acts = "".join(f"{at(n, 20)} buy BTCUSDT 1\n{at(n, 40)} cancel id none\n" for n in range(1, 9))
    whole = desk_with(acts)
    whole.bar(13)
    for first in range(1, 13):
        path = tmp_path / f"{first}.db"
        desk = desk_with(acts, path)
        desk.bar(first)
        killed = image(path, f"killed-{first}.db")
        desk.venue.close()
        for copy in (path, killed):
            again = desk_with(acts, copy)
            again.venue.advance(START_MS + 13 * MINUTE_MS)
            assert tree(again.venue) == tree(whole.venue)
            again.venue.close()


def test_act_when_it_comes_to_nothing_then_what_filled_before_it_is_in_the_file(
    tmp_path: Path,
) -> None:
    desk = desk_with(f"{at(2, 30)} cancel id none", tmp_path / "venue.db")
    desk.bar()
    desk.limit("a", BUY, 2, 98)
    desk.venue.advance(START_MS + 2 * MINUTE_MS + 40_000)
    again = Desk(WILD, path=image(tmp_path / "venue.db", "copy.db"))
    assert again.trades == desk.trades == [("a", "98", "2")]
    again.venue.close()
    desk.venue.close()


def test_acts_when_those_that_happened_are_changed_then_the_file_is_refused(
    tmp_path: Path,
) -> None:
    path, first = tmp_path / "venue.db", f"{at(1, 20)} buy BTCUSDT 1\n"
    desk = desk_with(first + f"{at(3)} close BTCUSDT", path)
    desk.bar(2)
    desk.venue.close()
    for changed in (first.replace("1\n", "2\n"), f"{at(1)} close BTCUSDT\n{first}"):
        with pytest.raises(VenueFileError, match="the first 1 written acts have happened and are"):
            desk_with(changed, path)
    desk_with("", path).venue.close()
    again = desk_with(first + f"{at(4)} buy BTCUSDT 7", path)
    again.bar(3)
    assert again.held == 8
    again.venue.close()


def test_act_when_done_by_hand_then_is_in_the_log_like_a_request(tmp_path: Path) -> None:
    desk = desk_with("", tmp_path / "venue.db")
    desk.bar()
    count = entries(desk)
    deeds = [Act(Deed.BUY, SYMBOL, qty=Decimal(3)), Act(Deed.STOP, SYMBOL, price=Decimal(90))]
    for act in [*deeds, deeds[1], Act(Deed.CANCEL, client_order_id="none")]:
        desk.venue.act(act)
    assert entries(desk) == count + 2
    again = Desk(WILD, path=image(tmp_path / "venue.db", "copy.db"))
    assert again.venue._record.file is not None
    assert [entry.inputs for entry in again.venue._record.file.entries()] == [
        [each] for each in deeds
    ]
    assert tree(again.venue) == tree(desk.venue)
    assert again.view.stop == desk.view.stop
    again.venue.close()
    desk.venue.close()


def test_acts_when_the_line_is_bad_then_happen_all_the_same() -> None:
    desk = desk_with(f"{at(1, 30)} buy BTCUSDT 2", bars=CALM * 3)
    line = FaultyVenue(desk.venue, Faults())
    line.advance(START_MS + MINUTE_MS)
    assert line.next_ms(None) == START_MS + MINUTE_MS + 30_000
    line.advance(START_MS + 2 * MINUTE_MS)
    assert desk.held == 2
