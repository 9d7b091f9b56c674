"""What an answer, or the lack of one, means for a request: the one place where Bybit's codes live.

Knows no requests' contents and sends nothing. Invariant: whatever cannot be shown not to have
taken effect is *unsure*. *Source*: venues/bybit.md §1.3, §6.
"""

from __future__ import annotations

import enum

import msgspec
import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError

from exchanges.bybit.sdk import FailedRequestError, InvalidRequestError, said
from machines.words import Outcome, OutcomeKind, Refusal

SENSELESS = (AttributeError, TypeError, KeyError, RecursionError)
"""What the SDK lets through when a 200's body is JSON but no answer: a list, a text, null."""


class Op(enum.Enum):
    """What a request asked for; some codes mean different things."""

    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"
    SET_STOP = "set_stop"


class Trouble(enum.Enum):
    """What a failure says about the line or the key, beyond the request that met it."""

    NONE = "none"
    KEY = "key"
    """The key is refused: nothing more is sent until a read has succeeded again."""
    BANNED = "banned"
    """The address is shut out; Bybit asks for ten quiet minutes."""
    LIMITED = "limited"
    """A rate limit was met."""


class Verdict(msgspec.Struct, frozen=True):
    """What one answer means."""

    kind: OutcomeKind
    refusal: Refusal | None = None
    trouble: Trouble = Trouble.NONE


K, R = OutcomeKind, Refusal
_DONE = Verdict(K.ALREADY_DONE)
_UNSURE = Verdict(K.UNSURE)
_BUSY = Verdict(K.BUSY)
_KEY = Verdict(K.BUSY, None, Trouble.KEY)
_LIMITED = Verdict(K.BUSY, None, Trouble.LIMITED)
_BANNED = Verdict(K.BUSY, None, Trouble.BANNED)
_NO = Verdict(K.REFUSED, R.OTHER)
_INVALID = Verdict(K.REFUSED, R.INVALID)
_SMALL = Verdict(K.REFUSED, R.TOO_SMALL)
_BEHIND = Verdict(K.REFUSED, R.BEHIND_MARKET)
_FLAT = Verdict(K.REFUSED, R.NO_POSITION)
_GONE = Verdict(K.REFUSED, R.UNKNOWN_ORDER)
_MALFORMED = Verdict(K.MALFORMED)


def _each(verdict: Verdict, *codes: int) -> dict[int, Verdict]:
    return dict.fromkeys(codes, verdict)


# Refused because of the account's money or risk tier: a person must look, a retry may succeed.
_MONEY = (110004, 110006, 110007, 110011, 110012, 110013, 110014, 110040, 110044, 110045, 110046)
_TIERS = (110051, 110052, 110053, 110085, 110086, 110090, 3400139)

_CODES: dict[int, Verdict] = {
    0: Verdict(K.ACCEPTED),
    # The venue, not the request.
    **_each(_UNSURE, 429, 10000, 10014, 10016, 10019, 10403, 10429, 20003, 20006, 40004),
    **_each(_UNSURE, 170007, 170032, 170234),
    # Turned away at the gate: not executed.
    **_each(_BUSY, 10002, 110005, 110063, 110066, 110074, 110079, 110118),
    **_each(_LIMITED, 10006),
    **_each(_BANNED, 10018),
    **_each(_KEY, 10003, 10004, 10005, 10007, 10009, 10010, 10024, 10027, 10028, 10029, 33004),
    **_each(_KEY, 110123, 110124, 110125, 110132),
    # So already.
    **_each(_DONE, 34040, 110025, 110026, 110027, 110043),
    # The order or the position is not there (any more, or yet).
    **_each(_GONE, 110001, 110008, 110010),
    **_each(_FLAT, 110017),
    # The market.
    **_each(_BEHIND, 110092, 110093),
    **_each(_INVALID, 110003, 110120, 110121, 30208, 30209),
    # The request itself.
    **_each(_SMALL, 110094, 110058),
    **_each(_INVALID, 110018, 110019, 110032, 110057, 110059, 110060, 110108, 110109, 181017),
    # Refused for what else there is.
    **_each(_NO, *_MONEY, *_TIERS),
    **_each(_NO, 110009, 110020, 110021, 110022, 110023, 110042, 110061, 110064, 30228),
}
_DUPLICATES = (110030, 110072)
_BY_OP: dict[tuple[Op, int], Verdict] = {
    # The id is deterministic: the order that carries it is the one an earlier request made.
    **{(Op.PLACE, code): _DONE for code in _DUPLICATES},
    # What is to be cancelled is gone; the next snapshot shows as what.
    **{(Op.CANCEL, code): _DONE for code in (110001, 110008, 110010)},
}
_UMBRELLA = 10001
_TEXTS: tuple[tuple[str, Verdict], ...] = (
    ("remains unchanged", _DONE),
    ("not modified", _DONE),
    ("zero position", _FLAT),
    ("base_price", _BEHIND),
    ("minimum limit", _SMALL),
    ("lower limit", _SMALL),
)
"""What Bybit's one code for every bad parameter says in words."""
_BUSINESS = range(100_000, 4_000_000)
"""Codes of the trading engine. One we do not know is still an answer of no; an unknown code of
the gateway (five digits) may be anything."""


def verdict(op: Op | None, code: object, text: str) -> Verdict:
    """Say what a return code means for a request; ``op`` None for a read."""
    if isinstance(code, str) and code.isascii() and code.isdigit():
        code = int(code)
    if not isinstance(code, int):
        return _MALFORMED
    if code == _UMBRELLA:
        lowered = text.lower()
        return next((found for words, found in _TEXTS if words in lowered), _INVALID)
    found = _CODES.get(code) if op is None else _BY_OP.get((op, code), _CODES.get(code))
    if found is None:
        return _NO if code in _BUSINESS else _UNSURE
    return found


def outcome(op: Op, code: object, text: str) -> Outcome:
    """Return the outcome that a return code stands for."""
    found = verdict(op, code, text)
    if found.kind in (K.ACCEPTED, K.ALREADY_DONE):
        return Outcome(found.kind)
    return Outcome(found.kind, found.refusal, f"Bybit {code}: {text}")


_STATUSES: dict[int, Verdict] = {
    400: _UNSURE,  # the SDK's word for a code that it retried in vain; its retries are off
    401: _KEY,
    403: _BANNED,
    404: _INVALID,  # a path that is not Bybit's: nothing was looked at
    409: _MALFORMED,  # the SDK's word for a body that is not JSON
    429: Verdict(K.UNSURE, None, Trouble.LIMITED),
}
Failure = (
    FailedRequestError
    | InvalidRequestError
    | requests.exceptions.RequestException
    | AttributeError
    | TypeError
    | KeyError
    | RecursionError
)
FAILURES = (
    FailedRequestError,
    InvalidRequestError,
    requests.exceptions.RequestException,
    *SENSELESS,
)
"""Everything that a call of the SDK raises because of the venue or the line."""


def failure(op: Op | None, error: Failure) -> tuple[Verdict, str]:
    """Say what an exception of the SDK means, and in words that hold no secret."""
    if isinstance(error, InvalidRequestError):
        code, text, _ = said(error)
        return verdict(op, code, text), f"Bybit {code}: {text}"
    if isinstance(error, FailedRequestError):
        status, text, _ = said(error)
        found = _STATUSES.get(status, _UNSURE) if isinstance(status, int) else _UNSURE
        return found, f"HTTP {status}: {text}"
    if isinstance(error, requests.exceptions.ConnectTimeout) or _was_refused(error):
        return _BUSY, f"no connection ({type(error).__name__}): the request did not leave"
    if isinstance(error, requests.exceptions.RequestException):
        return _UNSURE, f"no answer ({type(error).__name__})"
    return _MALFORMED, f"the answer makes no sense ({type(error).__name__})"


def _was_refused(error: Failure) -> bool:
    """Tell whether no connection came about, so that nothing can have been sent."""
    if not isinstance(error, requests.exceptions.ConnectionError) or not error.args:
        return False
    cause = error.args[0]
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)
