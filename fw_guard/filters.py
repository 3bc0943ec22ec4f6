"""A filter file becomes a Filter: what one service's lines look like, proved on its own samples."""

from __future__ import annotations

import dataclasses
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fw_guard import addresses, places
from fw_guard.faults import FaultsError
from fw_guard.logs import headers
from fw_guard.patterns import grammar, tree
from fw_guard.patterns.compile import Compiled, compile_pattern
from fw_guard.patterns.nearly import matched_up_to
from fw_guard.text import decoded, printable
from fw_guard.tomlfile import Document, Table, contents, listed, meant, open_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fw_guard.faults import Fault

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
    """What a filter makes of a line: which match, the fields, the header around them."""

    match: Match
    fields: dict[str, bytes]
    header: headers.Header
    times: int


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


def load(path: str, *, trusted: bool = False) -> Filter:
    """Read the filter file at ``path`` and try its samples; raise FaultsError with every fault."""
    document = open_document(path, trusted=trusted)
    document.root.get("jail")  # the configuration's business
    found = read(document)
    document.check()
    return found


def read(document: Document) -> Filter:
    """Read a filter from ``document``, noting faults there; the samples too are tried."""
    root = document.root
    name = os.path.basename(document.path).removesuffix(".toml")
    if not places.NAME.fullmatch(name):
        root.fault(None, f"a filter cannot be named {name!r}; expected a-z 0-9 . _ -")
    title = root.text("title", required=True)
    service = root.text("service", required=True)
    technique = root.text("technique")
    log_format, programs = read_log(root)
    matches = tuple(read_match(table, document.path) for table in root.tables("match"))
    if not matches:
        root.fault(None, "no [[match]]; expected at least one with a `pattern`")
    for twice in {m.name for m in matches if sum(m.name == n.name for n in matches) > 1}:
        root.fault(None, f"two [[match]] are named {twice!r}; expected a name for each")
    samples = tuple(read_samples(root))
    root.finish()
    found = Filter(
        name, document.path, title, service, technique, log_format, programs, matches, samples
    )
    if not document.faults:
        document.faults.extend(check_samples(found, document))
    return found


def read_log(root: Table) -> tuple[str, re.Pattern[bytes] | None]:
    """Read the ``log`` table: the format of the lines and the programs that write them."""
    log = root.table("log")
    if log is None:
        root.fault(None, '`log` is missing; expected such as { format = "syslog" }')
        return "syslog", None
    log_format = log.choice("format", tuple(headers.FORMATS), "syslog")
    programs = log.texts("program")
    log.finish()
    globs = (glob_regex(program.encode(), rb"[^\s\[:]*") for program in programs)
    return log_format, re.compile(b"|".join(globs)) if programs else None


def glob_regex(glob: bytes, star: bytes = rb"[^\n]*") -> bytes:
    """Give the regex of a glob, in which ``*`` is any run and ``?`` any one character."""
    marks = {b"*": star, b"?": rb"[^\n]"}
    return b"".join(marks.get(part) or re.escape(part) for part in re.split(rb"([*?])", glob))


def read_match(table: Table, path: str) -> Match:
    """Read one ``[[match]]`` table."""
    name = table.text("name", required=True)
    kind = table.choice("kind", KINDS, "failure")
    weight = table.integer("weight", 1, least=1, most=1000)
    pairs = tuple(read_patterns(table))
    sources = tuple(source for source, _ in pairs)
    patterns = tuple(pattern for _, pattern in pairs)
    known = {name for pattern in patterns for name in pattern.fields if name}
    if kind == "pair" and sources and "name" not in known:
        table.fault("kind", "a line of kind 'pair' pairs nothing; expected a {name} field")
    where = table.table("where")
    conditions = tuple(read_where(where, known, path)) if where else ()
    table.finish()
    return Match(name, kind, weight, sources, patterns, conditions)


def read_patterns(table: Table) -> Iterator[tuple[tree.Pattern, Compiled]]:
    """Give each pattern of a match, noting the faults of those that have some."""
    for item, source in enumerate(table.texts("pattern", required=True)):
        try:
            pattern = grammar.parse(source)
        except grammar.PatternError as error:
            for offset, message in error.faults:
                table.fault("pattern", message, offset, item)
            continue
        compiled = compile_pattern(pattern)
        if "host" not in compiled.fields:
            table.fault("pattern", "no host is read; expected a {host} field", 0, item)
        for field in tree.fields(pattern.pieces):
            if field.name == "host" and field.type not in HOST_TYPES:
                said = f"the host is of type {field.type!r}; expected {listed(HOST_TYPES)}"
                table.fault("pattern", said, field.offset, item)
        yield pattern, compiled


def read_where(
    table: Table, known: set[str], path: str
) -> Iterator[tuple[str, Callable[[bytes], bool]]]:
    """Give (field, test) for each key of a ``where`` table."""
    for name in table.values:
        value = table.get(name)
        if name not in known:
            table.fault(name, f"no field {name!r} in the pattern{meant(name, known)}")
            continue
        values = value if isinstance(value, list) else [value]
        if not values or not all(type(item) in (int, str) for item in values):
            table.fault(name, f"`{name}` narrows by no value; expected texts or whole numbers")
            continue
        numbers = frozenset(item for item in values if isinstance(item, int))
        texts = [item for item in values if isinstance(item, str)]
        words = frozenset(item.encode() for item in texts if not item.startswith("@"))
        globs = [g for item in texts if item[:1] == "@" for g in read_list(table, name, item, path)]
        lists = re.compile(b"|".join(globs), re.IGNORECASE) if globs else None
        yield name, value_test(numbers, words, lists)


def value_test(
    numbers: frozenset[int], words: frozenset[bytes], globs: re.Pattern[bytes] | None
) -> Callable[[bytes], bool]:
    """Give the test that a field's bytes pass when they equal a value or fit a glob."""

    def passes(text: bytes) -> bool:
        if text in words or (numbers and text.isdigit() and int(text) in numbers):
            return True
        return globs is not None and globs.fullmatch(text) is not None

    return passes


def read_list(table: Table, key: str, word: str, path: str) -> list[bytes]:
    """Give the regexes of the globs of ``@name``: a list beside the filter, or a shipped one."""
    name = word.removeprefix("@")
    if not places.NAME.fullmatch(name):
        table.fault(key, f"no list can be named {name!r}; expected a-z 0-9 . _ -")
        return []
    for directory in (os.path.dirname(path), places.shipped("filters")):
        file = os.path.join(directory, "lists", f"{name}.txt")
        if not os.path.lexists(file):
            continue
        try:
            text = contents(file, trusted=directory == places.shipped("filters"))
        except FaultsError as error:
            table.fault(key, f"list {error}")
            return []
        lines = [line.strip() for line in text.splitlines()]
        return [glob_regex(line) for line in lines if line and not line.startswith(b"#")]
    table.fault(key, f"there is no list {name!r}; expected lists/{name}.txt beside the filter")
    return []


def read_samples(root: Table) -> Iterator[Sample]:
    """Give the ``[[sample]]`` tables; every key beside ``line`` and ``match`` names a field."""
    for index, table in enumerate(root.tables("sample")):
        line = table.text("line", required=True)
        match = table.get("match")
        if match is not None and not isinstance(match, (bool, str)):
            table.fault("match", "`match` is neither false nor the name of a [[match]]")
        keys = [key for key in table.values if key not in ("line", "match")]
        fields = tuple((key, table.text(key)) for key in keys)
        if match is not False and "host" not in keys:
            table.fault(None, "a sample that matches says whom; expected `host`")
        if match is False and keys:
            table.fault(keys[0], f"a sample that must not match has no `{keys[0]}`")
        yield Sample(line, True if match is None else match, fields, index)


def check_samples(found: Filter, document: Document) -> list[Fault]:
    """Try the samples; give a fault for each that is not read as it says."""
    faults: list[Fault] = []

    def fault(sample: Sample | None, message: str, detail: str = "") -> None:
        place = document.place(("sample", sample.index, "line") if sample else ())
        faults.append(document.fault_at(place, message, detail))

    if not any(sample.match is not False for sample in found.samples):
        fault(None, "no sample that must match; expected a [[sample]] with `line` and `host`")
    if not any(sample.match is False for sample in found.samples):
        fault(None, "no sample that must not match; expected a [[sample]] with `match = false`")
    names = [match.name for match in found.matches]
    read_by = set()
    for sample in found.samples:
        reading = found.read(sample.line.encode())
        if isinstance(sample.match, str) and sample.match not in names:
            fault(sample, f"no match is named {sample.match!r}; expected {listed(names)}")
        elif sample.match is False and reading is not None:
            host = shown(reading.fields, "host")
            fault(sample, f"must not match, but {reading.match.name!r} reads host {host!r}")
        elif sample.match is not False and reading is None:
            fault(sample, "is not matched", nearest(found, sample.line.encode()))
        elif reading is not None:
            read_by.add(reading.match.name)
            if isinstance(sample.match, str) and reading.match.name != sample.match:
                fault(sample, f"is read by {reading.match.name!r}; expected {sample.match!r}")
            for key, value in sample.fields:
                got = shown(reading.fields, key)
                if got != value:
                    fault(sample, f"`{key}` is read as {got!r}; expected {value!r}")
    faults.extend(
        document.fault_at(
            document.place(("match", index)),
            f"no sample is read by match {match.name!r}; expected one for every [[match]]",
        )
        for index, match in enumerate(found.matches)
        if match.name not in read_by
    )
    return faults


def shown(fields: dict[str, bytes], key: str) -> str | None:
    """Give a field as a sample states it; the host in its canonical form."""
    if key == "host":
        address, name = host_of(fields) or (None, None)
        return address or name
    return decoded(fields[key]) if key in fields else None


def nearest(found: Filter, line: bytes) -> str:
    """Show how far each pattern of a filter got in ``line``, best first."""
    header = headers.header(found.format)(line)
    text = "      " + printable(decoded(line))
    if header is None:
        return f"{text}\n      the line has no {found.format} header"
    if not found.wants(header.program):
        program = printable(decoded(header.program))
        return f"{text}\n      program {program!r} is not one of the filter's `program`"
    message = line[header.start :]
    rows = []
    for match in found.matches:
        for source, pattern in zip(match.sources, match.patterns, strict=True):
            if pattern.match(message) is not None:
                rows.append((len(message), match.name, "the fields to pass `where`"))
            else:
                offset, wanted = matched_up_to(source, message)
                rows.append((offset, match.name, wanted))
    return text + "".join(
        f"\n      {'':{len(printable(decoded(line[: header.start + offset])))}}"
        f"^ {name} matched up to here; expected {wanted}"
        for offset, name, wanted in sorted(rows, reverse=True)[:5]
    )
