"""What the logs gained becomes hits in the store: steps 2 and 3 of a pass.

Hits go into the open transaction block by block, so that a flood costs disk and not memory.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from fw_guard import addresses
from fw_guard.config import NO_JAIL
from fw_guard.hits import FAILURE, SUCCESS, Hit
from fw_guard.hosts import Names
from fw_guard.logs import reader
from fw_guard.logs.clock import COUNT_AFTER, Clock, Years, in_years
from fw_guard.logs.reader import LogError
from fw_guard.matching import Scanner
from fw_guard.store import Log, Store
from fw_guard.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from fw_guard.config import Config, Jail
    from fw_guard.filters import Filter

KINDS = (FAILURE, SUCCESS)
CLOCKS_DIFFER = 300
Identity = tuple[int, int]


class Gathered:
    """What was read: counts, the (jail, host) ``touched``, ``troubles`` as (code, text).

    ``doubtful`` is how many of the ``hits`` are that, ``logins`` the hosts that logged in.
    """

    def __init__(self) -> None:
        """Start at nothing."""
        self.logs = self.lines = self.hits = self.doubtful = self.undated = self.long = 0
        self.touched: set[tuple[str, str]] = set()
        self.logins: set[str] = set()
        self.troubles: list[tuple[int, str]] = []


def gather(config: Config, store: Store, now: int) -> Gathered:
    """Read what every log gained, and say to ``store`` what was in it and how far it was read."""
    gathered = Gathered()
    names = Names(store.pairs())
    wanted = logs_of(config)
    known = follow(store.logs(), wanted)
    for path, jails in wanted.items():
        for log, readers in together(path, jails, known):
            read_log(path, log, readers, store, names, now, gathered)
    gathered.touched |= lay_waiting(config, store, names)
    store.keep_pairs(names.learnt)
    if not config.jails and not config.faults and not config.filter_faults:
        gathered.troubles.append((os.EX_CONFIG, NO_JAIL))
    for glob in sorted({glob for jail in config.jails for glob in reader.unmatched(jail.logs)}):
        gathered.troubles.append((os.EX_NOINPUT, f"no file matches {printable(glob)}"))
    return gathered


def identity(path: str) -> Identity | None:
    """Give device and inode of a file, None when there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def logs_of(config: Config) -> dict[str, list[Jail]]:
    """Give each log with the jails that read it; to a jail, a file of two names is one log."""
    wanted: dict[str, list[Jail]] = {}
    for jail in config.jails:
        seen: set[Identity] = set()
        for path in reader.expand(jail.logs):
            file = identity(path)
            if file is None or file not in seen:
                wanted.setdefault(path, []).append(jail)
            if file is not None:
                seen.add(file)
    return wanted


def reader_of(jail: Jail, found: Filter) -> str:
    """Give the name under which a filter's position in a log is kept."""
    return f"{jail.name}/{found.name}"


def follow(
    known: Mapping[tuple[str, str], Log], wanted: Mapping[str, list[Jail]]
) -> dict[tuple[str, str], Log]:
    """Give the positions under the names that the files have now.

    A glob that takes in rotated files meets yesterday's file under a new name. It has been read
    there as far as it was read under the old one; and the old name has a new file, read anew.
    """
    positions = dict(known)
    at = {identity(path): path for path in wanted}
    reads = {
        path: {reader_of(jail, each) for jail in jails for each in jail.filters}
        for path, jails in wanted.items()
    }
    for (path, name), log in known.items():
        now_at = at.get(file_of(log))
        if now_at is None or now_at == path or identity(path) == file_of(log):
            continue
        if name in reads[now_at]:
            there = known.get((now_at, name))
            if there is None or file_of(there) != file_of(log):
                positions[now_at, name] = log
            if positions.get((path, name)) is log:
                del positions[path, name]
    for (path, name), log in known.items():
        unread = [each for each in wanted if name in reads[each] and (each, name) not in positions]
        copy = copy_of(path, log, unread)
        if copy is not None and positions.get((path, name)) is log:
            positions[copy[0], name] = log._replace(path=copy[0], position=copy[1])
            del positions[path, name]
    return positions


def copy_of(path: str, log: Log, others: list[str]) -> tuple[str, reader.Position] | None:
    """Give the copy of a log that was cut to nothing (copytruncate), and how far it was read.

    A copy begins as the log did, and is at least as long as what was read of it.
    """
    at = log.position
    if not others or not at.head or identity(path) != file_of(log) or begins_as(path, at):
        return None
    for other in others:
        file = identity(other)
        if file is not None and begins_as(other, at):
            return other, at._replace(device=file[0], inode=file[1])
    return None


def begins_as(path: str, position: reader.Position) -> bool:
    """Say whether a file starts with what was read up to ``position``."""
    try:
        source = reader.Source(path)
    except LogError:
        return False
    source.close()
    return source.begins_as(position)


def file_of(log: Log) -> Identity:
    """Give device and inode of the file that a position is in."""
    return log.position.device, log.position.inode


def together(
    path: str, jails: list[Jail], known: Mapping[tuple[str, str], Log]
) -> list[tuple[Log | None, list[Jail]]]:
    """Give the jails that read on from the same position, each with those of its filters that do.

    That is nearly always all of them. A filter that was broken, or is new, has one of its own.
    """
    groups: dict[reader.Position | None, tuple[Log | None, dict[str, Jail]]] = {}
    for jail in jails:
        for each in jail.filters:
            log = known.get((path, reader_of(jail, each)))
            _, members = groups.setdefault(log.position if log else None, (log, {}))
            already = members[jail.name].filters if jail.name in members else ()
            members[jail.name] = replace(jail, filters=(*already, each))
    return [(log, list(members.values())) for log, members in groups.values()]


def read_log(
    path: str,
    known: Log | None,
    jails: list[Jail],
    store: Store,
    names: Names,
    now: int,
    gathered: Gathered,
) -> None:
    """Keep the hits of what one log gained, and how far it was read.

    A log that is missing or fails on the way is a trouble of the pass, and is read again from where
    it was: nothing of it is lost, and nothing kept twice.
    """
    position = known.position if known else None
    clock = Clock(now)
    scanner = Scanner(jails, clock.epoch, names, known.tail if known else b"")
    oldest = {(jail.name, kind): oldest_needed(jail, kind, now) for jail in jails for kind in KINDS}
    prefixes = {jail.name: jail.prefix6 for jail in jails}
    part = Gathered()
    try:
        with store.all_or_nothing(), reader.open_gain(path, position, now) as gain:
            for block, years_back in dated_blocks(gain.blocks, position, now):
                clock.years_back = years_back
                hits = [level(hit, now) for hit in scanner.hits(block)]
                hits = [hit for hit in hits if hit.time >= oldest[hit.jail, hit.kind]]
                keep(hits, prefixes, store, names, part)
            keep_position(path, jails, gain.position(), scanner, store)
            part.long = scanner.long + gain.skipped
    except LogError as error:
        gathered.troubles.append((error.status, str(error)))
        return
    gathered.logs += 1
    gathered.lines += scanner.lines
    gathered.undated += scanner.undated
    gathered.long += part.long
    gathered.hits += part.hits
    gathered.doubtful += part.doubtful
    gathered.touched |= part.touched
    gathered.logins |= part.logins


def level(hit: Hit, now: int) -> Hit:
    """Give a hit that a clock a little ahead of ours has dated as one of ``now``."""
    return hit._replace(time=now) if now < hit.time <= now + CLOCKS_DIFFER else hit


def keep(
    hits: list[Hit],
    prefixes: Mapping[str, int],
    store: Store,
    names: Names,
    gathered: Gathered,
) -> None:
    """Keep the hits of a block, laid to addresses as far as those are known."""
    laid = [lay(prefixes, names, hit) for hit in hits]
    store.add_hits(laid)
    failures = [hit for hit in laid if hit.kind == FAILURE]
    gathered.hits += len(failures)
    gathered.doubtful += sum(hit.doubtful for hit in failures)
    gathered.touched.update((hit.jail, hit.host) for hit in failures if hit.host is not None)
    gathered.logins.update(
        hit.host for hit in laid if hit.kind == SUCCESS and hit.host and not hit.doubtful
    )


def keep_position(
    path: str, jails: list[Jail], reached: reader.Position, scanner: Scanner, store: Store
) -> None:
    """Keep how far a log was read, for each filter that read it."""
    for jail in jails:
        for each in jail.filters:
            name = reader_of(jail, each)
            store.keep_log(Log(path, name, reached, scanner.last, scanner.tail))


def dated_blocks(
    blocks: Callable[[], Iterable[bytes]], position: reader.Position | None, now: int
) -> Iterator[tuple[bytes, int]]:
    """Give blocks of lines with the new years between them and now.

    Lines that came since the last pass cannot be a year old. On the first reading, or after a long
    pause, the new years are counted first, for which ``blocks`` are gone through twice.
    """
    if position is not None and now - position.read_at <= COUNT_AFTER:
        yield from ((block, 0) for block in blocks())
        return
    years = Years()
    for block in blocks():
        years.feed(block)
    yield from in_years(blocks(), years.until(now))


def oldest_needed(jail: Jail, kind: str, now: int) -> int:
    """Give the time before which no hit can matter: its ban, had it made one, would be over."""
    if jail.bantime is None:
        return 0
    return now - jail.window - jail.bantime - (jail.logintime if kind == SUCCESS else 0)


def lay(prefixes: Mapping[str, int], names: Names, hit: Hit) -> Hit:
    """Lay a hit that has only a name to the address that the name is known to stand for."""
    address = names.address(hit.name, hit.time) if hit.name else None
    if hit.host is not None or address is None:
        return hit
    host = addresses.subject(address, prefixes[hit.jail])
    return hit._replace(address=address, host=host)


def lay_waiting(config: Config, store: Store, names: Names) -> set[tuple[str, str]]:
    """Lay the hits that waited for an address; give the (jail, host) that gained some."""
    prefixes = {jail.name: jail.prefix6 for jail in config.jails}
    gained = set()
    for jail, name, time in store.waiting():
        address = names.address(name, time)
        if address is not None and jail in prefixes:
            host = addresses.subject(address, prefixes[jail])
            store.lay(name, jail, time, address, host)
            gained.add((jail, host))
    return gained
