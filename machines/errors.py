"""The error tree: who is at fault, and what is known.

Knows nothing of venues or files. A message names the thing, its value and what is allowed.
"""

from __future__ import annotations


class RungkeeperError(Exception):
    """Be the root of every error this product raises on purpose."""


class InvalidSpec(RungkeeperError):
    """Say what is wrong with a plan or a configuration. The user's fault; nothing was sent.

    ``faults`` holds every fault found, one sentence each.
    """

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


class ForbiddenTransition(RungkeeperError):
    """An event met a cell that is *never*. Our fault or the venue's; that ladder stops."""


class BrokenInvariant(RungkeeperError):
    """A law of RELIABILITY §2.2 does not hold. Our fault; that ladder stops."""


class BrokenTable(RungkeeperError):
    """A table has a hole, an overlap or an unknown word. Our fault, found at import."""
