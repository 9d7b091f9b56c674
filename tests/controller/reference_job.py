"""The reference job written a second time, as a loop over bars that shares nothing with ours.

It does one thing: a long ladder of three entries and four targets on candles, fees off, that starts
again whenever it is flat. Of the other engines' conventions it has the one that differs from ours:
``waits`` lets it start a bar late after an exit at market, as nautilus does. With that it gives
nautilus's own fills where there are any, which is why it may stand for nautilus elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from exchanges.feeds.bars import Bar

Fill = tuple[int, str, Decimal, Decimal]
"""When its bar closed, the side, price and quantity."""
ENTRIES = ("0.001", "0.002", "0.003")
TARGETS = (("0.01", "0.85"), ("0.02", "0.05"), ("0.03", "0.05"), ("0.04", "0.05"))
STOP = Decimal("0.015")


class Job:
    """One ladder after the other. ``ttl`` is in bars; an entry is for ``qty``."""

    def __init__(self, tick: str, qty: str, *, ttl: int = 240, waits: bool = False) -> None:
        self._tick, self._qty, self._ttl, self._waits = Decimal(tick), Decimal(qty), ttl, waits
        self.fills: list[Fill] = []
        self.restarts_ms: list[int] = []
        """When a ladder ended by an exit at market."""
        self._rest = False
        self._clear()

    def _clear(self) -> None:
        self._entries: dict[Decimal, Decimal] = {}
        self._targets: dict[Decimal, Decimal] = {}
        self._stop: Decimal | None = None
        self._held = self._cost = self._bought = self._late = Decimal(0)
        self._age = 0
        self._open = self._hit = self._stopped = False

    def run(self, bars: Iterable[Bar]) -> list[Fill]:
        """Play every bar and return all fills."""
        for bar in bars:
            before = len(self.fills)
            if self._open:
                self._sweep(bar)
                self._age += 1
                if len(self.fills) > before or self._age >= self._ttl:
                    self._act(bar)
            if not self._open and not self._rest:
                self._start(bar.close)
            self._rest = False
        return self.fills

    # ------------------------------------------------------------------------ inside a bar

    def _sweep(self, bar: Bar) -> None:
        """Fill what rested before the bar: at its open, on the way up, on the way down."""
        self._falls_to(bar.open, bar, gap=True)
        self._rises_to(bar.open, bar)
        self._rises_to(bar.high, bar)
        self._falls_to(bar.low, bar, gap=False)
        self._rises_to(bar.close, bar)

    def _falls_to(self, price: Decimal, bar: Bar, *, gap: bool) -> None:
        """Let the price fall. Over a gap the stop acts first, at the open."""
        for limit in sorted(self._entries, reverse=True):
            if gap:
                self._stop_at(price, price, bar)
            elif limit >= price:
                self._stop_at(limit + self._tick, None, bar)
            if limit >= price:
                self._buy(limit, self._entries.pop(limit), bar)
        self._stop_at(price, price if gap else None, bar)

    def _stop_at(self, price: Decimal, fill_px: Decimal | None, bar: Bar) -> None:
        if self._stop is not None and self._held and price <= self._stop:
            px, self._stopped = self._stop if fill_px is None else fill_px, True
            self._sell(px, self._held, bar)
            self._stop = None

    def _rises_to(self, price: Decimal, bar: Bar) -> None:
        for limit in sorted(self._targets):
            if limit <= price and self._held:
                self._hit = True
                self._sell(limit, min(self._held, self._targets.pop(limit)), bar)

    def _buy(self, price: Decimal, qty: Decimal, bar: Bar) -> None:
        self.fills.append((bar.close_ms, "buy", price, qty))
        if self._hit or self._stopped:  # it was to be cancelled: out at the close
            self._late += qty
            return
        self._held, self._bought = self._held + qty, self._bought + qty
        self._cost += price * qty

    def _sell(self, price: Decimal, qty: Decimal, bar: Bar) -> None:
        self.fills.append((bar.close_ms, "sell", price, qty))
        self._held -= qty

    # ------------------------------------------------------------------------ at its close

    def _act(self, bar: Bar) -> None:
        """Do at the close what the bar's fills have caused."""
        if self._hit or self._stopped:
            self._entries.clear()
        leave = self._late > 0
        if leave:
            self._sell_late(bar)
        if not self._bought and self._age >= self._ttl:
            self._clear()
        elif not self._held:
            self._end(bar, market=leave)
        elif self._is_behind(bar.close):
            self._sell(bar.close, self._held, bar)
            self._end(bar, market=True)
        else:
            self._declare(bar)

    def _sell_late(self, bar: Bar) -> None:
        self.fills.append((bar.close_ms, "sell", bar.close, self._late))
        self._late = Decimal(0)

    def _end(self, bar: Bar, *, market: bool) -> None:
        self._clear()
        if market:
            self.restarts_ms.append(bar.close_ms)
            self._rest = self._waits

    def _stop_px(self) -> Decimal:
        average = self._cost / self._bought
        return self._near(average if self._hit else average * (1 - STOP))

    def _is_behind(self, price: Decimal) -> bool:
        """Tell whether the stop cannot be placed or moved because of the price."""
        wanted = self._stop_px()
        moves = self._stop is not None and wanted > self._stop
        return price <= wanted if moves else price < wanted

    def _declare(self, bar: Bar) -> None:
        """Set the stop for what is held and, while entries fill, the targets from the average."""
        self._stop = self._stop_px()
        if self._hit:
            return
        average = self._cost / self._bought
        self._targets = {
            self._near(average * (1 + Decimal(up))): self._held * Decimal(share)
            for up, share in TARGETS
        }
        through = [px for px in sorted(self._targets) if px <= bar.close]
        for limit in through:
            self._hit = True
            self._sell(bar.close, self._targets.pop(limit), bar)
        if through:
            self._act(bar)

    def _start(self, price: Decimal) -> None:
        self._clear()
        self._open = True
        for down in ENTRIES:
            exact = price * (1 - Decimal(down))
            self._entries[exact // self._tick * self._tick] = self._qty

    def _near(self, price: Decimal) -> Decimal:
        ticks = (price / self._tick).quantize(Decimal(1), ROUND_HALF_EVEN)
        return ticks * self._tick
