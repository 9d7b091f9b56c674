"""Declared ladder → the orders this venue should hold, one module per exit style.

Knows the ladder, the venue's capabilities and what rests; knows no states.
"""

from __future__ import annotations

from machines.ladder import Ladder
from machines.lower import per_rung, pooled
from machines.lower.pooled import Wanted
from machines.observe import Scene
from machines.words import ExitStyle


def lower(ladder: Ladder, here: Scene) -> Wanted:
    """Fit the declared ladder to the venue it is at."""
    if here.capabilities.exits is ExitStyle.POOLED:
        return pooled.lower(ladder, here.capabilities)
    return per_rung.lower(ladder, here)
