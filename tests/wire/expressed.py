"""Turns the core's scenario files into what a market can do: prices that go somewhere, and waits.

A scenario says what fills; a venue is only told a price. It can be expressed when its price
explains all that fills and all that does not; `express` says why not else.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from machines.ladder import Ladder
from machines.words import ZERO, Fill, Order, Role, Side, plain
from tests.machines.book import Book
from tests.machines.happenings import START_MS, World
from tests.machines.scenario import Run
from tests.machines.script import Script, Step, duration_ms

POSITION_STOP = "the position's own stop"


class Scene(msgspec.Struct, frozen=True):
    """What happens before one poll: time passes, prices come, a person decides."""

    wait_ms: int
    prices: tuple[Decimal, ...]
    decided: tuple[str, ...]


class Expressed(msgspec.Struct, frozen=True):
    """A scenario as a market plays it, and what must come of it."""

    script: Script
    start: Decimal
    scenes: tuple[Scene, ...]
    states: tuple[str, ...]
    """In order, without repetitions."""
    fills: tuple[Fill, ...]
    ladder: Ladder
    """As it ends."""


class CannotSay(Exception):
    """Why no market can play a scenario."""


def express(script: Script) -> Expressed:
    """Turn a scenario into prices. *Raises*: CannotSay."""
    run = Run(script)
    first, *later = script.steps
    match [words.split() for words in first.happens]:
        case [["opened", "at", px]]:
            start = Decimal(px)
        case _:
            raise CannotSay("more than a plan at its opening")
    states = _follow(run, first)
    scenes: list[Scene] = []
    for step in later:
        scene = _scene(run, step)
        if scene.prices:
            run.book.quote = replace(run.book.quote, last=scene.prices[-1])
        scenes.append(scene)
        states += _follow(run, step)
    assert run.ladder is not None
    in_a_row = [each for n, each in enumerate(states) if n == 0 or states[n - 1] != each]
    fills = tuple(run.book.fills)
    return Expressed(script, start, tuple(scenes), tuple(in_a_row), fills, run.ladder)


def _follow(run: Run, step: Step) -> list[str]:
    """Play a step with the market where its fills are; return the states it led to."""
    told = run.play_step(step)
    if told != list(step.follows):
        raise CannotSay("a market that stands elsewhere than its fills")
    states: list[str] = []
    for line in told:
        before, arrow, after = line.partition(" → ")
        if arrow and not line.startswith((" ", "=")):
            word = after.split()[0]
            states.append(before.split()[-1] if word == "itself" else word)
    return states


def _scene(run: World, step: Step) -> Scene:
    """Read what happens before a poll, and see that its prices explain what fills."""
    wait_ms, market, decided = 0, list[Decimal](), list[str]()
    filled: set[str] = set()
    where: list[Decimal] = []
    for said in step.happens:
        match said.split():
            case ["nothing"]:
                pass
            case [time, "later"]:
                wait_ms += duration_ms(time)
            case ["market", px] if px[0].isdigit():
                market.append(Decimal(px))
            case ["fill", *rest]:
                name, px = _filled(run, rest)
                filled.add(name)
                where += [] if px is None else [px]
            case ["decide", *rest] if "version" not in rest:
                decided.append(" ".join(rest))
            case ["at", time]:
                wait_ms += START_MS + duration_ms(time) - run.now_ms
            case words:
                raise CannotSay(f"`{' '.join(words[:2])} …`")
    prices = tuple(market or where)
    last = run.book.quote.last
    end = prices[-1] if prices else last
    if filled & (_reached(run, last, last) - _reached(run, end, end)):
        raise CannotSay("a limit at the market that fills only when the market has gone")
    on_the_way = (run.book.quote.last, *prices)
    reached = _reached(run, min(on_the_way), max(on_the_way))
    # Of several stops at one price it may name those that fill first.
    more = {name for name in reached - filled if not _is_stop(run.book, name)}
    if more or filled - reached:
        raise CannotSay("fills that its prices do not explain")
    return Scene(wait_ms, prices, tuple(decided))


def _filled(run: World, rest: list[str]) -> tuple[str, Decimal | None]:
    """Return what fills whole, and at which price it does; None: at whatever there is."""
    role, n = run._order(rest)
    book = run.book
    if rest and rest != ["@", plain(book.quote.last)]:
        raise CannotSay("fills in part, or at a price of their own")
    if role is Role.STOP_LOSS and book.capabilities.position_stop:
        return POSITION_STOP, None if book.stop is None else book.stop.trigger_px
    order = book.order(role, n)
    return order.client_order_id, order.price if order.trigger_px is None else order.trigger_px


def _is_stop(book: Book, name: str) -> bool:
    return name in book.orders and book.orders[name].trigger_px is not None


def _reached(run: World, low: Decimal, high: Decimal) -> set[str]:
    """Name what fills while the price goes between two."""
    book: Book = run.book
    found = {name for name, each in book.orders.items() if _fills(each, low, high)}
    long = book.direction.entry_side is Side.BUY
    if book.stop is not None and book.held > ZERO:
        stop = book.stop.trigger_px
        found |= {POSITION_STOP} if (low <= stop if long else high >= stop) else set()
    planned = run.script.spec.stop.at(run.book.quote.last)
    if found and book.held <= ZERO and (low <= planned if long else high >= planned):
        raise CannotSay("a price beyond the stop, before it rests")
    return found


def _fills(order: Order, low: Decimal, high: Decimal) -> bool:
    buys = order.side is Side.BUY
    if not order.status.live:
        return False
    if order.trigger_px is not None:
        return high >= order.trigger_px if buys else low <= order.trigger_px
    if order.price is not None:
        return low <= order.price if buys else high >= order.price
    return True  # at market
