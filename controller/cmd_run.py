"""``rungkeeper run``: read the configuration and hand over to the controller."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec

from controller import app
from controller.alerts import listen
from controller.config import Config, load
from controller.config_values import Wrong
from controller.config_values import speed as read_speed
from controller.demo import demo_config
from machines.errors import InvalidSpec


def run(path: Path | None, speed: str | None, *, quiet: bool, log: bool = False) -> int:
    """Run until the feed ends or a signal comes; return the exit code."""
    if log:
        listen()
    config = demo_config() if path is None else load(path)
    if speed is not None:
        config = _paced(config, _read_pace(speed))
    if any(account.real_time for account in config.accounts.values()):
        if speed is not None:
            raise InvalidSpec([f"--speed {speed}: real time has one speed; leave it out"])
        from controller import live_app

        return live_app.run(config, quiet=quiet)
    return app.run(config, quiet=quiet, fresh=path is None)


def _read_pace(speed: str) -> Decimal | None:
    try:
        return read_speed(speed)
    except Wrong:
        allowed = 'a plain decimal above 0, like 60, or "max"'
        raise InvalidSpec([f"--speed {speed}: allowed: {allowed}"]) from None


def _paced(config: Config, pace: Decimal | None) -> Config:
    """Give every account the speed that the command line asks for."""
    accounts = {
        name: msgspec.structs.replace(account, speed=pace)
        for name, account in config.accounts.items()
    }
    return msgspec.structs.replace(config, accounts=accounts)
