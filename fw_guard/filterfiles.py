"""A filter file becomes a Filter, proved on its own samples."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fw_guard import places
from fw_guard.faults import FaultsError
from fw_guard.filters import FORMATS, HOST_TYPES, KINDS, Filter, Match, Paths, Wanted
from fw_guard.patterns import grammar, tree
from fw_guard.patterns.compile import Compiled, compile_pattern
from fw_guard.proving import prove
from fw_guard.samples import check_samples, read_samples
from fw_guard.tomlfile import Document, Table, contents, listed, meant, open_document

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = re.compile(r"[^.]+(\.[^.]+){0,7}")
FIELD = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Log:
    """What a filter says of its log. ``time`` and ``message`` are paths in a JSON line."""

    formats: tuple[str, ...] = ("syslog",)
    program: tuple[str, ...] = ()
    programs: re.Pattern[bytes] | None = None
    time: str = ""
    message: str = ""

    @property
    def json(self) -> bool:
        """Say whether the lines are JSON."""
        return "json" in self.formats


def load(path: str, *, trusted: bool = False, proved: set[str] | None = None) -> Filter:
    """Read the filter file at ``path`` and prove it; raise FaultsError with every fault.

    ``proved`` holds the digests of proofs that need not be made again; new ones are added.
    """
    document = open_document(path, trusted=trusted)
    document.root.get("jail")  # the configuration's business
    found = read(document, proved)
    document.check()
    return found


def read(document: Document, proved: set[str] | None = None) -> Filter:
    """Read a filter from ``document``, noting faults there; samples are tried, proofs made."""
    root = document.root
    name = os.path.basename(document.path).removesuffix(".toml")
    if not places.NAME.fullmatch(name):
        root.fault(None, f"a filter cannot be named {name!r}; expected a-z 0-9 . _ -")
    title = root.text("title", required=True)
    service = root.text("service", required=True)
    technique = root.text("technique")
    versions = root.text("versions")
    log = read_log(root)
    reasons = read_reason(root, "doubtful"), read_reason(root, "forgeable")
    tables = root.tables("match")
    matches = tuple(read_match(table, document.path, log, reasons) for table in tables)
    if not matches:
        root.fault(None, "no [[match]]; expected at least one with a `pattern`")
    names = [match.name for match in matches]
    for index, table in enumerate(tables):
        if names[index] and names[index] in names[:index]:
            said = f"two [[match]] are named {names[index]!r}; expected a name for each"
            table.fault("name", said)
    samples = tuple(read_samples(root, known_fields(matches)))
    root.finish()
    found = Filter(
        name=name,
        path=document.path,
        title=title,
        service=service,
        technique=technique,
        versions=versions,
        formats=log.formats,
        program=log.program,
        programs=log.programs,
        time=log.time,
        matches=matches,
        samples=samples,
    )
    sound = not document.faults
    prove(found, tables, set() if proved is None else proved)
    if sound:
        document.faults.extend(check_samples(found, document))
    return found


def known_fields(matches: tuple[Match, ...]) -> set[str]:
    """Give the names of the fields that the matches of a filter read."""
    named = {name for match in matches for each in match.patterns for name in each.fields if name}
    return named | {name for match in matches if match.paths for name, _ in match.paths.fields}


def read_log(root: Table) -> Log:
    """Read the ``log`` table: the formats of the lines and the programs that write them."""
    table = root.table("log")
    if table is None:
        root.fault(None, '`log` is missing; expected such as { format = "syslog" }')
        return Log()
    formats = table.texts("format", ("syslog",), required=table.has("format")) or ("syslog",)
    for item, name in enumerate(formats):
        if name not in FORMATS:
            said = f"no format is named {name!r}{meant(name, FORMATS)}; expected {listed(FORMATS)}"
            table.fault("format", said, 0, item)
        elif name in formats[:item]:
            table.fault("format", f"{name!r} stands twice; expected it once", 0, item)
    programs = table.texts("program")
    if programs and "syslog" not in formats:
        table.fault("program", "`program` narrows lines of syslog; expected that in `format`")
    time = message = ""
    if "json" in formats:
        if len(formats) > 1:
            table.fault("format", "'json' goes with no other format; expected it alone")
        time = read_path(table, "time", required=True)
        message = read_path(table, "message")
    else:
        json_only(table, "time", "message")
    table.finish()
    globs = (glob_regex(program.encode(), rb"[^\s\[:]*") for program in programs)
    wanted = re.compile(b"|".join(globs)) if programs else None
    return Log(formats, programs, wanted, time, message)


def read_path(table: Table, key: str, *, required: bool = False) -> str:
    """Give the path at ``key``, empty when there is none."""
    path = table.text(key, required=required)
    if path or table.has(key):
        check_path(table, key, path)
    return path


def check_path(table: Table, key: str, path: str) -> None:
    """Note a fault when ``path`` leads nowhere in any object."""
    if not PATH.fullmatch(path):
        said = f"{path!r} is no path; expected 1 to 8 names with dots between them, as in a.b"
        table.fault(key, said)


def json_only(table: Table, *keys: str) -> None:
    """Note a fault for each of ``keys`` that is there, in a filter of other lines."""
    for key in keys:
        if table.get(key) is not None:
            table.fault(key, f"`{key}` is for JSON; expected no `{key}`, or `format = 'json'`")


def glob_regex(glob: bytes, star: bytes = rb"[^\n]*") -> bytes:
    """Give the regex of a glob, in which ``*`` is any run and ``?`` any one character.

    What stands between two ``*`` is looked for once, from the left, and kept where it is first
    found: nothing is gained by looking further on, and several ``*`` cost no more than one.
    """
    first, *parts = (_glob_part(part) for part in glob.split(b"*"))
    if not parts:
        return first
    middle = b"".join(b"(?>%s?%s)" % (star, part) for part in parts[:-1] if part)
    return first + middle + star + parts[-1]


def _glob_part(part: bytes) -> bytes:
    return b"".join(
        rb"[^\n]" if each == b"?" else re.escape(each) for each in re.split(rb"(\?)", part)
    )


def read_match(table: Table, path: str, log: Log, reasons: tuple[str, str]) -> Match:
    """Read one ``[[match]]`` table.

    ``reasons`` are why the whole filter is doubtful, and why forgeable.
    """
    name = table.text("name", required=True)
    kind = table.choice("kind", KINDS, "failure")
    weight = table.integer("weight", 1, least=1, most=1000)
    inside = read_path(table, "in") if log.json else ""
    fields = tuple(read_fields(table)) if log.json else ()
    if not log.json:
        json_only(table, "in", "fields")
    given = [field for field, _ in fields]
    doubtful = read_reason(table, "doubtful") or reasons[0]
    forgeable = read_reason(table, "forgeable") or reasons[1]
    own = frozenset(table.texts("own"))
    pairs = tuple(read_patterns(table, log, given, own))
    sources = tuple(source for source, _ in pairs)
    patterns = tuple(pattern for _, pattern in pairs)
    known = {name for pattern in patterns for name in pattern.fields if name} | set(given)
    if log.json:
        check_json_match(table, log, known)
    for name_of_field in sorted(own - known):
        said = f"no field {name_of_field!r} in the pattern{meant(name_of_field, known)}"
        table.fault("own", said)
    if "host" in own:
        table.fault("own", "'host' is the peer, which no service fills; expected other fields")
    if kind == "pair" and known and "name" not in known:
        table.fault("kind", "a line of kind 'pair' pairs nothing; expected a {name} field")
    where = table.table("where")
    conditions = tuple(read_where(where, known, path, json=log.json)) if where else ()
    table.finish()
    paths = None
    if log.json:
        elsewhere = tuple((key, wanted) for key, wanted in conditions if key not in known)
        conditions = tuple((key, wanted) for key, wanted in conditions if key in known)
        paths = Paths(fields, elsewhere, inside or log.message)
    return Match(name, kind, weight, sources, patterns, conditions, paths, doubtful, forgeable)


def read_reason(table: Table, key: str) -> str:
    """Give the reason not to believe some lines in full, empty when there is none."""
    reason = table.text(key)
    if isinstance(table.values.get(key), str) and not reason.strip():
        table.fault(key, f"`{key}` is empty; expected the reason why")
    return reason


def read_fields(table: Table) -> Iterator[tuple[str, str]]:
    """Give (name, path) for each key of a ``fields`` table."""
    fields = table.table("fields")
    if fields is None:
        return
    for name in fields.values:
        if not FIELD.fullmatch(name):
            fields.fault(name, f"no field can be named {name!r}; expected a-z 0-9 _")
            continue
        yield name, read_path(fields, name)


def check_json_match(table: Table, log: Log, known: set[str]) -> None:
    """Note what a match of JSON lacks."""
    if not table.has("pattern"):
        if "host" not in known:
            table.fault(None, "no host is read; expected `fields = { host = ... }` or a `pattern`")
        if table.has("in"):
            table.fault("in", "`in` is the path of a text without a `pattern` for it; expected one")
    elif not log.message and not table.has("in"):
        said = "`pattern` has no text; expected `in`, or `message` in [log], the path of one"
        table.fault("pattern", said)


def read_patterns(
    table: Table, log: Log, given: list[str], own: frozenset[str]
) -> Iterator[tuple[tree.Pattern, Compiled]]:
    """Give each pattern of a match, noting the faults of those that have some.

    ``given`` names the fields that come from elsewhere in the line, ``own`` those that the service
    itself writes.
    """
    required = not log.json or table.has("pattern")
    for item, source in enumerate(table.texts("pattern", required=required)):
        try:
            pattern = grammar.parse(source)
        except grammar.PatternError as error:
            for offset, message in error.faults:
                table.fault("pattern", message, offset, item)
            continue
        compiled = compile_pattern(pattern, own)
        if "host" not in compiled.fields and "host" not in given:
            table.fault("pattern", "no host is read; expected a {host} field", 0, item)
        for field in tree.fields(pattern.pieces):
            if field.name in given:
                said = f"{field.name!r} stands in `fields` too; expected it once"
                table.fault("pattern", said, field.offset, item)
            if field.name == "host" and field.type not in HOST_TYPES:
                said = f"the host is of type {field.type!r}; expected {listed(HOST_TYPES)}"
                table.fault("pattern", said, field.offset, item)
        yield pattern, compiled


def read_where(
    table: Table, known: set[str], path: str, *, json: bool
) -> Iterator[tuple[str, Wanted]]:
    """Give (field, what is wanted) for each key of a ``where`` table, of JSON also (path, same)."""
    kinds = (int, str, bool) if json else (int, str)
    for name in table.values:
        value = table.get(name)
        if name not in known and not json:
            table.fault(name, f"no field {name!r} in the pattern{meant(name, known)}")
            continue
        if isinstance(value, dict):
            table.fault(name, f'`{name}` is a table; expected a path in quotes: "{name}.x" = ...')
            continue
        values = value if isinstance(value, list) else [value]
        if not values or not all(type(item) in kinds for item in values):
            table.fault(name, f"`{name}` narrows by no value; expected texts or whole numbers")
            continue
        if name not in known:
            check_path(table, name, name)
        numbers = frozenset(item for item in values if type(item) is int)
        texts = [item for item in values if isinstance(item, str) and not item.startswith("@")]
        texts += [str(item).lower() for item in values if not isinstance(item, str)]
        lists = [item for item in values if isinstance(item, str) and item.startswith("@")]
        globs = [glob for item in lists for glob in read_list(table, name, item, path)]
        anyof = re.compile(b"|".join(globs), re.IGNORECASE) if globs else None
        words = frozenset(text.encode() for text in texts)
        yield name, Wanted(words, numbers, anyof, listed(map(value_said, values)))


def value_said(value: str | int) -> str:
    """Give a value of ``where`` for a person."""
    if not isinstance(value, str):
        return str(value).lower()
    return f"one of {value}" if value.startswith("@") else repr(value)


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
