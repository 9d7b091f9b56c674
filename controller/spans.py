"""What lasts, and is told once: time without a stop, and a stop looser than declared.

The journal keeps every row of it. Held in memory: what lasts over a restart is told once more.
"""

from __future__ import annotations

from collections.abc import Sequence

from controller.kept import Kept
from controller.records import Scribe
from machines.core import Taken
from machines.observe import Scene
from machines.plan import differs
from machines.words import Trigger

NAKED_ALERT_MS = 5_000
"""SPEC §4: unprotected time is alerted at 5 s."""


def heard(kept: Kept, taken: Sequence[Taken], here: Scene) -> tuple[Trigger, ...]:
    """Return what a person has heard of already, and note what he hears of now.

    A loose stop is the same as long as it is seen at each look, or the one declared does not rest.
    """
    before = kept.loose_told
    loose = any(step.event.trigger is Trigger.STOP_LOOSENED for step in taken)
    kept.loose_told = loose or (before and differs(kept.ladder, here))
    return (Trigger.STOP_LOOSENED,) if before else ()


def tell_naked(kept: Kept, scribe: Scribe, now_ms: int) -> None:
    """Tell of unprotected time once it has lasted."""
    since = kept.ladder.naked_since_ms
    if since is None or now_ms - since < NAKED_ALERT_MS or kept.naked_told_ms == since:
        return
    kept.naked_told_ms = since
    scribe.alert(f"unprotected for {(now_ms - since) / 1000:g} s: no stop rests")
