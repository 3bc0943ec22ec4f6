"""`ipfw table NAME COMMAND`: tables of addresses, each with a number as its value."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .addresses import (
    is_number,
    longest_match,
    loose_address,
    network_of,
    strict_address,
    walk_order,
    written,
)
from .result import CommandError, NotModelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .addresses import Address, Network
    from .result import Talk

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,63}")
_USAGE, _DATA, _NO_HOST, _UNAVAILABLE, _SYSTEM = 64, 65, 68, 69, 71
# Octets: an empty table, and what an IPv4 and an IPv6 entry add.
_SIZE, _SIZE4, _SIZE6 = 296, 120, 128


@dataclass
class Table:
    """A table of type addr. `index` is the kernel's number for it; limit 0 is no limit."""

    index: int
    limit: int = 0
    entries: dict[Network, int] = field(default_factory=dict)

    def find(self, address: Address) -> Network | None:
        """The longest entry that holds the address."""
        return longest_match(self.entries, address)


@dataclass(frozen=True, slots=True)
class Key:
    """An entry's key as it was written: results show the host bits that a network loses."""

    address: Address
    length: int

    @property
    def network(self) -> Network:
        return network_of(self.address, self.length)

    def __str__(self) -> str:
        return f"{written(self.address)}/{self.length}"


class Tables(dict[str, Table]):
    """All tables by name."""

    def make(self, name: str, limit: int = 0) -> Table:
        """Make a table with the lowest free index, or give the one that is there."""
        used = {table.index for table in self.values()}
        index = next(number for number in range(1, len(used) + 2) if number not in used)
        return self.setdefault(name, Table(index, limit))


@dataclass(frozen=True, slots=True)
class TableCommand:
    """One command with its surroundings. `warn` writes on stderr; `references` counts rules."""

    tables: Tables
    references: Callable[[str], int]
    hosts: Mapping[str, str]
    talk: Talk
    warn: Callable[[str], None]
    quiet: bool
    dry: bool

    def run(self, words: Sequence[str]) -> None:
        """Do it. Raises CommandError where ipfw gives up."""
        if len(words) < 2:
            raise NotModelledError(f"ipfw table {words!r}")
        name, command, *arguments = words
        if not _NAME.fullmatch(name):
            raise CommandError(_USAGE, f"table name {name} is invalid")
        if self.dry and not (self.quiet and command in ("add", "delete") and name in self.tables):
            raise NotModelledError("ipfw -n with anything but a quiet add or delete")
        atomic = command == "atomic"
        if atomic:
            command, *arguments = arguments
            if command != "add":
                raise CommandError(_USAGE, f"atomic is not compatible with {command}")
        if name == "all":
            self._all(command)
        elif command == "add":
            self._add(name, arguments, atomic=atomic)
        elif command == "delete":
            self._delete(name, arguments)
        elif command == "create":
            self._create(name, arguments)
        elif command in ("lookup", "swap") and arguments:
            {"lookup": self._lookup, "swap": self._swap}[command](name, arguments[0])
        elif command in ("destroy", "flush"):
            {"destroy": self._destroy, "flush": self._flush}[command](name)
        elif command in ("list", "info", "detail"):
            self._print(name, command)
        else:
            raise NotModelledError(f"ipfw table {name} {command}")

    def _all(self, command: str) -> None:
        if command not in ("list", "info", "detail"):
            raise NotModelledError(f"ipfw table all {command}")
        # The order of the program: shorter names first, then as in a dictionary.
        for name in sorted(self.tables, key=lambda name: (len(name), name)):
            if command == "list":
                self.talk.out.append(_header(name))
            self._print(name, command)

    def _create(self, name: str, words: Sequence[str]) -> None:
        kind, limit, missing, or_flush = "addr", 0, False, False
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "type" and rest:
                kind = rest.pop(0)
            elif word == "limit" and rest:
                limit = int(rest.pop(0))
            elif word in ("missing", "or-flush"):
                missing, or_flush = True, or_flush or word == "or-flush"
            else:
                raise NotModelledError(f"ipfw table {name} create {word}")
        if name not in self.tables:
            if kind != "addr":
                raise NotModelledError(f"ipfw table of type {kind}")
            self.tables.make(name, limit)
            return
        if not missing:
            raise CommandError(_SYSTEM, "Table creation failed: File exists")
        if kind != "addr" or limit != self.tables[name].limit:
            text = "The existing table is not compatible with one you are creating."
            raise CommandError(_DATA, text)
        if or_flush:
            self.tables[name].entries.clear()

    def _add(self, name: str, words: Sequence[str], *, atomic: bool) -> None:
        pairs = self._pairs(name, words)
        if self.dry:
            return
        table = self.tables.make(name)
        entries = dict(table.entries)
        results: list[str] = []
        for key, value in pairs:
            if atomic and {"exists", "limit"} & set(results):
                results.append("ignored")
                continue
            results.append(self._result(table, entries, key))
            if results[-1] in ("added", "updated"):
                entries[key.network] = value
        failed = {"exists", "limit"} & set(results)
        if not (atomic and failed):
            table.entries = entries
        if self.quiet and "limit" not in failed:
            return
        for (key, value), result in zip(pairs, results, strict=True):
            undone = "(reverted)" if atomic and failed and result in ("added", "updated") else ""
            self.talk.out.append(f"{result}{undone}: {key} {value}")
        if failed:
            first = next(result for result in results if result in failed)
            reason = "record already exists" if first == "exists" else "limit hit"
            raise CommandError(_SYSTEM, f"Adding record failed: {reason}")

    def _result(self, table: Table, entries: Mapping[Network, int], key: Key) -> str:
        if key.network in entries:
            return "updated" if self.quiet else "exists"
        return "limit" if table.limit and len(entries) >= table.limit else "added"

    def _pairs(self, name: str, words: Sequence[str]) -> list[tuple[Key, int]]:
        """Every second word is a value: `add A B` adds A alone, with B as its value."""
        if not words:
            raise CommandError(_USAGE, "address required")
        pairs = []
        for position in range(0, len(words), 2):
            if name not in self.tables:
                self._make_for(name, words[0])
            key = self._key(words[position])
            value = self._value(words[position + 1]) if position + 1 < len(words) else 0
            pairs.append((key, value))
        return pairs

    def _make_for(self, name: str, word: str) -> None:
        """`add` makes a table that is missing, if the word looks like an address."""
        if strict_address(word.partition("/")[0]) is None:
            raise NotModelledError(f"ipfw guessing a table's type from {word!r}")
        if not self.quiet:
            text = f"inserting data into non-existent table {name}. (auto-created)"
            self.warn(f"DEPRECATED: {text}")
        self.tables.make(name)

    def _delete(self, name: str, words: Sequence[str]) -> None:
        if name not in self.tables:
            raise CommandError(_DATA, f"Table {name} does not exist")
        if not words:
            raise CommandError(_USAGE, "address required")
        keys = [self._key(word) for word in words]
        if self.dry:
            return
        entries = self.tables[name].entries
        results = [
            "notfound" if entries.pop(key.network, None) is None else "deleted" for key in keys
        ]
        if self.quiet:
            return
        for key, result in zip(keys, results, strict=True):
            self.talk.out.append(f"{result}: {key} 0")
        if "notfound" in results:
            raise CommandError(_SYSTEM, "Deleting record failed: record not found")

    def _lookup(self, name: str, word: str) -> None:
        if name not in self.tables:
            raise CommandError(_DATA, f"Table {name} does not exist")
        table = self.tables[name]
        found = table.find(self._key(word).address)
        if found is None:
            raise CommandError(_UNAVAILABLE, f"Entry {word} not found")
        self.talk.out.append(_line(found, table.entries[found]))

    def _swap(self, name: str, other: str) -> None:
        if not _NAME.fullmatch(other) or other == "all":
            raise CommandError(_USAGE, f"table name {other} is invalid")
        if name not in self.tables or other not in self.tables:
            raise NotModelledError("ipfw table swap with a table that is missing")
        one, two = self.tables[name], self.tables[other]
        for left, right in ((one, two), (two, one)):
            if left.limit and len(right.entries) > left.limit:
                raise CommandError(_USAGE, "Unable to swap table: check limits")
        one.entries, two.entries = two.entries, one.entries

    def _destroy(self, name: str) -> None:
        if name not in self.tables:
            self._missing(f"failed to destroy table {name}: No such process")
        elif self.references(name):
            text = f"failed to destroy table {name}: Device or resource busy"
            raise CommandError(_SYSTEM, text)
        else:
            del self.tables[name]

    def _flush(self, name: str) -> None:
        if name in self.tables:
            self.tables[name].entries.clear()
        else:
            self._missing(f"failed to flush table {name} info: No such process")

    def _missing(self, text: str) -> None:
        if not self.quiet:
            self.warn(text)

    def _print(self, name: str, command: str) -> None:
        if name not in self.tables:
            raise CommandError(_SYSTEM, "failed to request table info: No such process")
        table = self.tables[name]
        if command == "list":
            ordered = sorted(table.entries, key=walk_order)
            self.talk.out += [_line(network, table.entries[network]) for network in ordered]
            return
        six = sum(network.version == 6 for network in table.entries)
        four = len(table.entries) - six
        self.talk.out += [
            _header(name),
            f" kindex: {table.index}, type: addr",
            f" references: {self.references(name)}, valtype: legacy",
            " algorithm: addr:radix",
            f" items: {four + six}, size: {_SIZE + four * _SIZE4 + six * _SIZE6}",
        ]
        if table.limit:
            self.talk.out.append(f" limit: {table.limit}")
        if command == "detail":
            self.talk.out += [
                " IPv4 algorithm radix info",
                f"  items: {four} itemsize: {_SIZE4}",
                " IPv6 algorithm radix info",
                f"  items: {six} itemsize: {_SIZE6}",
            ]

    def _key(self, word: str) -> Key:
        host, slash, digits = word.partition("/")
        if slash and not is_number(digits):
            raise NotModelledError(f"ipfw key {word!r}")
        address = strict_address(host)
        if address is None:
            # A length after a name, or after what only inet_aton(3) reads, is not looked at.
            return Key(self._host(host), 32)
        if address.version == 6 and int(address) >> 32 == 0 and int(address) > 1:
            raise CommandError(_DATA, "Use IPv4 instead of v4-compatible")
        length = int(digits) if slash else address.max_prefixlen
        if length > address.max_prefixlen:
            text = f"bad IPv{address.version} mask width: {digits}"
            raise CommandError(_DATA, text)
        return Key(address, length)

    def _host(self, word: str) -> Address:
        address = loose_address(word) or strict_address(self.hosts.get(word, ""))
        if address is None:
            raise CommandError(_NO_HOST, f"hostname ``{word}'' unknown")
        return address

    def _value(self, word: str) -> int:
        """A number, or an IPv4 address taken as one."""
        if is_number(word) and (word == "0" or not word.startswith("0")):
            return int(word) % 2**32
        address = strict_address(word)
        if address is None or address.version != 4:
            raise NotModelledError(f"ipfw table value {word!r}")
        return int(address)


def _header(name: str) -> str:
    return f"--- table({name}), set(0) ---"


def _line(network: Network, value: int) -> str:
    return f"{written(network.network_address)}/{network.prefixlen} {value}"
