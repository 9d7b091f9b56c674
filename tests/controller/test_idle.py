"""Passing over idle bars changes nothing but the time it takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller import runner
from controller.journal import Record
from controller.runner import FeedRunner
from machines.watch import Watch
from tests.controller.runs import run, walk_config, with_state


class EveryPoll(FeedRunner):
    """A runner that passes over nothing."""

    def next_wake_ms(self) -> int | None:
        bar_ms = self._venue.next_bar_ms()
        if bar_ms is None:
            return None
        return self._grid(bar_ms if self._poll_ms is None else self._clock.now_ms() + 1)


def _told(records: list[Record]) -> list[tuple[int, str, str, object]]:
    return [(r.at_ms, r.position, r.kind, r.data) for r in records]


@pytest.mark.parametrize(("seed", "poll"), [(3, "bar"), (8, "60s")])
def test_skipping_idle_bars_when_compared_with_every_poll_gives_the_same_journal(
    seed: int, poll: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = walk_config(tmp_path, seed=seed, poll=poll)
    skipped = run(with_state(config, tmp_path / "skip.db"))
    monkeypatch.setattr("controller.app.FeedRunner", EveryPoll)
    monkeypatch.setattr("controller.keeper.watch", lambda *_: Watch(every_poll=True))
    played = run(with_state(config, tmp_path / "play.db"))
    assert _told(skipped) == _told(played)
    assert sum(r.kind == "fill" for r in skipped) > 50
    assert runner.FeedRunner is FeedRunner
