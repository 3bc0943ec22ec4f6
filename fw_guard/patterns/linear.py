"""The linear proof: no line takes a pattern longer than its length allows.

``re`` tries one way to read a line after the other and goes back when one fails, so what a line
costs is how many ways there are to read each of its beginnings. With ``{*}a{*}b`` that is one more
for every ``a``: the time grows with the square of the line, and whoever writes the line chooses it.

Two things bound it. Ways are counted for every beginning of every line at once: a *count* says how
many ways lead to each position of the automaton, and from one count the next byte leads to another.
When no count that can be reached has more than MOST ways, no line of n bytes takes more than n
times MOST steps. And from some positions every rest of a line fits, as from ``{*}`` at the
pattern's end: a way that gets there succeeds, so that no other is tried afterwards. Ways end there,
therefore, and are counted again from there on.

When the counts grow without end, a part of the way there can be repeated: the pumping string.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fw_guard.patterns.automaton import Automaton, automaton, liked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from fw_guard.patterns.shapes import Shape

MOST = 64
# A pattern that takes more to count is refused unproved; a shipped one takes 13,000 steps.
MOST_STEPS = 60_000
LONGEST_PUMP = 24
BLANK = 1 << ord(" ")
# A message is canonical, see ``compile``: no newline, one blank at its end and none before that.
ANY = ~(~0 << 256) & ~(1 << ord("\n"))
INK = ANY & ~(BLANK | 1 << ord("\t") | 1 << ord("\r"))

START = -1
# Positions that took the last byte, each with the number of ways that lead there, in order.
Count = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Stall:
    """A line that takes too long: ``before``, then ``pump`` over and over.

    ``pump`` is empty when ``before`` alone can be read in more than MOST ways, or when there was
    too much to count: then nothing is proved either way.
    """

    before: bytes
    pump: bytes
    proved: bool = True


def stall(shape: Shape) -> Stall | None:
    """Give a line on which matching ``shape`` stalls, or None, which proves that there is none."""
    graph = automaton((shape,))
    sure = frozenset(each for each in range(len(graph.after)) if _takes_every_rest(graph, each))
    for start in (START, *sorted(sure)):
        found = _growing(graph, start, sure - _loop(graph, start))
        if found is not None:
            return replace(found, before=_way_to(graph, start) + found.before)
    return None


def _growing(graph: Automaton, start: int, ends: frozenset[int]) -> Stall | None:
    """Give a line whose beginnings can be read in ever more ways, from behind ``start`` on.

    Ways stop at ``ends``.
    """
    begin: Count = ((start, 1),)
    came_from: dict[Count, tuple[Count, int]] = {begin: ((), 0)}
    waiting = deque([begin])
    steps = 0
    while waiting:
        count = waiting.popleft()
        for taken, following in _following(graph, count, ends):
            steps += 1
            if following in came_from:
                continue
            came_from[following] = count, taken
            if sum(ways for _, ways in following) > MOST:
                return _told(graph, ends, came_from, following)
            if steps > MOST_STEPS:
                return Stall(b"", b"", proved=False)
            waiting.append(following)
    return None


def _following(graph: Automaton, count: Count, ends: frozenset[int]) -> Iterator[tuple[int, Count]]:
    """Give what may be counted after one more byte, and the set of bytes that leads there.

    Bytes that the same positions take lead to the same count.
    """
    ahead: dict[int, int] = {}
    for position, number in count:
        if position not in ends:
            for after, more in _after(graph, position).items():
                ahead[after] = ahead.get(after, 0) + number * more
    parts = [ANY]
    for taken in {graph.bytes_at[position] for position in ahead}:
        parts = [cut for part in parts for cut in (part & taken, part & ~taken) if cut]
    for part in parts:
        ways = sorted((each, more) for each, more in ahead.items() if graph.bytes_at[each] & part)
        if ways:
            yield part, tuple(ways)


def _after(graph: Automaton, position: int) -> dict[int, int]:
    return graph.first if position == START else graph.after[position]


def _told(
    graph: Automaton, ends: frozenset[int], came_from: dict[Count, tuple[Count, int]], last: Count
) -> Stall:
    """Give the line that leads to ``last``, and the part of it that can be repeated."""
    counts, line = [last], b""
    while came_from[counts[-1]][0]:
        before, taken = came_from[counts[-1]]
        line = bytes([liked(taken)]) + line
        counts.append(before)
    counts.reverse()
    for length in range(1, min(LONGEST_PUMP, len(line)) + 1):
        for start in range(len(line) - length + 1):
            pump = line[start : start + length]
            if _grows(graph, ends, counts[start], pump):
                return Stall(line[:start], pump)
    return Stall(line, b"")


def _grows(graph: Automaton, ends: frozenset[int], count: Count, pump: bytes) -> bool:
    """Say whether every repeat of ``pump`` adds to the ways that ``count`` has."""
    totals: list[int] = []
    for _ in range(8):
        for byte in pump:
            steps = _following(graph, count, ends)
            count = next((after for taken, after in steps if taken >> byte & 1), ())
        total = sum(ways for _, ways in count)
        if totals and total <= totals[-1]:
            return False
        totals.append(total)
    return True


def _takes_every_rest(graph: Automaton, position: int) -> bool:
    """Say whether every rest of a canonical message fits behind ``position``.

    What may be left is a blank, or any text that ends with no blank, and a blank.
    """
    if not _covers(graph, frozenset(graph.after[position]), ANY):
        return False
    start = frozenset(graph.after[position])
    ink = bool(graph.bytes_at[position] & INK)
    seen = {(start, ink)}
    waiting = [(start, ink)]
    while waiting:
        reached, ink = waiting.pop()
        if ink and not _ends(graph, reached):
            return False
        if len(seen) > 200:
            return False
        for part in _parts(graph, reached):
            following = frozenset(
                after
                for each in reached
                if graph.bytes_at[each] & part
                for after in graph.after[each]
            )
            for kept, inked in ((part & INK, True), (part & ~INK, False)):
                if kept and (following, inked) not in seen:
                    seen.add((following, inked))
                    waiting.append((following, inked))
    return True


def _parts(graph: Automaton, reached: frozenset[int]) -> list[int]:
    """Part the bytes of a message by which of ``reached`` take them."""
    parts = [ANY & INK, ANY & ~INK]
    for taken in {graph.bytes_at[position] for position in reached}:
        parts = [cut for part in parts for cut in (part & taken, part & ~taken) if cut]
    return parts


def _covers(graph: Automaton, reached: frozenset[int], wanted: int) -> bool:
    taken = 0
    for position in reached:
        taken |= graph.bytes_at[position]
    return taken & wanted == wanted


def _ends(graph: Automaton, reached: frozenset[int]) -> bool:
    """Say whether the blank at the message's end may be the last byte that ``reached`` take."""
    return any(graph.bytes_at[each] & BLANK and each in graph.last for each in reached)


def _loop(graph: Automaton, position: int) -> set[int]:
    """Give the positions that lie on a loop with ``position``, and itself."""
    ahead = _reachable(graph.after, graph.first if position == START else [position])
    behind: list[dict[int, int]] = [{} for _ in graph.after]
    for each, following in enumerate(graph.after):
        for after in following:
            behind[after][each] = 1
    back = set() if position == START else _reachable(behind, [position])
    return {position} | (ahead & back)


def _reachable(after: Sequence[dict[int, int]], start: Iterable[int]) -> set[int]:
    seen: set[int] = set()
    waiting = list(start)
    while waiting:
        for following in after[waiting.pop()]:
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return seen


def _way_to(graph: Automaton, position: int) -> bytes:
    """Give a shortest beginning of a line whose last byte ``position`` takes."""
    lines = {START: b""}
    waiting = deque([START])
    while position not in lines:
        each = waiting.popleft()
        for after in _after(graph, each):
            if after not in lines:
                lines[after] = lines[each] + bytes([liked(graph.bytes_at[after])])
                waiting.append(after)
    return lines[position]
