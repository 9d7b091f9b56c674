"""The async door: many tasks, one thread, a commit for as much as waits, nobody left waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller import journal
from controller.journal import Decided, Draft, Journal, JournalError, Remembered
from controller.journal_writer import MOST_DRAFTS, Writer


class Watched(Journal):
    """A journal that notes its commits, and can be held back or break."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.commits: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()
        self.full_at = 0

    def append(
        self,
        drafts: Sequence[Draft],
        boot_ms: int = 0,
        decisions: Sequence[Decided] = (),
        memories: Sequence[Remembered] = (),
    ) -> None:
        self.may_go.wait()
        self.commits.append(len(drafts))
        if len(self.commits) == self.full_at:
            self._db.run("PRAGMA max_page_count = 1")
        super().append(drafts, boot_ms, decisions, memories)


def draft(n: int, position: str = "btc-1") -> Draft:
    # As long as a ladder's state: a page or so, so that a full disk is met at once.
    return Draft(n, "paper", position, position, "alert", {"n": n}, b'"%s"' % (b"x" * 5_000))


def told(path: Path, position: str = "btc-1") -> list[object]:
    return [record.data["n"] for record in journal.read(path, [position])]


def holds_together(path: Path) -> int:
    """Open it again, which checks the chain; return how many records there are."""
    book = Journal(path)
    book.close()
    return book.records


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Watched]:
    opened = Watched(tmp_path / "s.db")
    yield opened
    opened.may_go.set()
    opened.close()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_append_when_awaited_then_is_in_the_file(book: Watched, tmp_path: Path) -> None:
    async with Writer(book) as writer:
        for n in range(3):
            await writer.append([draft(n)])
            assert told(tmp_path / "s.db") == list(range(n + 1))
        await writer.append([])
    assert book.commits == [1, 1, 1]


async def test_appends_when_a_commit_is_under_way_then_the_next_takes_them_all(
    book: Watched, tmp_path: Path
) -> None:
    book.may_go.clear()
    async with Writer(book) as writer, anyio.create_task_group() as tasks:
        tasks.start_soon(writer.append, [draft(0)])
        await anyio.wait_all_tasks_blocked()
        while writer._waiting:  # until the thread has taken the first
            await anyio.lowlevel.checkpoint()
        for n in range(1, 9, 2):
            tasks.start_soon(writer.append, [draft(n), draft(n + 1)])
        await anyio.wait_all_tasks_blocked()
        book.may_go.set()
    assert book.commits == [1, 8]
    assert sorted(map(str, told(tmp_path / "s.db"))) == [str(n) for n in range(9)]


async def test_appends_when_there_are_too_many_then_one_commit_takes_256_and_never_half_of_one(
    book: Watched,
) -> None:
    book.may_go.clear()
    async with Writer(book) as writer, anyio.create_task_group() as tasks:
        tasks.start_soon(writer.append, [draft(0)])
        await anyio.wait_all_tasks_blocked()
        while writer._waiting:
            await anyio.lowlevel.checkpoint()
        for size in (200, 50, 20, MOST_DRAFTS + 1):
            tasks.start_soon(writer.append, [draft(n) for n in range(size)])
            await anyio.wait_all_tasks_blocked()
        book.may_go.set()
    assert book.commits == [1, 250, 20, MOST_DRAFTS + 1]


async def test_append_when_its_caller_is_cancelled_then_is_durable_first(
    book: Watched, tmp_path: Path
) -> None:
    book.may_go.clear()
    seen: list[str] = []

    async def outcome(writer: Writer) -> None:
        await writer.append([draft(1)])
        seen.append("written")
        await anyio.lowlevel.checkpoint()
        seen.append("went on")

    async with Writer(book) as writer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outcome, writer)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
            book.may_go.set()
        assert seen == ["written"]
        assert told(tmp_path / "s.db") == [1]


async def test_failure_when_the_disk_is_full_then_every_waiter_and_every_later_one_hears(
    book: Watched, tmp_path: Path
) -> None:
    book.may_go.clear()
    book.full_at = 2
    heard: list[str] = []

    async def ask(writer: Writer, n: int) -> None:
        try:
            await writer.append([draft(n)])
            heard.append("written")
        except JournalError as error:
            heard.append(str(error).split(": ", 1)[1])

    async with Writer(book) as writer:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, writer, 0)
            await anyio.wait_all_tasks_blocked()
            while writer._waiting:
                await anyio.lowlevel.checkpoint()
            for n in range(1, 4):
                tasks.start_soon(ask, writer, n)
            await anyio.wait_all_tasks_blocked()
            book.may_go.set()
        await ask(writer, 9)
    assert heard[0] == "written"
    assert len(heard) == 5
    assert all("disk is full; nothing more is sent" in each for each in heard[1:])
    assert told(tmp_path / "s.db") == [0]


async def test_close_when_drafts_wait_then_they_are_written_and_no_more_are_taken(
    book: Watched, tmp_path: Path
) -> None:
    book.may_go.clear()
    writer = Writer(book)
    async with anyio.create_task_group() as tasks:
        async with writer:
            for n in range(5):
                tasks.start_soon(writer.append, [draft(n)])
            await anyio.wait_all_tasks_blocked()
            book.may_go.set()
        assert len(told(tmp_path / "s.db")) == 5
    with pytest.raises(JournalError, match="has ended"):
        await writer.append([draft(9)])


async def test_writer_when_a_fault_of_ours_ends_its_thread_then_nobody_waits_for_ever(
    book: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    died: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: died.append(args.exc_type.__name__))
    async with Writer(book) as writer:
        with pytest.raises(JournalError, match="has ended"):
            await writer.append([Draft(1, "paper", "b", "b", "alert", {"n": object()})])
        with pytest.raises(JournalError, match="has ended"):
            await writer.append([draft(1)])
    assert died == ["TypeError"]


@settings(max_examples=30)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(0, 3)).map(lambda t: (t[0], t[1])),
        min_size=1,
        max_size=8,
    )
)
def test_appends_when_many_tasks_interleave_then_the_chain_holds_and_streams_keep_their_order(
    tmp_path_factory: pytest.TempPathFactory, tasks: list[tuple[int, int]]
) -> None:
    """Each task: how many appends, and how many turns of the loop between two of them."""
    path = tmp_path_factory.mktemp("many") / "s.db"
    book = Journal(path)

    async def appender(writer: Writer, name: str, times: int, turns: int) -> None:
        for n in range(times):
            await writer.append([draft(2 * n, name), draft(2 * n + 1, name)])
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()

    async def all_of_them() -> None:
        async with Writer(book) as writer, anyio.create_task_group() as group:
            for k, (times, turns) in enumerate(tasks):
                group.start_soon(appender, writer, f"p{k}", times, turns)

    anyio.run(all_of_them)
    book.close()
    assert holds_together(path) == sum(2 * times for times, _ in tasks)
    for k, (times, _) in enumerate(tasks):
        assert told(path, f"p{k}") == list(range(2 * times))


@pytest.mark.bench
@pytest.mark.parametrize("tasks", [1, 8, 64, 256])
def test_appends_when_measured_then_are_printed(tmp_path: Path, tasks: int) -> None:
    """How many appends a second one task after the other, and many at once (`make bench`)."""
    each = 4_000 // tasks
    book = Journal(tmp_path / "s.db")
    spans: list[float] = []

    async def appender(writer: Writer, name: str) -> None:
        for n in range(each):
            begun = time.perf_counter()
            await writer.append([Draft(n, "paper", name, name, "alert", {"text": "x" * 200})])
            spans.append(time.perf_counter() - begun)

    async def all_of_them() -> None:
        async with Writer(book) as writer, anyio.create_task_group() as group:
            for k in range(tasks):
                group.start_soon(appender, writer, f"p{k}")

    begun = time.perf_counter()
    anyio.run(all_of_them)
    seconds = time.perf_counter() - begun
    book.close()
    spans.sort()
    assert holds_together(tmp_path / "s.db") == each * tasks
    rate, half, late = len(spans) / seconds, len(spans) // 2, len(spans) * 99 // 100
    print(  # noqa: T201 - a measurement is for reading
        f"\n{tasks} tasks: {rate:,.0f} appends/s, p50 {spans[half] * 1000:.2f} ms, "
        f"p99 {spans[late] * 1000:.2f} ms"
    )
