"""The part of ipfw's rule language that the project and its users' rulesets here need.

Anything else ends in NotModelledError. From reading the source and not from a record are: ports and
how they are printed, `via`, `not established`, and which packets `established` and `setup` fit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .addresses import is_number, longest_match, network_of, strict_address
from .result import CommandError, NotModelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .addresses import Address

LAST = 65_535
PERMANENT_SET = 31
_STEP = 100
_ALLOW = {"allow", "accept", "pass", "permit"}
_DENY = {"deny", "drop"}
_PROTOCOLS = {"ip", "ip4", "ip6", "tcp", "udp", "icmp", "ipv6-icmp"}
_TABLE = re.compile(r"table\(([A-Za-z0-9_.-]{1,63})\)")
_REFUSALS = ("deny", "reset", "unreach")
_PORTS = re.compile(r"[0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*")
# Where every packet here comes in.
_INTERFACE = "em0"
_FLAGS = ("in", "out", "established", "not established", "setup", "keep-state")


@dataclass(frozen=True, slots=True)
class Packet:
    """A packet that comes in: the first of a connection, or one of an open connection."""

    source: Address
    protocol: str
    port: int
    established: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """What a rule says, in the words `ipfw list` uses for it."""

    action: str
    protocol: str = ""
    source: str = "any"
    destination: str = "any"
    options: tuple[str, ...] = ()
    comment: str = ""

    @property
    def table(self) -> str:
        """Name of the table the rule reads, or empty."""
        found = _TABLE.fullmatch(self.source)
        return found[1] if found else ""

    @property
    def refuses(self) -> bool:
        """Whether what fits the rule is stopped: dropped, reset or answered by an error."""
        return self.action.startswith(_REFUSALS)

    def written(self, before_ports: str = "") -> str:
        """Write the rule as `ipfw list` does, after number and set.

        `before_ports` is "dst-port " for an ipfw that names the ports so.
        """
        if self.action == "check-state":
            return "check-state :default"
        options = [
            f"{option} :default" if option == "keep-state" else option for option in self.options
        ]
        if options and options[0].startswith("dst-port "):
            options[0] = before_ports + options[0].removeprefix("dst-port ")
        words = [self.action, self.protocol, "from", self.source, "to", self.destination, *options]
        return " ".join([*words, "//", self.comment] if self.comment else words)

    def takes(self, packet: Packet, holds: Callable[[str, Address], bool], has_state: bool) -> bool:
        """Whether the packet fits; `holds` looks into a table, `has_state` is for check-state."""
        if self.action == "check-state":
            return packet.established and has_state
        return (
            self._takes_protocol(packet)
            and self._takes_source(packet.source, holds)
            and all(_takes_option(option, packet) for option in self.options)
        )

    def _takes_protocol(self, packet: Packet) -> bool:
        versions = {"ip4": 4, "ip6": 6}
        if self.protocol in versions:
            return versions[self.protocol] == packet.source.version
        return self.protocol in ("ip", packet.protocol)

    def _takes_source(self, address: Address, holds: Callable[[str, Address], bool]) -> bool:
        if self.table:
            return holds(self.table, address)
        if self.source == "any":
            return True
        host, _, length = self.source.partition("/")
        network = strict_address(host)
        if network is None:
            raise NotModelledError(f"ipfw rule from {self.source!r}")
        own = network_of(network, int(length) if length else None)
        return longest_match((own,), address) is not None


def _takes_option(option: str, packet: Packet) -> bool:
    name, _, argument = option.partition(" ")
    if name == "dst-port":
        ranges = (part.partition("-") for part in argument.split(","))
        named = any(int(a) <= packet.port <= int(b or a) for a, _, b in ranges)
        return named and packet.protocol in ("tcp", "udp")
    if name == "via":
        return argument == _INTERFACE
    is_tcp = packet.protocol == "tcp"
    fits = {
        "in": True,
        "out": False,
        "established": is_tcp and packet.established,
        "not established": not (is_tcp and packet.established),
        "setup": is_tcp and not packet.established,
        "keep-state": True,
    }
    return fits[option]


@dataclass(frozen=True, slots=True)
class State:
    """A connection of TCP that a `keep-state` rule has let in; `number` is the rule's."""

    number: int
    source: Address
    source_port: int
    destination: Address
    port: int

    def __str__(self) -> str:
        """Write it as `ipfw -d list` does."""
        ends = f"{self.source} {self.source_port} <-> {self.destination} {self.port}"
        return f"{self.number:05} STATE tcp {ends} :default"


@dataclass
class Installed:
    """A rule in its place, with the packets it has met."""

    number: int
    set_number: int
    rule: Rule
    packets: int = 0
    octets: int = 0


def parse_add(words: Sequence[str], before: Sequence[Installed]) -> Installed:
    """Read what follows `add`; a rule without a number goes behind those before the last."""
    rest = list(words)
    number = int(rest.pop(0)) if is_number(rest[0]) else next_number(before)
    set_number = 0
    if rest[0] == "set":
        set_number = int(rest[1])
        if set_number > PERMANENT_SET:
            raise CommandError(65, f"illegal set {rest[1]}")
        del rest[:2]
    if not 0 < number < LAST:
        raise CommandError(69, "getsockopt(IP_FW_XADD): Invalid argument")
    return Installed(number, set_number, parse_rule(rest))


def next_number(before: Sequence[Installed]) -> int:
    """A hundred more than the highest number in use, the default rule's apart."""
    return max((place.number for place in before if place.number != LAST), default=0) + _STEP


def parse_rule(words: Sequence[str]) -> Rule:
    """Read a rule from its action on."""
    rest = list(words)
    if rest == ["check-state"]:
        return Rule("check-state")
    comment = ""
    if "//" in rest:
        comment = " ".join(rest[rest.index("//") + 1 :])
        del rest[rest.index("//") :]
    action = _action(rest)
    if len(rest) < 5 or rest[1] != "from" or rest[3] != "to":
        raise NotModelledError(f"ipfw rule: {' '.join(words)!r}")
    protocol, _, source, _, destination, *options = rest
    if options and _PORTS.fullmatch(options[0]):
        options.insert(0, "dst-port")
    protocol = "ip" if protocol == "all" else protocol
    known = _TABLE.fullmatch(source) or source == "any" or strict_address(source.split("/")[0])
    if protocol not in _PROTOCOLS or not known or destination not in ("any", "me"):
        raise NotModelledError(f"ipfw rule: {' '.join(words)!r}")
    return Rule(action, protocol, source, destination, _options(options), comment)


def _action(rest: list[str]) -> str:
    word = rest.pop(0)
    if word in _ALLOW:
        return "allow"
    if word in _DENY:
        return "deny"
    if word in ("unreach", "unreach6"):
        return f"{word} {rest.pop(0)}"
    if word == "reset":
        return word
    raise NotModelledError(f"ipfw action {word!r}")


def _options(words: Sequence[str]) -> tuple[str, ...]:
    options: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "not" and rest:
            word = f"not {rest.pop(0)}"
        if word == "dst-port" and rest and _PORTS.fullmatch(rest[0]):
            # They are printed right behind the destination, wherever they were written.
            options.insert(0, f"dst-port {rest.pop(0)}")
        elif word == "via" and rest:
            options.append(f"via {rest.pop(0)}")
        elif word in _FLAGS:
            options.append(word)
        else:
            raise NotModelledError(f"ipfw option {word!r}")
    return tuple(options)
