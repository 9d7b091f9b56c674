"""The simulated venue: a matching engine over a feed's bars, behind the same port as any other."""

from exchanges.simulated.acts import Act, Deed
from exchanges.simulated.faults import Fault, Faults, faults_from
from exchanges.simulated.faulty import FaultyVenue
from exchanges.simulated.session import Session
from exchanges.simulated.settings import (
    Oversell,
    PricePath,
    Product,
    SimulatedSettings,
    Slots,
)
from exchanges.simulated.venue import SimulatedVenue

__all__ = [
    "Act",
    "Deed",
    "Fault",
    "Faults",
    "FaultyVenue",
    "Oversell",
    "PricePath",
    "Product",
    "Session",
    "SimulatedSettings",
    "SimulatedVenue",
    "Slots",
    "faults_from",
]
