"""Bans and unbans by hand: said to the store, and to the firewall at once."""

from __future__ import annotations

import contextlib
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses, applying, firewall, passes
from fw_guard.answers import ban_answer, known_as
from fw_guard.hits import BRAKED, MANUAL
from fw_guard.networks import Networks
from fw_guard.store import Ban, Store
from fw_guard.wanting import is_of_networks
from fw_guard.widening import Widened, logged_in, widen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fw_guard.answers import Answer
    from fw_guard.applying import Trouble
    from fw_guard.config import Config
    from fw_guard.safety import Protection


class Change(NamedTuple):
    """What a person's words come to.

    ``unbanned`` are the hosts freed, ``not_banned`` those that were free, ``still`` those that a
    wider ban shuts out, with its hosts. ``refused`` are reasons; if there is one, nothing is done.
    """

    banned: tuple[Ban, ...] = ()
    unbanned: tuple[str, ...] = ()
    not_banned: tuple[str, ...] = ()
    still: tuple[tuple[str, tuple[str, ...]], ...] = ()
    refused: tuple[str, ...] = ()

    def answer(self, troubles: list[Trouble]) -> Answer:
        """Give the change as ``ban --json`` and ``unban --json`` say it."""
        return {
            "banned": [ban_answer(ban) for ban in self.banned],
            "unbanned": list(self.unbanned),
            "not_banned": list(self.not_banned),
            "still": [{"address": host, "with": list(by)} for host, by in self.still],
            "refused": list(self.refused),
            "troubles": [text for _, text in troubles],
        }


@contextlib.contextmanager
def hands(config: Config, state: str, now: int, *, dry_run: bool) -> Iterator[Hands]:
    """Open the state for a person's change, waiting for a pass that may be running."""
    protection = passes.protection_of(config, firewall.run_command)
    with contextlib.ExitStack() as stack:
        if not dry_run:
            stack.enter_context(passes.locked(state, wait=True))
        store = stack.enter_context(Store(state, copy=dry_run))
        yield Hands(config, store, protection, now, dry_run=dry_run)


class Hands:
    """What a person may do to the bans. Nothing is kept before ``apply``."""

    def __init__(
        self, config: Config, store: Store, protection: Protection, now: int, *, dry_run: bool
    ) -> None:
        """Work on the open ``store``."""
        self._config = config
        self._store = store
        self._protection = protection
        self._now = now
        self._dry_run = dry_run

    def ban(
        self, asked: list[str], length: int | None, reason: str, *, force: bool = False
    ) -> Change:
        """Ban each address or network for ``length`` seconds, None as the configuration says.

        Whoever is protected is banned by ``force`` alone.
        """
        bantime = self._config.bantime if length is None else length
        until = None if bantime is None else self._now + bantime
        bans, refused = [], []
        for text in asked:
            try:
                host = addresses.canonical(text)
            except addresses.AddressError as error:
                refused.append(str(error))
                continue
            protected = self.protected(host)
            if host.endswith("/0"):
                refused.append(f"{host} is every address there is; expected fewer")
            elif protected and not force:
                refused.append(f"{host} is never banned: {protected} (--force bans it)")
            bans.append(Ban(MANUAL, host, self._now, until, 0, reason, forced=force))
        if refused:
            return Change(refused=tuple(refused))
        self._store.keep_bans(bans)
        return Change(banned=(*bans, *self._widen().banned))

    def protected(self, host: str) -> str:
        """Say why a host or network may not be banned, empty when it may."""
        return (
            self._protection.reason(host)
            or self._logged_in.overlapping(addresses.split(host))
            or ""
        )

    @cached_property
    def _logged_in(self) -> Networks:
        """Who logged in of late, each with that as the reason to be spared."""
        hosts = logged_in(self._config, self._store, self._now)
        return Networks((addresses.split(host), f"{host} logged in of late") for host in hosts)

    def unban(self, asked: list[str], *, everybody: bool) -> Change:
        """End the bans of each address, whatever jail made them; of an IPv6 host also its /64's.

        To unban who is not banned is no failure.
        """
        waiting: dict[str, list[str]] = {}
        for jail, host in self._store.held_for(BRAKED):
            waiting.setdefault(host, []).append(jail)
        if everybody:
            asked = sorted({*waiting, *(ban.host for ban in self._store.bans(self._now))})
        try:
            hosts = [addresses.canonical(text) for text in asked]
        except addresses.AddressError as error:
            return Change(refused=(str(error),))
        ended: dict[str, list[str]] = {}
        for host in hosts:
            known = known_as(self._config, host)
            ended[host] = [each for each in known if self._end(each, waiting.pop(each, []))]
            for each in known:
                self._store.forget_ahead(each, self._now)
        # A network may have been banned for these hosts' sake alone.
        freed = [ban.host for ban, _ in self._widen().freed]
        free: list[str] = []
        still: list[tuple[str, tuple[str, ...]]] = []
        wide = self._store.wide_bans(self._now)
        for host in hosts:
            if over := self._store.bans_over(host, self._now, wide):
                still.append((host, tuple(sorted({ban.host for ban in over}))))
            elif not ended[host]:
                free.append(host)
        unbanned = dict.fromkeys((*(each for host in hosts for each in ended[host]), *freed))
        return Change(unbanned=tuple(unbanned), not_banned=tuple(free), still=tuple(still))

    def _end(self, host: str, waiting: list[str]) -> bool:
        """End the bans of a host or network, and those that wait in some jails; say if any did.

        A network is not banned again for the hosts that were banned before.
        """
        networks = [ban.jail for ban in self._store.bans_now((host,), self._now)]
        ended = self._store.end_bans(host, self._now)
        for jail in (*waiting, *(jail for jail in networks if is_of_networks(jail))):
            self._store.release(jail, host)
            self._store.pardon(jail, host, self._now)
        return bool(ended or waiting)

    def _widen(self) -> Widened:
        """Work out what the change means for the networks around."""
        return widen(self._config, self._store, self._protection, self._now)

    def apply(self, say: Callable[[str], object]) -> list[Trouble]:
        """Keep what was changed and mend the firewall; give the troubles as (exit code, text)."""
        applying.mind_the_clock(self._store, self._now)
        if not self._dry_run:
            self._store.commit()
        return applying.apply(
            self._config,
            self._store,
            self._protection,
            self._now,
            dry_run=self._dry_run,
            say=say,
        )
