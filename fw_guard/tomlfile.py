"""A TOML file read with typed getters that note every fault at its line and column.

``tomllib`` gives values and no positions, so the text is scanned once more for where each key
stands. A getter that finds a fault notes it and gives its default: the reader goes on, and all
faults of a file come out together.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from functools import cached_property
from itertools import count
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from fw_guard import durations
from fw_guard.faults import Fault, FaultsError, in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LARGEST = 4 * 1024 * 1024
TOKEN = re.compile(
    r"""(?:\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\])*"|'[^']*')"""  # a string
    r"""|\#[^\n]*|[\w-]+|[^\S\n]+|.""",
    re.DOTALL,
)
TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
KINDS: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    dict: "a table",
    list: "a list",
    float: "a number",
}

Keys = tuple[str | int, ...]
Place = tuple[int, int]


def open_document(path: str, *, trusted: bool = False) -> Document:
    """Read the TOML file at ``path``; raise FaultsError when it cannot be read.

    A file that somebody other than root and the running user owns, or may write, is refused,
    unless it is ``trusted``, as the files that ship are.
    """
    raw = contents(path, trusted=trusted)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        before = raw[raw.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")
        said = f"byte {error.object[error.start]:#04x} is not UTF-8; expected UTF-8 text"
        raise FaultsError((Fault(path, line, len(before) + 1, said),)) from None
    if text.startswith("\ufeff"):
        said = "begins with a byte order mark; expected none"
        raise FaultsError((Fault(path, 1, 1, said),))
    return Document(path, text)


def contents(path: str, *, trusted: bool) -> bytes:
    """Give the bytes of a file of the configuration; raise FaultsError as ``open_document``."""
    try:
        with open(path, "rb", opener=without_waiting) as file:
            if not S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FaultsError((Fault(path, 0, 0, "is no regular file; expected one"),))
            if not trusted:
                refuse_foreign(path, file.fileno())
            raw = file.read(LARGEST + 1)
    except OSError as error:
        raise FaultsError((Fault(path, 0, 0, f"cannot be read: {error.strerror}"),)) from None
    if len(raw) > LARGEST:
        raise FaultsError((Fault(path, 0, 0, "is larger than 4 MiB; that is no such file"),))
    return raw


def without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe in its place must not make the reader wait for a writer."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def refuse_foreign(path: str, descriptor: int) -> None:
    """Raise FaultsError when the open file could have been written by somebody else."""
    status = os.fstat(descriptor)
    if status.st_uid not in (0, os.geteuid()):
        message = f"belongs to user {status.st_uid}; expected root or the user who runs this"
    elif status.st_mode & 0o022:
        message = f"may be written by others; expected no more than mode {status.st_mode & 0o755:o}"
    else:
        return
    raise FaultsError((Fault(path, 0, 0, message),))


class Document:
    """One TOML file: its text, its root table, the faults found so far."""

    def __init__(self, path: str, text: str) -> None:
        """Parse ``text``; raise FaultsError with the place when it is not TOML."""
        self.path = path
        self.text = text.replace("\r\n", "\n")
        self.lines = self.text.removesuffix("\n").split("\n")
        self.faults: list[Fault] = []
        try:
            values = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise FaultsError((self._syntax(str(error)),)) from None
        except RecursionError:
            raise FaultsError(
                (Fault(path, 0, 0, "is nested too deeply; expected a few levels"),)
            ) from None
        except ValueError as error:
            raise FaultsError((Fault(path, 0, 0, f"no TOML: {error}"),)) from None
        self.root = Table(self, (), values)

    def _syntax(self, message: str) -> Fault:
        found = TOML_PLACE.search(message)
        said = TOML_PLACE.sub("", message)
        said = said[:1].lower() + said[1:]
        if found and found[1]:
            return self.fault_at((int(found[1]), int(found[2])), f"no TOML: {said}")
        return self.fault_at((len(self.lines), 1), f"no TOML: {said}")

    def fault_at(self, place: Place, message: str, detail: str = "") -> Fault:
        """Give a fault at a line and column of this file."""
        line, column = place
        source = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        return Fault(self.path, line, column, message, source, detail)

    @cached_property
    def places(self) -> dict[Keys, Place]:
        """Where every key stands; nobody asks before there is a fault."""
        return dict(places_of(self.text))

    def place(self, keys: Keys) -> Place:
        """Give line and column of a key's name, or of the nearest table around it."""
        while keys:
            if keys in self.places:
                return self.places[keys]
            for inside, place in self.places.items():
                if inside[: len(keys)] == keys:
                    return place
            keys = keys[:-1]
        return (1, 1)

    def check(self) -> None:
        """Raise FaultsError when any fault was noted."""
        if self.faults:
            raise FaultsError(in_order(self.faults))


def places_of(text: str) -> Iterator[tuple[Keys, Place]]:
    """Give every ``(key path, (line, column))`` of a text that is TOML.

    A table inside a list is found with its index there.
    """
    prefix: Keys = ()
    arrays: dict[Keys, int] = {}
    line, begin = 1, 0
    names: list[str] = []
    place = (1, 1)
    brackets = 0
    naming = True  # a key or a header is being read, no value
    path: Keys = ()  # whose value is being read
    around: list[tuple[str, Keys, Iterator[int]]] = []  # the lists and tables that it lies in
    for found in TOKEN.finditer(text):
        word = found[0]
        if naming and (word[0].isalnum() or word[0] in "_-\"'"):
            place = place if names else (line, found.start() - begin + 1)
            names.append(_name(word))
        elif naming and word == "=":
            path = (*(around[-1][1] if around else prefix), *names)
            yield path, place
            names, naming = [], False
        elif naming and not around:
            if word == "[":
                brackets += 1
            elif word == "]" and names:
                prefix = _with_index(names, arrays)
                if brackets == 2:
                    arrays[prefix] = index = arrays.get(prefix, -1) + 1
                    prefix = (*prefix, index)
                yield prefix, place
                names, brackets = [], 0
        elif word in ("[", "{"):
            around.append((word, path, count()))
            naming = word == "{"
            path = path if naming else (*path, next(around[-1][2]))
        elif word == "," and around:
            naming = around[-1][0] == "{"
            path = path if naming else (*around[-1][1], next(around[-1][2]))
        elif word in ("]", "}") and around:
            path = around.pop()[1]
            naming = False
        elif word == "\n" and not around:
            naming = True
        if "\n" in word:
            line += word.count("\n")
            begin = found.start() + word.rindex("\n") + 1


def _name(token: str) -> str:
    """Give what a key stands for: itself, or what is inside its quotes."""
    return str(tomllib.loads(f"key = {token}")["key"]) if token[0] in "\"'" else token


def _with_index(names: list[str], arrays: dict[Keys, int]) -> Keys:
    """Give a table's path with the index of each array of tables that it lies in."""
    path: Keys = ()
    for name in names[:-1]:
        path = (*path, name)
        if path in arrays:
            path = (*path, arrays[path])
    return (*path, names[-1])


class Table:
    """One table of a file. Every key that is not asked for by the time of ``finish`` is a fault."""

    def __init__(self, document: Document, keys: Keys, values: dict[str, Any]) -> None:
        """Wrap ``values``, which stand at ``keys`` in ``document``."""
        self.document = document
        self.keys = keys
        self.values = values
        self._known: set[str] = set()

    def fault(
        self,
        key: str | None,
        message: str,
        offset: int | None = None,
        item: int = 0,
        detail: str = "",
    ) -> None:
        """Note a fault at ``key``, or in its text at character ``offset``.

        ``item`` says which text of a list is meant; ``detail`` is shown below.
        """
        keys = self.keys if key is None else (*self.keys, key)
        place = self.document.place(keys)
        if key is not None and offset is not None:
            value = self.values.get(key)
            text = value[item] if isinstance(value, list) else value
            place = self._inside(place, text, offset) if isinstance(text, str) else place
        self.document.faults.append(self.document.fault_at(place, message, detail))

    def _inside(self, place: Place, text: str, offset: int) -> Place:
        """Give the place of character ``offset`` of ``text``, a string without escapes.

        It is looked for between ``place`` and the next key.
        """
        lines = self.document.lines
        later = [each for each in self.document.places.values() if each > place]
        end = min(later, default=(len(lines), len(lines[-1]) + 1))
        whole = "\n".join([*lines[: end[0] - 1], lines[end[0] - 1][: end[1] - 1]])
        start = sum(len(line) + 1 for line in lines[: place[0] - 1]) + place[1] - 1
        for mark in ("'", "'\n", '"', '"\n'):
            found = whole.find(mark + text + mark[0], start)
            if found >= 0:
                at = found + len(mark) + offset
                line = whole.count("\n", 0, at)
                return line + 1, at - (whole.rfind("\n", 0, at) + 1) + 1
        return place

    def has(self, key: str) -> bool:
        """Say whether the file gives ``key``."""
        return key in self.values

    def get(self, key: str) -> Any:
        """Give what the file says for ``key``, or None."""
        self._known.add(key)
        return self.values.get(key)

    def _typed(self, key: str, kind: type, *, required: bool) -> Any:
        value = self.get(key)
        if value is None:
            if required:
                self.fault(None, f"`{key}` is missing; expected {KINDS[kind]}")
            return None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.fault(key, f"`{key}` is {_kind(value)}; expected {KINDS[kind]}")
            return None
        return value

    def text(self, key: str, default: str = "", *, required: bool = False) -> str:
        """Give the text at ``key``."""
        value = self._typed(key, str, required=required)
        return default if value is None else str(value)

    def integer(self, key: str, default: int, *, least: int = 0, most: int = 1 << 40) -> int:
        """Give the whole number at ``key``, between ``least`` and ``most``."""
        value = self._typed(key, int, required=False)
        if value is None:
            return default
        if not least <= value <= most:
            self.fault(key, f"`{key}` is {value}; expected {least} to {most}")
            return default
        return int(value)

    def boolean(self, key: str, *, default: bool) -> bool:
        """Give the truth value at ``key``."""
        value = self._typed(key, bool, required=False)
        return default if value is None else bool(value)

    def texts(
        self, key: str, default: tuple[str, ...] = (), *, required: bool = False
    ) -> tuple[str, ...]:
        """Give the texts at ``key``: a list of them, or one alone."""
        value = self.get(key)
        if value is None:
            if required:
                self.fault(None, f"`{key}` is missing; expected a text or a list of texts")
            return default
        values = value if isinstance(value, list) else [value]
        for item in values:
            if not isinstance(item, str):
                self.fault(key, f"`{key}` holds {_kind(item)}; expected texts")
                return default
        if required and not values:
            self.fault(key, f"`{key}` is empty; expected a text or a list of texts")
        return tuple(values)

    def choice(self, key: str, among: tuple[str, ...], default: str) -> str:
        """Give the text at ``key``, one of ``among``."""
        value = self.text(key, default)
        if value not in among:
            self.fault(key, f"`{key}` is {value!r}{meant(value, among)}; expected {listed(among)}")
            return default
        return value

    def duration(self, key: str, default: int) -> int:
        """Give the seconds at ``key``: a whole number of them, or a text such as ``10m``."""
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, int) and not isinstance(value, bool):
            value = f"{value}s"
        if not isinstance(value, str):
            self.fault(key, f"`{key}` is {_kind(value)}; expected a time such as 10m")
            return default
        try:
            return durations.parse(value)
        except durations.DurationError as error:
            self.fault(key, str(error))
            return default

    def table(self, key: str) -> Table | None:
        """Give the table at ``key``, or None."""
        value = self._typed(key, dict, required=False)
        return None if value is None else Table(self.document, (*self.keys, key), value)

    def tables(self, key: str) -> list[Table]:
        """Give the tables of the array ``[[key]]``."""
        value = self._typed(key, list, required=False) or []
        if not all(isinstance(item, dict) for item in value):
            self.fault(key, f"`{key}` is a list of values; expected tables, as [[{key}]]")
            return []
        return [
            Table(self.document, (*self.keys, key, index), item) for index, item in enumerate(value)
        ]

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for key in self.values:
            if key not in self._known:
                self.fault(key, f"unknown key `{key}`{meant(key, tuple(self._known))}")


def _kind(value: object) -> str:
    return KINDS.get(type(value), "a date or time")


def listed(words: Iterable[str]) -> str:
    """Give ``a, b or c``."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def meant(word: str, known: Iterable[str]) -> str:
    """Give `` (did you mean `maxretry`?)`` when a known word is near, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean `{near[0]}`?)" if near else ""
