"""One owner for each account at a real venue (SPEC §8): the second controller is told of the first.

A state file has its lock, and so has a simulated venue's file; but two controllers with two state
files may trade one account at a venue. So each account is held as a name in the kernel's abstract
socket space, which needs no folder, is let go when the process dies however it dies, and tells who
holds it. It is seen on one machine only, and an account is known by its key: a second machine, or a
second key, is not. Knows no venue.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import ExitStack

from controller.config_accounts import AccountSettings
from controller.config_live import BybitAccount
from exchanges.secrets import Secret
from machines.errors import RungkeeperError

_PEER = struct.Struct("3i")


class AccountBusy(RungkeeperError):
    """Another controller owns the account; the message names it."""


def hold(account: str, identity: str) -> socket.socket:
    """Own an account until the socket is closed.

    *Raises*: AccountBusy, naming ``account`` and the process that owns this ``identity``.
    """
    digest = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    name = f"\0rungkeeper-account-{digest}"
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.bind(name)
        held.listen()
    except OSError as error:
        held.close()
        if error.errno != errno.EADDRINUSE:
            raise
        raise AccountBusy(
            f"account {account}: owned by another controller (process {_owner(name)}); one owner "
            "at a time"
        ) from None
    return held


def _owner(name: str) -> str:
    """Name the process that holds a name."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asked:
        asked.settimeout(1)
        try:
            asked.connect(name)
        except OSError:  # it has just let go, or too many have asked
            return "unknown"
        raw = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    pid, _, _ = _PEER.unpack(raw)
    return f"{pid}, this one" if pid == os.getpid() else str(pid)


def hold_accounts(
    accounts: Iterable[AccountSettings], secrets: Mapping[str, Secret], opened: ExitStack
) -> None:
    """Own every account at a real venue until ``opened`` is left. *Raises*: AccountBusy."""
    for settings in accounts:
        live = settings.live
        if live is None:
            continue
        key = secrets[f"accounts.{settings.name}.key"].reveal()
        if isinstance(live, BybitAccount):
            identity = f"bybit {live.environment} {live.url} {key}"
        else:  # of one login each product's orders are an account of their own
            identity = f"zerodha {live.settings.url} {live.settings.product} {key}"
        opened.callback(hold(settings.name, identity).close)
