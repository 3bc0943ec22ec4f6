"""Ports: numbers and ranges as a person writes them, and as a firewall's label spells them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Ports = tuple[tuple[int, int], ...]

LAST = 65_535
RANGE = re.compile(r"\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*")


class PortError(ValueError):
    """A text that is no port and no range of ports."""


def read(values: Iterable[int | str]) -> Ports:
    """Give ports such as ``[22, "8000-8010"]`` as (first, last), in order, none within another.

    Ranges that meet become one. Raises PortError.
    """
    joined: list[tuple[int, int]] = []
    for first, last in sorted(map(_range, values)):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return tuple(joined)


def _range(value: int | str) -> tuple[int, int]:
    """Give one port or range."""
    found = RANGE.fullmatch(str(value))
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if isinstance(value, bool) or not 0 < first <= last <= LAST:
        raise PortError(f"{value!r} is no port; expected such as 22 or '8000-8010'")
    return first, last


def spell(ports: Ports, join: str = ",", dash: str = "-") -> str:
    """Give ports as a text that ``read`` would read, or as a firewall's tool wants them."""
    return join.join(str(a) if a == b else f"{a}{dash}{b}" for a, b in ports)
