"""Every scenario, one test each."""

import pytest
from msgspec.structs import replace

from machines.grammar import Row
from machines.position import ROWS
from machines.words import Direction
from tests.machines.mirror import mirrored
from tests.machines.scenario import SCENARIOS, Run, corpus, played, retold
from tests.machines.script import Misread, Script, Step, tidy


@pytest.mark.parametrize("script", corpus(), ids=lambda script: script.name)
def test_scenario_when_played_then_follows_exactly_what_is_written(script: Script) -> None:
    played(script)


def test_scenario_when_it_expects_something_else_then_the_difference_is_shown() -> None:
    script = next(one for one in corpus() if one.name == "two_of_three_entries_fill")
    step = script.steps[-2]
    wrong = replace(step, follows=tuple(line for line in step.follows if "cancel" not in line))
    with pytest.raises(AssertionError) as caught:
        Run(replace(script, steps=(*script.steps[:-2], wrong))).play()
    assert str(caught.value).splitlines()[0].endswith(f"{step.line}: > {'; '.join(step.happens)}")
    assert "+  cancel entry 3" in str(caught.value).splitlines()


@pytest.mark.parametrize(
    ("happens", "fault"),
    [
        ("the moon rises", "nobody knows what that means"),
        ("refuse cancel entry 3", "cancel entry 3 was not sent"),
        ("market a b c", "a price, two, `silent` or `unknown`"),
        ("5 later", "5: is no duration"),
    ],
)
def test_scenario_when_it_says_what_nobody_understands_then_is_named(
    happens: str, fault: str
) -> None:
    script = next(one for one in corpus() if one.name == "only_entry_fills")
    step = Step(99, (happens,), ())
    with pytest.raises(Misread, match=f"only_entry_fills.ladder:99: .*{fault}"):
        Run(replace(script, steps=(script.steps[0], step))).play()


def test_scenario_when_a_plan_is_refused_then_says_why() -> None:
    script = next(one for one in corpus() if one.name == "only_entry_fills")
    step = replace(script.steps[0], happens=("opened at 101000",))
    with pytest.raises(Misread, match=r"the market .* is already beyond it"):
        Run(replace(script, steps=(step,))).play()


def test_scenario_when_told_anew_then_is_what_is_written() -> None:
    for script in corpus()[:20]:
        path = SCENARIOS / f"{script.name}.ladder"
        assert tidied(retold(path)) == tidied(path.read_text(encoding="utf-8"))


def tidied(text: str) -> list[str]:
    return [tidy(line) for line in text.splitlines() if line]


@pytest.mark.parametrize(
    "script", [one for one in corpus() if mirrored(one)], ids=lambda script: script.name
)
def test_scenario_when_mirrored_then_the_other_side_does_the_same(script: Script) -> None:
    other = mirrored(script)
    assert other is not None
    played(other)


def test_corpus_when_read_then_every_row_and_state_has_a_long_and_a_short() -> None:
    taken: dict[Direction, set[tuple[str, str]]] = {side: set() for side in Direction}
    for script in (*corpus(), *filter(None, map(mirrored, corpus()))):
        run = played(script)
        rows = [*(t for p in run.polls for t in p.done.taken), *run.answered]
        taken[script.spec.side] |= {
            (t.cell.name, t.before) for t in rows if isinstance(t.cell, Row)
        }
    every = {(row.name, state) for row in ROWS for state in row.sources}
    assert [sorted(every - taken[side]) for side in Direction] == [[], []]
