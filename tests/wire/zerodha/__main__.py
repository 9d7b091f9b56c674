"""Starts a loopback Zerodha by hand: ``python -m tests.wire.zerodha --port 8124``.

Listens on this machine only and ends by itself. Prices walk by chance, repeatably by ``--seed``;
the market never closes. Prints where it listens and with which keys, then every request that
changes something.
"""

import argparse
import os
import random
import sys
import threading
import time
from decimal import Decimal
from pathlib import Path

from exchanges.zerodha.sessions import read_calendar
from machines.words import Instrument
from tests.wire.zerodha.faults import Fault, Faults
from tests.wire.zerodha.server import KEY, SECRET, TOKEN, Venue, serve

LONGEST_S = 86_400
CALENDAR = Path(__file__).with_name("calendar.toml")
TICK, ONE = Decimal("0.05"), Decimal(1)
PRICES = {
    "NSE:KOTAKBANK": Decimal(1800),
    "NSE:TATASTEEL": Decimal(150),
    "NSE:WIPRO": Decimal(500),
}
TIMES_OUT = (Fault.APPLIED_400_TIMED_OUT, Fault.APPLIED_RESET, Fault.RESET, Fault.HTML_502)


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire.zerodha", description=__doc__)
    parser.add_argument("--port", type=int, default=8124)
    parser.add_argument("--seconds", type=float, default=600, help="it ends after so long")
    parser.add_argument("--tick-ms", type=int, default=500, help="between two prices")
    parser.add_argument("--step", type=float, default=0.0004, help="of the walk, as a fraction")
    parser.add_argument("--latency-ms", type=int, default=20, help="of every answer")
    parser.add_argument("--faults", type=float, default=0.0, help="share of writes that go wrong")
    parser.add_argument("--seed", type=int, default=7)
    return parser.parse_args(words)


def walk(venue: Venue, chosen: argparse.Namespace) -> None:
    """Let prices walk until it is over."""
    chance = random.Random(chosen.seed)
    while not venue.over.wait(chosen.tick_ms / 1_000):
        for symbol, instrument in venue.broker.floor.instruments.items():
            factor = Decimal(repr(1 + chance.gauss(0, chosen.step)))
            to = venue.broker.floor.last[symbol] * factor // instrument.tick * instrument.tick
            venue.move(max(to, instrument.tick), symbol)


def main(words: list[str]) -> int:
    """Run until the time is over or somebody interrupts."""
    chosen = arguments(words)
    grid = {name: Instrument(name, TICK, ONE, ONE) for name in PRICES}
    now_ms = time.time_ns() // 1_000_000
    venue = Venue(grid, PRICES, now_ms, calendar=read_calendar(CALENDAR))
    venue.latency_s = chosen.latency_ms / 1_000
    venue.faults = Faults(share=chosen.faults, kinds=TIMES_OUT, seed=chosen.seed)
    out = sys.stdout
    with serve(venue, chosen.port):
        out.write(f"Loopback Zerodha at {venue.url}: {', '.join(PRICES)}\n")
        out.write(f"export KITE_KEY={KEY} KITE_SECRET={SECRET} KITE_TOKEN={TOKEN}\n")
        out.flush()
        walker = threading.Thread(target=walk, args=(venue, chosen), daemon=True)
        walker.start()
        try:
            shown, left_s = 0, min(chosen.seconds, LONGEST_S)
            while left_s > 0:
                venue.over.wait(min(0.5, left_s))
                left_s -= 0.5
                writes = venue.writes()
                out.writelines(f"{line}\n" for line in writes[shown:])
                shown = len(writes)
                out.flush()
        except (KeyboardInterrupt, BrokenPipeError):
            pass
        venue.over.set()
        walker.join()
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
