"""Old lines read again: whom the jails would have banned. Nothing is kept."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from typing import TYPE_CHECKING

from fw_guard import engine
from fw_guard.filters import LONGEST_JSON
from fw_guard.gathering import dated_blocks, lay
from fw_guard.hits import FAILURE
from fw_guard.hosts import Names
from fw_guard.judging import engine_hits, reason_of, rule_of
from fw_guard.logs import reader
from fw_guard.logs.clock import Clock
from fw_guard.logs.reader import LogError
from fw_guard.matching import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from fw_guard.answers import Answer
    from fw_guard.config import Config, Jail
    from fw_guard.hits import Hit
    from fw_guard.safety import Protection

    # Hears of a log how many bytes are done, and how many there are.
    Tell = Callable[[str, int, int], None]

ORDER = ("hit", "unban", "ban", "held")
# What compressed files begin with, what made them, and what gives their text.
COMPRESSED = (
    (re.compile(rb"\x1f\x8b\x08"), "gzip", "zcat"),
    (re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), "bzip2", "bzcat"),
    (re.compile(rb"\xfd7zXZ\x00"), "xz", "xzcat"),
    (re.compile(rb"\x28\xb5\x2f\xfd"), "zstd", "zstdcat"),
)


def scan(jails: list[Jail], log: str, names: Names, now: int, tell: Tell) -> Iterator[Hit]:
    """Give the hits of a whole log, in their order; raise LogError."""
    clock = Clock(now)
    scanner = Scanner(jails, clock.epoch, names)
    for block in old_blocks(log, clock, now, tell, "replay"):
        yield from scanner.hits(block)


def old_blocks(log: str, clock: Clock, now: int, tell: Tell, verb: str) -> Iterator[bytes]:
    """Give all lines of a log in blocks, and set ``clock`` to the year of each block.

    ``-`` is standard input. Raises LogError, which for a compressed log says how ``verb`` reads it.
    """
    done = 0
    with contextlib.ExitStack() as stack:
        blocks, size = whole_log(log, stack, verb)
        for block, years_back in dated_blocks(blocks, None, now):
            clock.years_back = years_back
            yield block
            done += len(block)
            tell(log, done, size)


def whole_log(
    log: str, stack: contextlib.ExitStack, verb: str
) -> tuple[Callable[[], Iterable[bytes]], int]:
    """Give a way to go through a log's blocks, as often as wanted, and their bytes in all.

    Standard input and pipes are kept in memory; the last line there may lack its newline.
    """
    try:
        if log == "-":
            text = sys.stdin.buffer.read()
        elif os.path.isfile(log) or not os.path.exists(log):
            gain = stack.enter_context(reader.open_gain(log, None, 0))
            refuse_compressed(log, gain.sources[-1].beginning, verb)
            return (lambda: to_the_end(gain)), gain.size
        else:
            with open(log, "rb") as file:
                text = file.read()
    except OSError as error:
        raise LogError(log, f"cannot be read: {error.strerror}") from None
    refuse_compressed(log, text, verb)
    lines = text if text.endswith(b"\n") or not text else text + b"\n"
    return (lambda: [lines] if lines else []), len(lines)


def refuse_compressed(log: str, text: bytes, verb: str) -> None:
    """Raise LogError when a log that begins with ``text`` is compressed."""
    for magic, by, tool in COMPRESSED:
        if magic.match(text):
            said = f"expected text, as `{tool} FILE | fw-guard {verb} -` gives"
            raise LogError(log, f"is compressed by {by}; {said}")


def to_the_end(gain: reader.Gain) -> Iterator[bytes]:
    """Give all lines, at last the one that lacks its newline: of an old log no more will come."""
    yield from gain.blocks()
    source = gain.sources[-1]
    rest = os.pread(source.descriptor, LONGEST_JSON + 1, source.offset)
    if rest and source.offset + len(rest) == source.end:
        yield rest + b"\n"


def replay(
    config: Config,
    jails: list[Jail],
    logs: list[str],
    protection: Protection,
    now: int,
    tell: Tell,
) -> list[Answer]:
    """Give the events of old logs in the order of their time; ``tell`` hears how far it is."""
    names = Names()
    hits = [hit for log in logs for hit in scan(jails, log, names, now, tell)]
    prefixes = {jail.name: jail.prefix6 for jail in config.jails}
    hits = [lay(prefixes, names, hit) for hit in hits]
    logins: dict[str, list[int]] = {}
    cases: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        if hit.host is None:
            continue
        if hit.kind == FAILURE:
            cases.setdefault((hit.jail, hit.host), []).append(hit)
        elif not hit.doubtful:
            logins.setdefault(hit.host, []).append(hit.time)
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
    doubtful = ", doubtful" if hit.doubtful else ""
    return {
        "time": hit.time,
        "event": "hit",
        "address": hit.host or hit.name,
        "jail": hit.jail,
        "reason": f"{hit.filter}/{hit.match}{user}{waiting}{doubtful}",
        "weight": hit.weight * hit.times,
        "doubtful": hit.doubtful,
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
