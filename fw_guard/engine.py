"""The engine: hits in log time go in, bans come out. Pure; nothing here reads a clock or a file.

What counts is an *attempt*. A service may tell of one attempt on several lines (``Invalid user``,
``authentication failure``, ``Failed password``), so within one process and one address the attempts
made so far are the largest count that any one match has reached, and a line counts by how much it
raises that. Lines of one process with more than PROCESS_GAP seconds between them are two
processes that were given the same number.

A ban is due when the weights of the attempts within a window (both ends included) reach the
limit's count. It begins at the time of the attempt that reached it, whenever that is read, and
attempts up to its end count for nothing more: a late pass judges as a punctual one would have.

A doubtful line names an address that somebody else may have made the service write. Doubtful
attempts fill at most half of a limit, rounded down: alone they never ban, however many they are,
and what is sure counts as if they were not there. Within a process, a sure line about an attempt
that a doubtful line told of makes it sure, and no second one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PROCESS_GAP = 120


class Hit(NamedTuple):
    """One line about one failed attempt: epoch seconds, weight, how often the line stands for.

    ``match`` names filter and match; ``pid`` is the service's process, empty when unknown.
    ``doubtful`` says that somebody else may have made the service write that address.
    """

    time: int
    weight: int
    times: int
    match: str
    pid: str
    doubtful: bool


class Attempt(NamedTuple):
    """A failed attempt, as often and as heavy as ``weight`` says.

    ``confirms`` are (number, weight) of doubtful attempts before it, counted from 0: this is them,
    told of by a sure line.
    """

    time: int
    weight: int
    doubtful: bool = False
    confirms: tuple[tuple[int, int], ...] = ()


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
    """A ban that is due: from, until (None for good), the limit met.

    ``hits`` is what the window weighed, ``doubtful`` how much of that was; ``first`` its first
    attempt.
    """

    since: int
    until: int | None
    hits: int
    first: int
    limit: tuple[int, int]
    doubtful: int = 0


class Held(NamedTuple):
    """A ban that was due and is held back."""

    time: int
    reason: str


class Verdict(NamedTuple):
    """What the engine says of a case."""

    bans: tuple[Ban, ...]
    held: Held | None


class Count:
    """How many attempts the lines of one process tell of, in the order of time."""

    def __init__(self) -> None:
        """Start before the first line."""
        self.last: int | None = None
        self._told: dict[str, int] = {}

    def raised_by(self, hit: Hit) -> int:
        """Take the next line; give how many attempts it tells of that no line before it did."""
        if self.last is not None and hit.time - self.last > PROCESS_GAP:
            self._told = {}
        self.last = hit.time
        before = max(self._told.values(), default=0)
        self._told[hit.match] = self._told.get(hit.match, 0) + hit.times
        return max(0, self._told[hit.match] - before)


class Process:
    """What the lines of one process have told of: what the sure ones say, and what all say.

    The sure lines are counted as if there were no others, so that no doubtful line can hide an
    attempt. By how much all lines tell of more is doubtful, until a sure line tells of it.
    """

    def __init__(self) -> None:
        """Start before the first line."""
        self._sure = Count()
        self._every = Count()
        self._doubtful: list[tuple[int, int, int]] = []  # (number, attempts, weight of each)

    def attempts(self, hit: Hit, number: int) -> Iterator[Attempt]:
        """Take the next line; give the attempts that it adds, the first of them as ``number``."""
        if self._every.last is not None and hit.time - self._every.last > PROCESS_GAP:
            self._doubtful.clear()
        every = self._every.raised_by(hit)
        sure = 0 if hit.doubtful else self._sure.raised_by(hit)
        if sure:
            confirms = tuple(self._confirmed(sure - every))
            yield Attempt(hit.time, hit.weight * sure, confirms=confirms)
            number += 1
        if every > sure:
            self._doubtful.append((number, every - sure, hit.weight))
            yield Attempt(hit.time, hit.weight * (every - sure), doubtful=True)

    def _confirmed(self, times: int) -> Iterator[tuple[int, int]]:
        """Give (number, weight) of the last doubtful attempts, which a sure line told of now."""
        while times > 0 and self._doubtful:
            number, told, weight = self._doubtful.pop()
            confirmed = min(times, told)
            if confirmed < told:
                self._doubtful.append((number, told - confirmed, weight))
            times -= confirmed
            yield number, weight * confirmed


def attempts(hits: Iterable[Hit]) -> list[Attempt]:
    """Give the attempts that ``hits`` of one address tell of, in the order of time."""
    made: list[Attempt] = []
    processes: dict[str, Process] = defaultdict(Process)
    for hit in sorted(hits, key=lambda each: each.time):
        if hit.pid:
            made += processes[hit.pid].attempts(hit, len(made))
        else:
            made.append(Attempt(hit.time, hit.weight * hit.times, hit.doubtful))
    return made


class Window:
    """Which of the attempts ``made`` lie within the seconds of one limit, and what they weigh.

    Attributes: ``limit`` (count, seconds); ``sure`` and ``doubtful``, the weights within.
    """

    def __init__(self, limit: tuple[int, int], made: Sequence[Attempt]) -> None:
        """Start before the first attempt."""
        self.limit = limit
        self._made = made
        self._confirmed: dict[int, int] = {}
        self.spend(0)

    def spend(self, number: int) -> None:
        """Count nothing of the attempts before ``number``: they made a ban, or fell into one."""
        self._start = self._first_sure = number
        self.sure = self.doubtful = 0

    def add(self, number: int) -> None:
        """Take attempt ``number``, the next."""
        attempt = self._made[number]
        self._weigh(attempt.weight, doubtful=attempt.doubtful)
        for earlier, weight in attempt.confirms:
            if earlier >= self._start:
                self._confirmed[earlier] = self._confirmed.get(earlier, 0) + weight
                self._weigh(-weight, doubtful=True)

    def slide(self, now: int) -> None:
        """Let go of what is more than the limit's seconds before ``now``."""
        _, seconds = self.limit
        while self._start < len(self._made) and now - self._made[self._start].time > seconds:
            gone = self._made[self._start]
            left = gone.weight - self._confirmed.pop(self._start, 0)
            self._weigh(-left, doubtful=gone.doubtful)
            self._start += 1

    def _weigh(self, weight: int, *, doubtful: bool) -> None:
        """Add to the sure or to the doubtful weight."""
        if doubtful:
            self.doubtful += weight
        else:
            self.sure += weight

    @property
    def counted(self) -> int:
        """Give what counts towards the limit: half of it, rounded down, may be doubtful."""
        return self.sure + min(self.doubtful, self.limit[0] // 2)

    def met(self) -> tuple[bool, bool, bool]:
        """Say whether the limit is met by sure attempts alone, by what counts, by all there are."""
        count, _ = self.limit
        return self.sure >= count, self.counted >= count, self.sure + self.doubtful >= count

    @property
    def first(self) -> int:
        """Give the time of the first attempt within."""
        return self._made[self._start].time

    def first_sure(self) -> int:
        """Give the time of the first sure attempt within; there has to be one."""
        self._first_sure = max(self._first_sure, self._start)
        while self._made[self._first_sure].doubtful:
            self._first_sure += 1
        return self._made[self._first_sure].time


def judge(rule: Rule, case: Case) -> Verdict:
    """Say which bans are due for ``case``, in the order of time, and which is held back."""
    bans: list[Ban] = []
    held: Held | None = None
    after = case.after
    logins = sorted(case.logins)
    made = attempts(case.hits)
    windows = [Window(limit, made) for limit in rule.limits]
    for number, attempt in enumerate(made):
        if after is not None and attempt.time <= after:
            spend(windows, number + 1)
            continue
        for window in windows:
            window.add(number)
            window.slide(attempt.time)
        met = max(windows, key=Window.met)
        if not any(met.met()):
            continue
        reason = (
            case.protected
            or too_doubtful(met)
            or login_before(logins, met.first_sure(), rule.logintime)
        )
        if reason:
            held = Held(attempt.time, reason)
            continue
        until = None if rule.bantime is None else attempt.time + rule.bantime
        weight = met.sure + met.doubtful
        bans.append(Ban(attempt.time, until, weight, met.first, met.limit, met.doubtful))
        if until is None:
            break
        after = until
        spend(windows, number + 1)
    return Verdict(tuple(bans), held)


def spend(windows: Iterable[Window], number: int) -> None:
    """Count nothing of the attempts before ``number`` in any window."""
    for window in windows:
        window.spend(number)


def too_doubtful(window: Window) -> str:
    """Say that the limit is met only when every doubtful attempt is counted."""
    if window.counted >= window.limit[0]:
        return ""
    if not window.sure:
        return "only doubtful hits"
    return f"{window.doubtful} of {window.sure + window.doubtful} hits are doubtful"


def standing(
    limit: tuple[int, int], made: Sequence[Attempt], after: int | None, now: int
) -> tuple[int, int]:
    """Give (what counts towards a limit at ``now``, the doubtful weight) of attempts ``made``.

    ``after`` is the end of the last ban. Attempts ahead of ``now`` are among them.
    """
    window = Window(limit, made)
    for number, attempt in enumerate(made):
        if after is not None and attempt.time <= after:
            window.spend(number + 1)
        else:
            window.add(number)
    window.slide(now)
    return window.counted, window.doubtful


def login_before(logins: Sequence[int], first: int, logintime: int) -> str:
    """Say that a good login came at most ``logintime`` seconds before the window's first attempt.

    ``logins`` are in order. A login after the first attempt does not help: it may be the guess
    that succeeded.
    """
    index = bisect_right(logins, first)
    if logintime and index and logins[index - 1] >= first - logintime:
        return "it logged in before"
    return ""
