"""The whole outcome table of the venue's sheet, row by row."""

from __future__ import annotations

import re

import pytest
import requests
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import MaxRetryError, NewConnectionError

from exchanges.bybit.classify import FAILURES, Failure, Op, Trouble, failure, outcome, verdict
from exchanges.bybit.sdk import FailedRequestError, InvalidRequestError
from machines.words import Outcome, OutcomeKind, Refusal

K, R, T = OutcomeKind, Refusal, Trouble
P, A, C, S = Op.PLACE, Op.AMEND, Op.CANCEL, Op.SET_STOP
ALL = tuple(Op)

# The sheet's §6: code(s), operations, what is known, why refused, what else it tells.
ROWS: list[tuple[str, tuple[Op, ...], OutcomeKind, Refusal | None, Trouble]] = [
    ("0", ALL, K.ACCEPTED, None, T.NONE),
    ("10000", ALL, K.UNSURE, None, T.NONE),
    ("10002", ALL, K.BUSY, None, T.NONE),
    ("10003 10004 10005 10007 10009 10010 33004", ALL, K.BUSY, None, T.KEY),
    ("10006", ALL, K.BUSY, None, T.LIMITED),
    ("10014 10016 10019 10429 10403 20003 20006", ALL, K.UNSURE, None, T.NONE),
    ("10018", ALL, K.BUSY, None, T.BANNED),
    ("10024 10027 10028 10029 110123 110124 110125 110132", ALL, K.BUSY, None, T.KEY),
    ("429 40004 170007 170032 170234", ALL, K.UNSURE, None, T.NONE),
    ("110001 110008 110010", (P, A, S), K.REFUSED, R.UNKNOWN_ORDER, T.NONE),
    ("110001 110008 110010", (C,), K.ALREADY_DONE, None, T.NONE),
    ("110003 110120 110121 30208 30209", ALL, K.REFUSED, R.INVALID, T.NONE),
    ("110004 110006 110007 110012 110014 110044 110045", ALL, K.REFUSED, R.OTHER, T.NONE),
    ("110051 110052 110053 110011 110040 110046 110013", ALL, K.REFUSED, R.OTHER, T.NONE),
    ("110005 110063 110066 110074 110079 110118", ALL, K.BUSY, None, T.NONE),
    ("110009 110020 110021 110022 110023 110042 30228", ALL, K.REFUSED, R.OTHER, T.NONE),
    ("110017", ALL, K.REFUSED, R.NO_POSITION, T.NONE),
    ("110018 110019 110032 110057 110108 110109", ALL, K.REFUSED, R.INVALID, T.NONE),
    ("110025 110026 110027 110043 34040", ALL, K.ALREADY_DONE, None, T.NONE),
    ("110024 110028 110029 110031 110039 110047", ALL, K.REFUSED, R.OTHER, T.NONE),
    ("110030 110072", (P,), K.ALREADY_DONE, None, T.NONE),
    ("110030 110072", (A, C, S), K.REFUSED, R.OTHER, T.NONE),
    ("110058 110094", ALL, K.REFUSED, R.TOO_SMALL, T.NONE),
    ("110059 110060 181017", ALL, K.REFUSED, R.INVALID, T.NONE),
    ("110061 110064 110090 110085 110086 3400139", ALL, K.REFUSED, R.OTHER, T.NONE),
    ("110092 110093", ALL, K.REFUSED, R.BEHIND_MARKET, T.NONE),
    ("110095 110100 110103 110101 3400045 170213", ALL, K.REFUSED, R.OTHER, T.NONE),
    # Never seen: the trading engine's no is a no, the gateway's may be anything.
    ("119999", ALL, K.REFUSED, R.OTHER, T.NONE),
    ("10999 77", ALL, K.UNSURE, None, T.NONE),
]
CASES = [
    (int(code), op, kind, refusal, trouble)
    for codes, ops, kind, refusal, trouble in ROWS
    for code in codes.split()
    for op in ops
]


@pytest.mark.parametrize(("code", "op", "kind", "refusal", "trouble"), CASES)
def test_code_when_answered_then_as_the_sheet_says(
    code: int, op: Op, kind: OutcomeKind, refusal: Refusal | None, trouble: Trouble
) -> None:
    found = verdict(op, code, "why")
    assert (found.kind, found.refusal, found.trouble) == (kind, refusal, trouble)
    assert verdict(op, str(code), "why") == found


@pytest.mark.parametrize(
    ("text", "kind", "refusal"),
    [
        (
            "The order remains unchanged as the parameters entered match the existing ones.",
            K.ALREADY_DONE,
            None,
        ),
        ("can not set tp/sl/ts for zero position", K.REFUSED, R.NO_POSITION),
        (
            "StopLoss:324000000 set for Buy position should lower than base_price:161600000??"
            "LastPrice",
            K.REFUSED,
            R.BEHIND_MARKET,
        ),
        ("The number of contracts exceeds minimum limit allowed", K.REFUSED, R.TOO_SMALL),
        (
            "The number of contracts exceeds maximum limit allowed: too large, order_qty:1 > "
            "max_qty:0",
            K.REFUSED,
            R.INVALID,
        ),
        ("position idx not match position mode", K.REFUSED, R.INVALID),
        ("Qty invalid", K.REFUSED, R.INVALID),
        ("", K.REFUSED, R.INVALID),
    ],
)
def test_umbrella_code_when_answered_then_its_text_decides(
    text: str, kind: OutcomeKind, refusal: Refusal | None
) -> None:
    found = verdict(S, 10001, text)
    assert (found.kind, found.refusal) == (kind, refusal)


@pytest.mark.parametrize("code", [None, "OK", "", 1.5, [], "\uff11"])
def test_code_when_it_is_no_number_then_malformed(code: object) -> None:
    assert verdict(P, code, "").kind is K.MALFORMED


def test_outcome_when_refused_then_tells_code_and_text() -> None:
    assert outcome(P, 110094, "too small") == Outcome(
        K.REFUSED, R.TOO_SMALL, "Bybit 110094: too small"
    )
    assert outcome(P, 110072, "OrderLinkedID is duplicate") == Outcome(K.ALREADY_DONE)


# --------------------------------------------------------------------- §1.3: exceptions


def failed(status: int, text: str = "HTTP status code is not 200.") -> FailedRequestError:
    return FailedRequestError("POST /v5/order/create: {canary}", text, status, "01:02:03", None)


def refused_connection() -> requests.exceptions.ConnectionError:
    pool = HTTPConnectionPool("127.0.0.1")
    inner = NewConnectionError(HTTPConnection("127.0.0.1"), "refused")
    return requests.exceptions.ConnectionError(MaxRetryError(pool, "/", inner))


EXCEPTIONS: list[tuple[Failure, OutcomeKind, Trouble]] = [
    (failed(400, "Bad Request. Retries exceeded maximum."), K.UNSURE, T.NONE),
    (failed(401), K.BUSY, T.KEY),
    (failed(403), K.BUSY, T.BANNED),
    (failed(404), K.REFUSED, T.NONE),
    (failed(409, "Conflict. Could not decode JSON."), K.MALFORMED, T.NONE),
    (failed(429), K.UNSURE, T.LIMITED),
    (failed(500), K.UNSURE, T.NONE),
    (failed(502), K.UNSURE, T.NONE),
    (failed(503), K.UNSURE, T.NONE),
    (InvalidRequestError("x", "Too many visits!", 10006, "t", None), K.BUSY, T.LIMITED),
    (InvalidRequestError("x", "Params Error", "abc", "t", None), K.MALFORMED, T.NONE),
    (requests.exceptions.ReadTimeout("slow"), K.UNSURE, T.NONE),
    (requests.exceptions.ConnectTimeout("slow"), K.BUSY, T.NONE),
    (requests.exceptions.ChunkedEncodingError("cut"), K.UNSURE, T.NONE),
    (requests.exceptions.ContentDecodingError("gzip"), K.UNSURE, T.NONE),
    (requests.exceptions.ConnectionError("aborted"), K.UNSURE, T.NONE),
    (requests.exceptions.ConnectionError(), K.UNSURE, T.NONE),
    (requests.exceptions.TooManyRedirects("302"), K.UNSURE, T.NONE),
    (requests.exceptions.SSLError("certificate"), K.UNSURE, T.NONE),
    (AttributeError("'list' object has no attribute 'get'"), K.MALFORMED, T.NONE),
    (TypeError("argument of type 'int' is not iterable"), K.MALFORMED, T.NONE),
    (KeyError("retMsg"), K.MALFORMED, T.NONE),
    (RecursionError("deep"), K.MALFORMED, T.NONE),
]


@pytest.mark.parametrize(("error", "kind", "trouble"), EXCEPTIONS)
def test_exception_when_the_sdk_raises_it_then_as_the_sheet_says(
    error: Failure, kind: OutcomeKind, trouble: Trouble
) -> None:
    found, text = failure(P, error)
    assert (found.kind, found.trouble) == (kind, trouble)
    assert text
    assert not re.search("canary|aborted", text)
    assert isinstance(error, FAILURES)


def test_connection_when_refused_then_nothing_was_sent() -> None:
    found, text = failure(P, refused_connection())
    assert (found.kind, found.trouble) == (K.BUSY, T.NONE)
    assert "did not leave" in text
