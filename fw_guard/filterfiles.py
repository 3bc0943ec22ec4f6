"""A filter file becomes a Filter, proved on its own samples."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from fw_guard import places
from fw_guard.faults import FaultsError
from fw_guard.filters import HOST_TYPES, KINDS, Filter, Match
from fw_guard.logs import headers
from fw_guard.patterns import grammar, tree
from fw_guard.patterns.compile import Compiled, compile_pattern
from fw_guard.samples import check_samples, read_samples
from fw_guard.tomlfile import Document, Table, contents, listed, meant, open_document

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
