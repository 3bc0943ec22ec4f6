"""A pattern as a tree: what the grammar reads, what everything else is built from.

    Pattern   = Node*
    Node      = Text | Field | Optional | Choice
    Optional  = one or more branches, of which one may be there
    Choice    = two or more branches, of which one is there
    branch    = one or more nodes

Two ``Text`` never stand side by side. The tree knows nothing of how it was written or of how it
is matched, and costs no import worth mentioning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Text:
    """Characters that stand for themselves, at least one; a run of blanks stands for any run."""

    text: str


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the line. ``name`` is None for ``{*}``, which matches and forgets.

    ``type`` names one of ``fields.TYPES``; ``offset`` is that of the opening brace in the source,
    in characters.
    """

    name: str | None
    type: str
    offset: int


@dataclass(frozen=True, slots=True)
class Optional:
    """One of ``branches``, the first that fits, or nothing."""

    branches: tuple[tuple[Node, ...], ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of ``branches``, the first that fits."""

    branches: tuple[tuple[Node, ...], ...]


Node = Text | Field | Optional | Choice


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line shape: how its author wrote it, and what it means."""

    source: str
    pieces: tuple[Node, ...]


def fields(nodes: tuple[Node, ...]) -> Iterator[Field]:
    """Give every field of ``nodes`` in the order of the pattern, those within holes too."""
    for node in nodes:
        if isinstance(node, Field):
            yield node
        elif not isinstance(node, Text):
            for branch in node.branches:
                yield from fields(branch)
