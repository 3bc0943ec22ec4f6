"""The engine: hits in log time go in, bans come out. Pure; nothing here reads a clock or a file.

What counts is an *attempt*. A service may tell of one attempt on several lines (``Invalid user``,
``authentication failure``, ``Failed password``), so within one process and one address the attempts
made so far are the largest count that any one match has reached, and a line counts by how much it
raises that. Lines of one process with more than PROCESS_GAP seconds between them are two
processes that were given the same number.

A ban is due when the weights of the attempts within a window (both ends included) reach the
limit's count. It begins at the time of the attempt that reached it, whenever that is read, and
attempts up to its end count for nothing more: a late pass judges as a punctual one would have.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PROCESS_GAP = 120


class Hit(NamedTuple):
    """One line about one failed attempt: epoch seconds, weight, how often the line stands for.

    ``match`` names filter and match; ``pid`` is the service's process, empty when unknown.
    """

    time: int
    weight: int
    times: int
    match: str
    pid: str


class Attempt(NamedTuple):
    """A failed attempt, as often and as heavy as ``weight`` says."""

    time: int
    weight: int


class Rule(NamedTuple):
    """What a jail says: limits as (count, seconds), ban time (None for good), login time."""

    limits: tuple[tuple[int, int], ...]
    bantime: int | None
    logintime: int


class Case(NamedTuple):
    """All that is known of one address in one jail.

    ``after`` is the end of its last ban: no attempt up to then counts. ``logins`` are the times of
    its good logins. ``protected`` says why it may never be banned, empty when it may.
    """

    hits: Sequence[Hit]
    after: int | None
    logins: Sequence[int]
    protected: str


class Ban(NamedTuple):
    """A ban that is due: from, until (None for good), the weight that made it, the limit met."""

    since: int
    until: int | None
    hits: int
    first: int
    limit: tuple[int, int]


class Held(NamedTuple):
    """A ban that was due and is held back."""

    time: int
    reason: str


class Verdict(NamedTuple):
    """What the engine says of a case."""

    bans: tuple[Ban, ...]
    held: Held | None


def attempts(hits: Iterable[Hit]) -> list[Attempt]:
    """Give the attempts that ``hits`` of one address tell of, in the order of time."""
    made: list[Attempt] = []
    told: dict[str, tuple[int, dict[str, int]]] = {}
    for hit in sorted(hits, key=lambda each: each.time):
        if not hit.pid:
            made.append(Attempt(hit.time, hit.weight * hit.times))
            continue
        last, counts = told.get(hit.pid, (hit.time, {}))
        if hit.time - last > PROCESS_GAP:
            counts = {}
        before = max(counts.values(), default=0)
        counts[hit.match] = counts.get(hit.match, 0) + hit.times
        told[hit.pid] = hit.time, counts
        if counts[hit.match] > before:
            made.append(Attempt(hit.time, hit.weight * (counts[hit.match] - before)))
    return made


class Windows:
    """The sliding windows of one jail, all over the same attempts."""

    def __init__(self, limits: tuple[tuple[int, int], ...]) -> None:
        """Start empty."""
        self._limits = limits
        self.clear()

    def clear(self) -> None:
        """Forget every attempt: they made a ban."""
        self._made: list[Attempt] = []
        self._starts = [0] * len(self._limits)
        self._weights = [0] * len(self._limits)

    def add(self, attempt: Attempt) -> tuple[tuple[int, int], int, int] | None:
        """Take the next attempt; give (limit, time of its first attempt, weight) if one is met."""
        made = self._made
        made.append(attempt)
        met = None
        for index, (count, seconds) in enumerate(self._limits):
            start = self._starts[index]
            weight = self._weights[index] + attempt.weight
            while attempt.time - made[start].time > seconds:
                weight -= made[start].weight
                start += 1
            self._starts[index] = start
            self._weights[index] = weight
            if weight >= count and met is None:
                met = (count, seconds), made[start].time, weight
        return met


def judge(rule: Rule, case: Case) -> Verdict:
    """Say which bans are due for ``case``, in the order of time, and which is held back."""
    bans: list[Ban] = []
    held: Held | None = None
    after = case.after
    logins = sorted(case.logins)
    windows = Windows(rule.limits)
    for attempt in attempts(case.hits):
        if after is not None and attempt.time <= after:
            continue
        met = windows.add(attempt)
        if met is None:
            continue
        limit, first, weight = met
        reason = case.protected or login_before(logins, first, rule.logintime)
        if reason:
            held = Held(attempt.time, reason)
            continue
        until = None if rule.bantime is None else attempt.time + rule.bantime
        bans.append(Ban(attempt.time, until, weight, first, limit))
        if until is None:
            break
        after = until
        windows.clear()
    return Verdict(tuple(bans), held)


def login_before(logins: Sequence[int], first: int, logintime: int) -> str:
    """Say that a good login came at most ``logintime`` seconds before the window's first attempt.

    ``logins`` are in order. A login after the first attempt does not help: it may be the guess
    that succeeded.
    """
    index = bisect_right(logins, first)
    if logintime and index and logins[index - 1] >= first - logintime:
        return "it logged in before"
    return ""
