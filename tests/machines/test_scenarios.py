"""Every scenario, one test each."""

import pytest

from tests.machines.scenario import Run, corpus
from tests.machines.script import Script


@pytest.mark.parametrize("script", corpus(), ids=lambda script: script.name)
def test_scenario_when_played_then_follows_exactly_what_is_written(script: Script) -> None:
    Run(script).play()
