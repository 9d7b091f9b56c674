"""The simulated venue: a matching engine over a feed's bars, behind the same port as any other."""

from exchanges.simulated.settings import PricePath, SimulatedSettings, Slots
from exchanges.simulated.venue import SimulatedVenue

__all__ = ["PricePath", "SimulatedSettings", "SimulatedVenue", "Slots"]
