"""Bybit's rate limits: what counts together, how much of it a second, what its headers say.

Every signed method is a bucket of its own and counts the items of a batch; all requests count for
the address, too. *Source*: venues/bybit.md §5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from exchanges import pacing
from exchanges.bybit.line import Lane
from exchanges.bybit.render import Endpoint
from exchanges.pacing import Pacer, Sleeper, Window

SECOND_MS = 1_100
"""The venue's rolling second, and a tenth for requests that are not equally long on the way."""
_ADDRESS = "address"
_READS = (
    "get_open_orders",
    "get_order_history",
    "get_executions",
    "get_positions",
    "get_account_info",
)
_LIMITS = {
    **dict.fromkeys((endpoint.value for endpoint in Endpoint), 10),
    **dict.fromkeys(_READS, 50),
    "get_api_key_information": 10,
    "get_fee_rates": 5,
}
WINDOWS = {
    _ADDRESS: (Window(600, 5_000),),
    **{method: (Window(limit, SECOND_MS),) for method, limit in _LIMITS.items()},
}
_LANES = {
    Lane.URGENT: pacing.Lane.STOP,
    Lane.NORMAL: pacing.Lane.RUNG,
    Lane.READ: pacing.Lane.BACKGROUND,
}


class BybitPacer:
    """Lets requests through no faster than Bybit takes them (`exchanges.bybit.line.Pacer`)."""

    def __init__(self, clock: Sleeper, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self.pacer = Pacer(WINDOWS, clock)

    async def admit(self, lane: Lane, bucket: str, cost: int) -> None:
        """Wait until a request that costs this much may leave."""
        await self.pacer.admit(_LANES[lane], bucket, cost)
        await self.pacer.admit(_LANES[lane], _ADDRESS)

    def heard(self, bucket: str, headers: Mapping[str, str], *, limited: bool) -> None:
        """Learn what the venue's second still takes; times of its clock are not believed far."""
        now_ms = self._now_ms()
        found = {name.lower(): value for name, value in headers.items()}
        limit = _number(found.get("x-bapi-limit"))
        if limit:
            self.pacer.resize(bucket, (Window(limit, SECOND_MS),))
        resets_ms = _number(found.get("x-bapi-limit-reset-timestamp")) or 0
        in_reach = now_ms < resets_ms <= now_ms + SECOND_MS
        left = _number(found.get("x-bapi-limit-status"))
        if left is not None and in_reach:
            self.pacer.hear(bucket, left, resets_ms)
        elif limited:
            self.pacer.shut(bucket, now_ms + SECOND_MS)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
