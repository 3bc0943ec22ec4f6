"""Bans and unbans by hand: said to the store, and to the firewall at once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses, applying, firewall, passes
from fw_guard.answers import ban_answer, bans_over, known_as
from fw_guard.hits import MANUAL
from fw_guard.store import Ban, Store

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
        self._changed: frozenset[str] = frozenset()

    def ban(self, asked: list[str], length: int | None, reason: str) -> Change:
        """Ban each address or network for ``length`` seconds, None as the configuration says."""
        hosts, refused = [], []
        for text in asked:
            try:
                hosts.append(addresses.canonical(text))
            except addresses.AddressError as error:
                refused.append(str(error))
                continue
            if why := self._protection.reason(hosts[-1]):
                refused.append(f"{hosts[-1]} is never banned: {why}")
        if refused:
            return Change(refused=tuple(refused))
        bantime = self._config.bantime if length is None else length
        until = None if bantime is None else self._now + bantime
        bans = tuple(Ban(MANUAL, host, self._now, until, 0, reason) for host in hosts)
        for ban in bans:
            self._store.keep_ban(ban)
        self._changed = frozenset(hosts)
        return Change(banned=bans)

    def unban(self, asked: list[str], *, everybody: bool) -> Change:
        """End the bans of each address, whatever jail made them; of an IPv6 host also its /64's.

        To unban who is not banned is no failure.
        """
        if everybody:
            asked = sorted({ban.host for ban in self._store.bans(self._now)})
        try:
            hosts = [addresses.canonical(text) for text in asked]
        except addresses.AddressError as error:
            return Change(refused=(str(error),))
        unbanned: list[str] = []
        free: list[str] = []
        still: list[tuple[str, tuple[str, ...]]] = []
        for host in hosts:
            known = known_as(self._config, host)
            ended = [each for each in known if self._store.end_bans(each, self._now)]
            for each in known:
                self._store.forget_ahead(each, self._now)
            unbanned += ended
            if over := bans_over(self._store, self._now, host):
                still.append((host, tuple(sorted({ban.host for ban in over}))))
            elif not ended:
                free.append(host)
        return Change(unbanned=tuple(unbanned), not_banned=tuple(free), still=tuple(still))

    def apply(self, say: Callable[[str], object]) -> list[Trouble]:
        """Keep what was changed and mend the firewall; give the troubles as (exit code, text)."""
        applying.remember(self._store, self._changed)
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
