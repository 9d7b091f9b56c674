"""A seeded random walk: bars without a file, the same everywhere and always.

Works in whole ticks and draws bits only, so no rounding and no library's choice of distribution
decides a price. Knows nothing of files or venues.
"""

from __future__ import annotations

import random
from decimal import Decimal

from exchanges.feeds.bars import DAY_MS, MINUTE_MS, Bar, Feed
from machines.words import Instrument

START_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z: the first bar opens here."""
DAYS = 7
START_TICKS = 1_000_000
"""A million ticks: 100 000 at a tick of 0.1, fine enough for percent ladders at any tick."""
VOLATILITY_PPM = 600
"""Standard deviation of a minute in parts per million: about what BTCUSDT did in June 2025."""

_MOVES = 4  # per bar, so that a high and a low differ from open and close
_FARTHEST = 20  # the walk turns back at start ÷ 20 and start × 20


def walk(
    symbol: str,
    instrument: Instrument,
    seed: int,
    *,
    bars: int = DAYS * DAY_MS // MINUTE_MS,
    start_px: Decimal | None = None,
    volatility_ppm: int = VOLATILITY_PPM,
    start_ms: int = START_MS,
) -> Feed:
    """Make minute bars by a random walk on the instrument's tick.

    Each bar opens where the last one closed. Prices stay within start ÷ 20 … start × 20.
    """
    rng = random.Random(seed)
    tick, step = instrument.tick, instrument.step
    start = START_TICKS if start_px is None else max(_FARTHEST, int(start_px // tick))
    lowest, highest = start // _FARTHEST, start * _FARTHEST
    px = start
    rows: list[Bar] = []
    for index in range(bars):
        path = [px]
        for _ in range(_MOVES):
            # Four even draws of ±r have the variance 4r²/3: r is 0.866 deviations.
            reach = max(1, px * volatility_ppm * 866 // 1_000_000_000)
            px += rng.getrandbits(32) % (2 * reach + 1) - reach
            px = min(max(px, lowest), highest)
            path.append(px)
        rows.append(
            Bar(
                start_ms + (index + 1) * MINUTE_MS,
                path[0] * tick,
                max(path) * tick,
                min(path) * tick,
                px * tick,
                (1 + rng.getrandbits(14)) * step,
            )
        )
    return Feed.of(symbol, MINUTE_MS, rows)
