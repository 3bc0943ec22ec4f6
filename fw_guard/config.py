"""fw-guard.toml and what is dropped beside it become a Config; every fault of every file at once.

A fault spoils no more than it must: one in a ``[jail.NAME]`` table that jail, one in a filter file
that filter, one in a drop-in that drop-in. Only a fault in the defaults of fw-guard.toml stops
every jail: without the owner's ``ignoreip`` nobody may be banned.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from fw_guard import addresses, durations, filterfiles, places
from fw_guard.errors import GuardError
from fw_guard.faults import Fault, FaultsError, in_order
from fw_guard.hits import MANUAL
from fw_guard.proving import clash
from fw_guard.tomlfile import Document, Table, listed, meant, open_document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.filters import Filter

MAIN = "fw-guard.toml"
NO_JAIL = "there is no jail; expected [jail.NAME] with `filter` and `logs`"
LIMIT = re.compile(r"\s*(\d{1,9})\s+in\s+(.+)")
SIGNED_BY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


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
    ``count_doubtful`` counts in full what a filter calls doubtful or forgeable. ``table`` says
    where its settings stand.
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
    table: str = ""

    @property
    def window(self) -> int:
        """Give the length of the longest window, in seconds."""
        return max(limit.seconds for limit in self.limits)


@dataclass(frozen=True, slots=True)
class Config:
    """All that the owner has said. ``faults`` are those of the configuration itself,
    ``filter_faults`` those of filter files."""

    directory: str
    action: str
    bantime: int | None
    ignoreip: tuple[tuple[bytes, int], ...]
    jails: tuple[Jail, ...]
    faults: tuple[Fault, ...] = ()
    filter_faults: tuple[Fault, ...] = ()

    @property
    def sound(self) -> bool:
        """Say whether the defaults of fw-guard.toml could be read; else nothing may be done."""
        return bool(self.action)


class NoConfigError(GuardError):
    """There is no fw-guard.toml."""

    status = os.EX_CONFIG


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


def load(directory: str, proved: set[str] | None = None) -> Config:
    """Read the configuration in ``directory``; raise NoConfigError when there is none.

    ``proved`` holds the digests of proofs that need not be made again; new ones are added. Raises
    PermissionError when that may not even be asked.
    """
    main = os.path.join(directory, MAIN)
    if os.path.isfile(directory):
        raise NoConfigError(f"{directory} is a file; expected the directory of {MAIN}")
    try:
        os.stat(main)
    except FileNotFoundError:
        raise NoConfigError(
            f"no configuration: write {main}, for instance "
            'action = "nftables" and [jail.sshd] filter = "sshd" logs = ["/var/log/auth.log"]'
        ) from None
    return Loader(directory, set() if proved is None else proved).load(main)


class Loader:
    """Reads one configuration; keeps the filters already read and the faults found."""

    def __init__(self, directory: str, proved: set[str]) -> None:
        """Start with nothing read; ``proved`` are the proofs that are known."""
        self.directory = directory
        self.proved = proved
        self.faults: list[Fault] = []
        self.filter_faults: list[Fault] = []
        self.filters: dict[str, Filter | None] = {}
        self.jails: dict[str, Jail | None] = {}

    def load(self, main: str) -> Config:
        """Read the main file, the drop-ins, then the filters that carry a jail of their own."""
        for kind in ("", "jails", "filters", "filters/lists", "actions"):
            self.refuse_open(os.path.join(self.directory, kind))
        if self.faults:
            return Config(self.directory, "", None, (), (), in_order(self.faults), ())
        defaults, sound = self.read_file(main, DEFAULTS)
        for path in places.files(os.path.join(self.directory, "jails")):
            self.read_file(path, defaults)
        for path in places.files(os.path.join(self.directory, "filters")):
            self.read_filter_jail(path, defaults)
        if not sound:
            faults, filter_faults = in_order(self.faults), in_order(self.filter_faults)
            return Config(self.directory, "", None, (), (), faults, filter_faults)
        return Config(
            self.directory,
            defaults.action,
            defaults.bantime,
            defaults.ignoreip,
            tuple(jail for jail in self.jails.values() if jail is not None),
            in_order(self.faults),
            in_order(self.filter_faults),
        )

    def refuse_open(self, directory: str) -> None:
        """Note a fault when somebody else owns a directory of ours, or may write it."""
        try:
            status = os.stat(directory)
        except OSError:
            return
        if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
            said = "belongs to somebody else or may be written by others; expected mode 755 or less"
            self.faults.append(Fault(directory, 0, 0, said))

    def read_file(self, path: str, defaults: Jail) -> tuple[Jail, bool]:
        """Read defaults and jails of one file; give the defaults, and whether they are sound."""
        try:
            document = open_document(path)
        except FaultsError as error:
            self.faults.extend(error.faults)
            return defaults, False
        root = document.root
        defaults = read_settings(root, defaults, self.directory)
        jails = root.table("jail")
        root.finish()
        sound = not document.faults
        for name in jails.values if jails else ():
            jail = self.read_jail(document, jails.table(name) if jails else None, name, defaults)
            self.jails.setdefault(name, jail if sound else None)
        self.faults.extend(document.faults)
        return defaults, sound

    def read_jail(
        self, document: Document, table: Table | None, name: str, base: Jail
    ) -> Jail | None:
        """Read one ``[jail.NAME]`` table; None when it is at fault or not enabled."""
        if table is None:
            return None
        before = len(document.faults)
        if not SIGNED_BY.fullmatch(name) or name == MANUAL:
            table.fault(None, f"a jail cannot be named {name!r}")
        if name in self.jails:
            table.fault(None, f"jail {name!r} stands in an earlier file already")
            return None
        base = replace(base, name=name, table=f"[jail.{name}]")
        jail = read_settings(table, base, self.directory)
        names = table.texts("filter", required=True)
        logs = read_logs(table)
        enabled = table.boolean("enabled", default=True)
        table.finish()
        found = [self.filter(table, each) for each in names]
        good = tuple(each for each in found if each is not None)
        if enabled:
            self.refuse_forged(table, good, logs)
        sound = len(document.faults) == before and enabled and good
        return replace(jail, filters=good, logs=logs) if sound else None

    def refuse_forged(self, table: Table, found: tuple[Filter, ...], logs: tuple[str, ...]) -> None:
        """Note a fault when filters that read a log together, in any jails, forge each other."""
        beside = [jail for jail in self.jails.values() if jail and share_logs(jail.logs, logs)]
        every = (*found, *(each for jail in beside for each in jail.filters))
        once = {each.path: each for each in every}
        if forged := clash(tuple(once.values()), self.proved):
            said = f"{forged[0]} can be forged by each other's lines; expected no log for both"
            table.fault("filter", said, detail=forged[1])

    def read_filter_jail(self, path: str, base: Jail) -> None:
        """Give a dropped-in filter that carries a ``[jail]`` table the jail of its own name."""
        name = os.path.basename(path).removesuffix(".toml")
        found = self.load_filter(name, path, trusted=False)
        if found is None or name in self.jails:
            return
        document = open_document(path)
        jail = read_own_jail(document, base, self.directory)
        if jail is not None and (table := document.root.table("jail")):
            self.refuse_forged(table, (found,), jail.logs)
        self.faults.extend(document.faults)
        if document.root.has("jail"):
            sound = jail is not None and not document.faults
            self.jails[name] = replace(jail, filters=(found,)) if jail and sound else None

    def filter(self, table: Table, name: str) -> Filter | None:
        """Give the filter called ``name``: the owner's, else the shipped one."""
        try:
            path, ships = places.find("filters", name, self.directory)
        except FileNotFoundError as error:
            known = places.names("filters", self.directory)
            said = f"there is no filter {name!r}{meant(name, known)}; expected {error.filename}"
            table.fault("filter", said)
            return None
        return self.load_filter(name, path, trusted=ships)

    def load_filter(self, name: str, path: str, *, trusted: bool) -> Filter | None:
        """Read a filter once; note its faults."""
        if name not in self.filters:
            try:
                self.filters[name] = filterfiles.load(path, trusted=trusted, proved=self.proved)
            except FaultsError as error:
                self.filters[name] = None
                self.filter_faults.extend(error.faults)
        return self.filters[name]


def share_logs(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Say whether a file may fit a glob of both; that none does is said only when it is sure."""
    return any(
        may_meet(mine, its) or may_meet(os.path.realpath(mine), os.path.realpath(its))
        for mine in map(os.path.normpath, one)
        for its in map(os.path.normpath, other)
    )


def may_meet(one: str, other: str) -> bool:
    """Say whether a path may fit both globs, as far as what stands before a mark tells."""
    mine, its = (re.split(r"[*?[]", glob)[0] for glob in (one, other))
    if mine == one and its == other:
        return one == other
    if (mine == one or its == other) and "**" not in one + other:
        return fnmatch(one, other) or fnmatch(other, one)
    return mine.startswith(its) or its.startswith(mine)


def read_own_jail(document: Document, base: Jail, directory: str) -> Jail | None:
    """Read the ``[jail]`` table of a filter file, noting its faults; None without a sound one."""
    name = os.path.basename(document.path).removesuffix(".toml")
    table = document.root.table("jail")
    if table is None:
        return None
    if name == MANUAL:
        table.fault(None, f"a jail cannot be named {name!r}")
    base = replace(base, name=name, table=f"[jail] of {document.path}")
    jail = replace(read_settings(table, base, directory), logs=read_logs(table))
    enabled = table.boolean("enabled", default=True)
    table.finish()
    return jail if enabled and not document.faults else None


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
    )


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
