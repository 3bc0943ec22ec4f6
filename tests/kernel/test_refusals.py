"""When the firewall cannot be made right: a clear message, the state unharmed, then the cure."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .machine import Machine, back_ends, covered, without

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .network import Network

ATTACKER4 = "192.0.2.7"
KNOCKERS = tuple(f"198.51.100.{last}" for last in range(1, 7))
XTABLES_LOCK = "/run/xtables.lock"
NOBODY = 65_534
TOOLS = {
    "nftables": ("nft",),
    "ipset": ("ipset",),
    "iptables": ("iptables",),
}
# Runs fw-guard with less patience than it has.
IMPATIENT = """
import sys
from fw_guard import cli, firewall, processes
processes.run_command.__defaults__ = (0.5,)
sys.argv[0] = "fw-guard"
cli.main()
"""
SLOW = """
title = "a tool that hangs"
[[ban]]
argv = ["{tool}"]
[[ban.stdin]]
for = ["host4"]
each = "add {{address}}"
[[unban]]
argv = ["{tool}"]
[[unban.stdin]]
for = ["host4"]
each = "del {{address}}"
[[sample]]
ban = [["192.0.2.7", 60]]
[[sample.commands]]
argv = ["{tool}"]
stdin = '''
add 192.0.2.7
'''
[[sample]]
unban = ["192.0.2.7"]
[[sample.commands]]
argv = ["{tool}"]
stdin = '''
del 192.0.2.7
'''
"""

modern_back_ends = back_ends("nftables", "ipset", "iptables")


@pytest.fixture
def machine(network: Network, tmp_path: Path, back_end: str) -> Machine:
    return Machine(network.server, tmp_path, back_end)


def refused(machine: Machine, code: int = os.EX_UNAVAILABLE, *before: str) -> str:
    """Run a pass that the firewall refuses; give the complaint. The bans stay what they are."""
    known = machine.guard("list", "--json"), jails(machine)
    said = machine.guard("run", code=code, before=before)
    assert (machine.guard("list", "--json"), jails(machine)) == known
    return said


def jails(machine: Machine) -> list[dict[str, Any]]:
    """Give what is known of the jails, but for when their logs were read."""
    found: list[dict[str, Any]] = json.loads(machine.guard("status", "--json"))["jails"]
    return [{key: value for key, value in jail.items() if key != "logs"} for jail in found]


def without_rights() -> tuple[str, ...]:
    """Give the words before a command that is root in a container that may touch no network."""
    setpriv = shutil.which("setpriv")
    assert setpriv is not None, "the program setpriv of util-linux is not on the PATH"
    return (setpriv, "--bounding-set=-net_admin", "--inh-caps=-net_admin")


def lost(machine: Machine) -> None:
    """Let the machine hold two bans, and its firewall lose them."""
    machine.guard("ban", ATTACKER4, KNOCKERS[0])
    losses = {
        "nftables": ("nft flush ruleset",),
        "ipset": ("iptables -F", "ip6tables -F", "iptables -X", "ip6tables -X", "ipset destroy"),
        "iptables": ("iptables -F", "ip6tables -F", "iptables -X", "ip6tables -X"),
    }
    machine.does(*losses[machine.action])


def is_right(machine: Machine, *members: str) -> bool:
    """Run a pass that says nothing; say whether the firewall holds them then."""
    machine.quiet_pass()
    listed = machine.members()
    return all(member in listed for member in members)


@modern_back_ends
class TestWithout:
    """What a pass needs is not there."""

    def test_a_tool_that_is_not_installed_is_named(self, machine: Machine) -> None:
        lost(machine)
        tool = TOOLS[machine.action][0]
        said = refused(machine, os.EX_UNAVAILABLE, *without(tool))
        assert said.startswith(f"fw-guard: {machine.action}: `{tool}` is not installed (looked in")
        assert said.endswith("install it, or choose another `action`\n")
        assert is_right(machine, ATTACKER4, KNOCKERS[0])

    def test_a_ban_by_hand_is_kept_for_the_day_the_tool_is_back(self, machine: Machine) -> None:
        tool = TOOLS[machine.action][0]
        said = machine.guard("ban", ATTACKER4, code=os.EX_UNAVAILABLE, before=without(tool))
        assert f"`{tool}` is not installed" in said
        assert machine.bans() == [ATTACKER4]
        assert is_right(machine, ATTACKER4)

    def test_root_without_rights_over_the_network_is_told_so(self, machine: Machine) -> None:
        lost(machine)
        said = refused(machine, os.EX_NOPERM, *without_rights())
        assert "ermi" in said
        assert "expected to be run as root (in a container, with CAP_NET_ADMIN)" in said
        assert is_right(machine, ATTACKER4, KNOCKERS[0])


@back_ends("nftables")
def test_who_is_not_root_is_told_so(machine: Machine) -> None:
    lost(machine)
    setpriv = without_rights()[0]
    before = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    said = machine.guard("run", code=os.EX_NOPERM, before=before)
    assert said.endswith("run as root\n")
    assert is_right(machine, ATTACKER4, KNOCKERS[0])


@contextlib.contextmanager
def the_lock_of_iptables(place: Path) -> Iterator[tuple[str, ...]]:
    """Hold what every legacy iptables waits for; give the words before a command that meets it.

    The lock is one for the whole machine, also across network namespaces: only the command under
    test is to see it held.
    """
    lock = place / "xtables.lock"
    Path(XTABLES_LOCK).touch(0o600)  # what is to be covered must be there
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield covered(XTABLES_LOCK, str(lock))


@back_ends("iptables-legacy", "ipset-legacy")
def test_a_lock_held_by_another_program_is_waited_for_and_said(
    machine: Machine, tmp_path: Path
) -> None:
    lost(machine)
    with the_lock_of_iptables(tmp_path) as before:
        said = refused(machine, os.EX_UNAVAILABLE, *before)
    assert "Another app is currently holding the xtables lock" in said
    assert said.endswith("another program is at work on the rules; the next pass tries again\n")
    assert is_right(machine, ATTACKER4, KNOCKERS[0])


@back_ends("iptables", "ipset")
def test_that_lock_is_nothing_to_iptables_on_nf_tables(machine: Machine, tmp_path: Path) -> None:
    lost(machine)
    with the_lock_of_iptables(tmp_path) as before:
        machine.guard("run", before=before)
    assert is_right(machine, ATTACKER4, KNOCKERS[0])


class TestFull:
    """The kernel has no room for all of them."""

    @back_ends("ipset")
    def test_half_of_a_batch_is_refused(self, machine: Machine) -> None:
        machine.guard("ban", ATTACKER4)
        machine.given("ipset restore", "create small hash:net family inet maxelem 3 timeout 0\n")
        machine.does("ipset swap small fw_guard4", "ipset destroy small")
        for host in KNOCKERS:
            machine.attempts(host, 3)
        said = machine.guard("run", code=os.EX_UNAVAILABLE)
        assert "`ipset restore -exist` failed with exit code 1: ipset v" in said
        assert "Hash is full, cannot add more elements; " in said
        assert machine.bans() == sorted((ATTACKER4, *KNOCKERS))
        assert 0 < sum(f"add fw_guard4 {host} " in machine.members() for host in KNOCKERS) < 6
        assert "Hash is full" in refused(machine)
        machine.does("iptables -F INPUT", "ipset destroy fw_guard4")
        assert is_right(machine, ATTACKER4, *KNOCKERS)

    @back_ends("nftables")
    def test_a_whole_transaction_is_refused(self, machine: Machine) -> None:
        machine.guard("ban", ATTACKER4)
        table = machine.says("nft list table inet fw_guard")
        small = table.replace("type ipv4_addr", "type ipv4_addr\n\t\tsize 3", 1)
        machine.given("nft -f -", f"delete table inet fw_guard\n{small}")
        for host in KNOCKERS:
            machine.attempts(host, 3)
        said = machine.guard("run", code=os.EX_UNAVAILABLE)
        assert "fw-guard: nftables: `nft -f -` failed with exit code 1: " in said
        assert "Too many open files in system" in said
        assert machine.bans() == sorted((ATTACKER4, *KNOCKERS))
        assert not any(host in machine.members() for host in KNOCKERS)
        assert "Too many open files in system" in refused(machine)
        machine.does("nft delete table inet fw_guard")
        assert is_right(machine, ATTACKER4, *KNOCKERS)

    @back_ends("iptables")
    def test_more_than_it_takes_are_left_out_and_said(self, machine: Machine) -> None:
        hosts = [f"198.18.{n // 200}.{n % 200}" for n in range(502)]
        machine.guard("ban", "--for", "1h", *hosts[:2], code=0)
        machine.guard("ban", "--for", "2h", *hosts[2:], code=os.EX_UNAVAILABLE)
        said = refused(machine)
        assert said.startswith("fw-guard: iptables: 198.18.0.0 cannot be banned, and 1 more: ")
        assert said.endswith("; the action ipset or nftables takes as many as there are\n")
        assert len(machine.bans()) == 502
        assert machine.members().count("-j fw_guard-ban") == 500
        machine.guard("unban", *hosts[-2:])
        assert is_right(machine, *hosts[:2])


@back_ends("nftables")
def test_a_tool_that_hangs_is_killed_and_said(machine: Machine, tmp_path: Path) -> None:
    tool = tmp_path / "hangs"
    tool.write_text("#!/bin/sh\nsleep 600\n")
    tool.chmod(0o755)
    (machine.place / "etc").chmod(0o755)
    machine.write("actions/slow.toml", SLOW.format(tool=tool))
    (machine.place / "etc" / "actions").chmod(0o755)
    machine.action = "slow"
    machine.configure()
    done = machine.ran_by_python(IMPATIENT, "ban", ATTACKER4)
    assert done.returncode == os.EX_UNAVAILABLE, done.stderr
    assert f"`{tool}` was not done after 0.5 seconds and was killed" in done.stderr
    assert machine.host.namespace.processes() == []
    assert machine.bans() == [ATTACKER4]
    machine.action = "nftables"
    machine.configure()
    machine.guard("run")
    assert ATTACKER4 in machine.members()


@back_ends("iptables", "ipset")
def test_a_rule_of_the_owner_s_that_calls_our_chain_is_named_at_the_teardown(
    machine: Machine,
) -> None:
    machine.guard("ban", ATTACKER4)
    chain = {"ipset": "fw_guard-set", "iptables": "fw_guard"}[machine.action]
    machine.does(f"iptables -A OUTPUT -j {chain}")
    name, machine.action = machine.action, "preview"
    machine.configure()
    said = machine.guard("run", code=os.EX_UNAVAILABLE)
    assert said.startswith(f"fw-guard: {name}: `iptables-restore --noflush -w 5` failed with ")
    assert "; a rule of your own calls our chain" in said
    machine.does(f"iptables -D OUTPUT -j {chain}")
    machine.guard("run")
    assert "fw_guard" not in machine.ruleset()
