"""What one exit order without reduce-only is doing now (SPEC §9, DESIGN §7 `Rung.phase`).

Where there is no reduce-only, each rung has one order and no more: it rests as the rung's stop and
is converted in place. Data only; who changes it stands in `machines.carriers`.
"""

from __future__ import annotations

import enum

import msgspec


class Phase(enum.StrEnum):
    """What a rung's one order is."""

    STOP = "stop"
    """Its stop; the only phase where exits pool."""
    CONVERTING = "converting"
    """Its target is touched; the order is asked to become a limit."""
    TARGET = "target"
    """A limit at its target; no stop protects it."""
    REARMING = "rearming"
    """The price has left: the limit is cancelled, and its end confirmed, before a new stop."""
    FIRED = "fired"
    """Its stop has triggered, and works."""
    EXIT = "exit"
    """Asked to become an order at market."""


LEAVING = (Phase.FIRED, Phase.EXIT)
"""On its way out at whatever the market pays."""
AT_TARGET = (Phase.CONVERTING, Phase.TARGET, Phase.REARMING)


class Carrier(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a rung's order beside its quantity and price. *Units*: UTC ms."""

    phase: Phase = Phase.STOP
    since_ms: int = 0
    """TARGET: when it was first seen as a limit."""
    converted_ms: tuple[int, ...] = ()
    """When it was converted, the latest last."""
    told: bool = False
    """A person has heard that it may not be converted for a while."""
    amended: int = 0
    """Amendments of the present order: venues count them."""
    asked: int = 0
    """How often the present order was to go to market."""
    sent: int = 0
    """How often it was told so."""

    def anew(self) -> Carrier:
        """Return what carries over to the next order in the same place."""
        return Carrier(converted_ms=self.converted_ms, told=self.told)
