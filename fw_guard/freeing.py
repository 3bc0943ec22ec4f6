"""Bans that may not stand: of who is protected by now, or turns out to have logged in before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard import engine
from fw_guard.hits import MANUAL
from fw_guard.networks import digest
from fw_guard.wanting import Sparing, is_of_networks
from fw_guard.widening import LOGGED_IN, logins_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fw_guard.config import Config
    from fw_guard.safety import Protection
    from fw_guard.store import Ban, Store

GUARDED = "guarded"
GUARDED_EVERY = 3_600


def free_protected(
    config: Config, store: Store, protection: Protection, now: int
) -> list[tuple[Ban, str]]:
    """End the bans of whoever may never be banned by now; give them with the reason.

    That is found out when ``ignoreip`` has changed, and once an hour: what is around a machine
    seldom changes, and there may be many bans.
    """
    means = digest((config.ignoreip, *(jail.ignoreip for jail in config.jails)))
    known, _, at = store.note(GUARDED).partition(" ")
    if known == means and int(at) <= now < int(at) + GUARDED_EVERY:
        return []
    store.set_note(GUARDED, f"{means} {now}")
    freed = []
    sparing = Sparing(config, protection)
    for ban in store.bans(now):
        if not ban.forced and (reason := sparing.reason(ban.jail, ban.host)):
            store.end_bans(ban.host, now, ban.jail)
            freed.append((ban, reason))
    return freed


def free_logged_in(
    config: Config, store: Store, hosts: Iterable[str], now: int
) -> Iterator[tuple[Ban, str]]:
    """End the bans that a good login would have held back, had it been known when they were made.

    Of a network it is enough that somebody in it logged in; of a host that it did before its
    attempts.
    """
    wide = store.wide_bans(now) if hosts else ()
    over = ((host, ban) for host in hosts for ban in store.bans_over(host, now, wide))
    for host, ban in over:
        if ban.forced or ban.jail == MANUAL:
            continue
        if is_of_networks(ban.jail):
            reason = LOGGED_IN if any(logins_in(config, store, ban.host, now)) else ""
        else:
            jails = [jail for jail in config.jails if jail.name == ban.jail]
            lines = store.evidence(ban.jail, ban.host)
            reason = ""
            if jails and lines:
                logins = sorted(store.logins(host))
                reason = engine.login_before(logins, lines[0].time, jails[0].logintime)
        if reason and store.end_bans(ban.host, now, ban.jail):
            yield ban, reason
