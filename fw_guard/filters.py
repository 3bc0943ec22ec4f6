"""A filter: what one service's lines look like, and what it makes of a line."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import addresses
from fw_guard.doubts import cast_doubt
from fw_guard.logs import headers

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from fw_guard.logs.jsonlines import Record
    from fw_guard.patterns import tree
    from fw_guard.patterns.compile import Compiled

    Split = headers.Header | Record  # what a format makes of a line

KINDS = ("failure", "success", "pair")
FORMATS = (*headers.FORMATS, "json")
HOST_TYPES = ("host", "addr", "ipv4", "ipv6")
LONGEST_LINE = 8192
LONGEST_JSON = 65_536
LONGEST_NUMBER = 20  # digits of what may equal a whole number


@dataclass(frozen=True, slots=True)
class Wanted:
    """The values that narrow a match: one of ``words`` or ``numbers``, or what fits ``globs``.

    ``said`` names them for a person.
    """

    words: frozenset[bytes]
    numbers: frozenset[int]
    globs: re.Pattern[bytes] | None
    said: str

    def fits(self, text: bytes) -> bool:
        """Say whether a field's bytes equal a value or fit a glob."""
        if text in self.words:
            return True
        if self.numbers and len(text) <= LONGEST_NUMBER and text.isdigit():
            return int(text) in self.numbers
        return self.globs is not None and self.globs.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Paths:
    """Where in the object of a JSON line a match looks, each place a path with dots.

    ``fields`` pairs names with the paths of their values, ``where`` a path with what is
    wanted there; ``inside`` is the path of the text that the patterns are for.
    """

    fields: tuple[tuple[str, str], ...]
    where: tuple[tuple[str, Wanted], ...]
    inside: str


class Found(NamedTuple):
    """What a match makes of a line: the fields, and whether text casts doubt on the host."""

    fields: dict[str, bytes]
    cast: bool


@dataclass(frozen=True, slots=True)
class Match:
    """One kind of line: patterns that read it, values that narrow it, what it weighs.

    ``kind`` is ``failure`` (a hit), ``success`` (a good login) or ``pair`` (an ordinary line that
    pairs a name with a socket address). ``where`` pairs a field with what is wanted of it.
    ``paths`` are those of a filter that reads JSON; it may do without patterns. ``doubtful`` is the
    reason not to take such lines at their word, ``forgeable`` that to keep a match which cannot
    be proved; either makes doubtful what is read.
    """

    name: str
    kind: str
    weight: int
    sources: tuple[tree.Pattern, ...]
    patterns: tuple[Compiled, ...]
    where: tuple[tuple[str, Wanted], ...] = ()
    paths: Paths | None = None
    doubtful: str = ""
    forgeable: str = ""

    @property
    def reason(self) -> str:
        """Give why what is read is doubtful whatever it is, empty when it is not."""
        return self.doubtful or self.forgeable

    @property
    def labels(self) -> tuple[str, ...]:
        """Give what the patterns are called: by the match, with a number if there are several."""
        if len(self.sources) < 2:
            return (self.name,)
        return tuple(f"{self.name}#{number}" for number in range(1, len(self.sources) + 1))

    def read(self, message: bytes) -> Found | None:
        """Give the fields of ``message``, or None when this is no such line."""
        return self._read(message, {})

    def _read(self, message: bytes, given: dict[str, bytes]) -> Found | None:
        """Give the fields of ``message`` and those that were ``given``."""
        for pattern in self.patterns:
            found = pattern.find(message)
            if found is None:
                continue
            fields = given | pattern.fields_of(found)
            if self.passes(fields):
                texts = pattern.texts_before(found)
                return Found(fields, cast_doubt(texts, fields.get("host", b"")))
        return None

    def passes(self, fields: dict[str, bytes]) -> bool:
        """Say whether the fields are narrowed down to such as this match wants."""
        return all(name in fields and wanted.fits(fields[name]) for name, wanted in self.where)

    def read_record(self, record: Record) -> Found | None:
        """Give the fields of a JSON line, or None when this is no such line."""
        paths = self.paths
        if paths is None or not all(
            (value := record.text(path)) is not None and wanted.fits(value)
            for path, wanted in paths.where
        ):
            return None
        given = {name: record.text(path) for name, path in paths.fields}
        fields = {name: value for name, value in given.items() if value is not None}
        if not self.patterns:
            return Found(fields, cast=False) if self.passes(fields) else None
        text = record.text(paths.inside)
        return None if text is None or len(text) > LONGEST_LINE else self._read(text, fields)


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

    ``cast`` says that text in the line casts doubt on the host. A ``doubtful`` reading is never
    enough for a ban, be it for that or because its match is.
    """

    match: Match
    fields: dict[str, bytes]
    header: headers.Header
    times: int
    cast: bool = False

    @property
    def doubtful(self) -> bool:
        """Say whether the host may be another's."""
        return self.cast or bool(self.match.reason)


@dataclass(frozen=True, slots=True)
class Filter:
    """What one service's lines look like.

    ``formats`` are names of ``FORMATS``; the first whose header a line has decides. ``program`` are
    the globs that narrow lines of syslog, ``programs`` what they became. ``time`` is the path of a
    JSON line's time. ``versions`` says whose format the patterns follow.
    """

    name: str
    path: str
    title: str
    service: str
    technique: str
    versions: str
    formats: tuple[str, ...]
    program: tuple[str, ...]
    programs: re.Pattern[bytes] | None
    time: str
    matches: tuple[Match, ...]
    samples: tuple[Sample, ...] = dataclasses.field(default=(), repr=False)

    def wants(self, name: str, program: bytes) -> bool:
        """Say whether lines of format ``name`` and of ``program`` are this filter's business."""
        if name != "syslog" or self.programs is None:
            return True
        return self.programs.fullmatch(program) is not None

    def format_of(self, splits: dict[str, Split]) -> str | None:
        """Give the format in which to read a line that can be split as ``splits`` say, or None.

        The first format decides. But a line that syslog finds no host or no program in may be
        another's: the word after its stamp need be neither.
        """
        for name in self.formats:
            split = splits.get(name)
            if split is None:
                continue
            if not isinstance(split, headers.Header) or self.wants(name, split.program):
                return name
            if split.program and split.hosted:
                return None
        return None

    def read(self, line: bytes) -> Reading | None:
        """Read one line, without its newline; None when it is not one of this filter's."""
        ways = ((name, splitter(name)(line)) for name in self.formats)
        splits = {name: split for name, split in ways if split is not None}
        name = self.format_of(splits)
        return None if name is None else self.read_split(name, splits[name], line)

    def read_split(self, name: str, split: Split, line: bytes) -> Reading | None:
        """Read a line of which format ``name`` made ``split``, its program wanted."""
        if isinstance(split, headers.Header):
            return self.read_message(name, split, line[split.start :])
        return self.read_record(split)

    def read_message(self, name: str, header: headers.Header, message: bytes) -> Reading | None:
        """Read a message of format ``name`` whose header was split off."""
        times = 1
        if name == "syslog":
            # Elsewhere nobody sums lines up: who begins a message so has written it himself.
            times, start, end = headers.repeated(message)
            message = message[start:end]
        if len(message) > LONGEST_LINE:
            return None
        for match in self.matches:
            found = match.read(message)
            if found is not None and host_of(found.fields) is not None:
                return Reading(match, found.fields, header, times, found.cast)
        return None

    def read_record(self, record: Record) -> Reading | None:
        """Read a JSON line."""
        for match in self.matches:
            found = match.read_record(record)
            if found is not None and host_of(found.fields) is not None:
                header = headers.Header(record.text(self.time) or b"", b"", b"", 0)
                return Reading(match, found.fields, header, 1, found.cast)
        return None


def splitter(name: str) -> Callable[[bytes], Split | None]:
    """Give what reads the lines of a format, one of ``FORMATS``.

    Its lines are no longer than LONGEST_LINE, or LONGEST_JSON. ``json`` is imported for whoever has
    such a log.
    """
    if name != "json":
        return headers.header(name)
    from fw_guard.logs import jsonlines

    return jsonlines.record


def host_of(fields: dict[str, bytes]) -> tuple[str | None, str | None] | None:
    """Give (address, name) of the host that was read, one of them None; None when it is neither."""
    try:
        text = fields.get("host", b"").decode("ascii")
    except UnicodeDecodeError:
        return None
    address = addresses.host(text)
    if address is not None:
        return address, None
    name = addresses.name(text)
    return None if name is None else (None, name)
