"""What an owner may choose, with real packets: drop or reject, open connections, hooks, ports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .machine import EVERYTHING, Machine, back_ends

if TYPE_CHECKING:
    from pathlib import Path

    from .network import Network

PORT, FREE, WITHIN = 2222, 2223, 8005
SILENCE = 0.4  # seconds without an answer that count as shut out
ATTACKER4, ATTACKER6 = "192.0.2.7", "2001:db8:1:7::/64"
ATTACKERS = (ATTACKER4, ATTACKER6)
OTHER = "198.51.100.77"
PINGS = frozenset({"icmp4", "icmp6"})
PORTS = "ports = [22, 2222, '8000-8010']"
# As Docker's own: every packet that is forwarded goes through it first.
DOCKER = (
    "{0} -N DOCKER-USER",
    "{0} -A DOCKER-USER -j RETURN",
    "{0} -I FORWARD 1 -j DOCKER-USER",
)
HOOKS = [
    ("nftables", "forward"),
    ("nftables", "prerouting"),
    ("ipset", "forward"),
    ("ipset", "docker"),
    ("iptables", "forward"),
    ("iptables", "docker"),
    ("iptables-legacy", "docker"),
]
CHOICES = [
    'block = "reject"',
    'established = "keep"\nblock = "reject"',
    'established = "keep"',
    'hook = "forward"',
    'hook = "{elsewhere}"',
    'hook = "{elsewhere}"\nblock = "reject"',
    PORTS,
    f'block = "reject"\nestablished = "keep"\n{PORTS}',
    "ports = [443]",
    "",
]

every_back_end = back_ends("nftables", "ipset", "iptables", "ipset-legacy", "iptables-legacy")
modern_back_ends = back_ends("nftables", "ipset", "iptables")


@pytest.fixture
def machine(network: Network, tmp_path: Path, back_end: str) -> Machine:
    return Machine(network.server, tmp_path, back_end)


@every_back_end
class TestBlock:
    """What a banned peer is answered."""

    def test_drop_is_silence(self, network: Network, machine: Machine) -> None:
        machine.guard("ban", *ATTACKERS)
        with network.server.listen(PORT):
            answers = network.attacker.answers(network.server, PORT, timeout=SILENCE)
            assert set(answers.values()) == {"silence"}
            assert network.neighbour.reach(network.server, PORT) == EVERYTHING

    def test_reject_says_no_at_once(self, network: Network, machine: Machine) -> None:
        machine.configure('block = "reject"')
        machine.guard("ban", *ATTACKERS)
        with network.server.listen(PORT):
            assert network.attacker.answers(network.server, PORT) == {
                "tcp4": "reset",
                "tcp6": "reset",
                "udp4": "prohibited",
                "udp6": "prohibited",
                "icmp4": "prohibited",
                "icmp6": "prohibited",
            }
            assert network.neighbour.reach(network.server, PORT) == EVERYTHING


@every_back_end
class TestEstablished:
    """What becomes of a connection that is open when its peer is banned."""

    @pytest.mark.parametrize("block", ["drop", "reject"])
    def test_end_cuts_it(self, network: Network, machine: Machine, block: str) -> None:
        machine.configure(f'established = "end"\nblock = "{block}"')
        machine.guard("ban", OTHER)
        with network.server.listen(PORT):
            connections = [
                network.attacker.open_connection(network.server, PORT, family=family)
                for family in (4, 6)
            ]
            machine.guard("ban", *ATTACKERS)
            assert [each.alive(SILENCE) for each in connections] == [False, False]

    @pytest.mark.parametrize("block", ["drop", "reject"])
    def test_keep_lets_it_go_on_and_no_new_one_begin(
        self, network: Network, machine: Machine, block: str
    ) -> None:
        machine.configure(f'established = "keep"\nblock = "{block}"')
        machine.guard("ban", OTHER)
        with network.server.listen(PORT):
            connections = [
                network.attacker.open_connection(network.server, PORT, family=family)
                for family in (4, 6)
            ]
            machine.guard("ban", *ATTACKERS)
            assert [each.alive() for each in connections] == [True, True]
            assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
            assert [each.alive() for each in connections] == [True, True]


@pytest.mark.parametrize(
    ("back_end", "hook"),
    [
        pytest.param(back_end, hook, marks=back_ends(back_end).args[1][0].marks)
        for back_end, hook in HOOKS
    ],
)
class TestHook:
    """Packets that the guarded host forwards to a container."""

    def test_they_are_looked_at_only_when_asked_for(
        self, network: Network, machine: Machine, hook: str
    ) -> None:
        server, attacker, neighbour = network.server, network.attacker, network.neighbour
        guest = network.join_behind(server)
        if hook == "docker":
            machine.does(*(each.format(tool) for tool in TOOLS for each in DOCKER))
        machine.guard("ban", *ATTACKERS)
        with server.listen(PORT), guest.listen(PORT):
            assert attacker.reach(server, PORT, timeout=SILENCE) == frozenset()
            assert attacker.reach(guest, PORT) == EVERYTHING
            machine.configure(f'hook = "{hook}"')
            machine.quiet_pass()
            assert attacker.reach(guest, PORT, timeout=SILENCE) == frozenset()
            assert attacker.reach(server, PORT, timeout=SILENCE) == frozenset()
            assert neighbour.reach(guest, PORT) == EVERYTHING
            assert neighbour.reach(server, PORT) == EVERYTHING
            machine.configure()
            machine.quiet_pass()
            assert attacker.reach(guest, PORT) == EVERYTHING
            assert attacker.reach(server, PORT, timeout=SILENCE) == frozenset()

    def test_the_guest_is_answered_for_by_its_host(
        self, network: Network, machine: Machine, hook: str
    ) -> None:
        guest = network.join_behind(network.server)
        if hook == "docker":
            machine.does(*(each.format(tool) for tool in TOOLS for each in DOCKER))
        machine.configure(f'hook = "{hook}"\nblock = "reject"\nestablished = "keep"')
        machine.guard("ban", OTHER)
        with guest.listen(PORT):
            connection = network.attacker.open_connection(guest, PORT)
            machine.guard("ban", *ATTACKERS)
            answers = network.attacker.answers(guest, PORT)
            assert set(answers.values()) == {"reset", "prohibited"}
            assert connection.alive()


@every_back_end
class TestPorts:
    """A ban of a few ports."""

    @pytest.mark.parametrize("place", ["top", "jail"])
    def test_only_they_are_shut(self, network: Network, machine: Machine, place: str) -> None:
        machine.configure(**{place: PORTS})
        machine.attempts(network.attacker.ipv4, 3)
        machine.attempts(network.attacker.ipv6, 3)
        machine.quiet_pass()
        server, attacker = network.server, network.attacker
        with server.listen(PORT), server.listen(FREE), server.listen(WITHIN):
            assert attacker.reach(server, FREE) == EVERYTHING
            assert attacker.reach(server, PORT, timeout=SILENCE) == PINGS
            assert attacker.reach(server, WITHIN, timeout=SILENCE) == PINGS
            assert network.neighbour.reach(server, PORT) == EVERYTHING

    def test_reject_says_no_at_them_alone(self, network: Network, machine: Machine) -> None:
        machine.configure(f'block = "reject"\n{PORTS}')
        machine.guard("ban", *ATTACKERS)
        with network.server.listen(PORT), network.server.listen(FREE):
            answers = network.attacker.answers(network.server, PORT)
            assert [answers[name] for name in ("tcp4", "tcp6")] == ["reset", "reset"]
            assert [answers[name] for name in ("udp4", "udp6")] == ["prohibited", "prohibited"]
            assert network.attacker.reach(network.server, FREE) == EVERYTHING


TOOLS = ("iptables", "ip6tables")


@every_back_end
def test_another_choice_is_applied_by_the_next_pass_and_leaves_nothing_of_the_old(
    network: Network, machine: Machine, tmp_path: Path, back_end: str
) -> None:
    elsewhere = "prerouting" if back_end == "nftables" else "docker"
    machine.guard("ban", *ATTACKERS, OTHER)
    seen = []
    for number, choice in enumerate(CHOICES):
        place = tmp_path / str(number)
        place.mkdir()
        host = network.join(f"new{number}", f"192.0.2.{100 + number}", f"2001:db8:1:1::{number}")
        fresh = Machine(host, place, back_end)
        for each in (machine, fresh):
            each.configure(choice.format(elsewhere=elsewhere))
        machine.quiet_pass()
        fresh.guard("ban", *ATTACKERS, OTHER)
        seen.append(sorted(fresh.ruleset().splitlines()))
        assert sorted(machine.ruleset().splitlines()) == seen[-1], choice
    assert len(set(map(str, seen))) == len(CHOICES)
