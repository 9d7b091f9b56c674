"""`make bench`: how fast, each figure beside a baseline of the same run; writes docs/BENCHMARKS.md.

The baseline is a bare `transitions` trigger, as a machine of its own: what any design on that
library pays for a step. Best of a few runs, in processor time unless it is said to be wall time.
"""

from __future__ import annotations

import gc
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
from tests.bench.crowd import Crowd
from tests.conftest import recorded
from tests.machines.scenario import SCENARIOS, Run
from tests.machines.script import read

ROOT = Path(__file__).resolve().parents[2]
DAY_BARS = 1_440


class Figure(msgspec.Struct):
    """One measured thing. ``seconds`` for one of it; ``aim`` in words."""

    name: str
    seconds: float
    aim: str = ""
    note: str = ""


def best(times: int, act: Callable[[], object], clock: Callable[[], float]) -> float:
    taken: list[float] = []
    for _ in range(times):
        gc.collect()
        start = clock()
        act()
        taken.append(clock() - start)
    return min(taken)


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
        Figure("row choice", each(5_000, choose), "≤ 1.5 × the baseline"),
        Figure("whole step (facts, row, recipe)", each(1_000, lambda: step(ladder, moment)),
               "≤ 2.5 × the baseline"),
        Figure("plan of a ladder in sync",
               each(1_000, lambda: plan(ladder, lower(ladder, capabilities), here))),
    ]  # fmt: skip


def crowds() -> list[Figure]:
    found: list[Figure] = []
    for many, name in ((100, "100"), (1_000, "1,000"), (10_000, "10,000")):
        with tempfile.TemporaryDirectory(dir=fast_disk()) as folder:
            crowd = Crowd(Path(folder), many)
            idle = best(3, crowd.look, time.process_time)
            aim = "≤ 50 ms (hummingbot 236 ms)" if many == 10_000 else ""
            found.append(Figure(f"idle cycle, {name} positions", idle, aim))
            if many == 10_000:
                protect = best(1, crowd.fill, time.process_time)
                found.append(Figure("protect 10,000 positions", protect, "≤ 2 s (nautilus 184 s)"))
                tp1 = best(1, crowd.hit, time.process_time)
                found.append(Figure("TP1 on all 10,000", tp1, "≤ 2 s (nautilus 189 s)"))
            elif many == 1_000:
                fill = best(1, crowd.fill, time.process_time) / many
                found.append(Figure("a fill through core and journal", fill))
            crowd.close()
    return found


def fast_disk() -> str | None:
    """A folder in memory where there is one: the processor is measured, not the disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def draft(n: int, state: bytes | None = None) -> Draft:
    return Draft(n, "paper", f"p{n % 500}", "p", "alert", {"text": "x" * 200}, state)


def journals() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        book = Journal(Path(folder) / "one.db")
        single = best(3, lambda: [book.append([draft(n)]) for n in range(500)], time.perf_counter)
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

        rate = best(3, lambda: anyio.run(grouped), time.perf_counter) / (tasks * appends)
        many.close()
    return [
        Figure("journal append, single (wall)", single / 500),
        Figure("journal append, grouped, 256 tasks (wall)", rate, "≥ 50,000/s",
               f"{1 / rate:,.0f}/s"),
    ]  # fmt: skip


def recoveries() -> list[Figure]:
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(dir=fast_disk()) as folder:
        crowd = Crowd(Path(folder), 1)
        state = msgspec.json.encode(crowd.any_ladder())
        crowd.close()
        for many, name, aim in ((100_000, "10⁵", ""), (1_000_000, "10⁶", "≤ 3 s")):
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

            found.append(Figure(f"recovery of {name} records (wall)",
                                best(2, recover, time.perf_counter), aim))  # fmt: skip
            path.unlink()
    return found


def a_day() -> Figure:
    with tempfile.TemporaryDirectory(dir=fast_disk()) as folder:
        crowd = Crowd(Path(folder), 50, walk=True)
        seconds = best(1, lambda: crowd.play(DAY_BARS), time.process_time)
        crowd.close()
    return Figure("a simulated day of 50 positions", seconds, "≤ 3 s")


def commands() -> list[Figure]:
    with tempfile.TemporaryDirectory(dir=fast_disk()) as folder:
        job = (ROOT / "examples" / "reference-job.toml").read_text()
        config = Path(folder) / "job.toml"
        text = job.replace("${RUNGKEEPER_DATA:-../../shared/data}", str(recorded()))
        config.write_text(text)

        def run(*arguments: str) -> None:
            command = [sys.executable, "-m", "controller", *arguments]
            subprocess.run(command, cwd=ROOT, check=True, capture_output=True)

        def job_once() -> None:
            for file in Path(folder).glob("reference-job*"):
                file.unlink()
            run("run", "--quiet", "--config", str(config))

        whole = best(3, job_once, time.perf_counter)
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        peak = f"{43_200 / whole:,.0f} candles/s, largest process {children:.0f} MB"
        found = [Figure("the reference job, whole process (wall)", whole, "≤ 0.66 s", peak)]
        found.append(Figure("`--help` (wall)", best(5, lambda: run("--help"), time.perf_counter),
                            "≤ 150 ms"))  # fmt: skip
    return found


def shown(seconds: float) -> str:
    for unit, factor in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1 or unit == "µs":
            return f"{Decimal(str(seconds * factor)):.3g} {unit}"
    raise AssertionError(seconds)


def page(figures: list[Figure], baseline: float) -> str:
    packages = ", ".join(f"{p} {version(p)}" for p in ("transitions", "msgspec", "anyio", "apsw"))
    lines = [
        "# Benchmarks",
        "",
        f"Written by `make bench` on {datetime.now(UTC):%Y-%m-%d}: Python "
        f"{platform.python_version()}, {platform.system()} {platform.machine()}, {packages}.",
        "Baseline: a bare `transitions` trigger. Best of a few runs, processor time unless it says",
        "wall. Files lie in memory where the system has such a folder, except for the journal's.",
        "",
        "| what | took | × baseline | aim | |",
        "| --- | ---: | ---: | --- | --- |",
    ]
    for one in figures:
        ratio = one.seconds / baseline
        lines.append(
            f"| {one.name} | {shown(one.seconds)} | {ratio:,.3g} | {one.aim} | {one.note} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    baseline = bare_trigger()
    figures = [Figure("a bare `transitions` trigger (the baseline)", baseline), *steps()]
    # Commands first: what a child is said to have used at most includes what we had when it began.
    for part in (commands, crowds, journals, recoveries, lambda: [a_day()]):
        figures += part()
        sys.stdout.write(f"{figures[-1].name}: {shown(figures[-1].seconds)}\n")
    text = page(figures, baseline)
    (ROOT / "docs" / "BENCHMARKS.md").write_text(text)
    sys.stdout.write("\n" + text)


if __name__ == "__main__":
    main()
