"""Settings: what the defaults of fw-guard.toml and the tables of jails may say, read from TOML."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fw_guard import addresses, durations, folding, places, ports
from fw_guard.tomlfile import listed, meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.filters import Filter
    from fw_guard.folding import Fold
    from fw_guard.ports import Ports
    from fw_guard.tomlfile import Table

MAIN = "fw-guard.toml"
BRAKE = 5_000
OPTIONS = ("block", "established", "hook")
LIMIT = re.compile(r"\s*(\d{1,9})\s+in\s+(.+)")


@dataclass(frozen=True, slots=True)
class Limit:
    """A ban is due at ``count`` hits within ``seconds``."""

    count: int
    seconds: int

    def __str__(self) -> str:
        """Give ``5 in 10m``."""
        return f"{self.count} in {durations.spell(self.seconds)}"


@dataclass(frozen=True, slots=True)
class Jail:
    """Filters, logs, limits and an action.

    ``bantime`` is in seconds, None for good. ``logintime`` is how long, in seconds, a good login
    holds a ban back. ``prefix6`` is the length of the IPv6 network that counts as one host.
    ``count_doubtful`` counts in full what a filter calls doubtful or forgeable. ``ports`` are those
    that it shuts to who is banned, empty for all. ``table`` says where its settings stand.
    """

    name: str
    filters: tuple[Filter, ...]
    logs: tuple[str, ...]
    limits: tuple[Limit, ...]
    bantime: int | None
    logintime: int
    ignoreip: tuple[tuple[bytes, int], ...]
    prefix6: int
    count_doubtful: bool
    action: str
    ports: Ports = ()
    table: str = ""

    @property
    def label(self) -> str:
        """Give the firewall that it bans with: an action, and the ports that are shut."""
        return label(self.action, self.ports)

    @property
    def window(self) -> int:
        """Give the length of the longest window, in seconds."""
        return max(limit.seconds for limit in self.limits)


@dataclass(frozen=True, slots=True)
class General:
    """What holds for the whole machine, and is said at the top of fw-guard.toml alone.

    ``options`` are (option, value) of the actions in use; ``networks`` say when a whole network is
    banned; ``brake`` is how many bans a pass may make.
    """

    options: tuple[tuple[str, str], ...] = ()
    networks: tuple[Fold, ...] = ()
    brake: int = BRAKE


GENERAL = General()
DEFAULTS = Jail(
    name="",
    filters=(),
    logs=(),
    limits=(Limit(5, 600),),
    bantime=3600,
    logintime=86_400,
    ignoreip=(),
    prefix6=64,
    count_doubtful=False,
    action="preview",
)


def label(action: str, shut: Ports) -> str:
    """Give what an action in use is known by: ``nftables``, or ``nftables/22,80`` for two ports."""
    return f"{action}/{ports.spell(shut)}" if shut else action


def parted(label: str) -> tuple[str, Ports]:
    """Give the action and the ports of a label."""
    action, _, shut = label.partition("/")
    return action, ports.read(shut.split(",")) if shut else ()


def read_general(table: Table) -> General:
    """Read the settings of the whole machine."""
    options = tuple((name, table.text(name)) for name in OPTIONS if table.has(name))
    folds = []
    for item, text in enumerate(table.texts("networks")):
        try:
            folds.append(folding.parse(text))
        except ValueError as error:
            table.fault("networks", str(error), 0, item)
    brake = table.integer("brake", BRAKE, least=1, most=1_000_000)
    return General(options, tuple(folds), brake)


def refuse_general(table: Table) -> None:
    """Note a fault for each setting of the whole machine that stands elsewhere."""
    for name in (*OPTIONS, "networks", "brake"):
        if table.has(name):
            table.get(name)
            said = f"`{name}` holds for the whole machine; expected it at the top of {MAIN}"
            table.fault(name, said)


def read_logs(table: Table) -> tuple[str, ...]:
    """Read ``logs``: absolute paths and globs."""
    logs = table.texts("logs", required=True)
    for log in logs:
        if log == "journal":
            table.fault("logs", "the journal is not read yet; expected the path of a log file")
        elif not log.isprintable():
            table.fault("logs", f"{log!r} holds a control character; expected a path")
        elif not log.startswith("/"):
            table.fault("logs", f"{log!r} is no absolute path; expected such as /var/log/auth.log")
    return logs


def read_settings(table: Table, base: Jail, directory: str) -> Jail:
    """Read the settings that defaults and jails share."""
    names = places.names("actions", directory)
    action = table.text("action", base.action)
    if table.has("action") and action not in names:
        said = f"there is no action {action!r}{meant(action, names)}; expected {listed(names)}"
        table.fault("action", said)
    return replace(
        base,
        limits=read_limits(table, base),
        bantime=read_bantime(table, base),
        logintime=read_logintime(table, base),
        ignoreip=base.ignoreip + tuple(read_networks(table, "ignoreip")),
        prefix6=table.integer("prefix6", base.prefix6, least=32, most=128),
        count_doubtful=table.boolean("count_doubtful", default=base.count_doubtful),
        action=action,
        ports=read_ports(table, base),
    )


def read_ports(table: Table, base: Jail) -> Ports:
    """Read ``ports``: numbers and ranges."""
    values = table.get("ports")
    if values is None:
        return base.ports
    try:
        return ports.read(values if isinstance(values, list) else [values])
    except ports.PortError as error:
        table.fault("ports", str(error))
        return base.ports


def read_logintime(table: Table, base: Jail) -> int:
    """Read ``logintime``: a length of time, or 0."""
    value = table.get("logintime")
    if value == 0 and value is not False:
        return 0
    return table.duration("logintime", base.logintime)


def read_limits(table: Table, base: Jail) -> tuple[Limit, ...]:
    """Read ``limits``, or ``maxretry`` and ``findtime``, which stand for one limit."""
    texts = table.texts("limits", required=table.has("limits"))
    simple = table.has("maxretry") or table.has("findtime")
    count = table.integer("maxretry", base.limits[0].count, least=1, most=1_000_000)
    seconds = table.duration("findtime", base.limits[0].seconds)
    if not texts:
        return (Limit(count, seconds),) if simple else base.limits
    if simple:
        table.fault("limits", "`limits` stands beside `maxretry` or `findtime`; expected one form")
    return tuple(limit for text in texts if (limit := read_limit(table, text))) or base.limits


def read_limit(table: Table, text: str) -> Limit | None:
    """Read ``5 in 10m``."""
    found = LIMIT.fullmatch(text)
    try:
        if found and int(found[1]) > 0:
            return Limit(int(found[1]), durations.parse(found[2]))
    except durations.DurationError as error:
        table.fault("limits", str(error))
        return None
    table.fault("limits", f"{text!r} is no limit; expected such as '5 in 10m'")
    return None


def read_bantime(table: Table, base: Jail) -> int | None:
    """Read ``bantime``: a length of time, or ``forever``."""
    if table.get("bantime") == "forever":
        return None
    if not table.has("bantime"):
        return base.bantime
    return table.duration("bantime", 3600)


def read_networks(table: Table, key: str) -> Iterator[tuple[bytes, int]]:
    """Read a list of addresses and networks."""
    for text in table.texts(key):
        try:
            yield addresses.split(text)
        except addresses.AddressError as error:
            table.fault(key, f"{error}; expected such as 192.0.2.7 or 192.0.2.0/24")
