"""A naive model of who is to be shut out, held against two walls.

The model keeps bans in a dictionary and works out everything anew each time. The firewalls are
those of ``fakes.wall``: two tools, each with a room for every list of ports.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize

from fw_guard import addresses, applying, guarding, passes
from fw_guard.config import Config, General, Jail
from fw_guard.folding import parse
from fw_guard.safety import Protection
from fw_guard.settings import DEFAULTS, parted
from fw_guard.store import Ban, Store
from fw_guard.templates import guard_name
from tests.fakes.wall import Killed, Wall, write_action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fw_guard.addresses import Network
    from fw_guard.processes import Result

HOUR = 3600
START = 1_700_000_000
TOOLS = ("wall", "fence")
JAILS = ("ssh", "web", "mail")
FOLDS = ("3 in /28", "2 in /60")
# The first five lie in one /28, the next two in one /60.
HOSTS = (
    *(f"192.0.2.{n}" for n in range(1, 6)),
    *("2001:db8:0:1::/64", "2001:db8:0:2::/64", "198.51.100.7", "2001:db8:ff::/64"),
)
OVER = 0
NEVER = 1 << 60
Key = tuple[str, str]
Ports = tuple[tuple[int, int], ...]


def lies_in(inner: str, outer: str) -> bool:
    """Say, in the words of the standard library, whether a network holds another."""
    one, two = ipaddress.ip_network(inner), ipaddress.ip_network(outer)
    return one.version == two.version and one.subnet_of(two)  # type: ignore[arg-type]


def meet(one: str, two: str) -> bool:
    """Say whether two networks share an address."""
    return lies_in(one, two) or lies_in(two, one)


def prolong(ends: dict[str, int], ban: Ban) -> None:
    """Keep when the longest ban of a host ends."""
    end = NEVER if ban.until is None else ban.until
    ends[ban.host] = max(end, ends.get(ban.host, 0))


class Modelled(RuleBasedStateMachine):
    """Two walls, a state and a configuration; ``one_pass`` compares them with the model."""

    kind = "numbered"
    max_seconds = 0

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(guarding, "load", functools.cache(guarding.load))
        for tool in TOOLS:
            write_action(self.place, self.kind, tool, max_seconds=self.max_seconds)
        self.walls = {tool: Wall(is_atomic=self.kind == "numbered") for tool in TOOLS}
        self.now = START
        self.bans: dict[Key, Ban] = {}
        self.pardons: dict[Key, int] = {}
        self.around: set[str] = set()
        self.freed_for: tuple[object, int] = (None, 0)
        self.meddled, self.right_at = 0, START

    def teardown(self) -> None:
        self.patch.undo()
        shutil.rmtree(self.place)

    @initialize()
    def begin(self) -> None:
        jails: dict[str, tuple[str, Ports]] = dict.fromkeys(JAILS, ("wall", ()))
        self.said: dict[str, Any] = {
            "default": "wall",
            "jails": jails,
            "ignored": frozenset(),
            "ignored_by": {},
            "block": "drop",
        }
        self.configure(**self.said, folds=False)

    # the machine

    def configure(
        self,
        default: str,
        jails: dict[str, tuple[str, Ports]],
        ignored: frozenset[str],
        ignored_by: dict[str, str],
        *,
        folds: bool,
        block: str,
    ) -> None:
        """Take a configuration as the owner writes it."""

        def networks(texts: Sequence[str]) -> tuple[Network, ...]:
            return tuple(addresses.split(text) for text in sorted(texts))

        common = networks([*ignored])
        made = [
            replace(
                DEFAULTS,
                name=name,
                action=action,
                ports=ports,
                ignoreip=common + networks([ignored_by[name]] if name in ignored_by else []),
            )
            for name, (action, ports) in jails.items()
        ]
        rules = tuple(parse(text) for text in FOLDS) if folds else ()
        general = General((("block", block),), rules)
        self.config = Config(str(self.place), default, HOUR, common, tuple(made), general=general)
        self.ignored, self.ignored_by, self.folds = ignored, ignored_by, folds
        self.jails: dict[str, Jail] = {jail.name: jail for jail in made}

    def run_command(self, argv: Sequence[str], stdin: str) -> Result:
        return self.walls[argv[0]].run(argv, stdin)

    def generation(self, kind: str) -> str | None:
        """Give the number of the kernel, which counts the changes of both tools."""
        boot = self.walls["wall"].boot
        return f"boot{boot} {sum(wall.number for wall in self.walls.values())}"

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[Store, Protection]]:
        """Open the state, knowing who is protected."""

        def guarded() -> Iterator[tuple[Network, str]]:
            for text in sorted(self.around):
                yield addresses.split(text), "near"

        protection = Protection(guarded, self.config.ignoreip)
        with Store(str(self.place / "state")) as store:
            yield store, protection

    def work(self, act: Callable[[Store, Protection], None]) -> list[applying.Trouble]:
        """Let something be done to the state, then make the firewalls right."""
        with self.opened() as (store, protection):
            act(store, protection)
            store.commit()
            return applying.apply(
                self.config,
                store,
                protection,
                self.now,
                dry_run=False,
                say=self.fail,
                run=self.run_command,
                generation=self.generation,
            )

    def fail(self, said: object) -> None:
        raise AssertionError(said)

    # the naive model

    def label_of(self, jail: str, ban: Ban) -> str:
        if jail.startswith("networks"):
            return jail.partition("/")[2] or self.config.label
        if jail in self.jails:
            self.bans[jail, ban.host] = ban = ban._replace(action=self.jails[jail].label)
        return ban.action or self.config.label

    def is_protected(self, jail: str, host: str) -> bool:
        every = {*self.ignored, *self.around}
        for name, ignored in self.ignored_by.items():
            if name in self.jails and (name == jail or jail.startswith("networks")):
                every.add(ignored)
        return any(meet(host, each) for each in every)

    def in_force(self) -> list[tuple[str, Ban]]:
        return [
            (jail, ban)
            for (jail, _), ban in self.bans.items()
            if ban.until is None or ban.until > self.now
        ]

    def has_networks(self) -> bool:
        """Say whether the bans of others may depend on when they were made."""
        return self.folds or any(jail.startswith("networks") for jail, _ in self.bans)

    def free(self) -> None:
        """End the bans of the protected: when the owner named others, and once an hour."""
        means = (self.ignored, tuple(sorted(self.ignored_by.items())), tuple(self.jails))
        known, at = self.freed_for
        if known == means and at <= self.now < at + HOUR:
            return
        self.freed_for = means, self.now
        for jail, ban in self.in_force():
            if self.is_protected(jail, ban.host) and not ban.forced:
                self.end(jail, ban)

    def end(self, jail: str, ban: Ban) -> None:
        self.bans[jail, ban.host] = ban._replace(until=OVER)

    def fold(self) -> None:
        """Ban each network enough of whose hosts are banned, and no other."""
        members: dict[tuple[str, str, int], dict[str, int]] = {}
        for jail, ban in self.in_force() if self.folds else []:
            if jail.startswith("networks"):
                continue
            label = self.label_of(jail, ban)
            network = ipaddress.ip_network(ban.host)
            least, length = (3, 28) if network.version == 4 else (2, 60)
            if network.prefixlen <= length:
                continue
            wide = str(network.supernet(new_prefix=length))
            mine = "networks" if label == self.config.label else f"networks/{label}"
            if ban.since > self.pardons.get((mine, wide), -1):
                prolong(members.setdefault((mine, wide, least), {}), ban)
        due = {
            (mine, wide): sorted(ends.values())[-least]
            for (mine, wide, least), ends in members.items()
            if len(ends) >= least
        }
        for jail, ban in self.in_force():
            if jail.startswith("networks") and (jail, ban.host) not in due:
                self.bans[jail, ban.host] = ban._replace(until=self.now)
        for (jail, wide), end in due.items():
            if not self.is_protected(jail, wide):
                self.bans[jail, wide] = Ban(jail, wide, self.now, end, 0, "")

    def expected(self) -> dict[str, set[str]]:
        """Give who must be in each firewall: allowed, and not inside another who is."""
        sets: dict[str, dict[str, int]] = {}
        for jail, ban in self.in_force():
            label = self.label_of(jail, ban)
            if ban.forced or not self.is_protected(jail, ban.host):
                prolong(sets.setdefault(label, {}), ban)
        return {
            label: {
                host
                for host, end in ends.items()
                if not any(self.is_inside(host, end, *other) for other in ends.items())
            }
            for label, ends in sets.items()
        }

    def is_inside(self, host: str, end: int, wide: str, around: int) -> bool:
        """Say whether a network shuts a host out as well, and does not end too soon for it."""
        if host == wide or not lies_in(host, wide):
            return False
        length = int(host.partition("/")[2] or 128)
        is_network = length < (64 if ":" in host else 32)
        return is_network or end <= around or around > self.now + 600

    def check(self) -> None:
        """Compare the firewalls with the model; a pass with nothing to do does nothing."""
        expected = self.expected()
        rooms = {
            (tool, guard): wall.members(guard)
            for tool, wall in self.walls.items()
            for guard in wall.rooms
        }
        wanted = {}
        for name, hosts in expected.items():
            action, ports = parted(name)
            wanted[action, guard_name(ports)] = hosts
        wanted = {room: hosts for room, hosts in wanted.items() if hosts}
        held = {room: members for room, members in rooms.items() if members}
        assert held == wanted, f"{held} is held; expected {wanted}"
        if self.kind != "blind":
            used = {self.config.label, *(jail.label for jail in self.jails.values())}
            guards = {(a, guard_name(p)) for a, p in map(parted, used | expected.keys())}
            assert set(rooms) <= guards
        for tool, wall in self.walls.items():
            for guard, room in wall.rooms.items():
                if self.kind != "blind":
                    which = "some" if guard != "fw_guard" else "none"
                    block = dict(self.config.general.options)["block"]
                    assert room.rule == f"block={block} ports={which}", tool

    def is_hidden(self) -> bool:
        """Say whether what others did may have left every count as it was."""
        ended = any(
            ban.until is not None and self.right_at - 6 <= ban.until <= self.now + 6
            for ban in self.bans.values()
        )
        return self.kind == "counted" and (self.meddled > 1 or (self.meddled > 0 and ended))

    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        for wall in self.walls.values():
            wall.uptime += seconds

    def one_pass(self) -> None:
        if self.is_hidden():
            self.pass_time(HOUR)
        quiet = self.attempt(self.learn)
        self.free()
        self.fold()
        if not quiet:
            return
        self.check()
        changes = [change for wall in self.walls.values() for change in wall.changes()]
        if any(change.startswith(("make", "drop")) for change in changes):
            # Nobody knows what that made of a count that other firewalls share.
            assert self.attempt(self.learn) is True
            assert all(wall.changes() == [] for wall in self.walls.values())
        assert self.attempt(self.learn) is True
        for wall in self.walls.values():
            asked = list(wall.calls)
            assert wall.changes() == []
            assert asked == [] or self.kind == "counted"
            assert all(argv[1] != "list" for argv, _ in asked)

    def learn(self, store: Store, protection: Protection) -> None:
        figures = passes.learn(self.config, store, protection, self.now)
        assert figures.troubles == []

    def attempt(self, act: Callable[[Store, Protection], None]) -> bool:
        """Do something; say whether nothing stood in its way."""
        waiting = sum(len(wall.faults) for wall in self.walls.values())
        try:
            troubles = self.work(act)
        except Killed:
            troubles = [(0, "killed")]
        left = sum(len(wall.faults) for wall in self.walls.values())
        assert bool(troubles) == (left < waiting), troubles
        if troubles:
            return False
        self.meddled, self.right_at = 0, self.now
        return True
