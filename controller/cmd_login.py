"""``rungkeeper login``: the day's access token of a Zerodha account, into its file.

A person logs in, with a second factor, in a browser; what they bring back is exchanged here. Shows
no secret.
"""

from __future__ import annotations

import os
from pathlib import Path

import typer

from controller.clock import SystemClock
from controller.codes import FINE
from controller.config import Config, load
from controller.config_live import ZerodhaAccount, fetch
from controller.config_values import meant
from controller.screen import stamp
from exchanges.secrets import Secret
from exchanges.zerodha.login import exchange, keep_token, login_url
from machines.errors import InvalidSpec

_FILE = "file:"


def login(config: Path, account: str | None, request_token: str | None) -> int:
    """Log an account in. *Raises*: InvalidSpec, VenueUnavailable; the token's file is as it was."""
    loaded = load(config)
    name, live = _chosen(loaded, account)
    path = _token_file(loaded, name, live)
    where = f"accounts.{name}"
    secrets = fetch(
        {f"{where}.key": live.key, f"{where}.secret": live.secret}, loaded.base_dir, os.environ
    )
    key, secret = secrets[f"{where}.key"], secrets[f"{where}.secret"]
    pasted = _ask(key) if request_token is None else request_token
    done = exchange(key, secret, pasted, live.settings.url, SystemClock().now_ms())
    keep_token(done.token, path)
    typer.echo(f"{name}: {done.user_id} is logged in until {stamp(done.dies_ms)} UTC; {path}")
    return FINE


def _ask(key: Secret) -> str:
    typer.echo(f"Log in at {login_url(key)}")
    return str(typer.prompt("The address it leads to, or its request_token"))


def _chosen(config: Config, name: str | None) -> tuple[str, ZerodhaAccount]:
    found = {
        each: settings.live
        for each, settings in config.accounts.items()
        if isinstance(settings.live, ZerodhaAccount)
    }
    if name is not None:
        if name not in found:
            known = meant(name, list(found))
            raise InvalidSpec([f"--account {name}: no account at Zerodha of that name; {known}"])
        return name, found[name]
    if len(found) != 1:
        known = ", ".join(found) or "none"
        raise InvalidSpec([f"{config.source}: which account? --account NAME; at Zerodha: {known}"])
    return next(iter(found.items()))


def _token_file(config: Config, name: str, live: ZerodhaAccount) -> Path:
    if live.access_token.startswith(_FILE):
        return config.base_dir / live.access_token.removeprefix(_FILE)
    raise InvalidSpec(
        [
            f"{config.source}: accounts.{name}.access_token: is not a file; a login writes one: "
            'access_token = "file:kite.token"'
        ]
    )
