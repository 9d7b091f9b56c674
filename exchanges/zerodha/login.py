"""The daily login: from the request token of the browser to an access token in a file.

A person must log in with a second factor; nothing here can do it for them. *Source*: the venue
sheet §4.
"""

from __future__ import annotations

import os
import re
from datetime import time, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from exchanges.errors import VenueUnavailable
from exchanges.secrets import Secret
from exchanges.zerodha import ist, sdk, wire
from exchanges.zerodha.classify import judge
from machines.errors import InvalidSpec

DIES = time(6, 0)
"""Tokens die at about this time of the next Indian day."""
_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,128}")


class Login(msgspec.Struct, frozen=True):
    """Who has logged in, and the token that speaks for them until ``dies_ms``."""

    user_id: str
    token: Secret
    dies_ms: int


class _Answer(msgspec.Struct, frozen=True):
    user_id: str
    access_token: str


def login_url(key: Secret) -> str:
    """Return the address at which a person logs in."""
    return sdk.open_session(key, None, None, sdk.READ_S).login_url()


def request_token(pasted: str) -> str:
    """Find the request token in what a person pastes: the token, or the address they came to.

    *Raises*: InvalidSpec saying what to paste.
    """
    text = pasted.strip()
    if "?" in text:
        fields = parse_qs(urlsplit(text).query)
        status = fields.get("status", ["success"])[0]
        if status != "success":
            raise InvalidSpec([f"the login did not succeed: status {status!r}: log in again"])
        text = fields.get("request_token", [""])[0]
    if not _TOKEN.fullmatch(text):
        must = "paste the whole address that the browser came to, or its request_token"
        raise InvalidSpec([f"no request token in what was pasted: {must}"])
    return text


def exchange(key: Secret, secret: Secret, pasted: str, root: str, now_ms: int) -> Login:
    """Exchange a request token, which works once and for minutes, for an access token.

    *Raises*: InvalidSpec when Kite refuses it; VenueUnavailable when it did not answer.
    """
    session = sdk.open_session(key, None, root, sdk.WRITE_S)
    try:
        answer = session.generate_session(request_token(pasted), secret.reveal())
    except sdk.faults() as error:
        text = judge(error).outcome.text.replace(secret.reveal(), str(secret))
        if type(error).__name__ in ("TokenException", "InputException", "PermissionException"):
            raise InvalidSpec([f"Kite refused the login: {text}: log in again"]) from None
        raise VenueUnavailable(f"Kite did not answer the login: {text}") from None
    finally:
        sdk.close_session(session)
    read = wire.read(answer, _Answer)
    return Login(read.user_id, Secret(read.access_token), token_dies_ms(now_ms))


def token_dies_ms(login_ms: int) -> int:
    """Return when a token of ``login_ms`` is dead at the latest."""
    day = ist.day_of(login_ms)
    today_ms = ist.at(day, DIES)
    return today_ms if login_ms < today_ms else ist.at(day + timedelta(days=1), DIES)


def keep_token(token: Secret, path: Path) -> None:
    """Write a token to a file that only its owner may read, whole or not at all.

    *Raises*: InvalidSpec naming the file when it cannot be written.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(token.reveal() + "\n")
            file.flush()
            os.fsync(handle)
        fresh.replace(path)
    except OSError as error:
        raise InvalidSpec([f"file:{path}: cannot be written: {error.strerror}"]) from None
