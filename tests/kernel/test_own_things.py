"""We touch what is ours: whatever else is there stays as it is, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from .machine import EVERYTHING, IPV6, Machine, back_ends
from .owner import everything, move_in, theirs

if TYPE_CHECKING:
    from pathlib import Path

    from .network import Network

PORT, SSH = 2222, 22
SILENCE = 0.4
EVERY_KIND = ("192.0.2.7", "198.51.100.0/25", "2001:db8:1:7::/64", "2001:db8:6::/48")
LOSSES = {
    "nftables": ("nft delete table inet fw_guard",),
    "ipset": ("ipset flush fw_guard4", "iptables -F fw_guard-set", "ip6tables -D INPUT 1"),
    "iptables": ("iptables -F fw_guard", "ip6tables -D INPUT 1"),
}
JAILS = """
[jail.sshd]
filter = "sshd"
logs = ["{log}"]

[jail.other]
filter = "sshd"
logs = ["{log}.other"]
{other}
"""

pytestmark = pytest.mark.needs("nft", "ipset", "iptables", "ip6tables")
every_back_end = back_ends("nftables", "ipset", "iptables", "ipset-legacy", "iptables-legacy")


@pytest.fixture
def machine(network: Network, tmp_path: Path, back_end: str) -> Machine:
    machine = Machine(network.server, tmp_path, back_end)
    move_in(machine)
    return machine


@every_back_end
class TestOwner:
    """Hundreds of rules, and names like ours."""

    def test_the_owner_s_rules_are_those_of_several_hundred(self, machine: Machine) -> None:
        # Else the other tests would compare nothing with nothing.
        assert theirs(machine) == everything(machine)
        assert len(theirs(machine).splitlines()) > 500
        for name in ("fw_guard2", "my_fw_guard", "f2b-sshd", "table ip fw_guard", "DOCKER-USER"):
            assert name in theirs(machine)

    def test_nothing_of_them_changes_from_the_set_up_to_the_teardown(
        self, machine: Machine
    ) -> None:
        before = everything(machine)
        machine.guard("ban", *EVERY_KIND)
        assert theirs(machine) == before
        assert everything(machine) != before
        machine.guard("unban", EVERY_KIND[0])
        assert theirs(machine) == before
        machine.does(*LOSSES[machine.action])
        machine.quiet_pass()
        assert theirs(machine) == before
        elsewhere = "prerouting" if machine.action == "nftables" else "docker"
        for hook in ("forward", elsewhere):
            machine.configure(f'block = "reject"\nestablished = "keep"\nhook = "{hook}"')
            machine.quiet_pass()
            assert theirs(machine) == before, hook
        machine.configure("ports = [22]")
        machine.quiet_pass()
        assert theirs(machine) == before
        machine.action = "preview"
        machine.configure()
        machine.guard("run")
        assert everything(machine) == before

    def test_they_cannot_be_mistaken_for_ours(self, network: Network, machine: Machine) -> None:
        machine.guard("ban", *EVERY_KIND)
        machine.quiet_pass()
        with network.server.listen(SSH):
            assert network.attacker.reach(network.server, SSH, timeout=SILENCE) == frozenset()
            assert network.neighbour.can_connect(network.server, SSH)
        assert machine.bans() == sorted(EVERY_KIND)

    def test_what_another_program_puts_before_ours_is_no_reason_to_write_anything(
        self, machine: Machine
    ) -> None:
        machine.guard("ban", *EVERY_KIND)
        machine.does(
            "iptables -N f2b-nginx",
            "iptables -I INPUT 1 -p tcp -m multiport --dports 80 -j f2b-nginx",
            "iptables -A f2b-nginx -j RETURN",
            "nft add element inet f2b-table addr-set-sshd { 203.0.113.71 }",
        )
        before = everything(machine)
        machine.quiet_pass()
        assert everything(machine) == before


def two_jails(machine: Machine, other: str) -> None:
    """Configure two jails, the second with other settings."""
    machine.write(
        "fw-guard.toml",
        f'action = "{machine.action}"\nmaxretry = 3\nbantime = "1h"\n'
        + JAILS.format(log=machine.log, other=other),
    )


def attempts(machine: Machine, first: str, second: str) -> None:
    """Let a host knock at the first jail, and another at the second."""
    machine.attempts(second, 3)
    machine.log.rename(f"{machine.log}.other")
    machine.attempts(first, 3)


class TestTwoJails:
    """Two firewalls at work in one host."""

    @pytest.mark.parametrize("other", ["nftables", "ipset", "iptables"])
    @back_ends("nftables", "ipset", "iptables")
    def test_with_different_actions_each_holds_its_own(
        self, network: Network, machine: Machine, other: str
    ) -> None:
        before = everything(machine)
        two_jails(machine, f'action = "{other}"')
        attempts(machine, network.attacker.ipv4, network.neighbour.ipv4)
        machine.quiet_pass()
        assert theirs(machine) == before
        both = everything(machine)
        with network.server.listen(SSH):
            assert network.attacker.reach(network.server, SSH, timeout=SILENCE) <= IPV6
            assert network.neighbour.reach(network.server, SSH, timeout=SILENCE) <= IPV6
            machine.quiet_pass()
            assert everything(machine) == both
            machine.guard("unban", network.neighbour.ipv4)
            assert network.neighbour.can_connect(network.server, SSH)
            assert not network.attacker.can_connect(network.server, SSH, timeout=SILENCE)
        for action in {machine.action, other}:
            machine.does(*LOSSES[action])
        machine.quiet_pass()
        machine.action = "preview"
        machine.configure()
        machine.guard("run")
        assert everything(machine) == before

    @every_back_end
    def test_a_ban_of_ports_stands_beside_one_of_all(
        self, network: Network, tmp_path: Path, back_end: str
    ) -> None:
        machine = Machine(network.server, tmp_path, back_end)
        two_jails(machine, "ports = [22]")
        attempts(machine, network.attacker.ipv4, network.neighbour.ipv4)
        machine.quiet_pass()
        server, attacker, neighbour = network.server, network.attacker, network.neighbour
        with server.listen(SSH), server.listen(PORT):
            assert attacker.reach(server, PORT, timeout=SILENCE) == IPV6
            assert neighbour.reach(server, PORT) == EVERYTHING
            shut = neighbour.reach(server, SSH, timeout=SILENCE)
            assert shut == IPV6 | {"icmp4"}
            machine.guard("unban", neighbour.ipv4)
            assert neighbour.reach(server, SSH) == EVERYTHING
            assert attacker.reach(server, SSH, timeout=SILENCE) == IPV6
        machine.configure()
        machine.quiet_pass()
        assert "fw_guard_22" not in machine.ruleset()
        assert [ban["jail"] for ban in json.loads(machine.guard("list", "--json"))["bans"]] == [
            "sshd"
        ]
