"""A filter: what one service's lines look like, and what it makes of a line."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fw_guard import addresses
from fw_guard.logs import headers

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from fw_guard.patterns import tree
    from fw_guard.patterns.compile import Compiled

KINDS = ("failure", "success", "pair")
HOST_TYPES = ("host", "addr")
LONGEST_LINE = 8192


@dataclass(frozen=True, slots=True)
class Match:
    """One kind of line: patterns that read it, values that narrow it, what it weighs.

    ``kind`` is ``failure`` (a hit), ``success`` (a good login) or ``pair`` (an ordinary line that
    pairs a name with a socket address). ``where`` pairs a field with a test of its bytes.
    """

    name: str
    kind: str
    weight: int
    sources: tuple[tree.Pattern, ...]
    patterns: tuple[Compiled, ...]
    where: tuple[tuple[str, Callable[[bytes], bool]], ...] = ()

    def read(self, message: bytes) -> dict[str, bytes] | None:
        """Give the fields of ``message``, or None when this is no such line."""
        for pattern in self.patterns:
            fields = pattern.match(message)
            if fields is not None and all(
                name in fields and passes(fields[name]) for name, passes in self.where
            ):
                return fields
        return None


@dataclass(frozen=True, slots=True)
class Sample:
    """A line that the filter must read as said, or must leave alone (``match`` is False)."""

    line: str
    match: str | bool
    fields: tuple[tuple[str, str], ...]
    index: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What a filter makes of a line: which match, the fields, the header around them.

    ``doubtful`` says that the host may be another's: such a reading is never enough for a ban.
    """

    match: Match
    fields: dict[str, bytes]
    header: headers.Header
    times: int
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """What one service's lines look like."""

    name: str
    path: str
    title: str
    service: str
    technique: str
    format: str
    programs: re.Pattern[bytes] | None
    matches: tuple[Match, ...]
    samples: tuple[Sample, ...] = dataclasses.field(default=(), repr=False)

    def wants(self, program: bytes) -> bool:
        """Say whether lines of ``program`` are this filter's business."""
        return self.programs is None or self.programs.fullmatch(program) is not None

    def read(self, line: bytes) -> Reading | None:
        """Read one line, without its newline; None when it is not one of this filter's."""
        header = headers.header(self.format)(line)
        if header is None or not self.wants(header.program):
            return None
        return self.read_message(header, line[header.start :])

    def read_message(self, header: headers.Header, message: bytes) -> Reading | None:
        """Read a message whose header was split off and whose program is wanted."""
        times, start, end = headers.repeated(message)
        if times > 1:
            message = message[start:end]
        if len(message) > LONGEST_LINE:
            return None
        for match in self.matches:
            fields = match.read(message)
            if fields is not None and host_of(fields) is not None:
                return Reading(match, fields, header, times)
        return None


def host_of(fields: dict[str, bytes]) -> tuple[str | None, str | None] | None:
    """Give (address, name) of the host that was read, one of them None; None when it is neither."""
    try:
        text = fields["host"].decode("ascii")
    except UnicodeDecodeError:
        return None
    address = addresses.host(text)
    if address is not None:
        return address, None
    name = addresses.name(text)
    return None if name is None else (None, name)
