"""Rules of your own for `rules.toml`: a function takes a view of a position and may ask for an act.

What a view holds is said in `controller/rules/views.py`. A rule reads no clock and no file: all it
may know is in the view. One that raises or takes longer than 50 ms is told of by name, and the
others go on.
"""

from decimal import Decimal

from controller.rules.proposals import Proposal, book, move_stop
from controller.rules.views import PositionView

DAY_MS = 86_400_000
NEWS_MS = 12 * 3_600_000 + 30 * 60_000
"""When figures come out: at 12:30 UTC."""
BEFORE_MS = 10 * 60_000


def book_before_news(view: PositionView) -> Proposal | None:
    """Book a third of a winner in the ten minutes before the news, once."""
    until_ms = NEWS_MS - view.now_ms % DAY_MS
    if view.profit is None or view.profit < Decimal("0.002") or not 0 < until_ms <= BEFORE_MS:
        return None
    return book(Decimal("0.33"), f"{view.symbol} booking 33% before the news")


def stop_behind_the_last_candles(view: PositionView) -> Proposal | None:
    """Keep the stop behind the last hour, once the position is ahead."""
    last_hour = view.candles[-12:]
    if view.profit is None or view.profit <= 0 or len(last_hour) < 12:
        return None
    if view.side == "long":
        price = min(candle.low for candle in last_hour)
    else:
        price = max(candle.high for candle in last_hour)
    return move_stop(price, f"{view.symbol} stop behind the last hour, at {price}")
