"""`make bench`: how fast, each figure beside a baseline of the same run; writes docs/BENCHMARKS.md.

The baseline is a bare `transitions` trigger, as a machine of its own: what any design on that
library pays for a step. Best of a few runs, in processor time unless it is said to be wall time.
"""

from __future__ import annotations

import gc
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

import anyio
import msgspec
from transitions import Machine

from controller import recovery
from controller.journal import Draft, Journal
from controller.journal_writer import Writer
from machines.facts import evaluate
from machines.lower.pooled import lower
from machines.observe import scene
from machines.plan import plan
from machines.position import TABLE, step
from machines.recipes import Moment
from tests.bench import queue
from tests.bench.crowd import Crowd
from tests.conftest import recorded
from tests.machines.scenario import SCENARIOS, Run
from tests.machines.script import read

ROOT = Path(__file__).resolve().parents[2]
DAY_BARS = 1_440


class Figure(msgspec.Struct):
    """One measured thing. ``seconds`` for one of it; ``aim`` in words.

    ``most`` is the aim in seconds, ``most_times`` in baselines.
    """

    name: str
    seconds: float
    aim: str = ""
    note: str = ""
    most: float | None = None
    most_times: float | None = None
    busy: float | None = None
    """Processor seconds, where ``seconds`` is what passed on the wall."""

    def missed(self, baseline: float) -> bool:
        """Tell whether the aim is missed."""
        slow = self.most is not None and self.seconds > self.most
        return slow or (self.most_times is not None and self.seconds > self.most_times * baseline)


def best(times: int, act: Callable[[], object], clock: Callable[[], float]) -> float:
    taken: list[float] = []
    for _ in range(times):
        gc.collect()
        start = clock()
        act()
        taken.append(clock() - start)
    return min(taken)


def waited(times: int, act: Callable[[], object]) -> tuple[float, float]:
    """Return the least time on the wall, and the least of all processors, children included."""

    def worked() -> float:
        return sum(os.times()[:4])

    return best(times, act, time.perf_counter), best(times, act, worked)


def each(count: int, act: Callable[[], object]) -> float:
    """Return the processor time of one of many."""

    def many() -> None:
        for _ in range(count):
            act()

    return best(5, many, time.process_time) / count


class Cursor:
    state = "A"


def bare_trigger() -> float:
    machine = Machine(
        model=None, states=["A", "B"], initial=None, auto_transitions=False, send_event=True
    )
    machine.add_transition("go", "A", "=")
    event = machine.events["go"]
    return each(5_000, lambda: event.trigger(Cursor()))


def steps() -> list[Figure]:
    """A row chosen, a whole step, a plan: on the second entry's fill of a scenario."""
    run = Run(read(SCENARIOS / "entries_fill_one_by_one.ladder"))
    for one in run.script.steps[:3]:
        run.play_step(one)
    polled = run.polls[1]
    taken = polled.done.taken[0]
    moment = Moment(taken.event, polled.now_ms, polled.quote)
    ladder, capabilities = polled.done.ladder, run.book.capabilities
    facts = evaluate(ladder, moment)
    state, trigger = str(ladder.state), str(taken.event.trigger)

    def choose() -> None:
        TABLE.fire(state, TABLE.choose(state, trigger, facts))  # type: ignore[arg-type]

    here = scene(run.book.view(), polled.quote, polled.now_ms, capabilities)
    return [
        Figure("row choice", each(5_000, choose), "≤ 1.5 × the baseline", most_times=1.5),
        Figure("whole step (facts, row, recipe)", each(1_000, lambda: step(ladder, moment)),
               "≤ 2.5 × the baseline", most_times=2.5),
        Figure("plan of a ladder in sync",
               each(1_000, lambda: plan(ladder, lower(ladder, capabilities), here))),
    ]  # fmt: skip


def crowds() -> list[Figure]:
    return [*crowd(100, "100"), *crowd(1_000, "1,000"), *crowd(10_000, "10,000")]


def crowd(many: int, name: str) -> list[Figure]:
    """An idle look, every entry's fill and every first target, the best of two crowds each."""
    idle, fill, hit = [], [], []
    for _ in range(2):
        with tempfile.TemporaryDirectory(dir=fast_disk()) as folder:
            people = Crowd(Path(folder), many)
            idle.append(best(3, people.look, time.process_time))
            fill.append(best(1, people.fill, time.process_time))
            hit.append(best(1, people.hit, time.process_time))
            people.close()
    found = Figure(f"idle cycle, {name} positions", min(idle))
    if many == 1_000:
        return [found, Figure("a fill through core and journal", min(fill) / many)]
    if many < 10_000:
        return [found]
    found.aim, found.most = "≤ 50 ms (hummingbot 236 ms)", 0.05
    each_one = f"{min(fill) / many * 1e6:,.0f} and {min(hit) / many * 1e6:,.0f} µs a position"
    return [
        found,
        Figure(f"protect {name} positions", min(fill), "≤ 2 s (nautilus 184 s)", most=2),
        Figure(f"TP1 on all {name}", min(hit), "≤ 2 s (nautilus 189 s)", each_one, most=2),
    ]


def fast_disk() -> str | None:
    """A folder in memory where there is one: the processor is measured, not the disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def draft(n: int, state: bytes | None = None) -> Draft:
    return Draft(n, "paper", f"p{n % 500}", "p", "alert", {"text": "x" * 200}, state)


def journals() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        book = Journal(Path(folder) / "one.db")
        single, one = waited(3, lambda: [book.append([draft(n)]) for n in range(500)])
        book.close()
        many = Journal(Path(folder) / "many.db")
        tasks, appends = 256, 40

        async def appender(writer: Writer, k: int) -> None:
            for n in range(appends):
                await writer.append([draft(k * appends + n)])

        async def grouped() -> None:
            async with Writer(many) as writer, anyio.create_task_group() as group:
                for k in range(tasks):
                    group.start_soon(appender, writer, k)

        rate, busy = (s / (tasks * appends) for s in waited(12, lambda: anyio.run(grouped)))
        many.close()
    said = f"{1 / rate:,.0f}/s"
    return [
        Figure("journal append, single", single / 500, busy=one / 500),
        Figure("journal append, grouped, 256 tasks", rate, "≥ 50,000/s", said, 2e-5, busy=busy),
    ]


def recoveries() -> list[Figure]:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=fast_disk()) as folder:
        crowd = Crowd(Path(folder), 1)
        state = msgspec.json.encode(crowd.any_ladder())
        crowd.close()
        for many, name, most in ((100_000, "10⁵", None), (1_000_000, "10⁶", 3)):
            path = Path(folder) / f"{many}.db"
            book = Journal(path)
            for k in range(0, many, 10_000):
                last = k + 10_000 >= many
                book.append([draft(n, state if last else None) for n in range(k, k + 10_000)])
            book.close()

            def recover(path: Path = path) -> None:
                journal = Journal(path)
                found = recovery.recover(journal, {"paper": recovery.Where(0, 7_000)}, [])
                assert found["paper"].kept
                journal.close()

            seconds, busy = waited(3, recover)
            aim = "" if most is None else f"≤ {most} s"
            what = f"recovery of {name} records"
            found.append(Figure(what, seconds, aim, most=most, busy=busy))
            path.unlink()
    return found


def a_day() -> Figure:
    with tempfile.TemporaryDirectory(dir=fast_disk()) as folder:
        crowd = Crowd(Path(folder), 50, walk=True)
        seconds = best(1, lambda: crowd.play(DAY_BARS), time.process_time)
        crowd.close()
    return Figure("a simulated day of 50 positions", seconds, "≤ 3 s", most=3)


def commands() -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=fast_disk()) as folder:
        job = (ROOT / "examples" / "reference-job.toml").read_text()
        config = Path(folder) / "job.toml"
        text = job.replace("${RUNGKEEPER_DATA:-../../shared/data}", str(recorded()))
        config.write_text(text)

        # Byte-code is kept from the run before, as it is for whoever runs it twice.
        kept = {"PYTHONPYCACHEPREFIX": folder, "PYTHONDONTWRITEBYTECODE": ""}

        def run(*arguments: str) -> None:
            command = [sys.executable, "-m", "controller", *arguments]
            env = os.environ | kept
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True, env=env)

        def job_once() -> None:
            for file in Path(folder).glob("reference-job*"):
                file.unlink()
            run("run", "--quiet", "--config", str(config))

        whole, busy = waited(8, job_once)
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        peak = f"{43_200 / whole:,.0f} candles/s, largest process {children:.0f} MB"
        told, at_work = waited(5, lambda: run("--help"))
    return [
        Figure("the reference job, whole process", whole, "≤ 0.66 s", peak, 0.66, busy=busy),
        Figure("`--help`", told, "≤ 150 ms", most=0.15, busy=at_work),
    ]


def queues() -> list[Figure]:
    """Decisions accepted and done; an exit behind 5,000 that are in no hurry."""
    accepted, ended = queue.throughput(fast_disk())
    walls, works = queue.behind_others(fast_disk())
    late, middle = len(walls) * 99 // 100, len(walls) // 2
    said = f"{shown(walls[middle])} in the middle, {shown(walls[late])} p99 on the wall's clock"
    return [
        Figure("a decision accepted, durable", accepted),
        Figure("and from there to its end", ended, "", f"{1 / (accepted + ended):,.0f}/s in all"),
        Figure("an exit behind 5,000 background decisions, asked for to sent, p99", works[late],
               "≤ 5 ms", said),
    ]  # fmt: skip


def shown(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            return f"{Decimal(str(seconds * factor)):.3g} {unit}"
    raise AssertionError(seconds)


CAUSES = """
## Where the time goes

**Protecting and TP1.** To protect one position is 2 rows of the table with their sharing, 5
requests judged by the simulated venue, 14 records with the resulting ladder encoded, hashed and
written, the 5 answers taken, and a second look that finds nothing to do: about 2,000 calls of
Python functions, none of which takes more than a twentieth of it. TP1 is a look, a row, 2 to 3
requests, their records and a look that sees break-even resting. The aim of 200 µs a position would
want half of those calls gone; that is another program, or these machines compiled.

**Journal, grouped.** A commit holds up to 256 appends and waits for the disk once. Appended from
one task as lists of 256 it is two to three times as many: the rest is tasks waking each other.

**Recovery.** A third is SQLite's own check of its books and indexes, a half the hash of each
record. Both are of the whole file: it is refused if one byte of it was altered.
"""


def machine() -> str:
    """Name the processor, how many of it, and the memory."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    models = [line.partition(":")[2].strip() for line in text.splitlines() if "model name" in line]
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    model = models[0] if models else platform.processor() or "unknown processor"
    return f"{os.cpu_count()} × {model}, {pages / 2**30:.0f} GiB"


def page(figures: list[Figure], baseline: float) -> str:
    packages = ", ".join(f"{p} {version(p)}" for p in ("transitions", "msgspec", "anyio", "apsw"))
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: Python "
        f"{platform.python_version()}, {platform.system()} {platform.machine()}, {packages}.",
        f"Machine: {machine()}; other work ran beside it (load {os.getloadavg()[1]:.1f}).",
        "Baseline: a bare `transitions` trigger. Best of a few runs. What is aimed at is processor",
        "time, or where something was *taken* the time on the wall. Files lie in memory where the",
        "system has such a folder, except for the journal's. An aim that is missed on the wall and",
        "not by the processor was missed by waiting for other programs.",
        "",
        "| what | taken | processor | × baseline | aim | |",
        "| --- | ---: | ---: | ---: | --- | --- |",
    ]
    for one in figures:
        ratio = one.seconds / baseline
        aim = f"**missed**: {one.aim}" if one.missed(baseline) else one.aim
        busy = shown(one.seconds if one.busy is None else one.busy)
        took = "" if one.busy is None else shown(one.seconds)
        lines.append(f"| {one.name} | {took} | {busy} | {ratio:,.3g} | {aim} | {one.note} |")
    return "\n".join(lines) + "\n" + CAUSES


def main() -> None:
    baseline = bare_trigger()
    figures = [Figure("a bare `transitions` trigger (the baseline)", baseline), *steps()]
    # Commands first: what a child is said to have used at most includes what we had when it began.
    for part in (commands, crowds, journals, queues, recoveries, lambda: [a_day()]):
        figures += part()
        sys.stdout.write(f"{figures[-1].name}: {shown(figures[-1].seconds)}\n")
    text = page(figures, baseline)
    (ROOT / "docs" / "BENCHMARKS.md").write_text(text)
    sys.stdout.write("\n" + text)


if __name__ == "__main__":
    main()
