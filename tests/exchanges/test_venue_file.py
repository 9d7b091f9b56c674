"""A venue's own file that cannot be trusted or written: refused, with nothing lost or changed."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from decimal import Decimal
from pathlib import Path
from unittest.mock import patch

import apsw
import pytest

from exchanges.errors import VenueFileBusy, VenueFileError
from exchanges.simulated import PricePath, SimulatedSettings, SimulatedVenue, record
from exchanges.simulated.checks import refused
from machines.words import Refusal
from tests.exchanges.desk import ACCEPTED, BUY, SYMBOL, Desk, settings
from tests.exchanges.failing_disk import failing_disk
from tests.exchanges.venue_files import CALM, START_MS, WILD, sql, tree, written


def fault(file: Path, bars: str = WILD, given: SimulatedSettings | None = None) -> str:
    """Return what is said when the file is opened, which must leave it free and as it was."""
    before = file.read_bytes() if file.is_file() else b""
    said: set[str] = set()
    for _ in range(2):
        with pytest.raises(VenueFileError) as caught:
            Desk(bars, given, path=file)
        said.add(str(caught.value))
    assert before == (file.read_bytes() if file.is_file() else b"")
    (text,) = said
    assert text.startswith(f"venue file {file}: ")
    return text.removeprefix(f"venue file {file}: ")


def test_open_when_another_holds_the_file_then_says_who(tmp_path: Path) -> None:
    desk = Desk(CALM, path=tmp_path / "venue.db")
    with pytest.raises(VenueFileBusy, match=f"held by another process .{os.getpid()}.; one at a"):
        Desk(CALM, path=tmp_path / "venue.db")
    desk.venue.close()
    desk.venue.close()
    with pytest.raises(VenueFileError, match="is closed"):
        desk.bar()
    Desk(CALM, path=tmp_path / "venue.db").venue.close()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"balance": Decimal(5)}, 'balance was "100000", is "5"'),
        ({"path": PricePath.OHLC}, 'path was "adaptive", is "ohlc"'),
        ({"fees": {}}, "fees was {"),
        ({"position_stop": False}, "position_stop was true, is false"),
    ],
)
def test_open_when_settings_differ_then_names_them(
    tmp_path: Path, changes: dict[str, object], says: str
) -> None:
    written(tmp_path / "venue.db")
    said = fault(tmp_path / "venue.db", given=settings(**changes))
    assert said.startswith(f"was begun with other settings or feeds: {says}")
    assert said.endswith("set them back, or name another file")


def test_open_when_a_setting_is_only_written_otherwise_then_is_the_same(tmp_path: Path) -> None:
    written(tmp_path / "venue.db")
    given = settings(balance=Decimal("100000.00"))
    Desk(WILD, given, path=tmp_path / "venue.db").venue.close()


@pytest.mark.parametrize("bars", [WILD + CALM, WILD.replace("106", "107"), CALM])
def test_open_when_the_feed_differs_then_names_it(tmp_path: Path, bars: str) -> None:
    written(tmp_path / "venue.db")
    assert "the feed of BTCUSDT had 13 bars, " in fault(tmp_path / "venue.db", bars)


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE log SET inputs = '[]' WHERE seq = 2", "entry 2 is not as it was written"),
        ("UPDATE log SET at_ms = at_ms + 1 WHERE seq = 1", "entry 1 is not as it was written"),
        ("UPDATE log SET after = '' WHERE seq = 3", "entry 3 is not as it was written"),
        ("UPDATE log SET chain = x'00' WHERE seq = 3", "entry 3 is not as it was written"),
        ("DELETE FROM log WHERE seq = 2", "entry 3 is not as it was written"),
        ("UPDATE checkpoint SET slice = replace(slice, '98', '97')", "the checkpoint at entry 3"),
        ("UPDATE checkpoint SET seq = 9 WHERE seq = 3", "the checkpoint at entry 9"),
        ("UPDATE meta SET identity = replace(identity, 'BTC', 'ETH')", "was begun with other"),
        ("UPDATE meta SET identity = identity || ' '", "entry 1 is not as it was written"),
        ("UPDATE meta SET identity = 'x'", "cannot be opened: JSON is malformed"),
        ("UPDATE meta SET schema = 7", "has schema 7; this version reads 1"),
        ("DELETE FROM meta", "has schema None; this version reads 1"),
        ("DROP TABLE log", "is not a simulated venue's file; name another one"),
    ],
)
def test_open_when_the_file_was_tampered_with_then_is_refused(
    tmp_path: Path, statement: str, says: str
) -> None:
    with patch.object(record, "CHECKPOINT_EVERY", 5):
        written(tmp_path / "venue.db")
    sql(tmp_path / "venue.db", statement)
    assert says in fault(tmp_path / "venue.db")


def test_open_when_the_file_is_cut_short_then_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "venue.db"
    written(path)
    whole = path.read_bytes()
    for size in range(1, len(whole) - 4096, 500):
        path.write_bytes(whole[:size])
        fault(path)


def test_open_when_any_part_was_overwritten_or_cut_off_then_is_refused_or_reads_the_same(
    tmp_path: Path,
) -> None:
    path = tmp_path / "venue.db"
    then = tree(written(path).venue)
    whole = path.read_bytes()
    damaged = [whole[:at] + b"\xff\x00\xff" + whole[at + 3 :] for at in range(0, len(whole), 499)]
    damaged += [whole[:-size] for size in range(1, 4096, 499)]
    refusals = 0
    for content in damaged:
        path.write_bytes(content)
        try:
            again = Desk(WILD, path=path)
        except VenueFileError:
            refusals += 1
            continue
        assert tree(again.venue) == then
        again.venue.close()
    assert 0 < refusals < len(damaged)


@pytest.mark.parametrize("text", [b"not a database, but long enough to be one" * 400, b"\0" * 4096])
def test_open_when_it_is_no_database_then_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "venue.db").write_bytes(text)
    assert fault(tmp_path / "venue.db") == "cannot be opened: file is not a database"


def test_open_when_there_is_no_folder_then_says_so(tmp_path: Path) -> None:
    said = fault(tmp_path / "none" / "venue.db")
    assert said == "cannot be locked: No such file or directory"


def test_open_when_it_is_a_folder_then_says_so(tmp_path: Path) -> None:
    (tmp_path / "venue.db").mkdir()
    assert fault(tmp_path / "venue.db") == "cannot be opened: unable to open database file"


def test_open_when_fresh_then_begins_anew(tmp_path: Path) -> None:
    desk = written(tmp_path / "venue.db")
    state, (feed,) = desk.venue.state, [m.feed for m in desk.venue._engine.markets.values()]
    assert state.fills > 0
    again = SimulatedVenue.open(
        settings(balance=Decimal(5)), {SYMBOL: feed}, tmp_path / "venue.db", fresh=True
    )
    assert (again.state.fills, again.cash, again.now_ms) == (0, 5, START_MS)
    again.close()


@pytest.mark.parametrize(
    ("rule", "answer", "entry"),
    [
        ("matching.reached", True, 1),  # another fill
        ("checks.amend_refusal", refused(Refusal.OTHER, ""), 2),  # no other sum, another answer
    ],
)
def test_entry_when_it_ends_otherwise_than_written_then_is_refused(
    tmp_path: Path, rule: str, answer: object, entry: int
) -> None:
    desk = Desk(WILD, path=tmp_path / "venue.db")
    desk.bar()
    desk.limit("a", BUY, 2, 90)
    desk.amend("a", 2, 91)
    desk.venue.close()
    with (
        patch(f"exchanges.simulated.{rule}", lambda *_: answer),
        pytest.raises(VenueFileError, match=f"entry {entry} of its file ends differently when"),
    ):
        Desk(WILD, path=tmp_path / "venue.db")
    Desk(WILD, path=tmp_path / "venue.db").venue.close()


# -------------------------------------------------------------------------------- a full disk


def test_disk_when_full_then_answers_no_more_and_keeps_what_it_told(tmp_path: Path) -> None:
    path = tmp_path / "venue.db"
    desk = Desk(CALM * 2, path=path)
    desk.bar()
    assert desk.venue._record.file is not None
    assert desk.venue._record.file._db is not None
    desk.venue._record.file._db.run("PRAGMA max_page_count = 12")
    told: list[str] = []

    def place_on() -> None:
        for n in range(1_000):
            desk.limit(f"o{n}", BUY, 1, 90)
            told.append(f"o{n}")

    with pytest.raises(VenueFileError) as caught:
        place_on()
    assert str(caught.value).startswith(
        f"venue file {path}: cannot be written: database or disk is full; what was acknowledged"
    )
    assert told
    for call in (desk.snapshot, desk.bar, lambda: desk.cancel("o1")):
        with pytest.raises(VenueFileError, match="disk is full"):
            call()
    desk.venue.close()
    again = Desk(CALM * 2, path=path)
    assert list(again.venue.state.ids) == told
    assert again.market("more", BUY, 1) == ACCEPTED
    again.venue.close()


def durable_steps(desk: Desk) -> Iterator[None]:
    """Do things of which each is written before it returns."""
    yield
    desk.bar()
    desk.limit("a", BUY, 2, 98)
    yield
    desk.bar()
    yield
    desk.set_stop(94)
    yield
    desk.limit("b", BUY, 1, 93)
    yield


def told_on(path: Path, states: list[bytes]) -> tuple[int, str]:
    """Do the steps as far as they go; return how many were told, and what failed."""
    told = 0
    with ExitStack() as stack:
        try:
            desk = Desk(WILD, path=path)
            stack.callback(desk.venue.close)
            for told, _ in enumerate(durable_steps(desk), start=1):
                assert tree(desk.venue) == states[told - 1]
            stack.close()
        except VenueFileError as error:
            with suppress(VenueFileError):  # the disk may fail again on the way out
                stack.close()
            return told, str(error)
    return told, ""


@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError])
def test_disk_when_any_change_fails_then_nothing_told_is_lost_and_nothing_is_half_done(
    tmp_path: Path, error: type[apsw.Error]
) -> None:
    memory = Desk(WILD)
    states = [tree(memory.venue) for _ in durable_steps(memory)]
    fails_at, told, said = 0, 0, "the disk fails"
    while said:
        fails_at += 1
        path = tmp_path / f"{fails_at}.db"
        with failing_disk(fails_at, error), patch.object(record, "CHECKPOINT_EVERY", 3):
            told, said = told_on(path, states)
        assert said == "" or "the disk fails" in said or "disk is full" in said
        again = Desk(WILD, path=path)
        # A request whose answer was lost may have taken effect, whole.
        assert tree(again.venue) in states[max(told - 1, 0) : told + 1]
        again.venue.close()
    assert told == len(states)
    assert fails_at > 30
