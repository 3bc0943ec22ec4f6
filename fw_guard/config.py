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

from fw_guard import places
from fw_guard.errors import GuardError
from fw_guard.faults import Fault, FaultsError, in_order
from fw_guard.fitting import Fitting
from fw_guard.hits import OWN_JAILS
from fw_guard.settings import (
    DEFAULTS,
    GENERAL,
    MAIN,
    General,
    Jail,
    Limit,
    label,
    read_general,
    read_logs,
    read_settings,
    refuse_general,
)
from fw_guard.tomlfile import Document, Table, meant, open_document

if TYPE_CHECKING:
    from fw_guard.filters import Filter
    from fw_guard.ports import Ports

__all__ = ("DEFAULTS", "MAIN", "Config", "General", "Jail", "Limit", "NoConfigError", "load")

NO_JAIL = "there is no jail; expected [jail.NAME] with `filter` and `logs`"
SIGNED_BY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


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
    general: General = GENERAL
    ports: Ports = ()

    @property
    def label(self) -> str:
        """Give the firewall that bans of no jail are made with."""
        return label(self.action, self.ports)

    @property
    def sound(self) -> bool:
        """Say whether the defaults of fw-guard.toml could be read; else nothing may be done."""
        return bool(self.action)


class NoConfigError(GuardError):
    """There is no fw-guard.toml."""

    status = os.EX_CONFIG


def load(directory: str, proved: set[str] | None = None, *, outlined: bool = False) -> Config:
    """Read the configuration in ``directory``; raise NoConfigError when there is none.

    ``proved`` holds the digests of proofs that need not be made again; new ones are added. Filters
    that are ``outlined`` are not read: whoever bans by hand needs the jails alone. Raises
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
    return Loader(directory, set() if proved is None else proved, outlined=outlined).load(main)


class Loader:
    """Reads one configuration; keeps the filters already read and the faults found."""

    def __init__(self, directory: str, proved: set[str], *, outlined: bool = False) -> None:
        """Start with nothing read; ``proved`` are the proofs that are known.

        Filters that are ``outlined`` are not read: they have a name, and nothing to match.
        """
        self.directory = directory
        self.proved = proved
        self.outlined = outlined
        self.faults: list[Fault] = []
        self.filter_faults: list[Fault] = []
        self.filters: dict[str, Filter | None] = {}
        self.jails: dict[str, Jail | None] = {}
        self.general = General()
        self.fitting = Fitting(directory)

    def load(self, main: str) -> Config:
        """Read the main file, the drop-ins, then the filters that carry a jail of their own."""
        for kind in ("", "jails", "filters", "filters/lists", "actions"):
            self.refuse_open(os.path.join(self.directory, kind))
        if self.faults:
            return Config(self.directory, "", None, (), (), in_order(self.faults), ())
        defaults, sound = self.read_file(main, DEFAULTS, main=True)
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
            self.general,
            defaults.ports,
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

    def read_file(self, path: str, defaults: Jail, *, main: bool = False) -> tuple[Jail, bool]:
        """Read defaults and jails of one file; give the defaults, and whether they are sound."""
        try:
            document = open_document(path)
        except FaultsError as error:
            self.faults.extend(error.faults)
            return defaults, False
        root = document.root
        defaults = read_settings(root, defaults, self.directory)
        if main:
            self.general = read_general(root)
            self.fitting.options = self.general.options
        else:
            refuse_general(root)
        self.fitting.refuse(root, defaults)
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
        if not SIGNED_BY.fullmatch(name) or name in OWN_JAILS:
            table.fault(None, f"a jail cannot be named {name!r}")
        if name in self.jails:
            table.fault(None, f"jail {name!r} stands in an earlier file already")
            return None
        base = replace(base, name=name, table=f"[jail.{name}]")
        jail = read_settings(table, base, self.directory)
        refuse_general(table)
        self.fitting.refuse(table, jail)
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
        if self.outlined:
            return
        from fw_guard.proving import clash  # pyparsing comes with it

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
        jail = read_own_jail(document, base, self.directory, self.fitting)
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
        if self.outlined:
            return outline(name, path)
        from fw_guard import filterfiles  # pyparsing comes with it

        if name not in self.filters:
            try:
                self.filters[name] = filterfiles.load(path, trusted=trusted, proved=self.proved)
            except FaultsError as error:
                self.filters[name] = None
                self.filter_faults.extend(error.faults)
        return self.filters[name]


def outline(name: str, path: str) -> Filter:
    """Give a filter that has a name and reads nothing."""
    from fw_guard.filters import Filter

    return Filter(
        name, path, "", "", "", "", formats=(), program=(), programs=None, time="", matches=()
    )


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


def read_own_jail(
    document: Document, base: Jail, directory: str, fitting: Fitting | None = None
) -> Jail | None:
    """Read the ``[jail]`` table of a filter file, noting its faults; None without a sound one."""
    name = os.path.basename(document.path).removesuffix(".toml")
    table = document.root.table("jail")
    if table is None:
        return None
    if name in OWN_JAILS:
        table.fault(None, f"a jail cannot be named {name!r}")
    base = replace(base, name=name, table=f"[jail] of {document.path}")
    jail = replace(read_settings(table, base, directory), logs=read_logs(table))
    refuse_general(table)
    (fitting or Fitting(directory)).refuse(table, jail)
    enabled = table.boolean("enabled", default=True)
    table.finish()
    return jail if enabled and not document.faults else None
