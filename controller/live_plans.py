"""Holds plans against what a real venue trades, before anything is sent. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Iterator

from exchanges.venue import Venue
from machines.planning import Setting, check
from machines.spec import LadderSpec, Price
from machines.words import Instrument, Snapshot, plain


def plan_faults(
    spec: LadderSpec, venue: Venue, snapshot: Snapshot, no_prices: str = ""
) -> list[str]:
    """Return every fault of a plan at its venue, one sentence each; empty is sound.

    ``no_prices`` says why the venue will never show any.
    """
    instrument = venue.instruments.get(spec.symbol)
    if instrument is None:
        return [f"symbol = {spec.symbol!r}: the venue of account {venue.account} does not trade it"]
    faults = list(_off_tick(spec, instrument))
    quote = snapshot.quotes.get(spec.symbol)
    if quote is None:  # the plan waits for a price, if there will be one
        return [*faults, no_prices] if no_prices else faults
    if faults:
        return faults
    setting = Setting(instrument, venue.fees(spec.symbol), venue.capabilities)
    return check(spec, quote.last, setting)


def _off_tick(spec: LadderSpec, instrument: Instrument) -> Iterator[str]:
    """Name prices that the venue cannot express. Percentages are rounded; these were meant."""
    written: list[tuple[str, Price | None]] = [
        *((f"entries[{n}].price", entry.price) for n, entry in enumerate(spec.entries, 1)),
        ("stop", spec.stop),
        *((f"targets[{n}]", target) for n, target in enumerate(spec.targets, 1)),
    ]
    tick = instrument.tick
    for where, price in written:
        if price is None or price.percent or not price.value % tick:
            continue
        below = price.value // tick * tick
        near = f"{plain(below)} or {plain(below + tick)}"
        yield f"{where} = {price}: off the tick of {spec.symbol}, {plain(tick)}; nearest: {near}"
