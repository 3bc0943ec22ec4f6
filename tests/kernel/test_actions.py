"""The shipped actions against the Linux kernel itself: what stands in its tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fw_guard import firewall
from fw_guard.firewall import FirewallError, Result

from .acting import ALL_CLASSES, HOUR, NOW, Guard, changed, ruleset, shipped
from .machine import EVERYTHING, PROGRAMS, back_ends
from .network import Host, Network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PORT = 7
SILENCE = 0.5  # seconds without an answer that count as shut out
ATTACKER4, ATTACKER6 = "192.0.2.7", "2001:db8:1:7::/64"

every_back_end = back_ends("nftables", "iptables", "ipset")


@pytest.fixture
def network() -> Iterator[Network]:
    """A network whose server echoes on PORT."""
    with Network() as network, network.server.listen(PORT):
        yield network


@pytest.fixture
def guard(back_end: str, needed_programs: None, network: Network) -> Guard:
    """The action on the server, which has rules of its owner's."""
    return shipped(back_end, network.server)


@every_back_end
class TestRules:
    """What stands in the kernel's tables."""

    def test_a_quiet_pass_changes_nothing_and_runs_no_command_that_could(
        self, guard: Guard
    ) -> None:
        assert guard.wants(ALL_CLASSES).plan.ban == tuple(ALL_CLASSES)
        before = ruleset(guard.host)
        again = guard.wants(ALL_CLASSES)
        assert (changed(again), again.was_set_up) == (((), (), ()), False)
        assert guard.changes == []
        assert [stdin for _, stdin in guard.calls if stdin] == []
        # Once to compare, and once more for how it looks when all is done.
        assert max(guard.calls.count(call) for call in guard.calls) <= 2
        assert ruleset(guard.host) == before

    def test_what_is_banned_is_read_back_whole(self, guard: Guard) -> None:
        guard.wants(ALL_CLASSES)
        assert guard.wants({}).plan.unban == tuple(ALL_CLASSES)
        assert changed(guard.wants({})) == ((), (), ())

    def test_to_set_up_twice_is_to_set_up_once(self, guard: Guard) -> None:
        firewall.set_up(guard.action, guard.run)
        once = ruleset(guard.host)
        firewall.set_up(guard.action, guard.run)
        assert ruleset(guard.host) == once
        assert "fw_guard" in once

    def test_many_addresses_are_one_process(self, guard: Guard) -> None:
        guard.wants({})
        wanted: dict[str, int | None] = {
            f"198.18.{i // 256}.{i % 256}": NOW + HOUR for i in range(guard.action.most or 2000)
        }
        assert len(guard.wants(wanted).plan.ban) == len(wanted)
        assert guard.changes == [batch.argv for batch in guard.action.ban]
        assert len(guard.wants({}).plan.unban) == len(wanted)
        batches = guard.action.unban or guard.action.ban
        assert guard.changes == [batch.argv for batch in batches]

    def test_the_rules_of_the_owner_are_left_byte_for_byte(self, guard: Guard) -> None:
        with_rules_of_an_owner(guard.host)
        before = ruleset(guard.host)
        guard.wants(ALL_CLASSES)
        guard.wants({ATTACKER4: None})
        during = owners_part(guard.host)
        firewall.teardown(guard.action, guard.run)
        assert "198.51.100.77" in before
        assert during == owners_part(guard.host)
        assert ruleset(guard.host) == before

    def test_to_tear_down_twice_is_no_error(self, guard: Guard) -> None:
        with_rules_of_an_owner(guard.host)
        before = ruleset(guard.host)
        firewall.teardown(guard.action, guard.run)
        guard.wants(ALL_CLASSES)
        firewall.teardown(guard.action, guard.run)
        firewall.teardown(guard.action, guard.run)
        assert ruleset(guard.host) == before

    def test_the_intended_commands_are_those_that_are_run(self, guard: Guard) -> None:
        intended = firewall.intended(guard.action, ALL_CLASSES, NOW, told={}, run=guard.run)
        guard.wants(ALL_CLASSES)
        asked = {argv for step in guard.action.setup for argv in (step.unless, step.when)}
        assert [c.argv for c in intended] == [argv for argv in guard.changes if argv not in asked]


@back_ends("nftables", "ipset")
class TestSight:
    """What a quiet pass sees, and what it does then."""

    def test_a_firewall_that_was_left_alone_looks_as_it_was_left(self, guard: Guard) -> None:
        guard.wants(ALL_CLASSES)
        assert guard.sight is not None
        assert guard.looks() == guard.sight
        listings = {listing.argv for listing in guard.action.listings}
        assert listings.isdisjoint(argv for argv, _ in guard.calls)

    def test_one_that_somebody_changed_looks_otherwise(self, guard: Guard) -> None:
        guard.wants(ALL_CLASSES)
        for command in DAMAGE[guard.name]["our members"]:
            guard.host.run(command.split(), check=True)
        assert guard.looks() != guard.sight

    def test_one_without_its_rules_cannot_be_trusted(self, guard: Guard) -> None:
        guard.wants(ALL_CLASSES)
        for command in DAMAGE[guard.name]["our rules"]:
            guard.host.run(command.split(), check=True)
        assert guard.looks() != guard.sight

    def test_only_what_changed_is_told(self, guard: Guard) -> None:
        guard.wants(ALL_CLASSES)
        wanted = {**ALL_CLASSES, ATTACKER4: NOW + HOUR, "203.0.113.0/24": None}
        del wanted["192.0.2.9"]
        outcome = guard.adjusts(wanted, ATTACKER4, "203.0.113.0/24", "192.0.2.9")
        assert changed(outcome) == ((ATTACKER4,), ("203.0.113.0/24",), ("192.0.2.9",))
        assert len(guard.changes) == 3
        assert guard.looks() == guard.sight
        assert changed(guard.wants(wanted)) == ((), (), ())


def with_rules_of_an_owner(host: Host) -> None:
    """Give a host rules in every place where an action might reach."""
    host.run(["nft", "-f", "-"], stdin=OWNERS_NFT, check=True)
    host.run(["iptables-restore"], stdin=OWNERS_IPTABLES.format("198.51.100.77"), check=True)
    host.run(["ip6tables-restore"], stdin=OWNERS_IPTABLES.format("2001:db8:77::77"), check=True)
    host.run(["ipset", "restore"], stdin=OWNERS_IPSET, check=True)


def owners_part(host: Host) -> str:
    """The rules and sets whose lines do not name us, outside our own nftables table."""
    rules = [
        line
        for tool in ("iptables-save", "ip6tables-save")
        for line in host.run([tool]).stdout.splitlines()
        if "fw_guard" not in line and not line.startswith("#")
    ]
    sets = [
        line for line in host.run(["ipset", "save"]).stdout.splitlines() if "fw_guard" not in line
    ]
    table = host.run(["nft", "-s", "list", "table", "inet", "owner"], check=True).stdout
    return re.sub(r"\[\d+:\d+\]", "", "\n".join([*rules, *sets, table]))


OWNERS_NFT = """
table inet owner {
    set ban4 {
        type ipv4_addr
        flags interval
        elements = { 198.51.100.77, 203.0.113.0/24 }
    }
    chain input {
        type filter hook input priority -10; policy accept;
        ip saddr @ban4 drop
        tcp dport 22 accept
    }
}
"""
OWNERS_IPTABLES = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:owner - [0:0]
-A INPUT -s {0} -j DROP
-A INPUT -j owner
-A owner -s {0} -p tcp -m tcp --dport 22 -j DROP
COMMIT
"""
OWNERS_IPSET = """create owner hash:ip family inet hashsize 1024 maxelem 65536
add owner 198.51.100.77
"""

EVERY_RULE = ["nft flush ruleset"]
DAMAGE = {
    "nftables": {
        "every rule": EVERY_RULE,
        "our rules": ["nft flush chain inet fw_guard input"],
        "one rule": [
            "nft flush chain inet fw_guard input",
            "nft add rule inet fw_guard input drop",
        ],
        "our members": [
            "nft flush set inet fw_guard host4",
            "nft flush set inet fw_guard prefix64",
        ],
    },
    "iptables": {
        "every rule": EVERY_RULE,
        "INPUT": ["iptables -F INPUT", "ip6tables -F INPUT"],
        "every chain": ["iptables -F", "iptables -X", "ip6tables -F", "ip6tables -X"],
        "our members": ["iptables -F fw_guard", "ip6tables -F fw_guard"],
    },
    "ipset": {
        "every rule": EVERY_RULE,
        "our rules": ["iptables -F INPUT", "ip6tables -F INPUT"],
        "every set": ["iptables -F", "ip6tables -F", "ipset destroy"],
        "our members": ["ipset flush"],
    },
}


@pytest.mark.parametrize(
    ("back_end", "lost"),
    [
        pytest.param(name, lost, marks=pytest.mark.needs("nft", *PROGRAMS[name]))
        for name, damages in DAMAGE.items()
        for lost in damages
    ],
)
def test_what_was_lost_is_put_back_by_the_next_pass(
    guard: Guard, network: Network, back_end: str, lost: str
) -> None:
    wanted = {ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR}
    guard.wants(wanted)
    whole = ruleset(guard.host)
    for command in DAMAGE[back_end][lost]:
        guard.host.run(command.split(), check=True)
    assert ruleset(guard.host) != whole
    outcome = guard.wants(wanted)
    assert outcome.was_set_up == (lost != "our members")
    assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
    assert network.neighbour.reach(network.server, PORT) == EVERYTHING
    again = guard.wants(wanted)
    assert (changed(again), again.was_set_up) == (((), (), ()), False)


@pytest.mark.needs("nft")
@pytest.mark.parametrize("back_end", ["nftables"])
def test_a_refused_batch_is_an_error_that_says_why(guard: Guard) -> None:
    guard.wants({})

    def with_a_meddler(argv: Sequence[str], stdin: str) -> Result:
        if tuple(argv) == guard.action.ban[0].argv:
            line = "add element inet fw_guard net4 { 10.0.0.0/8 }"
            guard.host.run(["nft", line], check=True)
        return guard.run(argv, stdin)

    with pytest.raises(FirewallError) as caught:
        firewall.reconcile(
            guard.action,
            {"10.1.0.0/16": None},
            NOW,
            told={},
            run=with_a_meddler,
            generation=guard.generation,
        )
    message = str(caught.value)
    assert message.startswith("`nft -f -` failed with exit code 1: ")
    assert "interval overlaps with an existing one" in message
    assert message.endswith(
        "; an address was put into our sets by hand; `nft delete table inet fw_guard`, "
        "then wait for the next pass"
    )
    # What the meddler put there is foreign, and the next pass takes it out.
    outcome = guard.wants({"10.1.0.0/16": None})
    assert changed(outcome) == (("10.1.0.0/16",), (), ("10.0.0.0/8",))


@back_ends("iptables", "ipset")
def test_a_question_that_meets_a_lock_is_not_taken_for_answered_with_no(guard: Guard) -> None:
    guard.wants({ATTACKER4: None})
    before = ruleset(guard.host)

    def locked(argv: Sequence[str], stdin: str) -> Result:
        if {"-C", "-S", "-L"}.intersection(argv):
            return Result(4, "", "Another app is currently holding the xtables lock.\n")
        return guard.run(argv, stdin)

    for act in (firewall.set_up, firewall.teardown):
        with pytest.raises(FirewallError, match=r"another program is at work.*next pass"):
            act(guard.action, locked)
    assert ruleset(guard.host) == before
