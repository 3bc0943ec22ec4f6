"""FreeBSD's ipfw(8) and ipfw in memory, as recorded on 13.0.

Held to tests/transcripts/ipfw13*.transcript. The default rule allows, as there. From reading the
source and not from a record are: a table's `limit` (results and `check limits`), `(reverted)`,
`:default` after a keep-state, that an option in a line of a file stays on for the lines after it,
`set N delete`, `set enable`, `set disable` and how a disabled rule is listed. Standard input is
never a terminal here, so nothing is asked.
"""

from __future__ import annotations

import getopt
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .addresses import is_number, split_words, strict_address
from .ipfw_rules import LAST, PERMANENT_SET, Installed, Packet, Rule, State, parse_add
from .ipfw_tables import TableCommand, Tables
from .result import CommandError, NotModelledError, Result, Talk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .addresses import Address

_USAGE, _UNAVAILABLE = 64, 69
# Octets that the kernel hands out for one dynamic rule.
_STATE_SIZE = 152
_LINE_BUFFER = 4096
_STDIN = ("/dev/stdin", "/dev/fd/0")
# fmt: off
_OTHER_COMMANDS = frozenset((
    "disable", "enable", "flowset", "internal", "nat", "nat64clat", "nat64lsn", "nat64stl",
    "nptv6", "pipe", "print", "queue", "resetlog", "sched", "sysctl", "zero",
))
# fmt: on


@dataclass(frozen=True, slots=True)
class _Options:
    counters: bool = False
    quiet: bool = False
    dry: bool = False
    sets: bool = False
    states: bool = False


class FakeIpfw:
    """One machine's ipfw, driven with `run`. It has the default rule at first and no table.

    `files` are the texts that an absolute path as last argument finds, `hosts` the addresses of
    host names; `before_ports` is how a list of rules names ports, which has changed in time.
    """

    def __init__(
        self,
        *,
        files: Mapping[str, str] | None = None,
        hosts: Mapping[str, str] | None = None,
        before_ports: str = "",
    ) -> None:
        self.files = dict(files or {})
        self.hosts = dict(hosts or {})
        self.before_ports = before_ports
        self.disabled: set[int] = set()
        self.states: list[State] = []
        self.tables = Tables()
        self.rules = [Installed(LAST, PERMANENT_SET, Rule("allow", "ip"))]

    def blocks(
        self, address: str, *, protocol: str = "tcp", port: int = 22, established: bool = False
    ) -> bool:
        """Whether a packet from this address is stopped; see `verdict`."""
        packet = Packet(_address(address), protocol, port, established)
        return self._deciding(packet).rule.refuses

    def verdict(
        self, address: str, *, protocol: str = "tcp", port: int = 22, established: bool = False
    ) -> str:
        """What becomes of a packet from this address: the action of the first rule that fits.

        A packet of an open connection is taken to have the state that a `keep-state` rule, if
        there is one, gave to its connection before.
        """
        packet = Packet(_address(address), protocol, port, established)
        return self._deciding(packet).rule.action

    def connect(self, source: str, source_port: int, destination: str, port: int) -> bool:
        """Open a connection, which may leave a state; False when it is stopped."""
        place = self._deciding(Packet(_address(source), "tcp", port, established=False))
        if "keep-state" in place.rule.options:
            ends = _address(source), source_port, _address(destination), port
            self.states.append(State(place.number, *ends))
        return not place.rule.refuses

    def _deciding(self, packet: Packet) -> Installed:
        enabled = [place for place in self.rules if place.set_number not in self.disabled]
        has_state = any("keep-state" in place.rule.options for place in enabled)
        return next(place for place in enabled if place.rule.takes(packet, self._holds, has_state))

    def count(self, number: int, *, packets: int, octets: int) -> None:
        """Let packets go by: they are added to the counters of the rules with this number."""
        for place in self.rules:
            if place.number == number:
                place.packets += packets
                place.octets += octets

    def run(self, argv: Sequence[str], stdin: str = "") -> Result:
        """Run `ipfw` with these arguments, the program's name first."""
        talk = Talk()
        arguments = list(argv[1:])
        if not arguments:
            raise NotModelledError("ipfw without arguments")
        try:
            if arguments[-1].startswith("/"):
                self._run_file(arguments, stdin, talk)
            else:
                self._run_command("ipfw", _words(arguments), _Options(), talk)
        except CommandError as error:
            talk.err.append(error.text)
            return talk.result(error.code)
        return talk.result(0)

    def _run_file(self, arguments: Sequence[str], stdin: str, talk: Talk) -> None:
        """Run a command a line; the first that fails ends the process."""
        *before, path = arguments
        options, words = _read_options(before, _Options(), "fnqSp:")
        if words:
            raise NotModelledError(f"ipfw file with arguments: {arguments!r}")
        text = stdin if path in _STDIN else self.files.get(path)
        if text is None:
            raise CommandError(_USAGE, f"ipfw: pathname: {path}: No such file or directory")
        for number, line in enumerate(_buffers(text), start=1):
            # What a line switches on stays on for the lines after it.
            options = self._run_command(f"Line {number}", _words([line]), options, talk)

    def _run_command(
        self, name: str, words: Sequence[str], options: _Options, talk: Talk
    ) -> _Options:
        try:
            options, words = _read_options(words, options, "adfnqS")
            if words:
                self._dispatch(words, _Call(options, name, talk))
        except CommandError as error:
            raise CommandError(error.code, f"{name}: {error.text}") from error
        return options

    def _dispatch(self, words: Sequence[str], call: _Call) -> None:
        only_set = None
        if words[0] == "set" and words[1:2] and is_number(words[1]):
            only_set = int(words[1])
            words = words[2:]
        command, *arguments = words or ["set"]
        if command == "table":
            self._table(arguments, call)
        elif call.options.dry:
            raise NotModelledError(f"ipfw -n {command}")
        elif command in ("list", "show"):
            self._list(arguments, only_set, call, command == "show")
        elif command == "delete":
            self._delete(arguments, only_set, call)
        elif only_set is not None:
            raise NotModelledError(f"ipfw set {only_set} {command}")
        elif command == "add":
            self._add(arguments, call)
        elif command == "flush":
            self._flush(call)
        elif command == "set" and arguments[:1] in (["enable"], ["disable"]):
            self._switch(arguments[0] == "enable", arguments[1:])
        elif command == "set" or command in _OTHER_COMMANDS:
            raise NotModelledError(f"ipfw {command}")
        else:
            raise CommandError(_USAGE, f"bad command `{command}'")

    def _table(self, words: Sequence[str], call: _Call) -> None:
        options = call.options
        TableCommand(
            self.tables,
            self._references,
            self.hosts,
            call.talk,
            call.warn,
            options.quiet,
            options.dry,
        ).run(words)

    def _add(self, words: Sequence[str], call: _Call) -> None:
        place = parse_add(words, self.rules)
        table = place.rule.table
        if table:
            self.tables.make(table)
        self.rules.append(place)
        # A stable sort: of one number, the rule that came first stays first.
        self.rules.sort(key=lambda each: each.number)
        if not call.options.quiet:
            call.talk.out.append(self._line(place, call.options))

    def _switch(self, on: bool, words: Sequence[str]) -> None:
        numbers = {int(word) for word in words if is_number(word)}
        if not words or len(numbers) != len(words) or PERMANENT_SET in numbers:
            raise NotModelledError(f"ipfw set enable or disable {words!r}")
        self.disabled = self.disabled - numbers if on else self.disabled | numbers

    def _delete(self, words: Sequence[str], only_set: int | None, call: _Call) -> None:
        by_set = words[:1] == ["set"]
        numbers = words[1:] if by_set else words
        if not numbers or not all(map(is_number, numbers)) or (by_set and only_set is not None):
            raise NotModelledError(f"ipfw delete {words!r}")
        for number in map(int, numbers):
            kept = [
                place
                for place in self.rules
                if place.number == LAST
                or number != (place.set_number if by_set else place.number)
                or only_set not in (None, place.set_number)
            ]
            if len(kept) == len(self.rules) and not by_set and not call.options.quiet:
                call.warn(f"rule {number} not found")
            self._keep(kept)

    def _flush(self, call: _Call) -> None:
        self._keep([place for place in self.rules if place.set_number == PERMANENT_SET])
        if not call.options.quiet:
            call.talk.out.append("Flushed all rules.")

    def _keep(self, rules: list[Installed]) -> None:
        """Let go of the other rules, and of the states that they gave."""
        self.rules = rules
        numbers = {place.number for place in rules}
        self.states = [state for state in self.states if state.number in numbers]

    def _list(
        self, words: Sequence[str], only_set: int | None, call: _Call, counters: bool
    ) -> None:
        options = replace(call.options, counters=counters or call.options.counters)
        widths = (
            max(len(str(place.packets)) for place in self.rules),
            max(len(str(place.octets)) for place in self.rules),
        )
        places = [
            place
            for place in self.rules
            if only_set in (None, place.set_number)
            and (options.sets or place.set_number not in self.disabled)
        ]
        missing = []
        for first, last in map(_range, words or [f"1-{LAST}"]):
            chosen = [place for place in places if first <= place.number <= last]
            call.talk.out += [self._line(place, options, widths) for place in chosen]
            if not chosen and words:
                missing.append((first, last))
        for first, last in missing:
            if first != last or only_set is not None or len(missing) > 1:
                raise NotModelledError(f"ipfw list of nothing: {words!r}")
            raise CommandError(_UNAVAILABLE, f"rule {first} does not exist")
        if options.states and self.states and not missing:
            if words or only_set is not None or len(self.states) > 1:
                raise NotModelledError("ipfw -d with several dynamic rules, or some numbers only")
            call.talk.out.append(f"## Dynamic rules ({len(self.states)} {_STATE_SIZE}):")
            call.talk.out += [str(state) for state in self.states]

    def _line(self, place: Installed, options: _Options, widths: tuple[int, int] = (0, 0)) -> str:
        """Write a rule as a list has it."""
        before = "# DISABLED " if place.set_number in self.disabled else ""
        counters = ""
        if options.counters:
            counters = f"{place.packets:{widths[0]}} {place.octets:{widths[1]}} "
        in_set = f"set {place.set_number} " if options.sets else ""
        rule = place.rule.written(self.before_ports)
        return f"{before}{place.number:05} {counters}{in_set}{rule}"

    def _references(self, name: str) -> int:
        return sum(place.rule.table == name for place in self.rules)

    def _holds(self, name: str, address: Address) -> bool:
        return self.tables[name].find(address) is not None


@dataclass(frozen=True, slots=True)
class _Call:
    """One command: its options, and where its words go; `name` stands before its warnings."""

    options: _Options
    name: str
    talk: Talk

    def warn(self, text: str) -> None:
        self.talk.err.append(f"{self.name}: {text}")


def _address(text: str) -> Address:
    address = strict_address(text)
    if address is None:
        raise ValueError(f"not an address: {text!r}")
    return address


def _range(word: str) -> tuple[int, int]:
    first, dash, last = word.partition("-")
    if not is_number(first) or (dash and not is_number(last)):
        raise NotModelledError(f"ipfw list {word!r}")
    return int(first), int(last if dash else first)


def _buffers(text: str) -> Iterator[str]:
    """Lines as fgets(3) gives them: one that is too long goes on as a line of its own."""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        for start in range(0, len(line), _LINE_BUFFER - 1):
            yield line[start : start + _LINE_BUFFER - 1]


def _words(arguments: Sequence[str]) -> list[str]:
    """A single argument is split, without its `#` comment; a comma joins what follows it."""
    if len(arguments) == 1:
        return split_words(re.sub(r",[ \t\n\v\f\r]+", ",", arguments[0].partition("#")[0]))
    words: list[str] = []
    joined = ""
    for position, argument in enumerate(arguments, start=1):
        joined += argument
        if not argument.endswith(",") or position == len(arguments):
            words.append(joined)
            joined = ""
    return words


def _read_options(
    words: Sequence[str], options: _Options, known: str
) -> tuple[_Options, list[str]]:
    try:
        pairs, rest = getopt.getopt(list(words), known)
    except getopt.GetoptError as error:
        raise NotModelledError(f"ipfw options: {error}") from error
    for name, value in pairs:
        # The one filter that changes nothing.
        if name == "-p" and value != "/bin/cat":
            raise NotModelledError(f"ipfw -p {value}")
    given = {name for name, _ in pairs}
    options = _Options(
        counters=options.counters or "-a" in given,
        quiet=options.quiet or "-q" in given,
        dry=options.dry or "-n" in given,
        sets=options.sets or "-S" in given,
        states=options.states or "-d" in given,
    )
    return options, rest
