"""Public prices without a key: nothing that traded between two looks is missed."""

from __future__ import annotations

from collections.abc import Generator
from decimal import Decimal

import pytest

from controller.clock import SystemClock
from exchanges.bybit.public import PublicPrices
from exchanges.errors import VenueUnavailable
from machines.errors import InvalidSpec
from tests.wire.bybit.faults import Wrong
from tests.wire.bybit.server import Loopback

BTC = "BTCUSDT"
D = Decimal


@pytest.fixture
def public(venue: Loopback) -> Generator[PublicPrices]:
    opened = PublicPrices.open(venue.url, SystemClock())
    yield opened
    opened.close()


async def test_prices_when_first_looked_at_then_only_what_is_now_is_told(
    public: PublicPrices,
) -> None:
    seen = await public.look(BTC)
    assert (seen.path, seen.quote.last) == ((), 104500)
    assert seen.quote.bid is not None


async def test_prices_when_they_went_and_came_back_then_the_extremes_are_told(
    public: PublicPrices, venue: Loopback
) -> None:
    await public.look(BTC)
    venue.exchange.move(BTC, "103900", "104700", "104400")
    seen = await public.look(BTC)
    assert {D(103900), D(104700)} <= set(seen.path)
    assert seen.quote.last == 104400
    assert (await public.look(BTC)).quote.last == 104400


async def test_prices_when_nothing_is_new_then_no_path_is_told(
    public: PublicPrices, venue: Loopback
) -> None:
    venue.exchange.move(BTC, "104000")
    await public.look(BTC)
    seen = await public.look(BTC)
    assert set(seen.path) <= {D(104000)}


async def test_prices_when_a_look_fails_then_the_next_one_tells_what_was_missed(
    public: PublicPrices, venue: Loopback
) -> None:
    await public.look(BTC)
    venue.exchange.move(BTC, "103000", "104500")
    venue.faults.rates = {Wrong.HTML_502: 1.0}
    with pytest.raises(VenueUnavailable, match="prices of BTCUSDT: "):
        await public.look(BTC)
    venue.faults.rates = {}
    assert D(103000) in (await public.look(BTC)).path


async def test_prices_when_gone_on_with_then_what_traded_in_between_is_told(
    venue: Loopback, public: PublicPrices
) -> None:
    now_ms = venue.exchange.now_ms()
    venue.exchange.move(BTC, "103000", "104200")
    public.resume(BTC, now_ms, [D(104500)])
    assert D(103000) in (await public.look(BTC)).path


async def test_prices_when_asked_then_no_request_is_signed_or_changes_anything(
    public: PublicPrices, venue: Loopback
) -> None:
    await public.look(BTC)
    paths = {path for _, path, _ in venue.requests}
    assert paths == {"/v5/market/kline", "/v5/market/tickers"}


def test_prices_when_the_address_is_nobodys_then_refused() -> None:
    with pytest.raises(InvalidSpec, match="neither Bybit's nor this machine"):
        PublicPrices.open("https://prices.example.com", SystemClock())
