r"""The pattern language: one line shape, as its author writes it, becomes a tree.

    pattern     = piece*                                at least one character that is no blank
    piece       = text | quoted | hole
    hole        = "{" ( field | optional | choice ) "}"
    field       = ( name | "*" ) [ ":" type ]           {host}  {name:type}  {*}  {*:word}
    optional    = "?" branch ( "|" branch )*            {? port {port}}
    choice      = branch ( "|" branch )+                {invalid|illegal}
    branch      = ( branch-text | quoted | hole )+
    quoted      = "{{}" | "{}}" | "{|}"                 a literal brace or bar
    text        = any run without { or }
    branch-text = any run without { } or |
    name        = [a-z][a-z0-9_]*
    type        = the name of one of ``fields.TYPES``

Blanks count everywhere, inside holes too. ``quoted`` is read before ``hole``, and ``optional``
before ``choice``: so the first branch of a choice cannot begin with a literal } or ?, which one
of the others can. A field may stand once on every way through the pattern: once, or once in each
branch.

What is read is wider than what is meant. ``end`` below lets a hole stay open until the end of the
pattern, ``choice`` lets it have one branch, ``stray`` is a brace that closes nothing: so every text
can be read to its end, and one fault hides no other. What is wrong is said afterwards, in words of
our own. Nothing of pyparsing's global state is changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyparsing as pp

from fw_guard.patterns.fields import TYPES, type_for
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Pattern, Text
from fw_guard.tomlfile import listed, meant

if TYPE_CHECKING:
    from collections.abc import Iterable

DEEPEST = 16
MOST_HOLES = 100
KINDS_OF_HOLE = "a field {name}, an optional {?...} or a choice {a|b}"
NAME_RULE = "a letter from a to z, then letters, digits and _"
NAME = re.compile(r"[a-z][a-z0-9_]*")
BARE_FIELD = re.compile(rf"(?:{NAME.pattern}|\*)(?::(?P<type>[a-z]+))?")
BRACE = re.compile(r"\{[{}|]\}|[{}]")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class PatternError(ValueError):
    """A text that is no pattern.

    ``faults`` holds every fault, at least one, in the order of the text: the offset in characters
    (the length of the text at the most), and what is wrong; what was expected.
    """

    def __init__(self, faults: tuple[tuple[int, str], ...]) -> None:
        """Keep ``faults``."""
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        """Give every fault, one below the other."""
        return "\n".join(f"at character {offset + 1}: {what}" for offset, what in self.faults)


@dataclass(frozen=True, slots=True)
class _Branch:
    """What stands between a brace or bar and the next, and where that starts."""

    offset: int
    pieces: tuple[_Piece, ...]


@dataclass(frozen=True, slots=True)
class _Hole:
    """A hole that is no field, as it was read: ``closed`` or not, and with any branches."""

    offset: int
    optional: bool
    branches: tuple[_Branch, ...]
    closed: bool


@dataclass(frozen=True, slots=True)
class _Stray:
    """A brace that closes nothing."""

    offset: int


_Piece = Text | Field | _Hole | _Stray


def parse(source: str) -> Pattern:
    """Read ``source`` as a pattern; raise PatternError with all its faults."""
    faults = [*_faults_of_characters(source)]
    if too_deep := _too_deep(source) or _too_many(source):
        faults.append(too_deep)
    else:
        read = PATTERN.parse_string(source, parse_all=True)
        pieces = _nodes(read, set(), faults)
    if faults:
        raise PatternError(tuple(sorted(faults, key=lambda fault: fault[0])))
    return Pattern(source, pieces)


def _too_many(source: str) -> tuple[int, str] | None:
    """Give a fault when a pattern has more holes than any line could need."""
    holes = [found.start() for found in BRACE.finditer(source) if found[0] == "{"]
    if len(holes) <= MOST_HOLES:
        return None
    return holes[MOST_HOLES], f"more than {MOST_HOLES} holes; expected several patterns instead"


def _faults_of_characters(source: str) -> Iterable[tuple[int, str]]:
    if not source.strip(" "):
        yield 0, "the pattern is empty; expected a log line's text, with holes such as {host}"
    for found in CONTROL.finditer(source):
        if found[0] == "\n":
            yield found.start(), "a newline in a pattern; expected one line"
        elif found[0] == "\t":
            yield found.start(), "a tab in a pattern; expected a blank, which covers tabs too"
        else:
            what = f"the control character {ascii(found[0])[1:-1]} in a pattern"
            yield found.start(), f"{what}; expected printable text"


def _too_deep(source: str) -> tuple[int, str] | None:
    """Give the fault of holes in holes in holes, which would exhaust the parser's stack."""
    depth = 0
    for brace in BRACE.finditer(source):
        if brace[0] == "{":
            depth += 1
            if depth > DEEPEST:
                return brace.start(), f"holes {depth} deep; expected no more than {DEEPEST}"
        elif brace[0] == "}":
            depth = max(0, depth - 1)
    return None


def _grammar() -> pp.ParserElement:
    """Build the grammar of the module's docstring.

    ``leave_whitespace`` does not pass through a ``Forward``: what that stands for is asked too.
    """
    opening, bar = pp.Suppress("{"), pp.Suppress("|")
    name = pp.Regex(NAME.pattern).set_name("name")
    kind = pp.Opt(pp.CharsNotIn("{}|"), default="").set_name("type")
    field = opening + (name | "*") + pp.Opt(pp.Suppress(":") + kind) + pp.Suppress("}")
    hole = pp.Forward().set_name("hole")
    quoted = pp.one_of("{{} {}} {|}").set_name("quoted")
    branch_text = pp.CharsNotIn("{}|").set_name("branch text")
    text = pp.CharsNotIn("{}").set_name("text")
    branch = (branch_text | quoted | hole)[...].set_name("branch")
    branches = branch + (bar + branch)[...]
    end = (pp.Literal("}") | pp.Empty()).set_name("end")
    optional = (opening + pp.Literal("?") + branches + end).set_name("optional")
    choice = (opening + branches + end).set_name("choice")
    stray = pp.Literal("}").set_name("stray brace")

    text.add_parse_action(_read_text)
    branch_text.add_parse_action(_read_text)
    quoted.add_parse_action(_read_quoted)
    branch.add_parse_action(_read_branch)
    field.set_name("field").add_parse_action(_read_field)
    optional.add_parse_action(_read_hole)
    choice.add_parse_action(_read_hole)
    stray.add_parse_action(_read_stray)
    hole <<= (field | optional | choice).leave_whitespace()
    pattern: pp.ParserElement = (text | quoted | hole | stray)[...].set_name("pattern")
    pattern.leave_whitespace()
    pattern.parse_with_tabs()
    return pattern


def _read_text(_source: str, _offset: int, tokens: pp.ParseResults) -> Text:
    return Text(tokens[0])


def _read_quoted(_source: str, _offset: int, tokens: pp.ParseResults) -> Text:
    return Text(tokens[0][1])


def _read_field(_source: str, offset: int, tokens: pp.ParseResults) -> Field:
    name = None if tokens[0] == "*" else tokens[0]
    return Field(name, tokens[1] if len(tokens) > 1 else type_for(name), offset)


def _read_branch(_source: str, offset: int, tokens: pp.ParseResults) -> _Branch:
    return _Branch(offset, tuple(tokens))


def _read_hole(_source: str, offset: int, tokens: pp.ParseResults) -> _Hole:
    branches = tuple(token for token in tokens if isinstance(token, _Branch))
    return _Hole(offset, tokens[0] == "?", branches, tokens[-1] == "}")


def _read_stray(_source: str, offset: int, _tokens: pp.ParseResults) -> _Stray:
    return _Stray(offset)


PATTERN = _grammar()


def _nodes(
    pieces: Iterable[_Piece], seen: set[str], faults: list[tuple[int, str]]
) -> tuple[Node, ...]:
    """Give what ``pieces`` mean and note their faults.

    ``seen`` holds the fields of the way that leads here; those of ``pieces`` are added to it.
    """
    nodes: list[Node] = []
    for piece in pieces:
        match piece:
            case Text(text):
                if nodes and isinstance(last := nodes[-1], Text):
                    nodes[-1] = Text(last.text + text)
                else:
                    nodes.append(piece)
            case Field():
                faults += _faults_of_field(piece, seen)
                nodes.append(piece)
            case _Hole():
                nodes.append(_meaning(piece, seen, faults))
            case _Stray(offset):
                faults.append((offset, "a } that closes nothing; expected {}} for a literal brace"))
    return tuple(nodes)


def _faults_of_field(field: Field, seen: set[str]) -> Iterable[tuple[int, str]]:
    name, kind, offset = field.name, field.type, field.offset + 1
    if name is not None and name in seen:
        yield offset, f"'{name}' stands twice on one way; expected it once, or once in each branch"
    if name is not None:
        seen.add(name)
    yield from _faults_of_type(kind, offset + len(name or "*") + 1)


def _faults_of_type(kind: str, offset: int) -> Iterable[tuple[int, str]]:
    """Give what is wrong with the type that stands at ``offset``."""
    if kind in TYPES:
        return
    for known in sorted(TYPES, key=len, reverse=True):
        if kind.startswith(known) and not kind[len(known)].isalnum():
            stray = kind[len(known) :]
            yield offset + len(known), f"stray {stray!r} after the type '{known}'; expected }}"
            return
    said = f"no such type {kind!r}{meant(kind, TYPES)}" if kind else "no type after the colon"
    yield offset, f"{said}; expected one of {listed(TYPES)}"


def _meaning(hole: _Hole, seen: set[str], faults: list[tuple[int, str]]) -> Node:
    """Give the optional or choice that ``hole`` is meant to be, and note its faults."""
    branches = []
    reached = set(seen)
    for branch in hole.branches:
        here = set(seen)
        branches.append(_nodes(branch.pieces, here, faults))
        reached |= here
    seen |= reached
    if not hole.closed:
        what = "a hole that is never closed; expected }, or {{} for a literal brace"
        faults.append((hole.offset, what))
    elif not hole.optional and len(branches) == 1:
        faults.append(_fault_of_single(hole.offset + 1, branches[0]))
    else:
        for branch, nodes in zip(hole.branches, branches, strict=True):
            faults += _faults_of_branch(hole, branch.offset, nodes)
    return Optional(tuple(branches)) if hole.optional else Choice(tuple(branches))


def _faults_of_branch(
    hole: _Hole, offset: int, nodes: tuple[Node, ...]
) -> Iterable[tuple[int, str]]:
    match nodes:
        case ():
            what = "an empty optional" if len(hole.branches) == 1 else "an empty branch"
            wanted = "text or a hole"
            if not hole.optional:
                wanted += ", and {?...} around what may be absent"
            yield offset, f"{what}; expected {wanted}"
        case (Text(text),) if (found := BARE_FIELD.fullmatch(text)) and found["type"] in TYPES:
            wanted = f"braces of its own, {{{text}}}, for a field"
            yield offset, f"'{text}' is text here; expected {wanted}"


def _fault_of_single(offset: int, nodes: tuple[Node, ...]) -> tuple[int, str]:
    """Give what is wrong with a hole that is no optional, has one branch, and is no field."""
    match nodes:
        case ():
            return offset - 1, f"an empty hole; expected {KINDS_OF_HOLE}"
        case (Text(text),):
            return _fault_of_name(offset, text)
        case (Text(text), *_) if BARE_FIELD.fullmatch(text):
            return offset + len(text), f"stray content after the field '{text}'; expected }}"
        case _:
            return offset - 1, f"a hole that is no field and no choice; expected {KINDS_OF_HOLE}"


def _fault_of_name(offset: int, text: str) -> tuple[int, str]:
    """Give what is wrong with ``text``, which stands alone in a hole and so is meant as a field."""
    name, _, kind = text.partition(":")
    if NAME.fullmatch(name) or name == "*":
        return next(iter(_faults_of_type(kind, offset + len(name) + 1)))
    if not name:
        return offset, "a field without a name; expected a name or * before the colon"
    if " " in name.strip():
        return offset, f"no field name {name!r}; expected {KINDS_OF_HOLE}"
    likely = re.sub(r"[^a-z0-9_]", "_", name.strip().lower())
    hint = f" (did you mean `{likely}`?)" if NAME.fullmatch(likely) else ""
    return offset, f"no field name {name!r}{hint}; expected {NAME_RULE}"
