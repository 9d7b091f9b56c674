"""How often memory is searched for cycles: seldom, as records that are frozen cannot form any."""

from __future__ import annotations

import gc

_NEW_OBJECTS = 10_000
"""Between two searches. Python's 700 spends a fifth of the time that ten thousand positions take on
looking at ladders which are all in use; more than this gains nothing."""


def search_seldom() -> None:
    """Let the collector look at what is new less often; what is let go is freed at once anyway."""
    gc.set_threshold(_NEW_OBJECTS)
