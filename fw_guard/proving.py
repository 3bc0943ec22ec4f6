"""The two proofs of a filter, and what its author is told when one fails.

What was proved is remembered by a digest of all that the proof is about, so that a filter that has
not changed is not proved again at every pass.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from fw_guard.patterns import tree
from fw_guard.patterns.compile import HOST
from fw_guard.patterns.linear import stall
from fw_guard.patterns.proof import Forgery, Proposal, forgery
from fw_guard.text import decoded, printable, width
from fw_guard.wrappers import STAMP, Claim, tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fw_guard.filters import Filter
    from fw_guard.tomlfile import Table

# Rises with every change of what a proof says of the same patterns.
VERSION = 3
WILD = re.compile(r"[*?]")
KEPT = (
    '\n      (forgeable = "why" keeps such a [[match]]; its hits are told of, and never ban alone)'
)


@dataclass(frozen=True, slots=True)
class _Source(Claim):
    """A pattern where its author wrote it."""

    table: Table
    item: int

    def fault(self, message: str, detail: str = "", offset: int = 0) -> None:
        """Note a fault of this pattern."""
        self.table.fault("pattern", message, offset, self.item, detail)

    @property
    def label(self) -> str:
        """Give what this pattern is called."""
        return self.match.labels[self.item]

    @property
    def host(self) -> int:
        """Give where {host} stands in the pattern, or 0."""
        fields = tree.fields(self.match.sources[self.item].pieces)
        return next((each.offset for each in fields if each.name == HOST), 0)

    @property
    def loose(self) -> list[str]:
        """Give the holes of any text that stand after {host}."""
        fields = list(tree.fields(self.match.sources[self.item].pieces))
        last = max((index for index, each in enumerate(fields) if each.name == HOST), default=-1)
        return [f"{{{each.name or '*'}}}" for each in fields[last + 1 :] if each.type == "text"]


def prove(found: Filter, tables: list[Table], proved: set[str]) -> None:
    """Note a fault for every pattern that can be forged or stalled.

    ``tables`` are those of the filter's matches; one that has lost a pattern to another fault is
    passed over. ``proved`` holds the digests of what was proved before; new ones are added.
    """
    sources = [
        _Source(found, match, pattern, table, item)
        for table, match in zip(tables, found.matches, strict=True)
        if len(match.patterns) == len(table.texts("pattern"))
        for item, pattern in enumerate(match.patterns)
    ]
    digest = _digest(sources)
    if digest in proved:
        return
    slow = [source for source in sources if _slow(source)]
    forged = False
    for numbers, proposals in tasks(list(sources)):
        forged |= _forged([sources[number] for number in numbers], proposals)
    if not slow and not forged:
        proved.add(digest)


def clash(filters: tuple[Filter, ...], proved: set[str]) -> tuple[str, str] | None:
    """Give what two filters that read the same lines can be forged with, and the line, or None.

    Each of ``filters`` is proved by itself; the same program may write what either reads. The first
    text names the two, the second shows the line.
    """
    for one, other in combinations(filters, 2):
        if one.path == other.path or not share_lines(one, other):
            continue
        claims = [
            (f"{each.name}/{label}", Claim(each, match, pattern))
            for each in (one, other)
            for match in each.matches
            for label, pattern in zip(match.labels, match.patterns, strict=True)
        ]
        digest = _digest([claim for _, claim in claims])
        if digest in proved:
            continue
        for numbers, proposals in tasks([claim for _, claim in claims]):
            found = forgery(proposals)
            if found is not None:
                told = [claims[numbers[reading.number]] for reading in found.readings]
                names, kinds = [name for name, _ in told], [each.match.kind for _, each in told]
                return f"{one.name!r} and {other.name!r}", _shown(names, kinds, found)
        proved.add(digest)
    return None


def share_lines(one: Filter, other: Filter) -> bool:
    """Say whether one line of text may be both filters' business."""
    mine, its = set(one.formats) - {"json"}, set(other.formats) - {"json"}
    if mine != {"syslog"} or its != {"syslog"} or not one.program or not other.program:
        return bool(mine and its)
    return wants_any(one, other.program) or wants_any(other, one.program) or both_begin(one, other)


def wants_any(found: Filter, program: tuple[str, ...]) -> bool:
    """Say whether a filter wants the lines of any of the programs that are no globs."""
    named = (each for each in program if not WILD.search(each))
    return any(found.wants("syslog", each.encode()) for each in named)


def both_begin(one: Filter, other: Filter) -> bool:
    """Say whether a program may fit a glob of both filters, as far as their beginnings tell."""
    mine, its = (
        [WILD.split(glob)[0] for glob in each.program if WILD.search(glob)] for each in (one, other)
    )
    return any(a.startswith(b) or b.startswith(a) for a in mine for b in its)


def _digest(claims: Sequence[Claim]) -> str:
    """Give a digest of all that the proofs of ``claims`` depend on."""
    about = [
        (
            (
                each.filter.formats,
                each.filter.program,
                each.match.paths and each.match.paths.inside,
            ),
            (each.match.kind, bool(each.match.forgeable)),
            (each.pattern.regex, each.pattern.fields),
        )
        for each in claims
    ]
    return hashlib.sha256(repr((VERSION, about)).encode()).hexdigest()


def _slow(claim: _Source) -> bool:
    """Note a fault when a line can stall this pattern."""
    found = stall(claim.pattern.shape)
    if found is None:
        return False
    if not found.proved:
        claim.fault("too many ways through it to be proved; expected fewer holes, or more patterns")
        return True
    begin, pump = (printable(decoded(part)) for part in (found.before, found.pump))
    if not pump:
        said = f"{begin!r} can be read in more ways than a line should have"
    elif begin:
        said = f"a line that begins with {begin!r} and goes on with {pump!r} over and over"
    else:
        said = f"a line that is {pump!r} over and over"
    claim.fault(
        "slow: whoever writes the line chooses how long it takes; "
        "expected no two holes that can take the same text, except at the line's end",
        f"      {said}",
    )
    return True


def _forged(sources: list[_Source], proposals: tuple[Proposal, ...]) -> bool:
    """Note a fault for each of these patterns for which a line can be forged."""
    left = list(zip(sources, proposals, strict=True))
    while found := forgery(tuple(proposal for _, proposal in left)):
        one, other = (left[reading.number][0] for reading in found.readings)
        blamed = other if one.match.forgeable else one
        blamed.fault(
            "forgeable: one line can be read in two ways, and whoever writes it chooses; expected "
            + _mend(one, other),
            _shown([one.label, other.label], [one.match.kind, other.match.kind], found) + KEPT,
            blamed.host,
        )
        left = [each for each in left if each[0] is not blamed]
    return len(left) < len(sources)


def _mend(one: _Source, other: _Source) -> str:
    """Say what most often mends a forgery."""
    if one is not other:
        return f"a text that {one.label!r} and {other.label!r} cannot share"
    if one.loose:
        return (
            f"{one.loose[0]} after {{host}} to be bounded, as {{x:word}}, {{x:int}} or {{a|b}} are"
        )
    return "what stands beside {host} to be bounded, as {x:word}, {x:int} or {a|b} are"


def _shown(names: list[str], kinds: list[str], found: Forgery) -> str:
    """Show the forged line with both readings below it."""
    lines = [f"      {_readable(found.line).rstrip()}"]
    for name, kind, reading in zip(names, kinds, found.readings, strict=True):
        before = width(_readable(found.line[: reading.start]))
        host = _readable(found.line[reading.start : reading.end])
        lines.append(f"      {'':{before}}^ {name!r} reads host {host!r}, a {kind}")
    return "\n".join(lines)


def _readable(text: bytes) -> str:
    """Give a part of a forged line for people; whatever stamp it has is called TIME."""
    return printable(
        decoded(text.replace(STAMP.text * 2, STAMP.text).replace(STAMP.text, b"TIME "))
    )
