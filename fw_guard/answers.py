"""What status, list and why say: plain values, ready for JSON. Times are epoch seconds, UTC."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from fw_guard import addresses, engine
from fw_guard.hits import MANUAL
from fw_guard.hosts import Names
from fw_guard.logs import reader
from fw_guard.wanting import is_of_networks

if TYPE_CHECKING:
    from fw_guard.config import Config, Jail
    from fw_guard.hits import Hit
    from fw_guard.safety import Protection
    from fw_guard.store import Ban, Log, Store

Answer = dict[str, Any]
NO_HITS = (0, 0, 0)


def ban_answer(ban: Ban) -> Answer:
    """Give a ban as ``list --json`` says it; ``until`` is None for good."""
    return {
        "address": ban.host,
        "jail": ban.jail,
        "since": ban.since,
        "until": ban.until,
        "hits": ban.hits,
        "reason": ban.reason,
    }


def list_answer(store: Store, now: int, address: str | None) -> Answer:
    """Give the bans in force: all, or those that shut ``address`` out."""
    bans = store.bans(now) if address is None else store.bans_over(address, now)
    return {"bans": [ban_answer(ban) for ban in bans]}


def status_answer(config: Config, store: Store, now: int, only: str | None = None) -> Answer:
    """Give each jail, or ``only`` one, with its logs, hits and bans, and the bans held back."""
    names = [jail.name for jail in config.jails]
    counts = store.counts()
    bans = store.bans(now)
    logs = store.logs()
    held = store.held()
    return {
        "now": now,
        "last_pass": int(store.note("pass")) if store.note("pass") else None,
        "jails": [
            {
                "jail": jail.name,
                "action": jail.action,
                "filters": [each.name for each in jail.filters],
                "limits": [str(limit) for limit in jail.limits],
                "bantime": jail.bantime,
                "hits": counts.get(jail.name, NO_HITS)[0],
                "doubtful": counts.get(jail.name, NO_HITS)[2],
                "waiting_names": counts.get(jail.name, NO_HITS)[1],
                "banned": sum(ban.jail == jail.name for ban in bans),
                "held": [
                    {"address": host, "time": time, "reason": reason}
                    for name, host, time, reason in held
                    if name == jail.name
                ],
                "logs": [
                    log_answer(path, [log for key, log in logs.items() if is_of(jail, path, key)])
                    for path in (*reader.expand(jail.logs), *reader.unmatched(jail.logs))
                ],
            }
            for jail in config.jails
            if only in (None, jail.name)
        ],
        "by_hand": sum(ban.jail == MANUAL for ban in bans),
        "networks": sum(is_of_networks(ban.jail) for ban in bans),
        "other_jails": sum(
            ban.jail not in (*names, MANUAL) and not is_of_networks(ban.jail) for ban in bans
        ),
        "bans": len(bans),
        "firewalls": [
            {
                "firewall": label,
                "members": store.members(label, now),
                "compared": kept_sight(store.note(f"sight {label}")),
            }
            for label in store.note("set up").split()
        ],
    }


def kept_sight(kept: str) -> int | None:
    """Give when a firewall was last compared as a whole, None when the next pass will do it."""
    parts = kept.split("\n", 3)
    return int(parts[1]) if len(parts) == 4 else None


def is_of(jail: Jail, path: str, key: tuple[str, str]) -> bool:
    """Say whether a kept position is that of a filter of ``jail`` in the log at ``path``."""
    return key[0] == path and key[1].rpartition("/")[0] == jail.name


def log_answer(path: str, readers: list[Log]) -> Answer:
    """Give how far a log was read by the slowest of its ``readers``.

    ``behind`` is in bytes, None when the log is missing.
    """
    try:
        size = os.stat(path).st_size
    except OSError:
        size = None
    offset = min((log.position.offset for log in readers), default=0)
    return {
        "path": path,
        "size": size,
        "behind": None if size is None else size - offset if size >= offset else size,
        "last_hit": max((log.last for log in readers if log.last), default=None),
        "read_at": min((log.position.read_at for log in readers), default=None),
    }


def hit_answer(hit: Hit) -> Answer:
    """Give a hit with its line."""
    return {
        "time": hit.time,
        "jail": hit.jail,
        "filter": hit.filter,
        "match": hit.match,
        "kind": hit.kind,
        "address": hit.address,
        "name": hit.name,
        "user": hit.user,
        "port": hit.port,
        "weight": hit.weight * hit.times,
        "doubtful": hit.doubtful,
        "line": hit.line,
    }


def why_answer(
    config: Config, store: Store, protection: Protection, asked: str, now: int
) -> Answer:
    """Give all that is known of an address or a name, and the sum that made or makes its ban.

    ``stands_for`` is the address that a name is known to stand for now, if it is.
    """
    name = addresses.name(asked) if addresses.packed(asked.partition("/")[0]) is None else None
    address = Names(store.pairs()).address(name, now) if name else asked
    hosts = [] if address is None else known_as(config, address)
    hits = [hit for host in hosts for hit in store.hits_of(host)]
    if name:
        hits += [hit for hit in store.hits_named(name) if hit.host is None]
    bans = [ban for host in hosts for ban in store.bans_of(host)]
    wider = store.bans_over(hosts[0], now) if hosts else []
    evidence = {ban: store.evidence(ban.jail, ban.host) for ban in bans}
    doubted = {(hit.jail, hit.filter, hit.match) for hit in hits if hit.doubtful} | {
        (ban.jail, line.filter, line.match)
        for ban, lines in evidence.items()
        for line in lines
        if line.doubtful
    }
    return {
        "asked": asked,
        "stands_for": address if name else None,
        "hosts": hosts,
        "protected": protection.reason(hosts[0]) if hosts else "",
        "bans": [
            ban_answer(ban)
            | {
                "in_force": ban.until is None or ban.until > now,
                "lines": [line._asdict() for line in lines],
            }
            for ban, lines in evidence.items()
        ],
        "wider": [ban_answer(ban) for ban in wider if ban.host not in hosts],
        "hits": [hit_answer(hit) for hit in hits],
        "sums": [
            sum_answer(jail, store, host, now)
            for jail in config.jails
            for host in hosts
            if store.hits(jail.name, host)
        ],
        "held": [
            {"jail": jail, "time": time, "reason": reason}
            for jail, host, time, reason in store.held()
            if host in hosts
        ],
        "doubts": [
            {
                "jail": jail.name,
                "filter": each.name,
                "match": match.name,
                "kind": match.kind,
                "reason": match.reason,
                "table": jail.table,
                "counted": jail.count_doubtful,
            }
            for jail in config.jails
            for each in jail.filters
            for match in each.matches
            if match.reason and (jail.name, each.name, match.name) in doubted
        ],
    }


def known_as(config: Config, asked: str) -> list[str]:
    """Give the texts under which an address may be kept: itself, and its IPv6 networks."""
    address = addresses.canonical(asked)
    prefixes = {jail.prefix6 for jail in config.jails} | {64}
    if "/" in address or ":" not in address:
        return [address]
    return [address, *sorted({addresses.subject(address, prefix) for prefix in prefixes})]


def sum_answer(jail: Jail, store: Store, host: str, now: int) -> Answer:
    """Give, for each limit of a jail, the attempts of ``host`` that its window holds at ``now``.

    ``weight`` is what counts; ``doubtful`` is what is doubtful, of which not all may count.
    """
    ban = store.ban(jail.name, host)
    for_good = ban is not None and ban.until is None
    made = [] if for_good else engine.attempts(store.told_of(jail.name, host))
    limits = []
    for limit in jail.limits:
        after = ban.until if ban else None
        weight, doubtful = engine.standing((limit.count, limit.seconds), made, after, now)
        limits.append(
            {
                "limit": str(limit),
                "count": limit.count,
                "seconds": limit.seconds,
                "weight": weight,
                "doubtful": doubtful,
            }
        )
    return {"jail": jail.name, "host": host, "limits": limits}
