"""The journal: whole or refused, in order, durable before it says so, and one writer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import journal
from controller.journal import Draft, Journal, JournalBusy, JournalError, Record
from tests.exchanges.failing_disk import failing_disk

ROOT = Path(__file__).resolve().parents[2]


def draft(n: int, position: str = "btc-1", state: bytes | None = None) -> Draft:
    return Draft(n * 1_000, "paper", position, position, "alert", {"text": f"n {n}"}, state)


def states(n: int) -> bytes:
    return b'{"n":%d,"pad":"%s"}' % (n, b"x" * 600)


def written(path: Path, records: int = 20) -> Path:
    """Write a journal of two positions, a commit each record."""
    book = Journal(path)
    for n in range(records):
        book.append([draft(n, f"btc-{n % 2}", states(n))])
    book.close()
    return path


def told(path: Path) -> list[int]:
    """Read back which drafts a journal holds, in order."""
    return [int(str(record.data["text"]).removeprefix("n ")) for record in journal.read(path)]


def whole(path: Path) -> tuple[list[Record], list[journal.Saved], int]:
    """Open to write, which checks it, and return all that it tells."""
    book = Journal(path)
    try:
        return list(journal.read(path)), list(book.latest()), book.last_ms("paper")
    finally:
        book.close()


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "s.db")
    yield opened
    opened.close()


# ---------------------------------------------------------------------------------- appending


def test_append_when_asked_then_keeps_order_and_numbers_each_stream(
    book: Journal, tmp_path: Path
) -> None:
    book.append([draft(1), draft(2, "btc-2")])
    book.append([])
    book.append([draft(3)])
    found = list(journal.read(tmp_path / "s.db"))
    assert [(r.seq, r.position, r.at_ms) for r in found] == [
        (1, "btc-1", 1_000),
        (2, "btc-2", 2_000),
        (3, "btc-1", 3_000),
    ]
    with apsw.Connection(str(tmp_path / "s.db")) as raw:
        assert list(raw.execute("SELECT stream, ver FROM journal ORDER BY seq")) == [
            ("btc-1", 1),
            ("btc-2", 1),
            ("btc-1", 2),
        ]


def test_append_when_one_draft_cannot_be_written_then_none_is(
    book: Journal, tmp_path: Path
) -> None:
    unfit = Draft(2, "paper", "btc-1", "btc-1", "alert", {"text": object()})
    with pytest.raises(TypeError):
        book.append([draft(1), unfit])
    assert told(tmp_path / "s.db") == []
    book.append([draft(3)])
    assert told(tmp_path / "s.db") == [3]


def test_journal_when_opened_again_then_goes_on_in_every_stream(tmp_path: Path) -> None:
    path = written(tmp_path / "s.db", 3)
    again = Journal(path)
    again.append([draft(3, "btc-1"), draft(4, "btc-0")])
    assert again.records == 5
    again.close()
    assert told(path) == [0, 1, 2, 3, 4]
    assert whole(path)[2] == 4_000


def test_latest_when_a_position_has_many_records_then_its_last_state_is_told(
    book: Journal,
) -> None:
    book.append([draft(1, "b", b'"one"'), draft(2, "a", b'"two"')])
    book.append([draft(3, "b", b'"three"'), draft(4, "b")])
    assert [(s.position, s.at_ms, s.state) for s in book.latest()] == [
        ("b", 3_000, b'"three"'),
        ("a", 2_000, b'"two"'),
    ]


def test_fresh_when_asked_then_begins_anew(tmp_path: Path) -> None:
    book = Journal(written(tmp_path / "s.db"), fresh=True)
    assert book.records == 0
    book.append([draft(7)])
    book.close()
    assert told(tmp_path / "s.db") == [7]


# ---------------------------------------------------------------------------- altered and cut

ALTERED: list[tuple[str, str, str]] = [
    ("body", 'UPDATE journal SET body = \'{"text":"n 9"}\' WHERE seq = 5', "record 5 was altered"),
    ("state", "UPDATE journal SET state = '{}' WHERE seq = 5", "record 5 was altered"),
    ("state dropped", "UPDATE journal SET state = NULL WHERE seq = 5", "record 5 was altered"),
    ("time", "UPDATE journal SET wall_ms = 1 WHERE seq = 5", "record 5 was altered"),
    ("kind", "UPDATE journal SET kind = 'fill' WHERE seq = 5", "record 5 was altered"),
    ("account", "UPDATE journal SET account = 'real' WHERE seq = 5", "record 5 was altered"),
    ("ladder", "UPDATE journal SET ladder = 'x' WHERE seq = 5", "record 5 was altered"),
    ("epoch", "UPDATE journal SET epoch = 2 WHERE seq = 5", "record 5 was altered"),
    ("missing", "DELETE FROM journal WHERE seq = 5", "record 5 was altered or is missing"),
    ("first missing", "DELETE FROM journal WHERE seq = 1", "record 1 was altered or is missing"),
    (
        "swapped",
        "UPDATE journal SET seq = -5 WHERE seq = 5; UPDATE journal SET seq = 5 WHERE seq = 6;"
        "UPDATE journal SET seq = 6 WHERE seq = -5",
        "record 5 was altered",
    ),
    (
        "put in",
        "INSERT INTO journal SELECT 21, account, stream, ladder, 99, epoch, wall_ms, boot_ms, "
        "kind, body, state, chain FROM journal WHERE seq = 20",
        "record 21 was altered",
    ),
    ("older schema", "UPDATE meta SET schema = 1", "has schema 1; this version reads 3"),
    ("no schema", "DELETE FROM meta", "has schema None; this version reads 3"),
    ("no table", "DROP TABLE journal", "not a Rungkeeper state file"),
]


@pytest.mark.parametrize(("sql", "message"), [a[1:] for a in ALTERED], ids=[a[0] for a in ALTERED])
def test_open_when_the_file_was_altered_then_says_where_and_leaves_it(
    tmp_path: Path, sql: str, message: str
) -> None:
    path = written(tmp_path / "s.db")
    with apsw.Connection(str(path)) as raw:
        raw.execute(sql)
    raw.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=message):
        Journal(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [0, 1, 511, 4_095, 4_096, 8_192, 20_000])
def test_open_when_the_file_is_cut_short_then_is_refused(tmp_path: Path, size: int) -> None:
    path = written(tmp_path / "s.db")
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(JournalError, match=r"nothing was sent|not a Rungkeeper"):
        Journal(path)


def test_open_when_any_part_was_overwritten_or_cut_off_then_is_refused_or_reads_the_same(
    tmp_path: Path,
) -> None:
    raw = written(tmp_path / "s.db", 40).read_bytes()
    expected = whole(tmp_path / "s.db")
    harmed = [
        raw[:at] + wound + raw[at + len(wound) :]
        for at in range(0, len(raw), 409)
        for wound in (b"\xff", b"Z", bytes(37))
    ]
    harmed += [raw[:cut] for cut in range(0, len(raw), 4_096 * 2 + 1)]
    path = tmp_path / "t.db"
    refused = 0
    for content in harmed:
        path.write_bytes(content)
        try:
            assert whole(path) == expected
        except JournalError:
            refused += 1
    assert refused > len(harmed) // 4


def test_open_when_only_a_log_of_an_earlier_file_is_left_then_it_is_not_read_in(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s.db"
    book = Journal(path)
    book.append([draft(1)])
    log = path.with_name("s.db-wal").read_bytes()
    book.close()
    path.unlink()
    path.with_name("s.db-wal").write_bytes(log)
    assert whole(path)[0] == []


# ------------------------------------------------------------------------------ a failing disk


def fill_up(book: Journal) -> list[int]:
    """Append until the disk is full; return what was acknowledged."""
    kept: list[int] = []

    def go_on() -> None:
        for n in range(10_000):
            book.append([draft(n, state=states(n)), draft(n + 1)])
            kept.extend((n, n + 1))

    with pytest.raises(JournalError, match="database or disk is full; nothing more is sent"):
        go_on()
    return kept


def test_disk_when_full_then_nothing_more_is_accepted_and_nothing_told_is_lost(
    tmp_path: Path,
) -> None:
    path = written(tmp_path / "s.db", 0)
    book = Journal(path)
    book._db.run("PRAGMA max_page_count = 30")
    kept = fill_up(book)
    assert len(kept) > 10
    book._db.run("PRAGMA max_page_count = 1000000")
    with pytest.raises(JournalError, match="disk is full"):
        book.append([draft(1)])
    book.close()
    assert told(path) == kept
    again = Journal(path)
    again.append([draft(5)])
    again.close()
    assert told(path) == [*kept, 5]


def appended(path: Path, kept: list[int]) -> str:
    """Append five pairs as far as the disk lets us; return what failed."""
    try:
        book = Journal(path)
    except JournalError as error:
        return str(error)
    said = ""
    try:
        for n in range(0, 10, 2):
            book.append([draft(n, state=states(n)), draft(n + 1, "btc-2")])
            kept += [n, n + 1]
    except JournalError as error:
        said = str(error)
        with pytest.raises(JournalError):
            book.append([draft(99)])
    try:
        book.close()
    except JournalError as error:
        said = said or str(error)
    return said


@pytest.mark.parametrize("error", [apsw.IOError, apsw.FullError])
def test_disk_when_any_change_fails_then_what_was_told_is_there_and_no_half_of_more(
    tmp_path: Path, error: type[apsw.Error]
) -> None:
    fails_at, said, kept = 0, "begin", list[int]()
    while said:
        fails_at += 1
        path = tmp_path / f"{fails_at}.db"
        kept = []
        with failing_disk(fails_at, error):
            said = appended(path, kept)
        assert said == "" or "disk" in said
        found = told(path) if whole(path)[0] else []
        # What was being written when the disk failed may be there too, whole: nothing was sent.
        assert found in (kept, [*kept, len(kept), len(kept) + 1])
    assert kept == list(range(10))
    assert fails_at > 20


# ---------------------------------------------------------------------------- one writer, readers


def test_writer_when_there_is_one_then_the_second_hears_whose_it_is(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    code = (
        "import sys; from pathlib import Path; from controller.journal import Journal;"
        "book = Journal(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(
            JournalBusy, match=rf"held by another controller \(process {holder.pid}"
        ):
            Journal(path)
        holder.kill()
        holder.wait()
        Journal(path).close()
    finally:
        holder.kill()
        holder.communicate()


def test_reader_when_a_writer_is_at_work_then_sees_what_is_committed(
    book: Journal, tmp_path: Path
) -> None:
    path = tmp_path / "s.db"
    for n in range(3):
        book.append([draft(n, state=b'"%d"' % n)])
        assert told(path) == list(range(n + 1))
        assert [saved.state for saved in journal.read_latest(path)] == [b'"%d"' % n]
    reading = journal.read(path)
    assert next(reading).seq == 1
    book.append([draft(3)])
    assert [record.seq for record in reading] == [2, 3]
    assert told(path) == [0, 1, 2, 3]


def test_reader_when_the_file_is_none_of_ours_then_says_so(tmp_path: Path) -> None:
    readers: list[Callable[[Path], object]] = [lambda p: list(journal.read(p)), journal.read_latest]
    for read in readers:
        with pytest.raises(JournalError, match="no such file"):
            read(tmp_path / "none.db")
        for content in (b"", b"text", b"no database" * 999):
            (tmp_path / "s.db").write_bytes(content)
            with pytest.raises(JournalError, match="cannot be read"):
                read(tmp_path / "s.db")


@settings(max_examples=25)
@given(
    st.lists(
        st.lists(
            st.builds(
                Draft, st.integers(0, 2**50), st.text("ab"), st.text(max_size=3), st.just("l"),
                st.sampled_from(["fill", "alert"]),
                st.dictionaries(st.text(max_size=4), st.text() | st.integers(-(2**50), 2**50)),
                st.none() | st.just(b"{}"),
            ),
            max_size=4,
        ),
        max_size=6,
    )
)  # fmt: skip
def test_journal_when_anything_is_appended_then_it_is_read_back_and_holds_together(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[Draft]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "s.db"
    book = Journal(path)
    for batch in batches:
        book.append(batch)
    book.close()
    drafts = [each for batch in batches for each in batch]
    found, _, _ = whole(path)
    assert [(r.at_ms, r.account, r.position, r.ladder, r.kind, r.data) for r in found] == [
        (d.at_ms, d.account, d.position, d.ladder, d.kind, d.data) for d in drafts
    ]
