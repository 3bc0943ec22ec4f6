"""FreeBSD's pfctl(8) and pf in memory, as recorded on 13.0.

Held to tests/transcripts/pfctl13*.transcript. From reading the source and not from a record are:
the texts for a missing anchor, how `pass` and literal addresses are printed, `Status: Enabled`,
the limit of all tables together, and the look into the main ruleset's table of the same name.
A zoned address such as fe80::1%em0 is refused, as the record has it; a full system may know it.
"""

from __future__ import annotations

import copy
import getopt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .addresses import longest_match, strict_address
from .pf_kernel import FAILED, MAIN, Anchor, Kernel, State
from .pf_rules import Packet, parse
from .pf_tables import (
    LONGEST_NAME,
    Names,
    TableCommand,
    collisions,
    date,
    members_of,
)
from .result import CommandError, NotModelledError, Result, Talk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .addresses import Address
    from .pf_kernel import Member, Table

_USAGE = """\
usage: pfctl [-AdeghmNnOPqRrvz] [-a anchor] [-D macro=value] [-F modifier]
\t[-f file] [-i interface] [-K host | network]
\t[-k host | network | label | id] [-o level] [-p device]
\t[-s modifier] [-t table -T command [address ...]] [-x level]"""
_NO_ALTQ = ("No ALTQ support in kernel", "ALTQ related functions disabled")
_COUNTERS = (
    "match",
    "bad-offset",
    "fragment",
    "short",
    "normalize",
    "memory",
    "bad-timestamp",
    "congestion",
    "ip-option",
    "proto-cksum",
    "state-mismatch",
    "state-insert",
    "state-limit",
    "src-limit",
    "synproxy",
    "map-failed",
)
_DIRECTIONS = ("In/Block:", "In/Pass:", "In/XPass:", "Out/Block:", "Out/Pass:", "Out/XPass:")


@dataclass(frozen=True, slots=True)
class _Options:
    anchor: str
    disable: bool
    enable: bool
    file: str | None
    flush: str | None
    kill: tuple[str, ...]
    dry: bool
    quiet: bool
    show: str | None
    table: str | None
    table_command: str | None
    verbose: int
    words: tuple[str, ...]


class FakePf:
    """One machine's pf, driven with `run`. Disabled and empty at first, as after a boot.

    `files` are texts that `-f PATH` finds; `interfaces` and `hosts` are what words of a table
    command may name. `device_error` is the reason why /dev/pf cannot be opened, for instance
    "Permission denied". `now` is pfctl's clock and `kernel.clock` the kernel's, in seconds.
    """

    def __init__(
        self,
        *,
        files: Mapping[str, str] | None = None,
        interfaces: Mapping[str, Sequence[str]] | None = None,
        hosts: Mapping[str, Sequence[str]] | None = None,
        device_error: str = "",
        now: int = 1_700_000_000,
        kernel_clock: int | None = None,
        request_maxcount: int = 65_535,
        table_entries: int = 200_000,
    ) -> None:
        self.files = dict(files or {})
        self.names = Names(dict(interfaces or {}), dict(hosts or {}))
        self.device_error = device_error
        self.now = now
        clock = now if kernel_clock is None else kernel_clock
        self.kernel = Kernel(clock, request_maxcount, table_entries)

    def blocks(self, address: str, *, protocol: str = "tcp", port: int = 22) -> bool:
        """Whether a new connection from this address is stopped; loopback is no exception."""
        return self.verdict(address, protocol=protocol, port=port).startswith("block")

    def verdict(self, address: str, *, protocol: str = "tcp", port: int = 22) -> str:
        """What becomes of a new connection: "pass", "block drop" or "block return".

        That "block return" is answered is the manual's word: no record shows the answer.
        """
        return self.kernel.verdict(Packet(_address(address), protocol, port))

    def connect(
        self,
        source: str,
        destination: str = "192.0.2.254",
        *,
        source_port: int = 50_000,
        port: int = 22,
    ) -> bool:
        """Open a connection, which leaves a state; False when it is stopped."""
        if self.blocks(source, port=port):
            return False
        if self.kernel.enabled:
            ends = _address(source), _address(destination)
            self.kernel.states.append(State(*ends, source_port, port))
        return True

    def carries(self, source: str, *, port: int = 22) -> bool:
        """Whether an open connection of this address goes on: a state passes before any rule."""
        end = _address(source), port
        known = any((state.source, state.port) == end for state in self.kernel.states)
        return known or not self.blocks(source, port=port)

    def run(self, argv: Sequence[str], stdin: str = "") -> Result:
        """Run `pfctl` with these arguments, the program's name first."""
        talk = Talk()
        options = _options(argv[1:])
        try:
            code = self._run(options, stdin, talk)
        except CommandError as error:
            talk.err += [error.text] if error.text else []
            code = error.code
        return talk.result(code)

    def _run(self, options: _Options, stdin: str, talk: Talk) -> int:
        if self.device_error and not (options.dry and not options.table_command):
            raise CommandError(1, f"pfctl: /dev/pf: {self.device_error}")
        changes = options.disable or options.enable or options.flush or options.kill
        if options.dry and (changes or options.show):
            raise NotModelledError("pfctl -n with anything but -T and -f")
        if options.verbose:
            talk.err += _NO_ALTQ
        code = 0
        if options.disable:
            self._switch(False, options, talk)
        if options.show:
            code = self._show(options, talk)
        if options.flush:
            self._flush(options, talk)
        if options.kill:
            self._kill_states(options, talk)
        if options.table_command:
            code = self._table_command(options, stdin, talk)
        elif options.file is not None:
            code = self._load(options, stdin, talk)
        if options.enable:
            self._switch(True, options, talk)
        return code

    def _switch(self, enabled: bool, options: _Options, talk: Talk) -> None:
        if self.kernel.enabled == enabled:
            raise CommandError(1, f"pfctl: pf {'already enabled' if enabled else 'not enabled'}")
        self.kernel.enabled = enabled
        self._say(options, talk, f"pf {'enabled' if enabled else 'disabled'}")

    def _table_command(self, options: _Options, stdin: str, talk: Talk) -> int:
        if options.table is None or len(options.table) > LONGEST_NAME:
            raise CommandError(1, _USAGE)
        text = None
        if options.file is not None:
            text = stdin if options.file == "-" else self.files.get(options.file)
            if text is None:
                missing = f"pfctl: cannot load {options.file}: No such file or directory"
                raise CommandError(FAILED, missing)
        return TableCommand(
            copy.deepcopy(self.kernel) if options.dry else self.kernel,
            options.anchor,
            options.table,
            self.names,
            talk,
            self.now,
            options.quiet,
            options.verbose,
            options.dry,
            options.file or "",
            text,
        ).run(str(options.table_command), options.words)

    def _load(self, options: _Options, stdin: str, talk: Talk) -> int:
        name = "stdin" if options.file == "-" else str(options.file)
        if options.file != "-" and name not in self.files:
            raise NotModelledError(f"a ruleset that is not in `files`: {name!r}")
        ruleset = parse(stdin if options.file == "-" else self.files[name])
        if ruleset.mistakes:
            talk.err += [f"{name}:{line}: syntax error" for line in ruleset.mistakes]
            refused = "pfctl: Syntax error in config file: pf rules not loaded"
            raise CommandError(1, "" if options.dry else refused)
        tables = [
            (table.name, table.persist, self._listed_members(table.words))
            for table in ruleset.tables
        ]
        if not options.dry:
            self.kernel.load(options.anchor, ruleset.rules, tables)
            talk.err += collisions(self.kernel)
        return 0

    def _listed_members(self, words: Sequence[str] | None) -> list[Member] | None:
        if words is None:
            return None
        return [member for word in words for member in members_of(word, self.names)]

    def _flush(self, options: _Options, talk: Talk) -> None:
        wanted = str(options.flush)
        if wanted not in ("all", "rules", "Tables"):
            raise NotModelledError(f"-F {wanted}")
        known = options.anchor in self.kernel.anchors
        home = self.kernel.anchors.get(options.anchor, Anchor())
        if wanted in ("all", "rules"):
            home.rules = ()
            home.sweep()
            self._say(options, talk, "rules cleared")
        if wanted == "all":
            self._say(options, talk, "nat cleared")
        if wanted in ("all", "Tables"):
            if known:
                names = [name for name, table in home.tables.items() if table.active]
                for name in names:
                    self.kernel.kill_table(options.anchor, name)
                self._say(options, talk, f"{len(names)} tables deleted.")
            else:
                talk.err.append("pfctl: Anchor or Ruleset does not exist.")
        if wanted == "all" and options.anchor == MAIN:
            self._say(options, talk, f"{len(self.kernel.states)} states cleared")
            self.kernel.states.clear()
            self._say(options, talk, "source tracking entries cleared")
            self._say(options, talk, "pf: statistics cleared")
            self._say(options, talk, "pf: interface flags reset")

    def _kill_states(self, options: _Options, talk: Talk) -> None:
        networks = []
        for word in options.kill:
            (member,) = members_of(word, self.names)
            networks.append(member.network)
        source, *destination = networks
        left = [
            state
            for state in self.kernel.states
            if longest_match((source,), state.source) is None
            or (destination and longest_match(destination, state.destination) is None)
        ]
        killed = len(self.kernel.states) - len(left)
        self.kernel.states = left
        counts = f"1 sources and {len(destination)} destinations"
        self._say(options, talk, f"killed {killed} states from {counts}")

    def _show(self, options: _Options, talk: Talk) -> int:
        enabled = self.kernel.enabled
        if options.show == "Running":
            talk.out.append("Enabled" if enabled else "Disabled")
            return 0 if enabled else 1
        if options.show == "info":
            talk.out += _status(enabled)
        elif options.show == "memory":
            limits = {"states": 100_000, "src-nodes": 10_000, "frags": 5_000}
            limits["table-entries"] = self.kernel.table_entries
            talk.out += [f"{name:<13} hard limit {limit:8}" for name, limit in limits.items()]
        elif options.show == "states":
            talk.out += [str(state) for state in self.kernel.states]
        elif options.show == "Anchors":
            talk.out += [f"  {name}" for name in self.kernel.children(options.anchor)]
        elif options.show == "rules":
            if options.verbose:
                raise NotModelledError("-v with -s rules")
            if options.anchor in self.kernel.anchors:
                talk.out += [str(rule) for rule in self.kernel.anchors[options.anchor].rules]
            else:
                talk.err.append("pfctl: DIOCGETRULES: Invalid argument")
        elif options.show == "Tables":
            self._show_tables(options, talk)
        else:
            raise NotModelledError(f"-s {options.show}")
        return 0

    def _show_tables(self, options: _Options, talk: Talk) -> None:
        home = self.kernel.anchors.get(options.anchor)
        if home is None:
            talk.err.append("pfctl: Anchor or Ruleset does not exist.")
            return
        for name, table in sorted(home.tables.items()):
            if not table.active:
                continue
            references = home.references(name)
            if not options.verbose:
                talk.out.append(name)
                continue
            persist, read = "p" if table.persist else "-", "r" if references else "-"
            place = f"\t{options.anchor}" if options.anchor else ""
            talk.out.append(f"-{persist}a-{read}--\t{name}{place}")
            if options.verbose > 1:
                talk.out += _table_details(table, references)

    @staticmethod
    def _say(options: _Options, talk: Talk, text: str) -> None:
        if not options.quiet:
            talk.err.append(text)


def _address(text: str) -> Address:
    address = strict_address(text)
    if address is None:
        raise ValueError(f"not an address: {text!r}")
    return address


def _options(argv: Sequence[str]) -> _Options:
    """Read the options up to the first word that is none, as getopt(3) of a BSD does."""
    try:
        pairs, words = getopt.getopt(list(argv), "a:def:F:k:nqs:t:T:v")
    except getopt.GetoptError as error:
        raise NotModelledError(f"pfctl options: {error}") from error
    last = dict(pairs)
    if not pairs or (words and "-T" not in last):
        raise NotModelledError(f"pfctl arguments: {argv!r}")
    return _Options(
        anchor=last.get("-a", MAIN),
        disable="-d" in last,
        enable="-e" in last,
        file=last.get("-f"),
        flush=last.get("-F"),
        kill=tuple(value for name, value in pairs if name == "-k"),
        dry="-n" in last,
        quiet="-q" in last,
        show=last.get("-s"),
        table=last.get("-t"),
        table_command=last.get("-T"),
        verbose=sum(name == "-v" for name, _ in pairs),
        words=tuple(words),
    )


def _status(enabled: bool) -> list[str]:
    """`-s info` of a machine where nothing has happened yet."""
    status = "Status: Enabled for 0 days 00:00:00" if enabled else "Status: Disabled"
    totals = [f"  {'current entries':<22} {0:>17} {'':<14}"]
    totals += [_rate(name) for name in ("searches", "inserts", "removals")]
    return [
        f"{status:<44}{'Debug: Urgent':>15}",
        "",
        f"{'State Table':<25}{'Total':>17}{'Rate':>17}",
        *totals,
        "Counters",
        *(_rate(name) for name in _COUNTERS),
    ]


def _rate(name: str) -> str:
    return f"  {name:<22} {0:>17} {0:>14.1f}/s"


def _table_details(table: Table, references: int) -> list[str]:
    """What `-vv -s Tables` adds of a table no packet has met yet."""
    return [
        f"\tAddresses:   {len(table.entries)}",
        f"\tCleared:     {date(table.since)}",
        f"\tReferences:  [ Anchors: {0:<18} Rules: {references:<18} ]",
        f"\tEvaluations: [ NoMatch: {0:<18} Match: {0:<18} ]",
        *(f"\t{name:<12} [ Packets: {0:<18} Bytes: {0:<18} ]" for name in _DIRECTIONS),
    ]
