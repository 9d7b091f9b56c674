"""Starts a loopback Bybit by hand: ``python -m tests.wire.bybit --port 8123``.

Listens on this machine only and ends by itself. Prices walk by chance, repeatably by ``--seed``.
Prints where it listens and with which keys, then every request that changes something.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
from decimal import Decimal

from machines.words import Instrument
from tests.wire.bybit.private import PrivateStream
from tests.wire.bybit.rules import Rules
from tests.wire.bybit.server import Loopback

LONGEST_S = 86_400
BTC = Instrument("BTCUSDT", Decimal("0.1"), Decimal("0.001"), Decimal("0.001"), Decimal(5))
ETH = Instrument("ETHUSDT", Decimal("0.01"), Decimal("0.01"), Decimal("0.01"), Decimal(5))
START = {"BTCUSDT": "104500", "ETHUSDT": "2500"}


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.wire.bybit", description=__doc__)
    parser.add_argument("--port", type=int, default=8123, help="of the HTTP side")
    parser.add_argument("--stream-port", type=int, default=8125, help="of the private stream")
    parser.add_argument("--seconds", type=float, default=600, help="it ends after so long")
    parser.add_argument("--tick-ms", type=int, default=200, help="between two prices")
    parser.add_argument("--step", type=float, default=0.0004, help="of the walk, as a fraction")
    parser.add_argument("--latency-ms", type=int, default=20, help="of every answer")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--hedge", action="store_true", help="keep two positions a symbol")
    return parser.parse_args(words)


def walk(venue: Loopback, chosen: argparse.Namespace, over: threading.Event) -> None:
    """Let prices walk until it is over."""
    chance = random.Random(chosen.seed)
    while not over.wait(chosen.tick_ms / 1000):
        for symbol, instrument in venue.rules.instruments.items():
            factor = Decimal(repr(1 + chance.gauss(0, chosen.step)))
            to = venue.exchange.last(symbol) * factor // instrument.tick * instrument.tick
            venue.exchange.move(symbol, max(to, instrument.tick))


def main(words: list[str]) -> int:
    """Run until the time is over or somebody interrupts."""
    chosen = arguments(words)
    rules = Rules(instruments={"BTCUSDT": BTC, "ETHUSDT": ETH}, hedge=chosen.hedge)
    venue = Loopback(rules, START, chosen.port)
    venue.latency_s = chosen.latency_ms / 1000
    stream = PrivateStream(venue.exchange, chosen.stream_port)
    out = sys.stdout
    out.write(f"Loopback Bybit at {venue.url}, stream at {stream.url}\n")
    out.write(f"export BYBIT_KEY={rules.key} BYBIT_SECRET={rules.secret}\n")
    out.flush()
    over, shown = threading.Event(), 0
    walker = threading.Thread(target=walk, args=(venue, chosen, over), daemon=True)
    walker.start()
    left_s = min(chosen.seconds, LONGEST_S)
    try:
        while left_s > 0:
            over.wait(min(0.5, left_s))
            left_s -= 0.5
            for method, path, body in venue.requests[shown:]:
                if method == "POST":
                    out.write(f"{path} {body}\n")
            shown = len(venue.requests)
            out.flush()
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    over.set()
    walker.join()
    stream.close()
    venue.close()
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
