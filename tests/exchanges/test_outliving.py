"""The venue that outlives its controller: what was told is there, whatever ends the process."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from exchanges.errors import VenueFileBusy
from exchanges.feeds import walk
from exchanges.simulated import Act, Deed, Product, Session, record
from machines.words import ExitStyle, OrderType, PlaceOrder, Refusal, Role
from tests.exchanges.desk import (
    ACCEPTED,
    BTC,
    BUY,
    KEY,
    SELL,
    SYMBOL,
    Desk,
    Key,
    Slots,
    at_once,
    refused,
    settings,
)
from tests.exchanges.venue_files import (
    CALM,
    MINUTE_MS,
    START_MS,
    WILD,
    entries,
    image,
    tree,
    written,
)

VARIED = "".join(
    f"{line} {n % 5 * 2}\n" for n, line in enumerate(WILD.strip().splitlines(), start=2)
)
ONE, TWO = Key("paper", SYMBOL, "one"), Key("paper", SYMBOL, "two")
SIDES, PRICES, NUMBERS = st.sampled_from([BUY, SELL]), st.integers(92, 107), st.integers(0, 5)
TYPES = st.sampled_from([OrderType.LIMIT, OrderType.MARKET, OrderType.STOP_MARKET])
PAIRS: dict[str, object] = {
    "exits": ExitStyle.PAIRS,
    "product": Product.NRML,
    "session": Session.parse("05:30-05:40 Asia/Kolkata"),
    "fill_share": Decimal("0.5"),
}
"""A session that ends within the bars, whose volume is sometimes too small."""
POOLED: dict[str, object] = {}
STYLES = st.sampled_from([POOLED, PAIRS])
ACTS = [
    Act(Deed.BUY, SYMBOL, "one", qty=Decimal(2)),
    Act(Deed.SELL, SYMBOL, "one", qty=Decimal(1)),
    Act(Deed.CLOSE, SYMBOL, "one"),
    Act(Deed.STOP, SYMBOL, "one", price=Decimal(96)),
    Act(Deed.STOP, SYMBOL, "one"),
    Act(Deed.ADL, SYMBOL, "one", qty=Decimal(1)),
    Act(Deed.LIQUIDATE, SYMBOL, "one"),
    Act(Deed.MOVE, SYMBOL, "one", near=Decimal(95), price=Decimal(96)),
    Act(Deed.CANCEL, SYMBOL, "one", near=Decimal(104)),
    Act(Deed.VENUE_EXPIRE, SYMBOL, "one", nth=2),
]
DEEDS = st.lists(
    st.one_of(
        st.tuples(st.just("bar")),
        st.tuples(st.just("turn")),
        st.tuples(st.just("limit"), SIDES, st.integers(1, 3), PRICES),
        st.tuples(st.just("market"), SIDES, st.integers(1, 3)),
        st.tuples(st.just("set_stop"), PRICES),
        st.tuples(st.just("amend"), NUMBERS, st.integers(1, 3), PRICES),
        st.tuples(st.just("cancel"), NUMBERS),
        st.tuples(st.just("act"), st.sampled_from(ACTS)),
        st.tuples(st.just("stop_limit"), SIDES, st.integers(1, 3), PRICES, PRICES),
        st.tuples(st.just("pair"), SIDES, st.integers(1, 3), st.integers(1, 6)),
        st.tuples(st.just("convert"), NUMBERS, TYPES),
    ),
    min_size=5,
    max_size=25,
)


def do(desk: Desk, n: int, deed: tuple[Any, ...]) -> str:
    """Do the n-th deed; return the client order id of an order that was accepted by it."""
    match deed:
        case ("bar",):
            if desk.venue.next_bar_ms() is not None:
                desk.bar()
        case ("turn",):
            desk.key = TWO if desk.key == ONE else ONE
        case ("limit" | "market" as kind, *rest):
            if getattr(desk, kind)(f"o{n}", *rest) == ACCEPTED:
                return f"o{n}"
        case ("stop_limit", *rest):
            if desk.stop_limit(f"o{n}", *rest) == ACCEPTED:
                return f"o{n}"
        case ("pair", side, qty, away):
            ways = (100 - away, 100 + away) if side is SELL else (100 + away, 100 - away)
            legs = [(way, way) for way in ways]
            if desk.pair(f"o{n}", side, qty, *legs) == ACCEPTED:
                return f"o{n}"
        case ("convert", number, kind):
            desk.amend(f"o{number}", 1, 98, trigger_px=97, kind=kind)
        case ("set_stop", price):
            desk.set_stop(price)
        case ("act", act):
            desk.venue.act(act)
        case (kind, number, *rest):
            getattr(desk, kind)(f"o{number}", *rest)
    return ""


def two_keys(path: Path | None = None, style: Mapping[str, object] = POOLED) -> Desk:
    return Desk(VARIED, settings(slots=Slots.PER_LADDER, **style), key=ONE, path=path)


# ---------------------------------------------------------------------------- it is all there


@examples(max_examples=25)
@given(DEEDS, st.integers(1, 6), STYLES)
@example([("limit", BUY, 1, 95), ("turn",), ("limit", BUY, 1, 95)], 3, POOLED)
def test_venue_when_killed_after_any_commit_then_goes_on_from_exactly_there(
    deeds: list[tuple[Any, ...]], checkpoint_every: int, style: dict[str, object]
) -> None:
    with TemporaryDirectory() as folder, patch.object(record, "CHECKPOINT_EVERY", checkpoint_every):
        path = Path(folder) / "venue.db"
        desk = two_keys(path, style)
        desk.bar()
        seen: list[tuple[Path, bytes, set[str], object]] = []
        accepted: set[str] = set()
        for n, deed in enumerate(deeds):
            before = entries(desk)
            accepted.add(do(desk, n, deed))
            if entries(desk) > before:
                copy = image(path, f"{n}.db")
                seen.append((copy, tree(desk.venue), accepted - {""}, desk.snapshot()))
        for copy, then, asked, shown in seen:
            again = two_keys(copy, style)
            assert tree(again.venue) == then
            assert again.venue.state.ids.keys() == asked
            assert again.snapshot() == shown
            again.venue.close()
        desk.venue.close()


@examples(max_examples=25)
@given(DEEDS, STYLES)
def test_log_when_played_from_the_start_then_ends_in_the_same_bytes(
    deeds: list[tuple[Any, ...]], style: dict[str, object]
) -> None:
    with TemporaryDirectory() as folder, patch.object(record, "CHECKPOINT_EVERY", 4):
        path = Path(folder) / "venue.db"
        desk, memory = two_keys(path, style), two_keys(None, style)
        for n, deed in enumerate(deeds):
            assert do(desk, n, deed) == do(memory, n, deed)
        desk.venue.close()
        again, bare = two_keys(path, style), two_keys(None, style)
        assert again.venue._record.file is not None
        for entry in again.venue._record.file.entries(whole=True):
            bare.venue.replay(entry)
        assert tree(bare.venue) == tree(again.venue) == tree(desk.venue) == tree(memory.venue)
        again.venue.close()


def test_venue_when_opened_again_and_again_then_changes_nothing(tmp_path: Path) -> None:
    desk = written(tmp_path / "venue.db")
    for _ in range(5):
        again = Desk(WILD, path=tmp_path / "venue.db")
        assert tree(again.venue) == tree(desk.venue)
        assert again.venue.now_ms == START_MS + 4 * MINUTE_MS
        count = entries(again)
        again.venue.close()
        desk = Desk(WILD, path=tmp_path / "venue.db")
        assert entries(desk) == count
        desk.venue.close()


def test_venue_when_continued_then_ends_as_if_it_had_never_stopped(tmp_path: Path) -> None:
    written(tmp_path / "venue.db")
    never = written(None)
    again = Desk(WILD, path=tmp_path / "venue.db")
    for desk in (never, again):
        assert desk.limit("a", BUY, 2, 98) == refused(Refusal.DUPLICATE_ID)
        desk.bar(8)
        desk.market("late", BUY, 1)
    assert tree(again.venue) == tree(never.venue)
    assert again.snapshot() == never.snapshot()
    again.venue.close()


def test_bar_when_it_fills_something_then_is_in_the_file_before_a_snapshot(tmp_path: Path) -> None:
    desk = Desk(WILD, path=tmp_path / "venue.db")
    desk.bar()
    desk.limit("a", BUY, 2, 98)
    count = entries(desk)
    desk.bar()
    assert entries(desk) == count + 1
    again = Desk(WILD, path=image(tmp_path / "venue.db", "copy.db"))
    assert again.trades == [("a", "98", "2")]
    again.venue.close()
    desk.venue.close()


def test_bar_when_it_touches_nothing_then_costs_no_write(tmp_path: Path) -> None:
    desk = Desk(CALM * 5, path=tmp_path / "venue.db")
    desk.bar()
    desk.limit("a", BUY, 1, 50)
    count = entries(desk)
    desk.bar(4)
    desk.snapshot()
    desk.limit("b", BUY, 1, "50.3")
    desk.cancel("none")
    assert entries(desk) == count == 1
    desk.venue.close()
    again = Desk(CALM * 5, path=tmp_path / "venue.db")
    assert again.venue.now_ms == START_MS + 5 * MINUTE_MS  # a clean end notes the time
    again.venue.close()


def test_batch_when_sent_together_then_is_one_entry_of_what_took_effect(tmp_path: Path) -> None:
    desk = Desk(CALM, path=tmp_path / "venue.db")
    desk.bar()
    names = ("a", "b", "a", "c")
    asked = [
        PlaceOrder(KEY, name, Role.ENTRY, 1, BUY, OrderType.LIMIT, Decimal(1), Decimal(90 + n))
        for n, name in enumerate(names)
    ]
    assert len(at_once(desk.venue.send(asked))) == 4
    assert desk.venue._record.file is not None
    (entry,) = desk.venue._record.file.entries()
    assert entry.inputs == [asked[0], asked[1], asked[3]]
    desk.venue.close()


WALKED, GIVEN = walk.walk(SYMBOL, BTC, 7, bars=9), settings(instruments={SYMBOL: BTC})
KILLED = """
import sys
from pathlib import Path
from tests.exchanges.test_outliving import BUY, GIVEN, WALKED, Desk
desk = Desk(WALKED, GIVEN, path=Path(sys.argv[1]))
desk.bar()
n = 0
while True:
    n += 1
    desk.limit(f"o{n}", BUY, 1, 90000 + n)
    print(f"o{n}", flush=True)
"""


@pytest.mark.parametrize("after", [1, 37])
def test_process_when_killed_then_every_request_it_was_told_of_is_there(
    tmp_path: Path, after: int
) -> None:
    path, checkout = tmp_path / "venue.db", Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdout=subprocess.PIPE,
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": "."},
        text=True,
    ) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().strip() for _ in range(after)]
        with pytest.raises(VenueFileBusy, match=f"held by another process .{process.pid}."):
            Desk(WALKED, GIVEN, path=path)
        process.kill()
        told += process.stdout.read().split()
    assert process.returncode == -signal.SIGKILL
    again = Desk(WALKED, GIVEN, path=path)
    names = list(again.venue.state.ids)
    assert names[: len(told)] == told
    assert len(names) <= len(told) + 1
    again.venue.close()
