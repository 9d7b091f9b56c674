"""What an SDK's thread tells the event loop arrives, or is lost with it; it never waits."""

import threading

import anyio
from anyio.lowlevel import EventLoopToken, current_token

from exchanges.threads import call_soon


def test_thread_when_it_tells_the_loop_then_the_loop_hears_it() -> None:
    async def listen() -> None:
        heard, token = anyio.Event(), current_token()
        threading.Thread(target=lambda: call_soon(token, heard.set)).start()
        with anyio.fail_after(20):
            await heard.wait()

    anyio.run(listen)


def test_thread_when_the_loop_has_ended_then_goes_on() -> None:
    tokens: list[EventLoopToken] = []

    async def note() -> None:
        tokens.append(current_token())

    anyio.run(note)
    told: list[str] = []
    call_soon(tokens[0], lambda: told.append("heard"))
    assert told == []


def test_thread_when_the_loop_is_busy_then_does_not_wait_for_it() -> None:
    told: list[str] = []

    async def busy() -> None:
        token, gone_on = current_token(), threading.Event()

        def tell() -> None:
            call_soon(token, lambda: told.append("heard"))
            gone_on.set()

        threading.Thread(target=tell).start()
        assert gone_on.wait(20)  # this holds the loop up: whoever waits for it never goes on
        assert told == []
        await anyio.lowlevel.checkpoint()

    anyio.run(busy)
    assert told == ["heard"]
