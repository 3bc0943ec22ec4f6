"""`pfctl -t TABLE -T COMMAND`: words to members, kernel operations, and what is said about them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .addresses import (
    is_number,
    loose_address,
    network_of,
    split_words,
    strict_address,
    walk_order,
    written,
)
from .pf_kernel import FAILED, Kernel, Member, Table
from .result import CommandError, NotModelledError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .addresses import Address, Network
    from .result import Talk

LONGEST_NAME = 31
_LONGEST_WORD = 255


@dataclass(frozen=True, slots=True)
class Names:
    """What else a word can be: an interface with its addresses, a host name with its own."""

    interfaces: Mapping[str, Sequence[str]]
    hosts: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class TableCommand:
    """One `-T` command with its surroundings. `text` is what `-f` reads, None without `-f`."""

    kernel: Kernel
    anchor: str
    name: str
    names: Names
    talk: Talk
    now: int
    quiet: bool
    verbose: int
    dry: bool
    file: str
    text: str | None

    def run(self, command: str, words: Sequence[str]) -> int:
        """Do it; gives the exit code. Raises CommandError where pfctl gives up."""
        if command in ("add", "delete", "replace", "test"):
            return self._with_addresses(command, words)
        if self.text is not None or len(words) != (1 if command == "expire" else 0):
            raise NotModelledError(f"-T {command} with arguments {words!r}")
        if command == "show":
            self._show()
        elif command == "kill":
            self._say(f"{self.kernel.kill_table(self.anchor, self.name):d} table deleted")
        elif command == "flush":
            table = self._table()
            self._say(f"{len(table.entries)} addresses deleted")
            table.entries.clear()
        elif command == "expire":
            self._expire(int(words[0]))
        else:
            raise NotModelledError(f"-T {command}")
        return 0

    def _with_addresses(self, command: str, words: Sequence[str]) -> int:
        if self.verbose and command != "add":
            raise NotModelledError(f"-v with -T {command}")
        members = list(self._members(words, hosts_only=command == "test"))
        if command in ("add", "replace") and self.kernel.create_table(self.anchor, self.name):
            self.talk.err += collisions(self.kernel, self.name)
            self._say("1 table created")
            if self.dry:
                return 0
        table = self._table()
        if command == "add":
            self._add(table, members)
        elif command == "delete":
            deleted = self.kernel.delete(table, members)
            self._say(f"{deleted}/{len(members)} addresses deleted")
        elif command == "replace":
            self._replace(table, members)
        else:
            return self._test(table, members)
        return 0

    def _add(self, table: Table, members: Sequence[Member]) -> None:
        added = self.kernel.add(table, members)
        self._say(f"{sum(added)}/{len(members)} addresses added")
        for member, new in zip(members, added, strict=True):
            if new and self.verbose:
                self.talk.out.append(f"A {shown(member)}")
            elif self.verbose > 1:
                self.talk.out.append(f"  {shown(member)}")

    def _replace(self, table: Table, members: Sequence[Member]) -> None:
        counts = dict(
            zip(("added", "deleted", "changed"), self.kernel.replace(table, members), strict=True)
        )
        for done, count in counts.items():
            if count:
                self._say(f"{count} addresses {done}")
        if not any(counts.values()):
            self._say("no changes")

    def _test(self, table: Table, members: Sequence[Member]) -> int:
        matches = sum(table.holds(member.network.network_address) for member in members)
        self._say(f"{matches}/{len(members)} addresses match")
        return 0 if matches == len(members) else 2

    def _show(self) -> None:
        entries = self.kernel.read(self._table())
        for network in sorted(entries, key=walk_order):
            entry = entries[network]
            self.talk.out.append(f"  {shown(Member(network, entry.negated))}")
            if self.verbose:
                self.talk.out.append(f"\tCleared:     {date(entry.since)}")

    def _expire(self, seconds: int) -> None:
        table = self._table()
        due = [
            Member(network, entry.negated)
            for network, entry in self.kernel.read(table).items()
            # pfctl compares its own clock with the kernel's stamp.
            if self.now - entry.since > seconds
        ]
        self._say(f"{self.kernel.delete(table, due)}/{len(due)} addresses expired")

    def _table(self) -> Table:
        return self.kernel.table(self.anchor, self.name)

    def _say(self, text: str) -> None:
        if not self.quiet:
            self.talk.err.append(f"{text}{' (dummy)' if self.dry else ''}.")

    def _members(self, words: Sequence[str], *, hosts_only: bool) -> Iterator[Member]:
        for word in words:
            try:
                yield from members_of(word, self.names, hosts_only=hosts_only)
            except BadWordError as bad:
                if bad.invalid:
                    text = f"pfctl: cannot decode {word}: Invalid argument"
                    raise CommandError(FAILED, text) from bad
                raise CommandError(FAILED, bad.text) from bad
        for word in file_words(self.text or ""):
            try:
                yield from members_of(word, self.names, hosts_only=hosts_only)
            except BadWordError as bad:
                if bad.text:
                    self.talk.err.append(bad.text)
                why = "Invalid argument" if bad.invalid else "Success"
                raise CommandError(FAILED, f"pfctl: cannot load {self.file}: {why}") from bad


class BadWordError(Exception):
    """A word that is no address: with a text of its own, or invalid in the kernel's sense."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.invalid = not text


def file_words(text: str) -> Iterator[str]:
    """Split a file of addresses: `#` at the start of a word hides the rest of the line."""
    for line in text.split("\n"):
        for word in split_words(line):
            if word.startswith("#"):
                break
            yield word


def members_of(word: str, names: Names, *, hosts_only: bool = False) -> Iterator[Member]:
    """Give what a word stands for: several members for an interface or a host name."""
    if len(word) > _LONGEST_WORD:
        raise BadWordError
    plain = word.lstrip("!")
    negated = (len(word) - len(plain)) % 2 == 1
    for network in _networks(plain, names):
        if hosts_only and (negated or network.prefixlen != network.max_prefixlen):
            raise BadWordError
        yield Member(network, negated)


def _networks(word: str, names: Names) -> list[Network]:
    host, slash, digits = word.rpartition("/") if "/" in word else (word, "", "")
    if slash and not (is_number(digits) and int(digits) <= 128):
        raise BadWordError(f"invalid netmask '/{digits}'")
    length = int(digits) if slash else None
    if host in names.interfaces:
        if slash:
            raise NotModelledError(f"an interface with a length: {word!r}")
        return [network_of(_listed(address)) for address in names.interfaces[host]]
    if slash and int(digits) <= 32:
        padded = _padded(host)
        if padded is not None:
            return [network_of(padded, length)]
    found: list[Address] = [_listed(address) for address in names.hosts.get(host, ())]
    single = strict_address(host) or loose_address(host)
    if single is not None:
        found = [single]
    if not found:
        raise BadWordError(f"no IP address found for {word}")
    if any(length is not None and length > address.max_prefixlen for address in found):
        raise BadWordError
    return [network_of(address, length) for address in found]


def _padded(host: str) -> Address | None:
    """Before a slash the octets left out are zeros at the end: `192.0.2/24`, `0/0`."""
    octets = host.split(".")
    if len(octets) > 4 or not all(map(is_number, octets)):
        return None
    return strict_address(".".join(str(int(octet)) for octet in (octets + ["0"] * 3)[:4]))


def _listed(text: str) -> Address:
    address = strict_address(text)
    if address is None:
        raise ValueError(f"not an address: {text!r}")
    return address


def shown(member: Member) -> str:
    """Write a member as `-T show` does, after its first two columns."""
    network = member.network
    length = "" if network.prefixlen == network.max_prefixlen else f"/{network.prefixlen}"
    return f"{'!' if member.negated else ' '}{written(network.network_address)}{length}"


def date(seconds: int) -> str:
    """Write a time as ctime(3) does in a system that keeps UTC."""
    return time.asctime(time.gmtime(seconds))


def collisions(kernel: Kernel, only: str | None = None) -> list[str]:
    """The warning about a table that the main ruleset and an anchor both have, if any."""
    main, *anchors = (
        {name for name, table in anchor.tables.items() if table.active}
        for anchor in kernel.anchors.values()
    )
    shared = sorted(main & set[str]().union(*anchors) & ({only} if only else main))
    if len(shared) > 1:
        text = f"namespace collisions with {len(shared)} global tables."
    elif shared:
        text = f"namespace collision with <{shared[0]}> global table."
    else:
        return []
    return [f"pfctl: warning: {text}"]
