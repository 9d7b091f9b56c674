"""Read ``mirrors``: which accounts follow a plan, and at what ratio (SPEC §8, §11).

Judges all that needs no market. What is too small at a price is said where the price is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from controller.config_accounts import AccountSettings
from controller.config_table import Table
from controller.config_values import Wrong, meant, ratio, text
from machines.spec import Mirror


def read_mirrors(table: Table, base: tuple[Mirror, ...]) -> tuple[Mirror, ...]:
    """Read the mirrors of a table; those of ``base`` where it has none."""
    tables = table.list_of_tables("mirrors")
    if "mirrors" not in table:
        return base
    found: list[Mirror] = []
    for inner in tables:
        account = inner.need("account", text, "the account that follows")
        part = inner.need("ratio", _ratio, 'like "0.5"')
        inner.close()
        if account is None or part is None:
            continue
        if any(one.account == account for one in found):
            inner.fault("account", "follows already; an account follows a plan once")
        found.append(Mirror(account, part))
    return tuple(found)


def _ratio(value: object) -> Decimal:
    read = ratio(value)
    if not read:
        raise Wrong("it must be above zero")
    return read


def check_mirrors(
    table: Table,
    mirrors: tuple[Mirror, ...],
    plan: tuple[str, str],
    accounts: Mapping[str, AccountSettings],
) -> None:
    """Note what is wrong with the accounts that would follow a plan: its account, its symbol."""
    own, symbol = plan
    for mirror in mirrors:
        settings = accounts.get(mirror.account)
        if settings is None:
            said = meant(mirror.account, accounts)
            table.fault("mirrors", f"there is no [accounts.{mirror.account}]; {said}")
        elif mirror.account == own:
            table.fault("mirrors", f"{own} is the plan's own account; another one follows")
        elif settings.live is None and symbol not in settings.instruments:
            table.fault("mirrors", f"accounts.{mirror.account} has no instrument {symbol}")
