"""Whole passes on a real kernel: cron's environment, real packets, real bans."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from .machine import EVERYTHING, IPV4, IPV6, Machine, back_ends

if TYPE_CHECKING:
    from pathlib import Path

    from .network import Network

PORT = 2222
OWNERS_RULES = """
table inet filter {
    chain input {
        type filter hook input priority 0;
        ct state established accept
        tcp dport 9 drop
    }
}
"""

every_back_end = back_ends("nftables", "iptables", "ipset")


@pytest.fixture
def machine(network: Network, tmp_path: Path, back_end: str) -> Machine:
    return Machine(network.server, tmp_path, back_end)


@every_back_end
def test_a_banned_source_cannot_connect_and_its_neighbour_can(
    network: Network, machine: Machine
) -> None:
    machine.attempts(network.attacker.ipv4, 3)
    machine.attempts(network.neighbour.ipv4, 2)
    with network.server.listen(PORT):
        assert network.attacker.reach(network.server, PORT) == EVERYTHING
        machine.quiet_pass()
        assert network.attacker.reach(network.server, PORT) == IPV6
        assert network.neighbour.reach(network.server, PORT) == EVERYTHING


@every_back_end
def test_ipv6_is_counted_and_banned_by_its_64(network: Network, machine: Machine) -> None:
    for last in ("7", "8", "9"):
        machine.attempts(f"2001:db8:1:7::{last}", 1)
    with network.server.listen(PORT):
        machine.quiet_pass()
        assert network.attacker.reach(network.server, PORT) == IPV4
        assert network.neighbour.reach(network.server, PORT) == EVERYTHING
    bans = json.loads(machine.guard("list", "--json"))["bans"]
    assert [ban["address"] for ban in bans] == ["2001:db8:1:7::/64"]


@every_back_end
def test_unban_frees_at_once(network: Network, machine: Machine) -> None:
    machine.attempts(network.attacker.ipv4, 3)
    machine.quiet_pass()
    with network.server.listen(PORT):
        assert not network.attacker.can_connect(network.server, PORT)
        machine.guard("unban", network.attacker.ipv4)
        assert network.attacker.can_connect(network.server, PORT)
        machine.quiet_pass()
        assert network.attacker.can_connect(network.server, PORT)


@every_back_end
def test_after_the_ban_time_it_can_connect_again(
    network: Network, tmp_path: Path, back_end: str
) -> None:
    machine = Machine(network.server, tmp_path, back_end, bantime="6s")
    machine.attempts(network.attacker.ipv4, 3, ago=2)
    with network.server.listen(PORT):
        machine.quiet_pass()
        assert not network.attacker.can_connect(network.server, PORT, timeout=0.5)
        until = json.loads(machine.guard("list", "--json"))["bans"][0]["until"]
        time.sleep(max(0.0, until - time.time()) + 1)
        machine.quiet_pass()
        assert network.attacker.can_connect(network.server, PORT)
        assert json.loads(machine.guard("list", "--json"))["bans"] == []


@every_back_end
def test_a_second_pass_changes_nothing(network: Network, machine: Machine) -> None:
    machine.attempts(network.attacker.ipv4, 3)
    machine.attempts("2001:db8:1:8::8", 3)
    machine.quiet_pass()
    before = machine.ruleset()
    assert "192.0.2.7" in before
    machine.quiet_pass()
    assert machine.ruleset() == before


@every_back_end
def test_a_flushed_firewall_is_mended_by_the_next_pass(network: Network, machine: Machine) -> None:
    machine.attempts(network.attacker.ipv4, 3)
    machine.quiet_pass()
    for flush in (["nft", "flush", "ruleset"], ["ipset", "destroy"]):
        network.server.run(flush)
    with network.server.listen(PORT):
        assert network.attacker.can_connect(network.server, PORT)
        machine.quiet_pass()
        assert not network.attacker.can_connect(network.server, PORT)


@every_back_end
def test_the_owner_s_rules_stay_as_they_are(network: Network, machine: Machine) -> None:
    network.server.run(["nft", "-f", "-"], stdin=OWNERS_RULES, check=True)
    before = network.server.run(["nft", "list", "table", "inet", "filter"], check=True).stdout
    machine.attempts(network.attacker.ipv4, 3)
    machine.quiet_pass()
    machine.guard("unban", "--all")
    after = network.server.run(["nft", "list", "table", "inet", "filter"], check=True).stdout
    assert after == before


@every_back_end
def test_this_machine_s_own_address_is_never_banned(network: Network, machine: Machine) -> None:
    machine.attempts(network.server.ipv4, 9)
    machine.quiet_pass()
    assert json.loads(machine.guard("list", "--json"))["bans"] == []
    status = json.loads(machine.guard("status", "--json"))
    assert status["jails"][0]["held"][0]["reason"] == "an address of this machine"
    refused = machine.guard("ban", network.server.ipv4, code=os.EX_USAGE)
    assert "an address of this machine" in refused


@pytest.mark.needs("nft")
def test_a_broken_filter_beside_good_ones_costs_only_itself(
    network: Network, tmp_path: Path
) -> None:
    machine = Machine(network.server, tmp_path, "nftables")
    machine.write(
        "filters/mine.toml",
        "title = 'mine'\nservice = 'x'\nlog = { format = 'syslog' }\n"
        "[jail]\nlogs = ['/var/log/x']\n[[match]]\nname = 'a'\npattern = 'from {hast}'\n",
    )
    machine.attempts(network.attacker.ipv4, 3)
    with network.server.listen(PORT):
        said = machine.guard("run", code=os.EX_DATAERR)
        assert not network.attacker.can_connect(network.server, PORT)
    assert "filters/mine.toml:8:12: no host is read; expected a {host} field" in said
    assert "pattern = 'from {hast}'" in said


@pytest.mark.needs("nft")
def test_a_change_of_action_takes_the_old_firewall_s_furniture_away(
    network: Network, tmp_path: Path
) -> None:
    machine = Machine(network.server, tmp_path, "nftables")
    machine.attempts(network.attacker.ipv4, 3)
    machine.quiet_pass()
    machine.action = "preview"
    machine.configure()
    assert "192.0.2.7" in machine.guard("run")
    assert network.server.run(["nft", "list", "ruleset"], check=True).stdout == ""


@pytest.mark.needs("nft")
def test_a_missing_tool_is_said_and_the_bans_are_kept(network: Network, tmp_path: Path) -> None:
    machine = Machine(network.server, tmp_path, "pf")
    machine.attempts(network.attacker.ipv4, 3)
    said = machine.guard("run", code=os.EX_UNAVAILABLE)
    assert "`pfctl` is not installed" in said
    bans: list[Any] = json.loads(machine.guard("list", "--json"))["bans"]
    assert [ban["address"] for ban in bans] == ["192.0.2.7"]
    machine.action = "nftables"
    machine.configure()
    with network.server.listen(PORT):
        machine.guard("run")
        assert not network.attacker.can_connect(network.server, PORT)
