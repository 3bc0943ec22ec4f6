"""The shipped actions against the Linux kernel itself, with real packets."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fw_guard import firewall
from fw_guard.actions import load
from fw_guard.firewall import FirewallError, Outcome, Result
from fw_guard.templates import Action

from .network import Host, Network

if TYPE_CHECKING:
    from .probes import Family

ACTIONS = Path(__file__).parents[2] / "actions"
PROGRAMS = {
    "nftables": ("nft",),
    "ipset": ("ipset", "iptables", "ip6tables"),
    "iptables": ("iptables", "ip6tables", "iptables-restore", "ip6tables-restore"),
}
PORT = 7
SILENCE = 0.5  # seconds without an answer that count as shut out
NOW = 1_700_000_000
HOUR = 3600
EVERYTHING = frozenset({"tcp4", "udp4", "icmp4", "tcp6", "udp6", "icmp6"})
OF_IPV4 = frozenset({"tcp4", "udp4", "icmp4"})
OF_IPV6 = EVERYTHING - OF_IPV4
ATTACKER4, ATTACKER6 = "192.0.2.7", "2001:db8:1:7::/64"
NEIGHBOUR4 = "192.0.2.8"
ALL_CLASSES = {
    "192.0.2.9": NOW + HOUR,
    "192.0.2.10": None,
    "198.51.100.0/25": None,
    "198.51.100.128/25": None,
    "203.0.113.0/24": NOW + HOUR,
    "2001:db8:5::7": NOW + HOUR,
    "2001:db8:5:1::/64": NOW + HOUR,
    "2001:db8:5:2::/64": None,
    "2001:db8:6::/48": None,
    "2001:db8:7::/48": None,
}


@dataclass
class Guard:
    """An action at work on the server of a network, with a record of every command."""

    action: Action
    host: Host
    calls: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def run(self, argv: Sequence[str], stdin: str) -> Result:
        """Run a command on the server."""
        self.calls.append((tuple(argv), stdin))
        done = self.host.run(argv, stdin=stdin)
        return Result(done.returncode, done.stdout, done.stderr)

    def wants(self, wanted: Mapping[str, int | None], *changed: str) -> Outcome:
        """Make the firewall hold this; the record starts anew."""
        self.calls.clear()
        return firewall.reconcile(self.action, wanted, NOW, changed=changed, run=self.run)

    @property
    def changes(self) -> list[tuple[str, ...]]:
        """The commands run since that are not mere questions."""
        questions = {check.argv for check in self.action.checks}
        questions |= {listing.argv for listing in self.action.listings}
        return [argv for argv, _ in self.calls if argv not in questions]


@pytest.fixture
def network() -> Iterator[Network]:
    """A network whose server echoes on PORT."""
    with Network() as network, network.server.listen(PORT):
        yield network


def back_ends(*names: str) -> pytest.MarkDecorator:
    """Run a test with each of these actions; skip those whose programs are not here."""
    cases = [
        pytest.param(name, marks=pytest.mark.needs(*PROGRAMS[name]), id=name) for name in names
    ]
    return pytest.mark.parametrize("name", cases)


every_back_end = back_ends("nftables", "iptables", "ipset")
back_ends_with_times = back_ends("nftables", "ipset")


@pytest.fixture
def guard(name: str, needed_programs: None, network: Network) -> Guard:
    """The action on the server, which has rules of its owner's."""
    return Guard(load(str(ACTIONS / f"{name}.toml")), network.server)


def until(condition: Callable[[], bool]) -> bool:
    """Wait until it holds, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def ruleset(host: Host) -> str:
    """All rules and sets of the host, without counters, times left and other accidents."""
    texts = [
        host.run(argv).stdout
        for argv in (
            ["nft", "-s", "list", "ruleset"],
            ["iptables-save"],
            ["ip6tables-save"],
            ["ipset", "save"],
        )
    ]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r"\[\d+:\d+\]| initval 0x\w+| (timeout|expires) \w+", "", "\n".join(lines))


@every_back_end
class TestPackets:
    """Who is banned gets nothing through, and nobody else notices."""

    def test_a_banned_source_is_shut_out_and_its_neighbour_is_not(
        self, guard: Guard, network: Network
    ) -> None:
        assert network.attacker.reach(network.server, PORT) == EVERYTHING
        outcome = guard.wants({ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR})
        assert outcome == Outcome((ATTACKER4, ATTACKER6), (), True, ())
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
        assert network.neighbour.reach(network.server, PORT) == EVERYTHING

    @pytest.mark.parametrize(
        ("banned", "left"),
        [
            ("192.0.2.7", OF_IPV6),
            ("192.0.2.0/29", OF_IPV6),
            ("2001:db8:1:7::7", OF_IPV4),
            ("2001:db8:1:7::/64", OF_IPV4),
            ("2001:db8:1::/61", OF_IPV4),
        ],
    )
    def test_every_class_of_addresses_shuts_out(
        self, guard: Guard, network: Network, banned: str, left: frozenset[str]
    ) -> None:
        guard.wants({banned: NOW + HOUR})
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == left
        assert network.neighbour.reach(network.server, PORT) == EVERYTHING

    def test_another_host_of_the_same_64_is_banned_with_it(
        self, guard: Guard, network: Network
    ) -> None:
        other = network.join("other", "192.0.2.9", "2001:db8:1:7:ffff::9")
        guard.wants({ATTACKER6: None})
        assert other.reach(network.server, PORT, timeout=SILENCE) == OF_IPV4

    def test_an_open_connection_is_cut(self, guard: Guard, network: Network) -> None:
        connections = [
            network.attacker.open_connection(network.server, PORT, family=family)
            for family in (4, 6)
        ]
        guard.wants({ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR})
        assert [connection.alive(SILENCE) for connection in connections] == [False, False]

    def test_an_owner_that_accepts_everything_does_not_let_a_banned_source_in(
        self, guard: Guard, network: Network
    ) -> None:
        for tool in ("iptables", "ip6tables"):
            network.server.run([tool, "-A", "INPUT", "-j", "ACCEPT"], check=True)
        guard.wants({ATTACKER4: None, ATTACKER6: None})
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()

    def test_an_unban_lets_in_at_once(self, guard: Guard, network: Network) -> None:
        guard.wants({ATTACKER4: None, ATTACKER6: None, NEIGHBOUR4: None})
        outcome = guard.wants({NEIGHBOUR4: None})
        assert outcome == Outcome((), (ATTACKER4, ATTACKER6), False, ())
        assert network.attacker.reach(network.server, PORT) == EVERYTHING
        assert network.neighbour.reach(network.server, PORT, timeout=SILENCE) == OF_IPV6

    def test_a_host_stays_shut_out_when_its_network_takes_its_place(
        self, guard: Guard, network: Network
    ) -> None:
        guard.wants({ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR})
        wanted = {
            ATTACKER4: NOW + HOUR,
            ATTACKER6: NOW + HOUR,
            "192.0.2.0/29": NOW + HOUR,
            "2001:db8:1::/61": NOW + HOUR,
        }
        outcome = guard.wants(wanted)
        assert outcome.banned == ("192.0.2.0/29", "2001:db8:1::/61")
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
        guard.wants({ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR})
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()


@back_ends_with_times
class TestTimes:
    """The kernel itself ends a ban."""

    @pytest.mark.parametrize(
        ("banned", "shut"),
        [
            ("192.0.2.7", OF_IPV4),
            ("192.0.2.0/29", OF_IPV4),
            ("2001:db8:1:7::7", OF_IPV6),
            ("2001:db8:1:7::/64", OF_IPV6),
            ("2001:db8:1::/61", OF_IPV6),
        ],
    )
    def test_a_ban_ends_without_another_pass(
        self, guard: Guard, network: Network, banned: str, shut: frozenset[str]
    ) -> None:
        guard.wants({banned: NOW + 2, "192.0.2.8": None, "2001:db8:1:8::/64": NOW + HOUR})
        before = len(guard.calls)
        family: Family = 4 if shut == OF_IPV4 else 6
        assert not network.attacker.can_ping(network.server, family=family, timeout=0.2)
        assert until(lambda: network.attacker.can_ping(network.server, family=family, timeout=0.2))
        assert network.attacker.reach(network.server, PORT) == EVERYTHING
        assert network.neighbour.reach(network.server, PORT, timeout=SILENCE) == frozenset()
        assert len(guard.calls) == before

    @pytest.mark.parametrize("banned", sorted(ALL_CLASSES))
    def test_a_changed_time_replaces_the_old_one(self, guard: Guard, banned: str) -> None:
        guard.wants({banned: NOW + HOUR})
        assert 3500 < seconds_left(guard, banned) <= 3600
        assert guard.wants({banned: NOW + 86400}, banned).banned == (banned,)
        assert 86300 < seconds_left(guard, banned) <= 86400
        guard.wants({banned: None}, banned)
        assert seconds_left(guard, banned) == 0
        guard.wants({banned: NOW + 600}, banned)
        assert 500 < seconds_left(guard, banned) <= 600

    def test_a_ban_longer_than_the_kernel_can_keep_is_taken(self, guard: Guard) -> None:
        century = NOW + 100 * 365 * 86400
        outcome = guard.wants(dict.fromkeys(ALL_CLASSES, century))
        assert outcome.banned == tuple(ALL_CLASSES)
        assert guard.wants(dict.fromkeys(ALL_CLASSES, century)).banned == ()


def seconds_left(guard: Guard, address: str) -> int:
    """The time that the kernel gives an address, 0 for good."""
    if guard.action.path.endswith("ipset.toml"):
        name = "fw_guard6" if ":" in address else "fw_guard4"
        text = guard.host.run(["ipset", "save", name], check=True).stdout
        found = re.search(rf"^add {name} {re.escape(address)} timeout (\d+)$", text, re.MULTILINE)
        assert found is not None, text
        return int(found[1])
    text = guard.host.run(["nft", "list", "table", "inet", "fw_guard"], check=True).stdout
    listed = address.removesuffix("/64")
    found = re.search(rf"[ {{]{re.escape(listed)}( timeout \w+ expires (\w+))?[ ,]", text)
    assert found is not None, text
    if not found[1]:
        return 0
    units = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 0}
    return sum(int(n) * units[unit] for n, unit in re.findall(r"(\d+)(ms|[dhms])", found[2]))


@every_back_end
class TestRules:
    """What stands in the kernel's tables."""

    def test_a_quiet_pass_changes_nothing_and_runs_no_command_that_could(
        self, guard: Guard
    ) -> None:
        first = guard.wants(ALL_CLASSES)
        assert first == Outcome(tuple(ALL_CLASSES), (), True, ())
        before = ruleset(guard.host)
        assert guard.wants(ALL_CLASSES) == Outcome((), (), False, ())
        assert guard.changes == []
        assert [stdin for _, stdin in guard.calls if stdin] == []
        assert len(guard.calls) == len(set(guard.calls))
        assert ruleset(guard.host) == before

    def test_what_is_banned_is_read_back_whole(self, guard: Guard) -> None:
        guard.wants(ALL_CLASSES)
        assert guard.wants({}).unbanned == tuple(ALL_CLASSES)
        assert guard.wants({}) == Outcome((), (), False, ())

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
        assert len(guard.wants(wanted).banned) == len(wanted)
        assert guard.changes == [batch.argv for batch in guard.action.ban]
        assert len(guard.wants({}).unbanned) == len(wanted)
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
        intended = firewall.intended(guard.action, ALL_CLASSES, NOW, run=guard.run)
        guard.wants(ALL_CLASSES)
        asked = {argv for step in guard.action.setup for argv in (step.unless, step.when)}
        assert [c.argv for c in intended] == [argv for argv in guard.changes if argv not in asked]


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
        "INPUT": ["iptables -F INPUT", "ip6tables -F INPUT"],
        "every set": ["iptables -F", "ip6tables -F", "ipset destroy"],
        "our members": ["ipset flush"],
    },
}


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        pytest.param(name, lost, marks=pytest.mark.needs("nft", *PROGRAMS[name]))
        for name, damages in DAMAGE.items()
        for lost in damages
    ],
)
def test_what_was_lost_is_put_back_by_the_next_pass(
    guard: Guard, network: Network, name: str, lost: str
) -> None:
    wanted = {ATTACKER4: NOW + HOUR, ATTACKER6: NOW + HOUR}
    guard.wants(wanted)
    whole = ruleset(guard.host)
    for command in DAMAGE[name][lost]:
        guard.host.run(command.split(), check=True)
    assert ruleset(guard.host) != whole
    outcome = guard.wants(wanted)
    assert outcome.was_set_up == (lost != "our members")
    assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
    assert network.neighbour.reach(network.server, PORT) == EVERYTHING
    assert guard.wants(wanted) == Outcome((), (), False, ())


@pytest.mark.needs("nft")
@pytest.mark.parametrize("name", ["nftables"])
def test_a_refused_batch_is_an_error_that_says_why(guard: Guard) -> None:
    guard.wants({})

    def with_a_meddler(argv: Sequence[str], stdin: str) -> Result:
        if tuple(argv) == guard.action.ban[0].argv:
            line = "add element inet fw_guard net4 { 10.0.0.0/8 }"
            guard.host.run(["nft", line], check=True)
        return guard.run(argv, stdin)

    with pytest.raises(FirewallError) as caught:
        firewall.reconcile(guard.action, {"10.1.0.0/16": None}, NOW, run=with_a_meddler)
    message = str(caught.value)
    assert message.startswith("`nft -f -` failed with exit code 1: ")
    assert "interval overlaps with an existing one" in message
    assert message.endswith(
        "; an address was put into our sets by hand; `nft delete table inet fw_guard`, "
        "then wait for the next pass"
    )
    # What the meddler put there is foreign, and the next pass takes it out.
    outcome = guard.wants({"10.1.0.0/16": None})
    assert outcome == Outcome(("10.1.0.0/16",), ("10.0.0.0/8",), False, ())
