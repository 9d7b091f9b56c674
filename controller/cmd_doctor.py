"""``rungkeeper doctor``: whether it is safe to trade, account by account; nothing is sent.

Asks every account what a run would ask before it sends, and says what is to be done.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import msgspec
import typer

from controller.accounts import build_account, plan_faults
from controller.codes import CHECK_FAILED, FINE
from controller.config import Config, load
from controller.config_accounts import AccountSettings
from controller.journal import JournalError, read_latest
from controller.live_doctor import Books, look_over
from exchanges.errors import BadFeed
from exchanges.findings import Finding, Verdict, fault, fine, warning
from machines.errors import InvalidSpec
from machines.ladder import Ladder


class Health(msgspec.Struct, frozen=True):
    """What was found of one account."""

    account: str
    venue: str
    safe: bool
    checks: list[Finding]


def doctor(path: Path, *, as_json: bool) -> int:
    """Look every account over and say so. *Raises*: InvalidSpec."""
    config = load(path)
    common = list(_controller(config))
    found = [_health(config, settings) for settings in config.accounts.values()]
    safe = all(_is_safe(each) for each in [common, *[health.checks for health in found]])
    if as_json:
        written = msgspec.json.encode({"safe": safe, "controller": common, "accounts": found})
        typer.echo(msgspec.json.format(written).decode())
    else:
        blocks = [(health.account, health.venue, health.checks) for health in found]
        for name, venue, checks in [("controller", str(config.controller.state), common), *blocks]:
            typer.echo("\n".join(_lines(name, venue, checks)) + "\n")
        typer.echo("safe to trade" if safe else "NOT SAFE to trade: see what is marked fault")
    return FINE if safe else CHECK_FAILED


def _is_safe(checks: list[Finding]) -> bool:
    return all(each.verdict is not Verdict.FAULT for each in checks)


def _lines(name: str, venue: str, checks: list[Finding]) -> Iterator[str]:
    yield f"{name}  ({venue})"
    width = max(len(each.check) for each in checks)
    for each in checks:
        yield f"  {each.verdict.value:<8} {each.check:<{width}}  {each.text}"
        if each.todo:
            yield f"  {'':<8} {'':<{width}}  → {each.todo}"


def _controller(config: Config) -> Iterator[Finding]:
    """Judge what all accounts have in common."""
    try:
        count = len(_ladders(config))
        yield fine("state", f"{count} positions in the journal")
    except JournalError as error:
        yield fault("state", str(error), "move it away, or restore it, before anything is sent")
    if config.controller.enhanced_tp_sl:
        yield fine("owner", "the state machine owns the orders")
    else:
        yield warning("owner", "enhanced_tp_sl = false: only the conservative rebalancer runs")


def _ladders(config: Config) -> tuple[Ladder, ...]:
    """Return every ladder of the journal; none where there is no journal yet."""
    state = config.controller.state
    if not state.exists():
        return ()
    try:
        return tuple(msgspec.json.decode(each.state, type=Ladder) for each in read_latest(state))
    except msgspec.DecodeError as error:
        raise JournalError(f"state {state}: a record cannot be read: {error}") from error


def _health(config: Config, settings: AccountSettings) -> Health:
    name = settings.name
    if not settings.real_time:
        checks = list(_simulated(config, settings))
    else:
        checks = anyio.run(partial(look_over, settings, _books(config, name), config.base_dir))
    return Health(name, settings.venue.value, _is_safe(checks), checks)


def _books(config: Config, account: str) -> Books:
    plans = tuple(plan for plan in config.positions if plan.account == account)
    try:
        ladders = _ladders(config)
    except JournalError:  # told of once, for all accounts
        ladders = ()
    return Books(plans, tuple(each for each in ladders if each.terms.key.account == account))


def _simulated(config: Config, settings: AccountSettings) -> Iterator[Finding]:
    """Judge a simulated account: its feeds and its plans are all there is."""
    try:
        account = build_account(settings, config.base_dir)
    except (InvalidSpec, BadFeed) as error:
        yield fault("feeds", str(error))
        return
    yield fine("venue", "simulated: no order leaves this machine")
    yield fine("feeds", f"{len(account.feeds)} read: {', '.join(account.feeds)}")
    for plan in _books(config, settings.name).plans:
        faults = plan_faults(account, plan)
        yield from (fault(f"plan {plan.name}", each) for each in faults)
        if not faults:
            yield fine(f"plan {plan.name}", f"fits {plan.symbol}")
