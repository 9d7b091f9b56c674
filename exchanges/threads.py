"""From a thread of an SDK into the event loop, without waiting for it. Knows no venue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from anyio.lowlevel import EventLoopToken


def call_soon(token: EventLoopToken, what: Callable[[], None]) -> None:
    """Have ``what`` called in the event loop soon, or never when the loop ends before.

    Waiting for the call would hang for ever where the loop ends meanwhile, and Twisted's one
    thread serves every stream of the process.
    """
    loop = token.native_token
    assert isinstance(loop, asyncio.AbstractEventLoop), "the controller runs on asyncio"
    if not loop.is_closed():
        try:
            loop.call_soon_threadsafe(what)
        except RuntimeError:  # closed just now: nobody is there to be woken
            return
