"""Read a configuration file (SPEC §11) whole, or say everything that is wrong with it.

TOML in, typed settings and plans out. Knows nothing of venues or of the market. Invariant: either
a Config in which every figure is sound, or one InvalidSpec that lists every fault, each with the
file, the field, its value and what is allowed; nothing half-read ever leaves.
"""

from __future__ import annotations

import enum
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from controller.config_accounts import AccountSettings, read_accounts
from controller.config_positions import LADDER_DEFAULTS, read_ladder, read_positions
from controller.config_rules import read_rules
from controller.config_table import Faults, Table
from controller.config_values import (
    Unquoted,
    Wrong,
    choice,
    duration_ms,
    file_in,
    flag,
    poll_ms,
    text,
)
from controller.rules.settings import RuleSettings
from machines.errors import InvalidSpec
from machines.spec import LadderSpec

ENHANCED_VARIABLE = "ENABLE_ENHANCED_TP_SL"
# A configuration with ten thousand positions has about 3 MB; a device or a log has no end.
_LARGEST_BYTES = 32_000_000

_POSITION_FIELDS = (
    "name", "account", "symbol", "side", "entries", "stop", "targets", "not_before", "repeat",
)  # fmt: skip


class AtEnd(enum.StrEnum):
    """What happens to open positions when a file feed ends."""

    LEAVE = "leave"
    EXIT = "exit"


class ControllerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The controller's own settings. Paths count from the configuration's folder.

    *Units*: milliseconds; ``poll_ms`` None is once a bar.
    """

    state: Path = Path("rungkeeper.db")
    poll_ms: int | None = 12_000
    cycle_ms: int = 12_000
    enhanced_tp_sl: bool = True
    socket: Path = Path("rungkeeper.sock")
    at_end: AtEnd = AtEnd.LEAVE


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A sound configuration."""

    controller: ControllerSettings
    accounts: dict[str, AccountSettings]
    positions: tuple[LadderSpec, ...]
    ladder: LadderSpec = LADDER_DEFAULTS
    """What plans, and adopted ladders, have where nothing else is said."""
    rules: RuleSettings = RuleSettings()
    rules_on: bool = False
    """The configuration asks for rules: else none looks after anything."""
    base_dir: Path
    source: str = ""


def load(path: Path, env: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file.

    *Raises*: InvalidSpec with every fault.
    """
    return parse(read_text(path), str(path), path.parent, os.environ if env is None else env)


def parse(written: str, source: str, base_dir: Path, env: Mapping[str, str]) -> Config:
    """Read a configuration from its text; ``source`` is what messages call it.

    *Raises*: InvalidSpec with every fault.
    """
    faults = Faults(source)
    top = Table(_parse_toml(written, source), "", faults)
    controller = _read_controller(top.table("controller"), base_dir, env)
    accounts = read_accounts(
        top.table("accounts"), base_dir, env, controller.state, controller.poll_ms
    )
    rules = read_rules(top.table("rules"), base_dir)
    defaults = top.table("ladder")
    base = read_ladder(defaults, LADDER_DEFAULTS, rules.names)
    defaults.close(dict.fromkeys(_POSITION_FIELDS, "[[positions]]"))
    plans = top.list_of_tables("positions")
    positions = read_positions(plans, base, accounts, rules.names)
    top.close({**dict.fromkeys(_POSITION_FIELDS, "[[positions]]")})
    if faults.found:
        raise InvalidSpec(faults.found)
    return Config(
        controller=controller,
        accounts=accounts,
        positions=positions,
        ladder=base,
        rules=rules,
        rules_on="rules" in top or any(table.raw.get("rules") for table in (defaults, *plans)),
        base_dir=base_dir,
        source=source,
    )


def parse_plans(written: str, source: str, config: Config) -> tuple[LadderSpec, ...]:
    """Read a file of plans, ``[ladder]`` and ``[[positions]]``, for accounts that run already.

    *Raises*: InvalidSpec with every fault.
    """
    faults = Faults(source)
    top = Table(_parse_toml(written, source), "", faults)
    defaults = top.table("ladder")
    base = read_ladder(defaults, LADDER_DEFAULTS, config.rules.names)
    defaults.close(dict.fromkeys(_POSITION_FIELDS, "[[positions]]"))
    plans = read_positions(
        top.list_of_tables("positions"), base, config.accounts, config.rules.names
    )
    top.close({"accounts": "the running configuration", "controller": "the running configuration"})
    if not plans and not faults.found:
        faults.add("positions", "missing; at least one [[positions]] is expected")
    if faults.found:
        raise InvalidSpec(faults.found)
    return plans


def read_text(path: Path) -> str:
    """Read a configuration's text. *Raises*: InvalidSpec."""
    try:
        if path.is_dir():
            raise InvalidSpec([f"{path}: this is a folder; a configuration file is expected"])
        with path.open("rb") as file:
            raw = file.read(_LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise InvalidSpec([f"{path}: there is no such file"]) from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidSpec([f"{path}: cannot be read: {why}"]) from None
    if len(raw) > _LARGEST_BYTES:
        raise InvalidSpec([f"{path}: larger than {_LARGEST_BYTES} bytes: no configuration"])
    try:
        return raw.decode("utf-8-sig")  # some editors begin a file with a byte order mark
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        byte = raw[error.start]
        where = f"at line {line}, column {column}"
        raise InvalidSpec([f"{path}: not UTF-8: byte 0x{byte:02x} {where}"]) from None


def _parse_toml(written: str, source: str) -> dict[str, object]:
    try:
        # parse_float keeps the digits as they stand: money that was not quoted is shown as written
        return cast(dict[str, object], tomllib.loads(written, parse_float=Unquoted))
    except ValueError as error:  # the decoder's own, and a number of more than 4300 digits
        raise InvalidSpec([f"{source}: not TOML: {error}"]) from None
    except RecursionError:
        raise InvalidSpec([f"{source}: not TOML that can be read: nested too deep"]) from None


def _read_controller(table: Table, base_dir: Path, env: Mapping[str, str]) -> ControllerSettings:
    default = ControllerSettings()
    settings = ControllerSettings(
        state=table.read("state", file_in(base_dir), base_dir / default.state),
        poll_ms=table.read("poll", poll_ms, default.poll_ms),
        cycle_ms=table.read("cycle", _cycle_ms, default.cycle_ms),
        enhanced_tp_sl=_read_enhanced(table, env),
        socket=base_dir / table.read("socket", text, str(default.socket)),
        at_end=table.read("at_end", choice(AtEnd), default.at_end),
    )
    table.close()
    return settings


def _read_enhanced(table: Table, env: Mapping[str, str]) -> bool:
    """Read the switch; the environment has the last word."""
    written = table.read("enhanced_tp_sl", flag, True)
    said = env.get(ENHANCED_VARIABLE, "").strip().lower()
    if said in ("false", "0", "no", "off"):
        return False
    if said in ("true", "1", "yes", "on"):
        return True
    if said:
        table.faults.add(f"{ENHANCED_VARIABLE}={said} in the environment", "allowed: true, false")
    return written


def _cycle_ms(value: object) -> int:
    read = duration_ms(value)
    if not 10_000 <= read <= 15_000:  # SPEC §5
        raise Wrong('the strategy cycle takes "10s" to "15s"')
    return read
