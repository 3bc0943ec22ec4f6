"""The forge proof: no line can be read in two ways with two different hosts.

Whoever makes a service write a line chooses parts of it: the user name, the path, the greeting. A
pattern is safe when not even the right choice of them makes another part of the line the host:

    Failed password for x from 198.51.100.9 port 22: from 192.0.2.7
                               one reading ^              other ^

This is decided, not tried. The patterns of a filter become one automaton; two runs over the same
line are walked side by side, with one bit that says whether they have ever differed in which bytes
are the host's. If both can end with the bit set, the way there is the forged line. If not, there is
none, of any length: what ``re`` finds in a message is then the only host that is there to find.
(What a logger puts around messages is for ``wrappers`` to add.) Two readings of one line as a
failure and as a success are a forgery as well: who can make his failure look like a good login is
never banned.

``where`` only takes readings away, and so does asking whether the bytes are an address: a proof
without them holds with them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fw_guard.patterns.automaton import Automaton, automaton, liked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.patterns.shapes import Shape

EXAMPLES = (b"192.0.2.7", b"198.51.100.9", b"x", b"host.example.net")

Pair = tuple[int, int, bool]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A pattern that is to be proved: its shape, and ``kind``, which two readings must share.

    ``others`` are further shapes in which it reads a line, its own within what a logger puts around
    it. Two patterns that are both ``excused`` may forge each other.
    """

    shape: Shape
    kind: str = ""
    excused: bool = False
    others: tuple[Shape, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a forged line: the number of the proposal, and where the host stands."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Forgery:
    """A line that two readings tell different hosts, or different kinds, of."""

    line: bytes
    readings: tuple[Reading, Reading]

    @property
    def hosts(self) -> tuple[bytes, bytes]:
        """Give the host of each reading."""
        one, other = (self.line[each.start : each.end] for each in self.readings)
        return one, other


def forgery(proposals: tuple[Proposal, ...]) -> Forgery | None:
    """Give a line that ``proposals`` read in two ways, or None, which proves that there is none.

    The shapes are those of whole messages in the form that ``compile.canonical`` gives them.
    """
    shapes = [
        (number, shape)
        for number, each in enumerate(proposals)
        for shape in (each.shape, *each.others)
    ]
    graph = automaton(tuple(shape for _, shape in shapes))
    owner = tuple(shapes[each][0] for each in graph.owner)
    way = _walk(graph, owner, proposals)
    return None if way is None else _told(graph, owner, way)


def _walk(
    graph: Automaton, owner: tuple[int, ...], proposals: tuple[Proposal, ...]
) -> list[Pair] | None:
    """Give the shortest way that two runs go together and come to different ends, or None.

    A pair of positions and the bit are kept as one whole number: there may be a million of them.
    """
    taken, in_host, last = graph.bytes_at, graph.in_host, graph.last
    start = len(taken)
    base = start + 1
    excused = [proposals[each].excused for each in owner]
    kinds = [proposals[each].kind for each in owner]
    after = [*map(tuple, graph.after), tuple(graph.first)]
    begin = (start * base + start) * 2
    came_from = {begin: begin}
    waiting = deque([begin])
    while waiting:
        pair = waiting.popleft()
        differ = pair & 1
        one, other = divmod(pair >> 1, base)
        ahead = after[other]
        for left in after[one]:
            bytes_left, host_left = taken[left], in_host[left]
            for right in ahead:
                if not bytes_left & taken[right]:
                    continue
                differs = differ or host_left != in_host[right]
                both = left * base + right if left <= right else right * base + left
                step = both * 2 + differs
                if step in came_from or (excused[left] and excused[right]):
                    continue
                came_from[step] = pair
                if left in last and right in last and (differs or kinds[left] != kinds[right]):
                    return [
                        (*divmod(each >> 1, base), bool(each & 1))
                        for each in _steps(came_from, step)
                    ]
                waiting.append(step)
    return None


def _steps(came_from: dict[int, int], last: int) -> Iterator[int]:
    way = [last]
    while came_from[way[-1]] != way[-1]:
        way.append(came_from[way[-1]])
    yield from reversed(way[:-1])


def _told(graph: Automaton, owner: tuple[int, ...], way: list[Pair]) -> Forgery:
    """Give the forged line of ``way``, with addresses for its hosts where they fit."""
    runs = _untangled(graph, way)
    line = bytes(
        liked(graph.bytes_at[one] & graph.bytes_at[other]) for one, other in zip(*runs, strict=True)
    )
    spans = [_span(graph, run) for run in runs]
    ends = [owner[run[-1]] for run in runs]
    found = Forgery(line, (Reading(ends[0], *spans[0]), Reading(ends[1], *spans[1])))
    return _with_addresses(graph, owner, found)


def _untangled(graph: Automaton, way: list[Pair]) -> tuple[list[int], list[int]]:
    """Give the two runs of ``way``, whose pairs do not say which belongs to which."""
    one, other = [way[0][0]], [way[0][1]]
    for left, right, _ in way[1:]:
        straight = left in graph.after[one[-1]] and right in graph.after[other[-1]]
        one.append(left if straight else right)
        other.append(right if straight else left)
    return one, other


def _span(graph: Automaton, run: list[int]) -> tuple[int, int]:
    """Give where the host of ``run`` starts and ends; (0, 0) when it has none."""
    inside = [index for index, position in enumerate(run) if graph.in_host[position]]
    return (inside[0], inside[-1] + 1) if inside else (0, 0)


def _with_addresses(graph: Automaton, owner: tuple[int, ...], found: Forgery) -> Forgery:
    """Give the same forgery with hosts that a reader knows for such, as far as it stays one."""
    for index, example in ((0, EXAMPLES[0]), (1, EXAMPLES[1]), (0, EXAMPLES[3])):
        written = _replaced(found, index, example)
        if written is not None and all(
            fits(graph, owner, written.line, reading) for reading in written.readings
        ):
            found = written
    return found


def _replaced(found: Forgery, index: int, example: bytes) -> Forgery | None:
    """Write ``example`` for the host of one reading; None when the other's reaches into it."""
    mine, other = found.readings[index], found.readings[1 - index]
    if mine.start < other.end and other.start < mine.end:
        return None
    if mine.end - mine.start > len(example):
        return None
    line = found.line[: mine.start] + example + found.line[mine.end :]
    shift = len(example) - (mine.end - mine.start)
    moved = shift if other.start >= mine.end else 0
    readings = [
        Reading(mine.number, mine.start, mine.end + shift),
        Reading(other.number, other.start + moved, other.end + moved),
    ]
    return Forgery(line, (readings[index], readings[1 - index]))


def fits(graph: Automaton, owner: tuple[int, ...], line: bytes, reading: Reading) -> bool:
    """Say whether ``line`` can be read as ``reading`` says."""
    reached = set(graph.first)
    taken: set[int] = set()
    for index, byte in enumerate(line):
        inside = reading.start <= index < reading.end
        taken = {
            position
            for position in reached
            if owner[position] == reading.number
            and graph.bytes_at[position] >> byte & 1
            and graph.in_host[position] == inside
        }
        reached = {after for position in taken for after in graph.after[position]}
    return any(position in graph.last for position in taken)
