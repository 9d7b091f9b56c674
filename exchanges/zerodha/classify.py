"""One judge of everything that a call through the SDK can raise.

The SDK hides more than it shows: network faults are not its own exceptions, an HTML answer has
lost its status, odd bodies leak `KeyError` and friends, and an HTTP 400 may say "timed out" while
the order goes in. So a write is *unsure* unless the text or the class proves otherwise. Pure:
exceptions in, verdicts out; knows the classes' names and not the SDK. *Source*: the venue sheet
§3, §3.1.
"""

from __future__ import annotations

import enum
import re

import msgspec

from machines.words import Outcome, OutcomeKind, Refusal

LONGEST_TEXT = 300
"""Of a venue's message: an HTML page tells no more in its thousandth line."""


class Halt(enum.StrEnum):
    """What a verdict says about the calls that would follow."""

    NONE = ""
    AUTH_LOST = "auth_lost"
    """The token is dead: no more calls until somebody logs in."""
    BARRED = "barred"
    """Zerodha refuses this account's orders as such; asking again counts as abuse."""
    SLOW = "slow"
    """The rate window is full: wait for the next one."""


class Verdict(msgspec.Struct, frozen=True):
    """What is known after a call that raised."""

    outcome: Outcome
    halt: Halt = Halt.NONE
    reread: bool = False
    """The order is in flight or has ended: its latest state tells which."""


_MAYBE = re.compile(r"timed? ?out|check the order ?book|gateway|try again", re.IGNORECASE)
_NO_STOCK = re.compile(r"insufficient stock holding", re.IGNORECASE)
_IN_PROCESS = re.compile(r"as it is being processed", re.IGNORECASE)
_SPENT = re.compile(r"maximum allowed order modifications", re.IGNORECASE)
_DAY_SPENT = re.compile(r"maximum allowed order requests", re.IGNORECASE)
_BARRED = re.compile(
    r"kill ?switch|blocked|banned|static ip|ip address|authori[sz]|permission|not enabled",
    re.IGNORECASE,
)
# In this order: the first that is found decides.
_REFUSALS: tuple[tuple[re.Pattern[str], Refusal], ...] = (
    (_NO_STOCK, Refusal.OVERSELL),
    (re.compile(r"market is closed|after market|outside.*hours|use amo", re.I),
     Refusal.OUT_OF_SESSION),
    (re.compile(r"0\.25 ?%|too close", re.I), Refusal.TOO_NEAR),
    (re.compile(r"trigger (price|value).*(last|current|ltp)|already (crossed|triggered)", re.I),
     Refusal.BEHIND_MARKET),
    (re.compile(r"(lot size|multiples? of|tick size|circuit|range|protection|tag)", re.I),
     Refusal.INVALID),
    (re.compile(r"order.*(not found|does not exist)|couldn't find", re.I), Refusal.UNKNOWN_ORDER),
)  # fmt: skip
_NOT_CONNECTED = ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError")
_KITE = (
    "GeneralException",
    "TokenException",
    "PermissionException",
    "OrderException",
    "InputException",
    "DataException",
    "NetworkException",
)


def refusal_of(text: str) -> Refusal:
    """Name why an order was refused, by Kite's or the exchange's own words."""
    for pattern, refusal in _REFUSALS:
        if pattern.search(text):
            return refusal
    return Refusal.OTHER


def judge(error: BaseException) -> Verdict:
    """Say what is known after a write that raised ``error``.

    *Shape*: *busy* is proof that nothing was accepted; *unsure* and *malformed* need a read.
    """
    kind, code = type(error).__name__, _code(error)
    text = f"{kind}{'' if code is None else f' {code}'}: {error}"[:LONGEST_TEXT]
    if kind not in _KITE:
        if _not_sent(error):
            return Verdict(Outcome(OutcomeKind.BUSY, None, text))
        odd = isinstance(error, LookupError | TypeError | AttributeError | NameError)
        return Verdict(Outcome(OutcomeKind.MALFORMED if odd else OutcomeKind.UNSURE, None, text))
    said = str(error)
    if _NO_STOCK.search(said):  # it, too, asks to check the order book
        return _refused(Refusal.OVERSELL, text)
    if _IN_PROCESS.search(said):
        return Verdict(Outcome(OutcomeKind.UNSURE, None, text), reread=True)
    if _SPENT.search(said):
        return _refused(Refusal.OTHER, text)
    if kind != "DataException" and _MAYBE.search(said):
        return Verdict(Outcome(OutcomeKind.UNSURE, None, text))
    return _by_class(kind, 500 if code is None else code, said, text)


def _by_class(kind: str, code: int, said: str, text: str) -> Verdict:
    match kind:
        case "TokenException":
            # Not placed, and no fault of the order: it waits for the login.
            return Verdict(Outcome(OutcomeKind.BUSY, None, text), Halt.AUTH_LOST)
        case "NetworkException" if code == 429:
            halt = Halt.BARRED if _DAY_SPENT.search(said) else Halt.SLOW
            return Verdict(Outcome(OutcomeKind.BUSY, None, text), halt)
        case "PermissionException":
            return _refused(Refusal.OTHER, text, Halt.BARRED)
        case "DataException":  # its code is always 502: the true status is lost
            return Verdict(Outcome(OutcomeKind.MALFORMED, None, text))
        case _ if code >= 500 or kind == "NetworkException":
            return Verdict(Outcome(OutcomeKind.UNSURE, None, text))
        case _:
            halt = Halt.BARRED if code == 428 or _BARRED.search(said) else Halt.NONE
            return _refused(refusal_of(said), text, halt)


def _refused(refusal: Refusal, text: str, halt: Halt = Halt.NONE) -> Verdict:
    return Verdict(Outcome(OutcomeKind.REFUSED, refusal, text), halt)


def _not_sent(error: BaseException) -> bool:
    """Tell whether no byte can have left: the connection was never made."""
    if type(error).__name__ == "ConnectTimeout":
        return True
    if type(error).__name__ != "ConnectionError" or not error.args:
        return False
    reason = getattr(error.args[0], "reason", None)
    return type(reason).__name__ in _NOT_CONNECTED


def _code(error: BaseException) -> int | None:
    code = getattr(error, "code", None)
    return code if isinstance(code, int) else None
