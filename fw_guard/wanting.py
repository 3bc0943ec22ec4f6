"""What the firewalls are to hold: the bans in force, each with the firewall that is to hold it.

All of it is worked out only when it is asked for: a quiet pass asks for nothing.
"""

from __future__ import annotations

import zlib
from functools import cached_property
from typing import TYPE_CHECKING

from fw_guard import addresses
from fw_guard.addresses import SHORTEST_HOST6
from fw_guard.hits import NETWORKS
from fw_guard.networks import digest
from fw_guard.planning import RENEWED_BEFORE, outlasts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fw_guard.config import Config
    from fw_guard.safety import Protection
    from fw_guard.store import Ban, Store

Wanted = dict[str, int | None]


class Labels:
    """Which firewall is to hold a ban, by the label of each."""

    def __init__(self, config: Config) -> None:
        """Take the jails and the default from a configuration."""
        self._default = config.label
        self.by_jail = {jail.name: jail.label for jail in config.jails}
        self.used = frozenset({config.label, *self.by_jail.values()})

    def of(self, ban: Ban) -> str:
        """Give the firewall of a ban; that of a jail that is gone stays with what held it."""
        if is_of_networks(ban.jail):
            return ban.jail.partition("/")[2] or self._default
        return self.by_jail.get(ban.jail) or ban.action or self._default

    def jail_of_networks(self, label: str) -> str:
        """Give the jail of the networks that are banned in a firewall."""
        return NETWORKS if label == self._default else f"{NETWORKS}/{label}"


class Sparing:
    """Why a ban may not be made or applied: of a network, no jail may ignore anybody in it."""

    def __init__(self, config: Config, protection: Protection) -> None:
        """Take what each jail ignores from a configuration, beside ``protection``."""
        self._reason = protection.reason
        self._ignored_by = {jail.name: (jail.ignoreip,) for jail in config.jails}
        self._every = tuple(jail.ignoreip for jail in config.jails)

    def reason(self, jail: str, host: str) -> str:
        """Say why a jail may not ban a host or network; empty when it may."""
        mine = self._every if is_of_networks(jail) else self._ignored_by.get(jail, ())
        reasons = (self._reason(host, ignored) for ignored in mine or ((),))
        return next(filter(None, reasons), "")


def is_of_networks(jail: str) -> bool:
    """Say whether a jail is one of networks enough of whose hosts are banned."""
    return jail.partition("/")[0] == NETWORKS


class Wanting:
    """The bans in force at ``now``, by the label of the firewall that is to hold them.

    Whoever is protected is left out here once more, whatever the store says, unless by force.
    """

    def __init__(
        self, config: Config, store: Store, protection: Protection, now: int, applied: int
    ) -> None:
        """Look at the open ``store``; ``applied`` is when the firewalls were last told anything."""
        self._store = store
        self._sparing = Sparing(config, protection)
        self._now = now
        self._applied = applied
        self._labels = Labels(config)
        firewalls = repr((config.label, self._labels.by_jail))
        ignored = digest((config.ignoreip, *(jail.ignoreip for jail in config.jails)))
        self.means = f"{zlib.crc32(firewalls.encode()):08x} {ignored}"

    @cached_property
    def changed(self) -> frozenset[str]:
        """The hosts whose bans have changed since ``applied``, and what lies in their networks.

        What lies in a network whose own ban is about to end is to be banned before that.
        """
        ended = self._store.ended_between(self._applied, self._now)
        soon = self._applied + RENEWED_BEFORE, self._now + RENEWED_BEFORE
        ending = (host for host in self._store.ended_between(*soon) if "/" in host)
        hosts = self._store.dirty().union(ended, ending)
        within = (
            ban.host
            for host in hosts
            if "/" in host
            for ban in self._store.bans_within(host, self._now)
        )
        return frozenset(hosts.union(within))

    def relabel(self, earlier: Iterable[str]) -> None:
        """Keep which firewall holds the bans of each jail, now that the owner has changed that."""
        self._store.relabel(self._labels.by_jail, {"", *self._labels.used, *earlier})

    def labels(self, earlier: Iterable[str]) -> frozenset[str]:
        """Give the firewalls in use: those of jails, and ``earlier`` ones that hold a ban yet."""
        holding = (
            label
            for label in earlier
            if label not in self._labels.used
            and any(self._labels.of(ban) == label for ban in self._store.bans_by(label, self._now))
        )
        return self._labels.used.union(holding)

    def has(self, label: str, is_new: bool) -> bool:
        """Say whether a firewall that is not in use has somebody to hold.

        When the settings are not new, that is so if one of those that have changed is for it.
        """
        return bool(self.whole(label) if is_new else self.some(label, self.changed))

    def whole(self, label: str) -> Wanted:
        """Give whom a firewall is to hold, and until when; the longest ban of a host counts."""
        return self._whole.get(label, {})

    @cached_property
    def _whole(self) -> dict[str, Wanted]:
        sets: dict[str, Wanted] = {}
        for ban in self._store.bans(self._now):
            if self.is_allowed(ban):
                prolong(sets.setdefault(self._labels.of(ban), {}), ban)
        return sets

    def some(self, label: str, hosts: Iterable[str]) -> Wanted:
        """Give as ``whole`` does, of some hosts, without those inside a wider ban."""
        wanted: Wanted = {}
        for ban in self._standing(label, hosts):
            prolong(wanted, ban)
        around = self._wide.get(label, [])
        return {
            host: until
            for host, until in wanted.items()
            if not self._is_inside(label, host, until, around)
        }

    def _standing(self, label: str, hosts: Iterable[str]) -> Iterator[Ban]:
        """Give the bans of some hosts that a firewall is to hold."""
        for ban in self._store.bans_now(hosts, self._now):
            if self._labels.of(ban) == label and self.is_allowed(ban):
                yield ban

    @cached_property
    def _wide(self) -> dict[str, list[Ban]]:
        """The bans, by firewall, that may shut out others than they name."""
        wide: dict[str, list[Ban]] = {}
        for ban in self._store.wide_bans(self._now):
            if self.is_allowed(ban):
                wide.setdefault(self._labels.of(ban), []).append(ban)
        return wide

    def _is_inside(self, label: str, host: str, until: int | None, around: list[Ban]) -> bool:
        """Say whether a wider ban of the firewall shuts a host out as well, and long enough."""
        value, length = network = addresses.split(host)
        lengths = range(SHORTEST_HOST6, length) if len(value) == 16 else ()
        narrow = [addresses.network(value, each) for each in lengths]
        covering = (
            ban
            for ban in (*around, *(self._standing(label, narrow) if narrow else ()))
            if ban.host != host and addresses.covers(addresses.split(ban.host), network)
        )
        return any(outlasts(ban.until, host, until, self._now) for ban in covering)

    def is_allowed(self, ban: Ban) -> bool:
        """Say whether a ban may be applied."""
        return ban.forced or not self._sparing.reason(ban.jail, ban.host)


def prolong(wanted: Wanted, ban: Ban) -> None:
    """Add a ban; of two of one host the longer counts."""
    known = wanted.get(ban.host, 0)
    wanted[ban.host] = None if known is None or ban.until is None else max(known, ban.until)
