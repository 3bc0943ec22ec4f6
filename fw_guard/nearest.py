"""How far each pattern of a filter gets in a line that none of them reads, for whoever mends it.

Mar  4 03:12:55 gw mine[8]: bad login, from 192.0.2.7
                                     ^ failed matched up to here; expected ' from '
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from fw_guard.faults import WIDEST
from fw_guard.filters import host_of, splitter
from fw_guard.logs.headers import Header, repeated
from fw_guard.patterns.nearly import matched_up_to
from fw_guard.text import DOTS, decoded, printable, shortened, width, window
from fw_guard.tomlfile import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fw_guard.filters import Filter, Match, Wanted
    from fw_guard.logs.jsonlines import Record

INDENT = "      "
SHOWN = 5
LONGEST = 300  # characters of what a pattern expected
LONGEST_VALUE = 80  # characters of what stands in its place
# What the patterns see of a line of another program.
FOREIGN: dict[bytes, tuple[Match, ...]] = {}


class Reach(NamedTuple):
    """How far a pattern got: the byte offset in the message, its label, what it expected there.

    ``found`` is what stands there, said where the line itself does not show it.
    """

    offset: int
    label: str
    expected: str
    found: str = ""


def number_of(found: Filter, match: Match, line: bytes) -> int:
    """Give which pattern of a match of ``found`` it is that reads ``line``, counted from 0."""
    if len(match.sources) > 1:
        for number, pair in enumerate(zip(match.sources, match.patterns, strict=True)):
            alone = replace(match, sources=pair[:1], patterns=pair[1:])
            if replace(found, matches=(alone,)).read(line) is not None:
                return number
    return 0


def messages(found: Filter, line: bytes) -> dict[bytes, tuple[Match, ...]] | None:
    """Give what the patterns see of a line, with the matches that look at it.

    That is FOREIGN for a line of another program, and None for one that is not of the filter's
    formats.
    """
    for name in found.formats:
        split = splitter(name)(line)
        if split is None:
            continue
        if not isinstance(split, Header):
            return inside(found, split)
        if not found.wants(name, split.program):
            return FOREIGN
        message = line[split.start :]
        if name == "syslog":
            _, start, end = repeated(message)
            message = message[start:end]
        return {message: found.matches}
    return None


def inside(found: Filter, record: Record) -> dict[bytes, tuple[Match, ...]]:
    """Give the texts inside a JSON line that patterns look at, as ``messages`` does."""
    texts: dict[bytes, tuple[Match, ...]] = {}
    for match in found.matches:
        if match.paths is None or not match.patterns:
            continue
        text = record.text(match.paths.inside)
        if text is not None and unfit(match.paths.where, record.text) is None:
            texts[text] = (*texts.get(text, ()), match)
    return texts


def left_out(match: Match, number: int, message: bytes) -> bool:
    """Say whether a pattern of ``match`` reads a message that its ``where`` does not want."""
    fields = match.patterns[number].match(message)
    return fields is not None and (
        not match.passes(fields) or "host" not in fields or host_of(fields) is not None
    )


def unfit(
    where: tuple[tuple[str, Wanted], ...],
    value_of: Callable[[str], bytes | None],
    known: Iterable[str] = (),
) -> tuple[str, str] | None:
    """Give what `where` finds wrong first, and what it expected, in words; None when all is right.

    ``value_of`` gives the value of a field or a path; ``known`` are those that there are.
    """
    for name, wanted in where:
        value = value_of(name)
        if value is None or not wanted.fits(value):
            near = meant_path(name, known) if value is None else ""
            return f"where {name} is {shown(value)}{near}", wanted.said
    return None


def reach_of(match: Match, number: int, message: bytes) -> Reach:
    """Give how far a pattern of ``match`` gets in a message."""
    label = match.labels[number]
    pattern = match.patterns[number]
    found = pattern.find(message)
    if found is None:
        offset, expected = matched_up_to(match.sources[number], message)
        return Reach(offset, label, expected)
    if wrong := unfit(match.where, pattern.fields_of(found).get):
        return Reach(len(message), label, wrong[1], wrong[0])
    groups = enumerate(match.patterns[number].fields, 1)
    hosts = (found.start(group) for group, name in groups if name == "host")
    start = max(hosts, default=len(message))
    return Reach(start, label, "an address or a name")


def nearest(found: Filter, line: bytes) -> str:
    """Show how far each pattern of a filter gets in ``line``, the best first."""
    text = INDENT + shortened(printable(decoded(line)), WIDEST)
    splits = ((name, splitter(name)(line)) for name in found.formats)
    name, header = next((each for each in splits if each[1] is not None), ("", None))
    if header is None:
        if "json" in found.formats:
            return f"{text}\n{INDENT}the line is no JSON object, or has a key twice"
        return f"{text}\n{INDENT}the line has no {listed(found.formats)} header"
    if not isinstance(header, Header):
        return text + "".join(f"\n{INDENT}{lacks(match, header)}" for match in found.matches)
    if not found.wants(name, header.program):
        program = printable(decoded(header.program))
        return f"{text}\n{INDENT}program {program!r} is not one of the filter's `program`"
    _, start, end = repeated(line[header.start :]) if name == "syslog" else (1, 0, len(line))
    message = line[header.start :][start:end]
    before = width(printable(decoded(line[: header.start + start])))
    reaches = furthest(found.matches, message)[:SHOWN]
    carets = [before + width(printable(decoded(message[: each.offset]))) for each in reaches]
    text, begin = window(printable(decoded(line)), carets[0], WIDEST)
    rows = (
        f"\n{INDENT}{'':{caret - begin}}^ {stops(reach)}"
        for reach, caret in zip(reaches, carets, strict=True)
        if not begin or caret >= begin + len(DOTS)
    )
    return f"{INDENT}{text}{''.join(rows)}"


def stops(reach: Reach) -> str:
    """Say where a pattern stops; a long list of what it expected is cut."""
    expected = shortened(reach.expected, LONGEST)
    found = f"{reach.found}, " if reach.found else ""
    return printable(f"{reach.label} matched up to here; {found}expected {expected}")


def furthest(matches: tuple[Match, ...], message: bytes) -> list[Reach]:
    """Give how far the patterns get in a message, the best first.

    One that gets nowhere is left out where another gets further.
    """
    every = [
        reach_of(match, number, message)
        for match in matches
        for number in range(len(match.sources))
    ]
    return in_order([reach for reach in every if reach.offset] or every)


def in_order(reaches: list[Reach]) -> list[Reach]:
    """Give the furthest first; what stops at one place and expects the same becomes one."""
    places: dict[Reach, list[str]] = {}
    for reach in reaches:
        places.setdefault(reach._replace(label=""), []).append(reach.label)
    told = [reach._replace(label=", ".join(names)) for reach, names in places.items()]
    return sorted(told, key=lambda reach: -reach.offset)


def lacks(match: Match, record: Record) -> str:
    """Say what keeps a match from reading a JSON line."""
    paths = match.paths
    if paths is None:
        return f"{match.name} reads no JSON"
    known = record.paths()
    wrong = unfit(paths.where, record.text, known)
    given = {name: record.text(path) for name, path in paths.fields}
    if wrong is None and match.patterns:
        text = record.text(paths.inside)
        if text is None:
            absent = f"`{paths.inside}` is not there{meant_path(paths.inside, known)}"
            return differs(match, absent, "a text")
        read = next((fields for each in match.patterns if (fields := each.match(text))), None)
        if read is None:
            reaches = [reach_of(match, number, text) for number in range(len(match.patterns))]
            best = max(reaches, key=lambda reach: reach.offset)
            expected = shortened(best.expected, LONGEST)
            begun = repr(shortened(decoded(text[: best.offset]), LONGEST_VALUE))
            said = f"{best.label} matched {begun} of `{paths.inside}`; expected {expected}"
            return printable(said)
        given |= read
    wrong = wrong or unfit(match.where, given.get)
    if wrong is not None:
        return differs(match, *wrong)
    path = dict(paths.fields).get("host", "")
    near = meant_path(path, known) if path and given["host"] is None else ""
    place = f"host at `{path}`" if path else "host"
    return differs(match, f"{place} is {shown(given.get('host'))}{near}", "an address or a name")


def meant_path(path: str, known: Iterable[str]) -> str:
    """Give `` (did you mean `a.b`?)`` when a known path ends in nearly the same name."""
    ends = {each.rpartition(".")[2]: each for each in known}
    near = difflib.get_close_matches(path.rpartition(".")[2], ends, n=1)
    return f" (did you mean `{ends[near[0]]}`?)" if near else ""


def differs(match: Match, found: str, expected: str) -> str:
    """Say what a match found in a JSON line, and what it expected."""
    return printable(f"{match.name}: {found}, expected {shortened(expected, LONGEST)}")


def shown(value: bytes | None) -> str:
    """Give a value, or its beginning, in quotes unless it is a number or a truth value."""
    if value is None:
        return "not there"
    text = shortened(decoded(value), LONGEST_VALUE)
    plain = value in (b"true", b"false") or (value.isdigit() and text.isdigit())
    return text if plain else repr(text)
