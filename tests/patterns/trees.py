"""Random patterns, a writer that turns a tree back into its source, and ways to try a pattern."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from fw_guard.patterns.compile import Compiled, compile_pattern
from fw_guard.patterns.fields import TYPES, type_for
from fw_guard.patterns.grammar import parse
from fw_guard.patterns.tree import Choice, Field, Node, Optional, Text

if TYPE_CHECKING:
    from collections.abc import Iterator

Nodes = tuple[Node, ...]

# A property holds or does not; how long a busy machine takes over it says nothing.
UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
TYPE_NAMES = st.sampled_from(sorted(TYPES))


def texts(letters: st.SearchStrategy[str]) -> st.SearchStrategy[Node]:
    """Give literal text made of ``letters``."""
    return st.text(letters, min_size=1, max_size=6).map(Text)


def fields(kinds: st.SearchStrategy[str] = TYPE_NAMES) -> st.SearchStrategy[Node]:
    """Give fields of ``kinds``, with a name or without."""
    return st.builds(Field, st.none() | NAMES, kinds, st.just(0))


def holes(inside: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    """Give optionals and choices whose branches hold what ``inside`` gives."""
    branch = st.lists(inside, min_size=1, max_size=3).map(tuple)
    return st.builds(Optional, st.lists(branch, min_size=1, max_size=3).map(tuple)) | st.builds(
        Choice, st.lists(branch, min_size=2, max_size=3).map(tuple)
    )


def trees(leaves: st.SearchStrategy[Node]) -> st.SearchStrategy[Nodes]:
    """Give the pieces of patterns whose texts and fields are ``leaves``, as grammar allows them."""
    node = st.recursive(leaves, holes, max_leaves=8)
    return (
        st.lists(node, min_size=1, max_size=6)
        .map(lambda nodes: written(named_once(merged(tuple(nodes)), iter(range(1000)))))
        .filter(lambda nodes: bool(source_of(nodes).strip(" ")))
    )


def merged(nodes: Nodes) -> Nodes:
    """Give ``nodes`` with texts that stand side by side made one."""
    out: list[Node] = []
    for node in nodes:
        if isinstance(node, Text) and out and isinstance(last := out[-1], Text):
            out[-1] = Text(last.text + node.text)
        elif isinstance(node, Optional | Choice):
            out.append(type(node)(tuple(merged(branch) for branch in node.branches)))
        else:
            out.append(node)
    return tuple(out)


def named_once(nodes: Nodes, numbers: Iterator[int]) -> Nodes:
    """Give ``nodes`` with every field's name made different from all others."""
    out: list[Node] = []
    for node in nodes:
        match node:
            case Field(str(name), kind):
                # A known name keeps its type only while it stays that name.
                out.append(Field(f"{name}_{next(numbers)}", kind, 0))
            case Optional(branches) | Choice(branches):
                inside = tuple(named_once(branch, numbers) for branch in branches)
                out.append(type(node)(inside))
            case _:
                out.append(node)
    return tuple(out)


def written(nodes: Nodes) -> Nodes:
    """Give ``nodes`` without what cannot be written down: see the grammar's docstring."""
    out: list[Node] = []
    for node in nodes:
        match node:
            case Optional(branches) | Choice(branches):
                inside = [written(branch) for branch in branches]
                if isinstance(first := inside[0][0], Text) and first.text[0] in "}?":
                    inside[0] = (Text(f"~{first.text}"), *inside[0][1:])
                out.append(type(node)(tuple(inside)))
            case _:
                out.append(node)
    return tuple(out)


def source_of(nodes: Nodes, *, inside: bool = False) -> str:
    """Write ``nodes`` down as a pattern, ``inside`` a hole or outside of all."""
    return "".join(_written(node, inside=inside) for node in nodes)


def _written(node: Node, *, inside: bool) -> str:
    match node:
        case Text(text):
            quoted = "{}|" if inside else "{}"
            return "".join(f"{{{char}}}" if char in quoted else char for char in text)
        case Field(name, kind):
            return f"{{{name or '*'}{'' if kind == type_for(name) else ':' + kind}}}"
        case Optional(branches):
            return f"{{?{'|'.join(source_of(branch, inside=True) for branch in branches)}}}"
        case Choice(branches):
            return f"{{{'|'.join(source_of(branch, inside=True) for branch in branches)}}}"


def without_offsets(nodes: Nodes) -> Nodes:
    """Give ``nodes`` with every offset set to 0, to compare what they mean."""
    out: list[Node] = []
    for node in nodes:
        match node:
            case Field(name, kind):
                out.append(Field(name, kind, 0))
            case Optional(branches) | Choice(branches):
                out.append(type(node)(tuple(without_offsets(branch) for branch in branches)))
            case _:
                out.append(node)
    return tuple(out)


def every_field(nodes: Nodes) -> Iterator[Field]:
    """Give every field of ``nodes``, holes included, in their order."""
    for node in nodes:
        match node:
            case Field():
                yield node
            case Optional(branches) | Choice(branches):
                for branch in branches:
                    yield from every_field(branch)
            case _:
                pass


def compiled(source: str) -> Compiled:
    """Give a pattern ready to match."""
    return compile_pattern(parse(source))


def matched(source: str, message: str) -> dict[str, str] | None:
    """Give the fields of ``message`` as text, or None."""
    found = compiled(source).match(message.encode())
    return None if found is None else {name: text.decode() for name, text in found.items()}
