"""What the kernel's side of pf holds: anchors with rules and tables, states, limits.

Nothing here prints. An operation the kernel refuses raises CommandError with pfctl's text for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .addresses import longest_match
from .result import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .addresses import Address, Network
    from .pf_rules import Packet, Rule

MAIN = ""
FAILED = 255


@dataclass(frozen=True, slots=True)
class Member:
    """A word of a table command: an address or network, perhaps negated with `!`."""

    network: Network
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """What a table knows of a member; `since` is the kernel's clock in seconds."""

    negated: bool
    since: int


@dataclass
class Table:
    """A table. One that was killed while a rule reads it stays, not active and empty."""

    since: int
    persist: bool = False
    active: bool = False
    entries: dict[Network, Entry] = field(default_factory=dict)

    def holds(self, address: Address) -> bool:
        """Longest match; a negated entry takes its part out."""
        network = longest_match(self.entries, address)
        return network is not None and not self.entries[network].negated


@dataclass
class Anchor:
    """A ruleset with its tables; the main ruleset is the one without a name."""

    rules: tuple[Rule, ...] = ()
    tables: dict[str, Table] = field(default_factory=dict)

    def references(self, name: str) -> int:
        """How many rules read the table."""
        return sum(rule.table == name for rule in self.rules)

    def sweep(self) -> None:
        """Let go of the tables that neither `persist` nor a rule keeps."""
        for name, table in list(self.tables.items()):
            if not self.references(name):
                if not table.persist:
                    table.active = False
                if not table.active:
                    del self.tables[name]


@dataclass(frozen=True, slots=True)
class State:
    """A connection of TCP that was let in."""

    source: Address
    destination: Address
    source_port: int
    port: int

    def __str__(self) -> str:
        """Write the state as `pfctl -s states` does; IPv6 is from reading the source."""
        peer = _end(self.source, self.source_port)
        own = _end(self.destination, self.port)
        return f"all tcp {own} <- {peer}       ESTABLISHED:ESTABLISHED"


@dataclass
class Kernel:
    """All of it. `clock` is the kernel's own, in seconds."""

    clock: int
    request_maxcount: int
    table_entries: int
    enabled: bool = False
    anchors: dict[str, Anchor] = field(default_factory=lambda: {MAIN: Anchor()})
    states: list[State] = field(default_factory=list)

    def table(self, anchor: str, name: str) -> Table:
        """Find an active table."""
        table = self.anchors.get(anchor, Anchor()).tables.get(name)
        if table is None or not table.active:
            raise CommandError(FAILED, "pfctl: Table does not exist.")
        return table

    def create_table(self, anchor: str, name: str) -> bool:
        """Make a table that stays, and its anchor; False when it is there."""
        tables = self.anchors.setdefault(anchor, Anchor()).tables
        table = tables.setdefault(name, Table(self.clock))
        if table.active:
            return False
        table.active = table.persist = True
        return True

    def kill_table(self, anchor: str, name: str) -> bool:
        """Take a table away, also from under a rule; False when there is none."""
        home = self.anchors.get(anchor, Anchor())
        table = home.tables.get(name)
        if table is None or not table.active:
            return False
        home.tables[name] = Table(self.clock)
        home.sweep()
        return True

    def load(
        self,
        anchor: str,
        rules: tuple[Rule, ...],
        tables: Iterable[tuple[str, bool, Sequence[Member] | None]],
    ) -> None:
        """Put a ruleset in place of the old one; a table keeps its members unless given new."""
        home = self.anchors.setdefault(anchor, Anchor())
        home.rules = rules
        for rule in rules:
            if rule.action == "anchor":
                self.anchors.setdefault(below(anchor, rule.anchor.removesuffix("/*")), Anchor())
            if rule.table:
                home.tables.setdefault(rule.table, Table(self.clock))
        for name, persist, members in tables:
            table = home.tables.setdefault(name, Table(self.clock))
            if not table.active:
                table.since = self.clock
            table.persist, table.active = persist, True
            if members is not None:
                self.replace(table, members)
        home.sweep()

    def add(self, table: Table, members: Sequence[Member]) -> list[bool]:
        """Add all or none; says of each whether it was new."""
        self._check_count(len(members))
        added = []
        fresh = dict(table.entries)
        for member in members:
            added.append(member.network not in fresh)
            fresh.setdefault(member.network, Entry(member.negated, self.clock))
        self._check_entries(len(fresh) - len(table.entries))
        table.entries = fresh
        return added

    def delete(self, table: Table, members: Sequence[Member]) -> int:
        """Delete what is there, negated or not as named; says how many."""
        self._check_count(len(members))
        deleted = 0
        for member in members:
            entry = table.entries.get(member.network)
            if entry is not None and entry.negated == member.negated:
                del table.entries[member.network]
                deleted += 1
        return deleted

    def replace(self, table: Table, members: Sequence[Member]) -> tuple[int, int, int]:
        """Make the table these members; says how many were added, deleted and changed."""
        self._check_count(_buffer_size(len(members)))
        wanted = {member.network: member.negated for member in reversed(members)}
        old = table.entries
        added = len(wanted.keys() - old.keys())
        deleted = len(old.keys() - wanted.keys())
        changed = sum(
            old[network].negated != negated for network, negated in wanted.items() if network in old
        )
        self._check_entries(added - deleted)
        table.entries = {
            network: old[network]
            if network in old and old[network].negated == negated
            else Entry(negated, self.clock)
            for network, negated in wanted.items()
        }
        return added, deleted, changed

    def read(self, table: Table) -> dict[Network, Entry]:
        """All entries, as one request hands them out."""
        self._check_count(len(table.entries))
        return table.entries

    def verdict(self, packet: Packet) -> str:
        """What the rules say of the first packet of a connection, in the words of the rule."""
        return self._verdict(MAIN, packet)[0] if self.enabled else "pass"

    def _verdict(self, anchor: str, packet: Packet, so_far: str = "pass") -> tuple[str, bool]:
        """The last rule that fits decides, or the first with `quick`."""
        for rule in self.anchors[anchor].rules:
            if not (rule.takes(packet) and self._takes_source(anchor, rule, packet.source)):
                continue
            if rule.action == "anchor":
                for called in self._called(anchor, rule.anchor):
                    so_far, decided = self._verdict(called, packet, so_far)
                    if decided:
                        return so_far, True
            else:
                so_far = rule.action
                if rule.quick:
                    return so_far, True
        return so_far, False

    def _called(self, anchor: str, name: str) -> list[str]:
        """`x` is the anchor x, `x/*` are those below it and not x itself."""
        path = below(anchor, name.removesuffix("/*"))
        return self.children(path) if name.endswith("/*") else [path]

    def children(self, anchor: str) -> list[str]:
        """Names of the anchors directly below this one."""
        prefix = f"{anchor}/" if anchor else ""
        rests = {name: name.removeprefix(prefix) for name in self.anchors if name != MAIN}
        return sorted(
            name
            for name, rest in rests.items()
            if name.startswith(prefix) and rest and "/" not in rest
        )

    def _takes_source(self, anchor: str, rule: Rule, source: Address) -> bool:
        if not rule.table:
            return rule.takes_source(source)
        # A table that is not active in the anchor is looked for in the main ruleset.
        for place in (anchor, MAIN):
            table = self.anchors[place].tables.get(rule.table)
            if table is not None and table.active:
                return table.holds(source) != rule.source.startswith("!")
        return rule.source.startswith("!")

    def _check_count(self, count: int) -> None:
        if count > self.request_maxcount:
            raise CommandError(FAILED, "pfctl: Invalid argument.")

    def _check_entries(self, more: int) -> None:
        tables = (table for anchor in self.anchors.values() for table in anchor.tables.values())
        if sum(len(table.entries) for table in tables) + more > self.table_entries:
            raise CommandError(FAILED, "pfctl: Cannot allocate memory.")


def _end(address: Address, port: int) -> str:
    return f"{address}[{port}]" if address.version == 6 else f"{address}:{port}"


def below(anchor: str, name: str) -> str:
    """Path of an anchor named in a rule of another one."""
    if name.startswith("/"):
        return name[1:]
    return f"{anchor}/{name}" if anchor else name


def _buffer_size(count: int) -> int:
    """`-T replace` hands over its whole buffer, which grows from 64 by doubling."""
    size = 64
    while size < count:
        size *= 2
    return size
