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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.filters import Filter, Match
    from fw_guard.patterns.compile import Compiled
    from fw_guard.tomlfile import Table

# Rises with every change of what a proof says of the same patterns.
VERSION = 1
WILD = re.compile(r"[*?]")
KEPT = (
    '\n      (forgeable = "why" keeps such a [[match]]; its hits are told of, and never ban alone)'
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """One pattern of a filter: where it stands, how it was written, what it became."""

    table: Table
    item: int
    match: Match
    source: tree.Pattern
    compiled: Compiled

    def fault(self, message: str, detail: str = "", offset: int = 0) -> None:
        """Note a fault of this pattern."""
        self.table.fault("pattern", message, offset, self.item, detail)


def prove(matches: list[tuple[Table, Match]], proved: set[str], *, repeated: bool) -> None:
    """Note a fault for every pattern that can be forged or stalled.

    ``proved`` holds the digests of what was proved before; what is proved now is added.
    ``repeated`` says that syslogd may sum messages up.
    """
    claims = [
        _Claim(table, item, match, source, compiled)
        for table, match in matches
        for item, (source, compiled) in enumerate(zip(match.sources, match.patterns, strict=True))
    ]
    for group in _groups(claims):
        proposals = [_proposal(claim.match, claim.compiled) for claim in group]
        patterns = [claim.compiled for claim in group]
        digest = _digest(list(zip(proposals, patterns, strict=True)), repeated=repeated)
        if digest in proved:
            continue
        slow = [claim for claim in group if _slow(claim)]
        forged = _forged(group, tuple(proposals), repeated=repeated)
        if not slow and not forged:
            proved.add(digest)


def clash(filters: tuple[Filter, ...], proved: set[str]) -> tuple[str, str] | None:
    """Give what two filters that read the same lines can be forged with, and the line, or None.

    Each of ``filters`` is proved by itself; the same program may write what either reads. The first
    text names the two, the second shows the line.
    """
    for one, other in combinations(filters, 2):
        if not share_lines(one, other):
            continue
        matches = [(each, match) for each in (one, other) for match in each.matches]
        claims = [
            (f"{each.name}/{match.name}", _proposal(match, pattern), pattern)
            for each, match in matches
            for pattern in match.patterns
        ]
        repeated = "syslog" in one.formats and "syslog" in other.formats
        proposals = tuple(proposal for _, proposal, _ in claims)
        digest = _digest([(each, pattern) for _, each, pattern in claims], repeated=repeated)
        if digest in proved:
            continue
        found = forgery(proposals, repeated=repeated)
        if found is not None:
            names = [claims[reading.number][0] for reading in found.readings]
            kinds = [proposals[reading.number].kind for reading in found.readings]
            return f"{one.name!r} and {other.name!r}", _shown(names, kinds, found)
        proved.add(digest)
    return None


def share_lines(one: Filter, other: Filter) -> bool:
    """Say whether one line of text may be both filters' business."""
    formats = set(one.formats) & set(other.formats) - {"json"}
    if formats - {"syslog"} or not formats or not one.program or not other.program:
        return bool(formats)
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


def _proposal(match: Match, pattern: Compiled) -> Proposal:
    return Proposal(pattern.shape, match.kind, bool(match.forgeable))


def _digest(claims: list[tuple[Proposal, Compiled]], *, repeated: bool) -> str:
    """Give a digest of all that the proofs of ``claims`` depend on."""
    about = [(each.kind, each.excused, pattern.regex) for each, pattern in claims]
    return hashlib.sha256(repr((VERSION, repeated, about)).encode()).hexdigest()


def _groups(claims: list[_Claim]) -> Iterator[list[_Claim]]:
    """Give the patterns that read the same text: of JSON lines, those of one path."""
    inside = [claim.match.paths.inside if claim.match.paths else "" for claim in claims]
    for path in dict.fromkeys(inside):
        yield [claim for claim, each in zip(claims, inside, strict=True) if each == path]


def _slow(claim: _Claim) -> bool:
    """Note a fault when a line can stall this pattern."""
    found = stall(claim.compiled.shape)
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


def _forged(claims: list[_Claim], proposals: tuple[Proposal, ...], *, repeated: bool) -> bool:
    """Note a fault when a line can be forged for these patterns; the first one that is found."""
    found = forgery(proposals, repeated=repeated)
    if found is None:
        return False
    one, other = (claims[reading.number] for reading in found.readings)
    blamed = other if one.match.forgeable else one
    host = next(each for each in tree.fields(blamed.source.pieces) if each.name == HOST)
    blamed.fault(
        "forgeable: one line can be read in two ways, and whoever writes it chooses; expected "
        + _mend(one, other),
        _shown([one.match.name, other.match.name], [one.match.kind, other.match.kind], found)
        + KEPT,
        host.offset,
    )
    return True


def _mend(one: _Claim, other: _Claim) -> str:
    """Say what most often mends a forgery."""
    if one is not other:
        return f"a text that {one.match.name!r} and {other.match.name!r} cannot share"
    fields = list(tree.fields(one.source.pieces))
    last = max(index for index, each in enumerate(fields) if each.name == HOST)
    loose = [f"{{{each.name or '*'}}}" for each in fields[last + 1 :] if each.type == "text"]
    if loose:
        return f"{loose[0]} after {{host}} to be bounded, as {{x:word}}, {{x:int}} or {{a|b}} are"
    return "what stands beside {host} to be bounded, as {x:word}, {x:int} or {a|b} are"


def _shown(names: list[str], kinds: list[str], found: Forgery) -> str:
    """Show the forged line with both readings below it."""
    lines = [f"      {printable(decoded(found.line.rstrip(b' ')))}"]
    for name, kind, reading in zip(names, kinds, found.readings, strict=True):
        before = width(printable(decoded(found.line[: reading.start])))
        host = printable(decoded(found.line[reading.start : reading.end]))
        lines.append(f"      {'':{before}}^ {name!r} reads host {host!r}, a {kind}")
    return "\n".join(lines)
