"""The pass: the only room that knows the order of things.

1. the lock; 2. what each log gained; 3. its hits; 4. the engine's verdicts; 5. one transaction;
6. the firewall made equal to what the store says. Nothing but step 6 touches the firewall, nothing
but step 5 writes state.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from fw_guard import addresses, applying, engine, firewall
from fw_guard.answers import ban_answer
from fw_guard.config import NO_JAIL
from fw_guard.errors import GuardError
from fw_guard.hits import FAILURE, SUCCESS, Hit
from fw_guard.hosts import Names
from fw_guard.judging import engine_hits, reason_of, rule_of
from fw_guard.logs import reader
from fw_guard.logs.clock import COUNT_AFTER, Clock, Years, in_years
from fw_guard.logs.reader import LogError
from fw_guard.matching import Scanner
from fw_guard.safety import Protection, own_addresses
from fw_guard.store import Ban, Evidence, Log, Store, StoreError, make_directory
from fw_guard.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from fw_guard.answers import Answer
    from fw_guard.applying import Trouble
    from fw_guard.config import Config, Jail
    from fw_guard.filters import Filter
    from fw_guard.firewall import Result

DAY = 86_400
KINDS = (FAILURE, SUCCESS)
LATE_EVIDENCE = DAY


class LockedError(GuardError):
    """Another pass holds the lock; nothing is said of it."""

    status = os.EX_TEMPFAIL


class Figures:
    """What a pass did; ``troubles`` are (exit code, text)."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.logs = self.lines = self.hits = self.undated = self.long = 0
        self.banned: list[Ban] = []
        self.unbanned: list[Ban] = []
        self.freed: list[tuple[Ban, str]] = []
        self.held: list[tuple[str, str, str]] = []
        self.troubles: list[Trouble] = []

    def answer(self) -> Answer:
        """Give the figures as ``run --json`` says them."""
        return {
            "logs": self.logs,
            "lines": self.lines,
            "hits": self.hits,
            "undated": self.undated,
            "long": self.long,
            "banned": [ban_answer(ban) for ban in self.banned],
            "unbanned": [
                *(ban_answer(ban) | {"reason": "its time is over"} for ban in self.unbanned),
                *(ban_answer(ban) | {"reason": reason} for ban, reason in self.freed),
            ],
            "held": [
                dict(zip(("jail", "address", "reason"), held, strict=True)) for held in self.held
            ],
            "troubles": [text for _, text in self.troubles],
        }


@contextmanager
def locked(state: str, *, wait: bool = False) -> Iterator[None]:
    """Hold the state's lock; raise LockedError when another pass does and ``wait`` is false.

    The kernel drops the lock when its holder dies.
    """
    path = os.path.join(state, "lock")
    try:
        make_directory(state)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except PermissionError as error:
        raise StoreError(f"{path}: {error.strerror}; run as root", os.EX_NOPERM) from None
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}", os.EX_CANTCREAT) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise LockedError from None
    finally:
        os.close(descriptor)


def run(
    config: Config,
    state: str,
    now: int,
    *,
    dry_run: bool,
    say: Callable[[str], object],
    run_command: firewall.Run = firewall.run_command,
) -> Figures:
    """Do one pass over ``config`` with the state in the directory ``state``; give its figures.

    ``say`` takes what is for standard output: a dry run's commands. Raises LockedError when
    another pass is at work, StoreError, SafetyError.
    """
    with locked(state), Store(state) as store:
        protection = protection_of(config, run_command)
        figures = learn(config, store, protection, now)
        if not dry_run:
            store.commit()
        figures.troubles += applying.apply(
            config,
            store,
            protection,
            now,
            changed=frozenset(ban.host for ban in figures.banned),
            dry_run=dry_run,
            say=say,
            run=run_command,
        )
    return figures


def protection_of(config: Config, run: Callable[..., Result]) -> Protection:
    """Give the networks that are never banned here and now."""
    own = own_addresses(lambda: run(("ifconfig", "-a"), "").out)
    return Protection(own, config.ignoreip)


def learn(config: Config, store: Store, protection: Protection, now: int) -> Figures:
    """Do steps 2 to 4: read, match, judge; everything is said to ``store``, nothing committed."""
    figures = Figures()
    names = Names(store.pairs())
    known = store.logs()
    hits = [
        hit
        for path, jails in logs_of(config)
        for log, readers in together(path, jails, known)
        for hit in read_log(path, log, readers, store, names, now, figures)
    ]
    figures.hits = sum(hit.kind == FAILURE for hit in hits)
    if not config.jails and not config.faults and not config.filter_faults:
        figures.troubles.append((os.EX_CONFIG, NO_JAIL))
    for glob in sorted({glob for jail in config.jails for glob in reader.unmatched(jail.logs)}):
        figures.troubles.append((os.EX_NOINPUT, f"no file matches {printable(glob)}"))
    store.keep_pairs(names.learnt)
    touched = lay_waiting(config, store, names)
    hits = [lay(config, names, hit) for hit in hits]
    store.add_hits(hits)
    touched.update((h.jail, h.host) for h in hits if h.host is not None and h.kind == FAILURE)
    for jail in config.jails:
        for name, host in sorted(touched):
            if name == jail.name:
                judge(jail, host, store, protection, figures)
    last_pass = int(store.note("pass") or now)
    figures.unbanned = store.ended(last_pass, now)
    figures.freed = free_protected(config, store, protection, now)
    prune(config, store, now)
    store.set_note("pass", str(now))
    return figures


def logs_of(config: Config) -> list[tuple[str, list[Jail]]]:
    """Give each log once, with the jails that read it."""
    wanted: dict[str, list[Jail]] = {}
    for jail in config.jails:
        for path in reader.expand(jail.logs):
            wanted.setdefault(path, []).append(jail)
    return sorted(wanted.items())


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


def reader_of(jail: Jail, found: Filter) -> str:
    """Give the name under which a filter's position in a log is kept."""
    return f"{jail.name}/{found.name}"


def read_log(
    path: str,
    known: Log | None,
    jails: list[Jail],
    store: Store,
    names: Names,
    now: int,
    figures: Figures,
) -> Iterator[Hit]:
    """Give the hits of what a log gained that can still matter; keep how far it was read.

    A log that is missing or unreadable is a trouble of the pass, and keeps its position.
    """
    position = known.position if known else None
    clock = Clock(now)
    scanner = Scanner(jails, clock.epoch, names, known.tail if known else b"")
    oldest = {(jail.name, kind): oldest_needed(jail, kind, now) for jail in jails for kind in KINDS}
    hits: list[Hit] = []
    try:
        with reader.open_gain(path, position, now) as gain:
            for block, years_back in dated_blocks(gain.blocks, position, now):
                clock.years_back = years_back
                hits += (h for h in scanner.hits(block) if h.time >= oldest[h.jail, h.kind])
            scanner.long += gain.skipped
            reached = gain.position()
    except LogError as error:
        figures.troubles.append((os.EX_NOINPUT, str(error)))
        return
    for jail in jails:
        for each in jail.filters:
            name = reader_of(jail, each)
            store.keep_log(Log(path, name, reached, scanner.last, scanner.tail))
    figures.logs += 1
    figures.lines += scanner.lines
    figures.undated += scanner.undated
    figures.long += scanner.long
    yield from hits


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


def lay(config: Config, names: Names, hit: Hit) -> Hit:
    """Lay a hit that has only a name to the address that the name is known to stand for."""
    address = names.address(hit.name, hit.time) if hit.name else None
    if hit.host is not None or address is None:
        return hit
    prefix = next(jail.prefix6 for jail in config.jails if jail.name == hit.jail)
    return hit._replace(address=address, host=addresses.subject(address, prefix))


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


def judge(jail: Jail, host: str, store: Store, protection: Protection, figures: Figures) -> None:
    """Ask the engine about one host; keep the bans that are due, or that one is held back."""
    last = store.ban(jail.name, host)
    if last is not None and last.until is None:
        return
    hits = store.hits(jail.name, host)
    case = engine.Case(
        engine_hits(hits),
        last.until if last else None,
        store.logins(host),
        protection.reason(host, jail.ignoreip),
    )
    verdict = engine.judge(rule_of(jail), case)
    if verdict.held is not None:
        store.hold(jail.name, host, verdict.held.time, verdict.held.reason)
        figures.held.append((jail.name, host, verdict.held.reason))
    for due in verdict.bans:
        ban = Ban(jail.name, host, due.since, due.until, due.hits, reason_of(due))
        store.keep_ban(ban, evidence(hits, due.first, due.since))
        figures.banned.append(ban)


def evidence(hits: list[Hit], first: int, last: int) -> Iterator[Evidence]:
    """Give the lines of a window."""
    for hit in hits:
        if first <= hit.time <= last:
            yield Evidence(hit.time, hit.filter, hit.match, hit.line)


def free_protected(
    config: Config, store: Store, protection: Protection, now: int
) -> list[tuple[Ban, str]]:
    """End the bans of whoever may never be banned by now; give them with the reason."""
    ignored_by = {jail.name: jail.ignoreip for jail in config.jails}
    freed = []
    for ban in store.bans(now):
        reason = protection.reason(ban.host, ignored_by.get(ban.jail, ()))
        if reason:
            store.end_bans(ban.host, now, ban.jail)
            freed.append((ban, reason))
    return freed


def prune(config: Config, store: Store, now: int) -> None:
    """Forget what no later pass can need.

    A hit goes when it is older than its jail's longest window. One that waits for the address of
    its name stays while a ban from it could still be in force, a day at most, and the hits around
    it stay with it.
    """
    waiting: dict[str, int] = {}
    for jail, _, time in store.waiting():
        waiting[jail] = min(time, waiting.get(jail, time))
    for each in config.jails:
        patience = LATE_EVIDENCE if each.bantime is None else min(each.bantime, LATE_EVIDENCE)
        patient = now - each.window - patience
        oldest = max(patient, min(now, waiting.get(each.name, now)))
        store.prune(each.name, oldest - each.window, patient)
    longest = max((jail.window for jail in config.jails), default=DAY)
    logintime = max((jail.logintime for jail in config.jails), default=0)
    store.prune_rest(
        [jail.name for jail in config.jails],
        now,
        now - logintime - longest - DAY,
        now - longest - DAY,
    )
