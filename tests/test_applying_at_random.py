"""Whatever happens between two passes, the firewalls hold what a naive model says, and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from fw_guard import addresses, applying
from fw_guard.manual import Hands
from fw_guard.store import Ban, Store
from tests.fakes.wall import FAULTS
from tests.holding import HOSTS, HOUR, JAILS, TOOLS, Modelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from fw_guard.safety import Protection


BY_HAND = (*HOSTS, "192.0.2.0/24", "2001:db8:0:1::7", "2001:db8:0:1::/96", "192.0.2.0/30")
IGNORED = ("192.0.2.2", "198.51.100.0/24", "2001:db8:0:2::5")


class Holding(Modelled):
    """Bans come and go, time passes, others meddle: pass for pass the firewalls are right."""

    @rule()
    def run_pass(self) -> None:
        self.one_pass()

    @rule(
        jail=st.sampled_from(JAILS),
        hosts=st.lists(st.sampled_from(HOSTS), min_size=1, max_size=4, unique=True),
        length=st.sampled_from([30, 60, 700, HOUR, 5 * HOUR, None]),
    )
    def jail_bans(self, jail: str, hosts: list[str], length: int | None) -> None:
        """What a pass learns, kept without its step 6: it was killed before."""
        if jail not in self.jails:
            return
        with Store(str(self.place / "state")) as store:
            for host in hosts:
                last = self.bans.get((jail, host))
                if last is not None and last.until is None:
                    continue
                until = None if length is None else self.now + length
                ban = Ban(jail, host, self.now, until, 5, "hits", self.jails[jail].label)
                store.keep_ban(ban)
                self.bans[jail, host] = ban
            store.commit()

    @rule(
        host=st.sampled_from(BY_HAND),
        length=st.sampled_from([60, HOUR, 9 * HOUR, None]),
        force=st.booleans(),
    )
    def ban_by_hand(self, host: str, length: int | None, force: bool) -> None:
        refused = self.is_protected("manual", host) and not force

        def act(store: Store, protection: Protection) -> None:
            config = replace(self.config, bantime=None) if length is None else self.config
            hands = Hands(config, store, protection, self.now, dry_run=False)
            change = hands.ban([host], length, "by hand", force=force)
            assert bool(change.refused) == refused
            if not change.refused:
                until = None if length is None else self.now + length
                ban = Ban("manual", host, self.now, until, 0, "", forced=force)
                self.bans["manual", host] = ban

        if refused:  # then nothing is done
            with self.opened() as (store, protection):
                act(store, protection)
        else:
            self.by_hand(act)

    @rule(host=st.sampled_from((*BY_HAND, "192.0.2.0/28", "2001:db8::/60")))
    def unban_by_hand(self, host: str) -> None:
        hosts = {host}
        if ":" in host and "/" not in host:
            hosts.add(addresses.subject(host))

        def act(store: Store, protection: Protection) -> None:
            hands = Hands(self.config, store, protection, self.now, dry_run=False)
            hands.unban([host], everybody=False)
            for jail, ban in self.in_force():
                if ban.host in hosts:
                    self.end(jail, ban)
                    self.pardons[jail, ban.host] = self.now

        self.by_hand(act)

    def by_hand(self, act: Callable[[Store, Protection], None]) -> None:
        if self.is_hidden():
            self.pass_time(HOUR)

        def whole(store: Store, protection: Protection) -> None:
            act(store, protection)
            applying.mind_the_clock(store, self.now)

        quiet = self.attempt(whole)
        self.fold()
        if quiet:
            self.check()

    @rule(seconds=st.sampled_from([1, 4, 7, 29, 30, 60, 130, 599, 700, HOUR, 6 * HOUR]))
    def time_passes(self, seconds: int) -> None:
        self.pass_time(seconds)

    @precondition(lambda self: not self.has_networks() and len(self.jails) == len(JAILS))
    @rule(seconds=st.sampled_from([5, 100, 1000, 2 * HOUR]))
    def clock_is_set_back(self, seconds: int) -> None:
        """Behind the last pass, and not made good again before the next."""
        self.one_pass()
        self.now -= seconds
        self.one_pass()

    @rule(
        default=st.sampled_from(TOOLS),
        jails=st.fixed_dictionaries(
            dict.fromkeys(
                JAILS, st.tuples(st.sampled_from(TOOLS), st.sampled_from([(), ((80, 80),)]))
            )
        ),
        ignored=st.frozensets(st.sampled_from(IGNORED), max_size=2),
        ignored_by=st.dictionaries(st.sampled_from(JAILS), st.sampled_from(IGNORED), max_size=1),
        folds=st.booleans(),
        block=st.sampled_from(["drop", "drop", "reject"]),
    )
    def owner_changes_the_configuration(self, folds: bool, **other: Any) -> None:
        later = any(ban.since > self.now for ban in self.bans.values())
        self.said = other
        self.configure(**other, folds=folds and not later)

    @precondition(lambda self: not any(wall.faults for wall in self.walls.values()))
    @rule(jail=st.sampled_from(JAILS))
    def a_jail_goes(self, jail: str) -> None:
        """What it has banned stays where it is."""
        self.one_pass()
        left = {name: value for name, value in self.said["jails"].items() if name != jail}
        if left:
            self.said = self.said | {"jails": left}
            self.configure(**self.said, folds=self.folds)

    @rule(near=st.sampled_from(["198.51.100.7", "2001:db8:ff::9"]))
    def somebody_comes_near_or_goes(self, near: str) -> None:
        self.around ^= {near}
        self.pass_time(HOUR)

    @precondition(lambda self: self.kind != "blind")
    @rule(
        tool=st.sampled_from(TOOLS),
        how=st.sampled_from(["flush", "remove", "add", "add other", "unrule", "drop", "reboot"]),
        data=st.data(),
    )
    def others_meddle(self, tool: str, how: str, data: st.DataObject) -> None:
        wall = self.walls[tool]
        if how == "reboot":
            self.meddled += 1
            for each in self.walls.values():
                each.reboot()
        if not wall.rooms:
            return
        self.meddled += 1
        guard = data.draw(st.sampled_from(sorted(wall.rooms)))
        members = sorted(wall.members(guard))
        if how == "flush":
            wall.flush(guard)
        elif how == "remove" and members:
            wall.remove(data.draw(st.sampled_from(members)), guard)
        elif how == "add":
            wall.add("203.0.113.99", guard)
        elif how == "add other":
            wall.add(data.draw(st.sampled_from(HOSTS)), guard)
        elif how == "unrule":
            wall.unrule(guard)
        elif how == "drop":
            wall.number += 1
            del wall.rooms[guard]

    @rule(tool=st.sampled_from(TOOLS), fault=st.sampled_from(FAULTS))
    def next_change_ends_badly(self, tool: str, fault: str) -> None:
        if not self.walls[tool].faults:
            self.walls[tool].faults.append(fault)


class CountedHolding(Holding):
    """The same with a firewall that tells how many members it has."""

    kind = "counted"


class BlindHolding(Holding):
    """The same with a firewall that tells nothing."""

    kind = "blind"


class ShortHolding(Holding):
    """The same with a firewall that keeps no time longer than half an hour."""

    max_seconds = 1800


EFFORT = settings(
    max_examples=80,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
for machine in (Holding, CountedHolding, BlindHolding, ShortHolding):
    machine.TestCase.settings = EFFORT

TestNumbered = Holding.TestCase
TestCounted = CountedHolding.TestCase
TestBlind = BlindHolding.TestCase
TestShort = ShortHolding.TestCase
