"""Bans and unbans by hand: said to the store, and to the firewall at once."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fw_guard import addresses, applying, firewall, passes
from fw_guard.hits import MANUAL
from fw_guard.store import Ban, Store
from fw_guard.views import ending

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fw_guard.config import Config
    from fw_guard.safety import Protection


@contextmanager
def hands(config: Config, state: str, now: int, *, dry_run: bool) -> Iterator[Hands]:
    """Open the state for a person's change, waiting for a pass that may be running."""
    protection = passes.protection_of(config, firewall.run_command)
    with passes.locked(state, wait=True), Store(state) as store:
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
        self._changed: set[str] = set()

    def ban(self, asked: list[str], length: int | None, reason: str) -> tuple[list[str], int]:
        """Ban each address or network for ``length`` seconds, None as the configuration says.

        Gives (what to say, exit code): one that is refused stops them all.
        """
        hosts, refused = [], []
        for text in asked:
            try:
                host = addresses.canonical(text)
            except addresses.AddressError as error:
                refused.append(f"{error}; nobody was banned")
                continue
            why = self._protection.reason(host)
            if why:
                refused.append(f"{host} is never banned: {why}; nobody was banned")
            hosts.append(host)
        if refused:
            return [f"fw-guard: {line}" for line in refused], os.EX_USAGE
        bantime = self._config.bantime if length is None else length
        until = None if bantime is None else self._now + bantime
        for host in hosts:
            self._store.keep_ban(Ban(MANUAL, host, self._now, until, 0, reason))
            self._changed.add(host)
        return [f"{host} is banned until {ending(until, self._now)}" for host in hosts], os.EX_OK

    def unban(self, asked: list[str], *, everybody: bool) -> tuple[list[str], int]:
        """End the bans of each address, whatever jail made them; of an IPv6 host also its /64's.

        To unban who is not banned is no failure. Gives (what to say, exit code).
        """
        talk = []
        if everybody:
            asked = sorted({ban.host for ban in self._store.bans(self._now)})
            talk = [] if asked else ["nobody is banned"]
        for text in asked:
            try:
                host = addresses.canonical(text)
            except addresses.AddressError as error:
                return [f"fw-guard: {error}; nobody was unbanned"], os.EX_USAGE
            talk.append(self._unban(host))
        return talk, os.EX_OK

    def _unban(self, host: str) -> str:
        single = "/" not in host
        prefixes = {jail.prefix6 for jail in self._config.jails} | {64}
        known = [host, *(sorted({addresses.subject(host, p) for p in prefixes} - {host}) * single)]
        ended = [each for each in known if self._store.end_bans(each, self._now)]
        asked = addresses.split(host)
        still = [
            ban.host
            for ban in self._store.bans(self._now)
            if addresses.covers(addresses.split(ban.host), asked)
        ]
        if still:
            return f"{host} stays shut out with {', '.join(still)}; unban that"
        return f"{' and '.join(ended)} unbanned" if ended else f"{host} is not banned"

    def apply(self, say: Callable[[str], object]) -> list[tuple[int, str]]:
        """Keep what was changed and mend the firewall; give the troubles as (exit code, text)."""
        if not self._dry_run:
            self._store.commit()
        return applying.apply(
            self._config,
            self._store,
            self._protection,
            self._now,
            changed=frozenset(self._changed),
            dry_run=self._dry_run,
            say=say,
        )
