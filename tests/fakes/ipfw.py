"""FreeBSD's ipfw(8) and ipfw in memory, as recorded on 13.0.

Held to tests/transcripts/ipfw13*.transcript. The default rule allows, as there. From reading the
source and not from a record are: a table's `limit` (results and `check limits`), `(reverted)`,
`:default` after a keep-state, and that an option in a line of a file stays on for the lines
after it. Standard input is never a terminal here, so nothing is asked.
"""

from __future__ import annotations

import getopt
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .addresses import is_number, split_words, strict_address
from .ipfw_rules import LAST, PERMANENT_SET, Installed, Packet, Rule, parse_add
from .ipfw_tables import TableCommand, Tables
from .result import CommandError, NotModelledError, Result, Talk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .addresses import Address

_USAGE, _UNAVAILABLE = 64, 69
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


class FakeIpfw:
    """One machine's ipfw, driven with `run`. It has the default rule at first and no table.

    `files` are the texts that an absolute path as last argument finds, `hosts` the addresses of
    host names.
    """

    def __init__(
        self,
        *,
        files: Mapping[str, str] | None = None,
        hosts: Mapping[str, str] | None = None,
    ) -> None:
        self.files = dict(files or {})
        self.hosts = dict(hosts or {})
        self.tables = Tables()
        self.rules = [Installed(LAST, PERMANENT_SET, Rule("allow", "ip"))]

    def blocks(
        self, address: str, *, protocol: str = "tcp", port: int = 22, established: bool = False
    ) -> bool:
        """Whether a packet from this address is stopped: the first rule that fits decides.

        A packet of an open connection is taken to have the state that a `keep-state` rule, if
        there is one, gave to its connection before.
        """
        source = strict_address(address)
        if source is None:
            raise ValueError(f"not an address: {address!r}")
        packet = Packet(source, protocol, port, established)
        has_state = any("keep-state" in place.rule.options for place in self.rules)
        for place in self.rules:
            if place.rule.takes(packet, self._holds, has_state):
                return place.rule.refuses
        return False

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
            options, words = _read_options(words, options, "afnqS")
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
        elif only_set is not None:
            raise NotModelledError(f"ipfw set {only_set} {command}")
        elif command == "add":
            self._add(arguments, call)
        elif command == "delete":
            self._delete(arguments, call)
        elif command == "flush":
            self._flush(call)
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
            call.talk.out.append(_line(place, call.options))

    def _delete(self, words: Sequence[str], call: _Call) -> None:
        by_set = words[:1] == ["set"]
        numbers = words[1:] if by_set else words
        if not numbers or not all(map(is_number, numbers)):
            raise NotModelledError(f"ipfw delete {words!r}")
        for number in map(int, numbers):
            kept = [
                place
                for place in self.rules
                if place.number == LAST or number != (place.set_number if by_set else place.number)
            ]
            if len(kept) == len(self.rules) and not by_set and not call.options.quiet:
                call.warn(f"rule {number} not found")
            self.rules = kept

    def _flush(self, call: _Call) -> None:
        self.rules = [place for place in self.rules if place.set_number == PERMANENT_SET]
        if not call.options.quiet:
            call.talk.out.append("Flushed all rules.")

    def _list(
        self, words: Sequence[str], only_set: int | None, call: _Call, counters: bool
    ) -> None:
        options = replace(call.options, counters=counters or call.options.counters)
        widths = (
            max(len(str(place.packets)) for place in self.rules),
            max(len(str(place.octets)) for place in self.rules),
        )
        places = [place for place in self.rules if only_set in (None, place.set_number)]
        missing = []
        for first, last in map(_range, words or [f"1-{LAST}"]):
            chosen = [place for place in places if first <= place.number <= last]
            call.talk.out += [_line(place, options, widths) for place in chosen]
            if not chosen and words:
                missing.append((first, last))
        for first, last in missing:
            if first != last or only_set is not None or len(missing) > 1:
                raise NotModelledError(f"ipfw list of nothing: {words!r}")
            raise CommandError(_UNAVAILABLE, f"rule {first} does not exist")

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


def _line(place: Installed, options: _Options, widths: tuple[int, int] = (0, 0)) -> str:
    counters = ""
    if options.counters:
        counters = f"{place.packets:{widths[0]}} {place.octets:{widths[1]}} "
    in_set = f"set {place.set_number} " if options.sets else ""
    return f"{place.number:05} {counters}{in_set}{place.rule}"


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
    )
    return options, rest
