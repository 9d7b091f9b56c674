"""The whole outcome table of the venue sheet (§3, §3.1), one line a row."""

import pytest
import requests
from requests import exceptions as rex
from urllib3.exceptions import MaxRetryError, NameResolutionError, NewConnectionError

from exchanges.zerodha import sdk
from exchanges.zerodha.classify import Halt, judge, refusal_of
from machines.words import OutcomeKind, Refusal

K = sdk.exceptions()
BUSY, REFUSED = OutcomeKind.BUSY, OutcomeKind.REFUSED
UNSURE, MALFORMED = OutcomeKind.UNSURE, OutcomeKind.MALFORMED
NEVER_CONNECTED = MaxRetryError(
    None,  # pyright: ignore[reportArgumentType] - no pool is needed for a reason
    "/orders",
    NewConnectionError(None, "refused"),  # pyright: ignore[reportArgumentType]
)
NO_NAME = MaxRetryError(
    None,  # pyright: ignore[reportArgumentType]
    "/orders",
    NameResolutionError("api.kite.trade", None, OSError()),  # pyright: ignore[reportArgumentType]
)
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."
IN_PROCESS = "Order cannot be modified as it is being processed. Try later."
NO_STOCK = (
    "Insufficient stock holding or there are pending sell orders for this stock. "
    "Check the orderbook."
)
FUNDS = "Insufficient funds. Required margin is 10 but available margin is 5."

# fmt: off
TABLE = [
    # no byte left, or none was looked at: it will not take effect
    (rex.ConnectTimeout("x"), BUSY, None, Halt.NONE),
    (rex.ConnectionError(NEVER_CONNECTED), BUSY, None, Halt.NONE),
    (rex.ConnectionError(NO_NAME), BUSY, None, Halt.NONE),
    (K.NetworkException("Too many requests", code=429), BUSY, None, Halt.SLOW),
    (K.NetworkException("Maximum allowed order requests exceeded.", code=429), BUSY, None,
     Halt.BARRED),
    (K.TokenException("Incorrect `api_key` or `access_token`.", code=403), BUSY, None,
     Halt.AUTH_LOST),
    (K.TokenException("Token is invalid", code=400), BUSY, None, Halt.AUTH_LOST),
    # it may be there
    (rex.ReadTimeout("x"), UNSURE, None, Halt.NONE),
    (rex.ConnectionError("Connection aborted"), UNSURE, None, Halt.NONE),
    (rex.ConnectionError(), UNSURE, None, Halt.NONE),
    (rex.ProxyError("x"), UNSURE, None, Halt.NONE),
    (rex.SSLError("x"), UNSURE, None, Halt.NONE),
    (rex.ChunkedEncodingError("x"), UNSURE, None, Halt.NONE),
    (rex.TooManyRedirects("x"), UNSURE, None, Halt.NONE),
    (K.NetworkException("down", code=503), UNSURE, None, Halt.NONE),
    (K.NetworkException("odd", code=400), UNSURE, None, Halt.NONE),
    (K.OrderException("failed", code=500), UNSURE, None, Halt.NONE),
    (K.GeneralException("Request failed (kitetrade-oms)", code=500), UNSURE, None, Halt.NONE),
    (K.InputException(TIMED_OUT, code=400), UNSURE, None, Halt.NONE),
    (K.OrderException("Gateway timed out", code=400), UNSURE, None, Halt.NONE),
    (K.InputException(IN_PROCESS, code=400), UNSURE, None, Halt.NONE),
    # the answer made no sense
    (K.DataException("Unknown Content-Type (text/html) with response", code=502), MALFORMED, None,
     Halt.NONE),
    (KeyError("content-type"), MALFORMED, None, Halt.NONE),
    (TypeError("x"), MALFORMED, None, Halt.NONE),
    (AttributeError("x"), MALFORMED, None, Halt.NONE),
    (UnboundLocalError("x"), MALFORMED, None, Halt.NONE),
    (ValueError("x"), UNSURE, None, Halt.NONE),
    # no
    (K.NetworkException("Maximum allowed order modifications exceeded.", code=429), REFUSED,
     Refusal.OTHER, Halt.NONE),
    (K.NetworkException("Maximum allowed order modifications exceeded.", code=400), REFUSED,
     Refusal.OTHER, Halt.NONE),
    (K.InputException("16316 : The trigger price is not a multiple of tick size", code=400),
     REFUSED, Refusal.INVALID, Halt.NONE),
    (K.InputException("Trigger price for stoploss sell orders should be lower than the last "
                      "traded price.", code=400), REFUSED, Refusal.BEHIND_MARKET, Halt.NONE),
    (K.InputException("Trigger price for stoploss sell orders cannot be below the lower circuit "
                      "price.", code=400), REFUSED, Refusal.INVALID, Halt.NONE),
    (K.InputException("Trigger cannot be created with the second trigger price less than the "
                      "last price.", code=400), REFUSED, Refusal.BEHIND_MARKET, Halt.NONE),
    (K.GeneralException(NO_STOCK, code=400), REFUSED, Refusal.OVERSELL, Halt.NONE),
    (K.GeneralException(FUNDS, code=400), REFUSED, Refusal.OTHER, Halt.NONE),
    (K.GeneralException("Holdings not authorised", code=428), REFUSED, Refusal.OTHER,
     Halt.BARRED),
    (K.PermissionException("IP address is not registered", code=403), REFUSED, Refusal.OTHER,
     Halt.BARRED),
    (K.InputException("Kill switch is on", code=400), REFUSED, Refusal.OTHER, Halt.BARRED),
]
# fmt: on


@pytest.mark.parametrize(("error", "kind", "refusal", "halt"), TABLE)
def test_verdict_when_a_write_raises_then_as_the_sheet_says(
    error: Exception, kind: OutcomeKind, refusal: Refusal | None, halt: Halt
) -> None:
    verdict = judge(error)
    assert (verdict.outcome.kind, verdict.outcome.refusal, verdict.halt) == (kind, refusal, halt)
    assert type(error).__name__ in verdict.outcome.text


def test_verdict_when_an_order_is_being_processed_then_it_must_be_read_again() -> None:
    assert judge(K.InputException(IN_PROCESS, code=400)).reread
    assert not judge(K.InputException(TIMED_OUT, code=400)).reread


def test_verdict_when_a_page_of_html_comes_then_its_text_is_short() -> None:
    verdict = judge(K.DataException("<html>" + "x" * 10_000, code=502))
    assert len(verdict.outcome.text) == 300


def test_refusal_when_the_book_rejects_later_then_the_same_words_decide() -> None:
    assert refusal_of("16316 : The trigger price is not a multiple of tick size") is Refusal.INVALID
    assert refusal_of("RMS:Margin Exceeds,Required:10") is Refusal.OTHER


def test_exceptions_when_the_sdk_is_there_then_its_classes_are_those_we_know() -> None:
    assert issubclass(requests.exceptions.ConnectTimeout, requests.exceptions.ConnectionError)
    for name in ("TokenException", "NetworkException", "DataException", "OrderException"):
        assert getattr(K, name).__mro__[1].__name__ == "KiteException"
