"""Old lines read again: ``try`` with one filter, ``replay`` with the jails. Nothing is kept."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from fw_guard import engine, filterfiles, places
from fw_guard.config import DEFAULTS
from fw_guard.faults import Fault, FaultsError
from fw_guard.filters import LONGEST_LINE
from fw_guard.gathering import dated_blocks, lay
from fw_guard.hits import FAILURE, SUCCESS
from fw_guard.hosts import Names
from fw_guard.judging import engine_hits, reason_of, rule_of
from fw_guard.logs import reader
from fw_guard.logs.clock import Clock
from fw_guard.logs.reader import LogError
from fw_guard.matching import Scanner
from fw_guard.tomlfile import listed, meant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fw_guard.answers import Answer
    from fw_guard.config import Config, Jail
    from fw_guard.filters import Filter
    from fw_guard.hits import Hit
    from fw_guard.safety import Protection

ORDER = ("hit", "unban", "ban", "held")


def filter_named(asked: str, directory: str) -> Filter:
    """Give the filter of that name, the owner's or the shipped one, or of that file."""
    if "/" in asked or asked.endswith(".toml"):
        return filterfiles.load(asked, trusted=True)
    try:
        path, _ = places.find("filters", asked, directory)
    except FileNotFoundError as error:
        known = places.names("filters", directory)
        said = f"no such filter{meant(asked, known)}; expected {listed(known)}, or a file"
        raise FaultsError((Fault(asked, 0, 0, said),)) from error
    return filterfiles.load(path, trusted=True)


class Trial:
    """One filter tried on logs; ``lines`` and ``matched`` count over all of them."""

    def __init__(self, found: Filter, now: int) -> None:
        """Try ``found``; stamps without a year are taken as seen at ``now``."""
        self._jail = replace(DEFAULTS, name="try", filters=(found,))
        self._now = now
        self.lines = self.matched = 0

    def read(self, log: str) -> Iterator[Answer]:
        """Give what ``try --json`` says of each line of ``log`` that matches."""
        for number, hit in scan([self._jail], log, Names(), self._now):
            if hit is None:
                self.lines += number
            else:
                self.matched += 1
                yield try_answer(number, hit)


def scan(jails: list[Jail], log: str, names: Names, now: int) -> Iterator[tuple[int, Hit | None]]:
    """Give (number of the line, hit) for the hits of a whole log, at last (lines, None).

    ``-`` is standard input. Raises LogError.
    """
    clock = Clock(now)
    scanner = Scanner(jails, clock.epoch, names)
    with contextlib.ExitStack() as stack:
        for block, years_back in dated_blocks(whole_log(log, stack), None, now):
            clock.years_back = years_back
            for hit in scanner.hits(block):
                yield scanner.lines, hit
    yield scanner.lines, None


def whole_log(log: str, stack: contextlib.ExitStack) -> Callable[[], Iterable[bytes]]:
    """Give a way to go through a log's blocks, as often as wanted.

    Standard input and pipes are kept in memory; the last line there may lack its newline.
    """
    try:
        if log == "-":
            text = sys.stdin.buffer.read()
        elif os.path.isfile(log) or not os.path.exists(log):
            gain = stack.enter_context(reader.open_gain(log, None, 0))
            return lambda: to_the_end(gain)
        else:
            with open(log, "rb") as file:
                text = file.read()
    except OSError as error:
        raise LogError(log, f"cannot be read: {error.strerror}") from None
    return lambda: [text if text.endswith(b"\n") else text + b"\n"] if text else []


def to_the_end(gain: reader.Gain) -> Iterator[bytes]:
    """Give all lines, at last the one that lacks its newline: of an old log no more will come."""
    yield from gain.blocks()
    source = gain.sources[-1]
    rest = os.pread(source.descriptor, LONGEST_LINE + 1, source.offset)
    if rest and source.offset + len(rest) == source.end:
        yield rest + b"\n"


def try_answer(number: int, hit: Hit) -> Answer:
    """Give a matched line, ``line`` counting from 1."""
    return {
        "line": number,
        "filter": hit.filter,
        "match": hit.match,
        "kind": hit.kind,
        "host": hit.address or hit.name,
        "user": hit.user,
        "port": hit.port,
        "time": hit.time,
        "weight": hit.weight * hit.times,
        "text": hit.line,
    }


def replay(
    config: Config, jails: list[Jail], logs: list[str], protection: Protection, now: int
) -> list[Answer]:
    """Give the events of old logs in the order of their time."""
    names = Names()
    hits = [hit for log in logs for _, hit in scan(jails, log, names, now) if hit is not None]
    prefixes = {jail.name: jail.prefix6 for jail in config.jails}
    hits = [lay(prefixes, names, hit) for hit in hits]
    logins: dict[str, list[int]] = {}
    cases: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        if hit.host is not None and hit.kind == SUCCESS:
            logins.setdefault(hit.host, []).append(hit.time)
        elif hit.host is not None:
            cases.setdefault((hit.jail, hit.host), []).append(hit)
    events = [hit_event(hit) for hit in hits if hit.kind == FAILURE]
    for jail in jails:
        for (name, host), told in cases.items():
            if name == jail.name:
                reason = protection.reason(host, jail.ignoreip)
                case = engine.Case(engine_hits(told), None, logins.get(host, ()), reason)
                events += verdict_events(jail, host, engine.judge(rule_of(jail), case), now)
    return sorted(events, key=lambda event: (event["time"], ORDER.index(event["event"])))


def hit_event(hit: Hit) -> Answer:
    """Give a hit as an event."""
    user = f" for {hit.user}" if hit.user is not None else ""
    waiting = "" if hit.host else ", a name whose address is not known"
    return {
        "time": hit.time,
        "event": "hit",
        "address": hit.host or hit.name,
        "jail": hit.jail,
        "reason": f"{hit.filter}/{hit.match}{user}{waiting}",
        "weight": hit.weight * hit.times,
        "text": hit.line,
    }


def verdict_events(jail: Jail, host: str, verdict: engine.Verdict, now: int) -> Iterator[Answer]:
    """Give the bans of one host, their ends up to ``now``, and the last that was held back."""
    for ban in verdict.bans:
        yield event(ban.since, "ban", host, jail, reason_of(ban)) | {"until": ban.until}
        if ban.until is not None and ban.until <= now:
            yield event(ban.until, "unban", host, jail, "its time is over")
    if verdict.held is not None:
        yield event(verdict.held.time, "held", host, jail, verdict.held.reason)


def event(time: int, kind: str, host: str, jail: Jail, reason: str) -> Answer:
    """Give an event as ``replay --json`` says it."""
    return {"time": time, "event": kind, "address": host, "jail": jail.name, "reason": reason}
