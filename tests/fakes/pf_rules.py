"""The part of pf's rule language that the project and its users' rulesets here need.

A word outside it ends in NotModelledError when pf knows it, in a syntax error when pf does not.

From reading the source and not from a record are: ranges of ports, ports without a name, the names
of other services than echo, ssh and smtp, and several protocols in one statement.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, replace
from typing import Literal

from .addresses import Address, Network, is_number, longest_match, network_of, strict_address
from .result import NotModelledError

# Names that /etc/services gives to the ports used here; `pfctl -s rules` prints the name.
_SERVICES = {
    7: "echo",
    22: "ssh",
    25: "smtp",
    53: "domain",
    80: "http",
    143: "imap",
    443: "https",
}
# From here on /etc/services has no names.
_FIRST_DYNAMIC_PORT = 49_152
_PORTS = {name: port for port, name in _SERVICES.items()}
_PROTOCOLS = ("tcp", "udp", "icmp", "icmp6")
# Words of pf.conf(5) which stop a rule here without being a mistake.
# fmt: off
_OTHER_WORDS = frozenset((
    "allow-opts", "altq", "antispoof", "binat", "binat-anchor", "const", "counters", "dup-to",
    "file", "flags", "group", "icmp-type", "icmp6-type", "include", "keep", "label", "load",
    "log", "match", "modulate", "nat", "nat-anchor", "on", "no", "os", "port", "probability",
    "queue", "rdr", "rdr-anchor", "received-on", "reply-to", "return-icmp", "return-icmp6",
    "return-rst", "route-to", "rtable", "scrub", "self", "set", "synproxy", "tag", "tagged",
    "tos", "urpf-failed", "user", "=",
))
# fmt: on
_TOKEN = re.compile(r'"[^"]*"|<[^<>\s]*>|[{}!,=]|[^\s{}!,="<>]+')


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection that comes in."""

    source: Address
    protocol: str
    port: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule after the lists in braces are spread out. Empty text means: not limited by this."""

    action: Literal["block drop", "block return", "pass", "anchor"]
    anchor: str = ""
    direction: str = ""
    quick: bool = False
    family: str = ""
    protocol: str = ""
    source: str = "any"
    ports: tuple[int, int] | None = None

    @property
    def table(self) -> str:
        """Name of the table the rule reads, or empty."""
        name = self.source.removeprefix("!")
        return name[1:-1] if name.startswith("<") else ""

    def __str__(self) -> str:
        """Write the rule as `pfctl -s rules` prints it."""
        name = f' "{self.anchor}"' if self.action == "anchor" else ""
        limits = [self.direction, "quick" if self.quick else "", self._family()]
        limits.append(f"proto {self.protocol}" if self.protocol else "")
        tail = ""
        if self.action == "pass":
            tail = " flags S/SA" if self.protocol in ("", "tcp") else ""
            tail += " keep state"
        words = " ".join(limit for limit in limits if limit)
        return f"{self.action}{name}{' ' if words else ''}{words} {self._hosts()}{tail}"

    def _family(self) -> str:
        if self.family or self.source == "any" or self.table:
            return self.family
        return "inet6" if ":" in self.source else "inet"

    def _hosts(self) -> str:
        if self.source == "any" and self.ports is None:
            return "all"
        return f"from {self.source} to any{self._port()}"

    def _port(self) -> str:
        if self.ports is None:
            return ""
        first, last = self.ports
        return f" port = {_service_name(first)}" if first == last else f" port {first}:{last}"

    def takes(self, packet: Packet) -> bool:
        """Whether all but the source fits the packet."""
        families = {4: "inet", 6: "inet6"}
        return (
            self.direction != "out"
            and self.family in ("", families[packet.source.version])
            and self.protocol in ("", packet.protocol)
            and (self.ports is None or self._takes_port(packet))
        )

    def _takes_port(self, packet: Packet) -> bool:
        first, last = self.ports or (0, 0)
        return packet.protocol in ("tcp", "udp") and first <= packet.port <= last

    def takes_source(self, address: Address) -> bool:
        """Whether the source fits; for a rule without a table."""
        if self.source == "any":
            return True
        network = _network(self.source.removeprefix("!"))
        held = longest_match((network,), address) is not None
        return held != self.source.startswith("!")


@dataclass(frozen=True, slots=True)
class TableLine:
    """A `table <name>` statement. No braces are None: the table keeps what it has."""

    name: str
    persist: bool
    words: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Ruleset:
    """What a text says; `mistakes` are the numbers of the lines with a syntax error."""

    rules: tuple[Rule, ...]
    tables: tuple[TableLine, ...]
    mistakes: tuple[int, ...]


def parse(text: str) -> Ruleset:
    """Read a ruleset, a statement a line."""
    rules: list[Rule] = []
    tables: list[TableLine] = []
    mistakes: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        words = _Words(_TOKEN.findall(line.partition("#")[0]))
        try:
            words.refuse_macros()
            if words.take("table"):
                tables.append(_table_line(words))
            elif not words.at_end():
                rules += _rules(words)
        except _MistakeError:
            mistakes.append(number)
    return Ruleset(tuple(rules), tuple(tables), tuple(mistakes))


class _MistakeError(Exception):
    """A syntax error in the statement at hand."""


class _Words:
    """The words of a statement, read from the left."""

    def __init__(self, words: list[str]) -> None:
        self._words = words
        self._next = 0

    def refuse_macros(self) -> None:
        if self._words[1:2] == ["="] or any(word.startswith("$") for word in self._words):
            raise NotModelledError("pf macros")

    def at_end(self) -> bool:
        return self._next == len(self._words)

    def take(self, *wanted: str) -> str:
        """Read the next word if it is one of these, or give an empty text."""
        if self.at_end() or self._words[self._next] not in wanted:
            return ""
        return self.any()

    def any(self) -> str:
        if self.at_end():
            raise _MistakeError
        self._next += 1
        return self._words[self._next - 1]

    def several(self) -> list[str]:
        """Read one word, or a list in braces."""
        return self.braces() if self.take("{") else [self._signed()]

    def braces(self) -> list[str]:
        """Read the rest of a list in braces, with or without commas."""
        words: list[str] = []
        while not self.take("}"):
            words.append(self._signed())
            self.take(",")
        return words

    def _signed(self) -> str:
        return "!" + self.any() if self.take("!") else self.any()

    def end(self) -> None:
        """Fail unless all words are read."""
        if self.at_end():
            return
        word = self.any()
        if word in _OTHER_WORDS:
            raise NotModelledError(f"pf rule with {word!r}")
        raise _MistakeError


def _table_line(words: _Words) -> TableLine:
    name = words.any()
    if not name.startswith("<"):
        raise _MistakeError
    persist = bool(words.take("persist"))
    members = tuple(words.braces()) if words.take("{") else None
    words.end()
    if members == ():
        raise NotModelledError("pf table with nothing in its braces")
    return TableLine(name[1:-1], persist, members)


def _rules(words: _Words) -> list[Rule]:
    first = words.take("block", "pass", "anchor")
    if not first:
        words.end()
    rule = Rule("pass")
    if first == "block":
        rule = Rule("block return" if words.take("drop", "return") == "return" else "block drop")
    elif first == "anchor":
        rule = Rule("anchor", anchor=_quoted(words.any()))
    rule = replace(rule, direction=words.take("in", "out"), quick=bool(words.take("quick")))
    if first == "anchor" and rule.quick:
        raise NotModelledError("anchor with quick")
    rule = replace(rule, family=words.take("inet", "inet6"))
    protocols = words.several() if words.take("proto") else [""]
    sources, ports = _hosts(words)
    words.end()
    return [
        replace(rule, protocol=_protocol(protocol), source=_source(source), ports=between)
        for protocol, source, between in itertools.product(protocols, sources, ports)
    ]


def _hosts(words: _Words) -> tuple[list[str], list[tuple[int, int] | None]]:
    sources, ports = ["any"], list[tuple[int, int] | None]([None])
    if words.take("all"):
        return sources, ports
    if words.take("from"):
        sources = words.several()
    if words.take("to"):
        # `to port 7` leaves the host out.
        if words.take("port"):
            return sources, _ports(words)
        if not words.take("any"):
            raise NotModelledError(f"pf rule to {words.any()!r}; only `any` is modelled")
        if words.take("port"):
            ports = _ports(words)
    return sources, ports


def _ports(words: _Words) -> list[tuple[int, int] | None]:
    if words.take("="):
        port = _port(words.any())
        return [(port, port)]
    return [_range(word) for word in words.several()]


def _range(word: str) -> tuple[int, int]:
    """Read a port, or a range as in `8000:8010`."""
    first, colon, last = word.partition(":")
    return _port(first), _port(last if colon else first)


def _port(word: str) -> int:
    if is_number(word):
        return int(word)
    if word in _PORTS:
        return _PORTS[word]
    raise NotModelledError(f"pf rule with port {word!r}")


def _service_name(port: int) -> str:
    if port in _SERVICES or port >= _FIRST_DYNAMIC_PORT:
        return _SERVICES.get(port, str(port))
    raise NotModelledError(f"how pfctl prints port {port}")


def _protocol(word: str) -> str:
    if word and word not in _PROTOCOLS:
        raise NotModelledError(f"pf rule with protocol {word!r}")
    return word


def _source(word: str) -> str:
    name = word.removeprefix("!")
    if name != "any" and not name.startswith("<"):
        _network(name)
    return word


def _network(word: str) -> Network:
    address, _, length = word.partition("/")
    parsed = strict_address(address)
    if parsed is None or (length and not is_number(length)):
        raise NotModelledError(f"pf rule from {word!r}")
    return network_of(parsed, int(length) if length else None)


def _quoted(word: str) -> str:
    if not word.startswith('"'):
        raise NotModelledError(f"anchor name without quotes: {word!r}")
    return word[1:-1]
