"""Whoever takes our bans away, and however: one pass later the firewall holds what it should."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from .machine import EVERYTHING, IPV4, IPV6, Machine, back_ends
from .network import Network

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PORT = 2222
SILENCE = 0.4  # seconds without an answer that count as shut out
ATTACKER4, ATTACKER6 = "192.0.2.7", "2001:db8:1:7::/64"
EVERY_KIND = ("192.0.2.7", "198.51.100.0/25", "2001:db8:5::/64", "2001:db8:6::/48")
OTHER, NEWCOMER = "192.0.2.99", "198.51.100.200"
IPTABLES = ("iptables -F", "iptables -X", "ip6tables -F", "ip6tables -X")
ALL = {
    "nftables": ("nft flush ruleset",),
    "ipset": (*IPTABLES, "ipset destroy"),
    "iptables": IPTABLES,
}
MEMBERS = {
    "nftables": ("nft flush set inet fw_guard host4", "nft flush set inet fw_guard prefix64"),
    "ipset": ("ipset flush",),
    "iptables": ("iptables -F fw_guard", "ip6tables -F fw_guard"),
}
INPUT = ("iptables -F INPUT", "ip6tables -F INPUT")
RULES = {
    "nftables": ("nft flush table inet fw_guard",),
    "ipset": INPUT,
    "iptables": INPUT,
}
ADD = {  # a member, by hand
    "nftables": "nft add element inet fw_guard host4 {{ {} }}",
    "ipset": "ipset add fw_guard4 {}",
    "iptables": "iptables -A fw_guard -s {} -j fw_guard-ban",
}
REMOVE = {
    "nftables": "nft delete element inet fw_guard host4 {{ {} }}",
    "ipset": "ipset del fw_guard4 {}",
    "iptables": "iptables -D fw_guard 1",
}
# Says which processes a command of fw-guard starts: the interpreter itself tells.
COUNTING = """
import json, sys
started = []
def hear(event, details):
    if event == "subprocess.Popen":
        started.append(details[1])
    elif event in ("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.system"):
        started.append([event])
sys.addaudithook(hear)
from fw_guard import cli
sys.argv[0] = "fw-guard"
try:
    cli.main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(started))
"""
# Passes, each with a new ban to tell, during which somebody runs commands just before the first
# command of the pass, before the second, and so on, and after the last; then one left in peace.
MEDDLING = """
import functools, json, sys, time
from fw_guard import actions, config, passes
from fw_guard.processes import run_command
from fw_guard.store import Ban, Store
directory, state, host = sys.argv[2], sys.argv[4], sys.argv[5]
before, during, asking = map(json.loads, sys.argv[6:])
actions.load = functools.cache(actions.load)
configured = config.load(directory)
def do(commands):
    return "".join(run_command(command.split(), "").out for command in commands)
def one_pass(run):
    now = int(time.time())
    passes.run(configured, state, now, dry_run=False, say=print, run_command=run)
def meddled(moment):
    calls = 0
    def run(argv, stdin):
        nonlocal calls
        if calls == moment:
            do(during)
        calls += 1
        return run_command(argv, stdin)
    one_pass(run)
    if calls <= moment:
        do(during)
    return calls
def change(banned):
    now = int(time.time())
    with Store(state) as store:
        if banned:
            store.keep_ban(Ban("manual", host, now, now + 3600, 0, ""))
        else:
            store.end_bans(host, now)
        store.commit()
found = []
calls = len(found)
while calls >= len(found):
    change(True)
    do(before)
    calls = meddled(len(found))
    one_pass(run_command)
    found.append(do(asking))
    change(False)
    one_pass(run_command)
    assert host not in do(asking)
print(json.dumps(found))
"""
every_back_end = back_ends("nftables", "ipset", "iptables", "ipset-legacy", "iptables-legacy")
modern_back_ends = back_ends("nftables", "ipset", "iptables")
back_ends_with_times = back_ends("nftables", "ipset")


@pytest.fixture
def machine(network: Network, tmp_path: Path, back_end: str) -> Machine:
    return Machine(network.server, tmp_path, back_end)


def until(condition: Callable[[], bool]) -> bool:
    """Wait until it holds, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not (held := condition()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return held


def in_an_hour() -> str:
    """Give a moment at which the whole is compared in any case."""
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 3601))


def same_as_before(machine: Machine, before: str) -> bool:
    """Run a pass, which must be quiet; say whether all is as it was."""
    machine.quiet_pass()
    return machine.ruleset() == before


@every_back_end
class TestPackets:
    """What a banned host and its neighbour see."""

    def test_a_banned_source_is_shut_out_until_it_is_unbanned(
        self, network: Network, machine: Machine
    ) -> None:
        machine.guard("ban", ATTACKER4, ATTACKER6)
        with network.server.listen(PORT):
            assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
            assert network.neighbour.reach(network.server, PORT) == EVERYTHING
            machine.guard("unban", ATTACKER4)
            assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == IPV4
            machine.guard("unban", ATTACKER6)
            assert network.attacker.reach(network.server, PORT) == EVERYTHING

    @pytest.mark.parametrize("lost", [ALL, MEMBERS, RULES], ids=["all", "members", "rules"])
    def test_what_was_flushed_is_back_after_one_pass(
        self, network: Network, machine: Machine, lost: dict[str, tuple[str, ...]]
    ) -> None:
        machine.guard("ban", ATTACKER4, ATTACKER6)
        whole = machine.ruleset()
        with network.server.listen(PORT):
            machine.does(*lost[machine.action])
            assert network.attacker.reach(network.server, PORT) == EVERYTHING
            machine.quiet_pass()
            assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == frozenset()
            assert network.neighbour.reach(network.server, PORT) == EVERYTHING
        assert same_as_before(machine, whole)


@back_ends_with_times
def test_the_kernel_ends_a_ban_with_no_pass_at_all(network: Network, machine: Machine) -> None:
    machine.guard("ban", ATTACKER4, ATTACKER6, "--for", "3s")
    machine.guard("ban", network.neighbour.ipv4)
    attacker, server = network.attacker, network.server
    with server.listen(PORT):
        assert attacker.reach(server, PORT, timeout=0.2) == frozenset()
        assert until(lambda: attacker.reach(server, PORT, timeout=0.2) == EVERYTHING)
        assert network.neighbour.reach(server, PORT, timeout=SILENCE) == IPV6


@back_ends_with_times
def test_a_ban_that_the_kernel_ended_is_no_news_to_a_pass(machine: Machine) -> None:
    machine.guard("ban", ATTACKER4)
    before = machine.ruleset()
    machine.guard("ban", OTHER, "--for", "2s")
    assert until(lambda: OTHER not in machine.members())
    assert same_as_before(machine, before)
    assert machine.bans() == [ATTACKER4]


@every_back_end
class TestReboot:
    """The state outlives the kernel."""

    def test_an_empty_kernel_is_filled_by_the_first_pass(
        self, network: Network, machine: Machine
    ) -> None:
        machine.guard("ban", ATTACKER4, ATTACKER6)
        before = machine.ruleset()
        with Network() as restarted, restarted.server.listen(PORT):
            machine.host = restarted.server
            machine.quiet_pass()
            attacker = restarted.attacker
            assert attacker.reach(restarted.server, PORT, timeout=SILENCE) == frozenset()
            assert machine.ruleset() == before


@back_ends("nftables")
def test_a_kernel_that_has_counted_as_far_is_filled_as_well(machine: Machine) -> None:
    ask = "from fw_guard.evidence import nf_tables_generation as asked; print(asked())"
    machine.guard("ban", ATTACKER4)
    number = int(machine.python(ask))
    with Network() as restarted:
        machine.host = restarted.server
        for counted in range(int(machine.python(ask)), number):
            machine.does(f"nft add table inet owner{counted}")
        assert int(machine.python(ask)) == number
        machine.quiet_pass()
        assert ATTACKER4 in machine.members()


@every_back_end
class TestHands:
    """Somebody has changed a single thing by hand."""

    def test_a_member_taken_out_is_put_back(self, machine: Machine) -> None:
        machine.guard("ban", *EVERY_KIND)
        before = machine.ruleset()
        machine.does(REMOVE[machine.action].format(ATTACKER4))
        assert machine.ruleset() != before
        machine.quiet_pass()
        assert sorted(machine.ruleset().split()) == sorted(before.split())

    def test_a_member_put_in_is_taken_out(self, machine: Machine) -> None:
        machine.guard("ban", *EVERY_KIND)
        before = machine.ruleset()
        machine.does(ADD[machine.action].format(OTHER))
        assert machine.ruleset() != before
        assert same_as_before(machine, before)

    def test_a_member_put_in_the_place_of_another_is_taken_out(self, machine: Machine) -> None:
        machine.guard("ban", *EVERY_KIND, "--for", "2d")
        machine.quiet_pass()
        before = machine.ruleset()
        machine.does(REMOVE[machine.action].format(ATTACKER4))
        machine.does(ADD[machine.action].format(OTHER))
        machine.guard("run", "--now", in_an_hour())
        assert sorted(machine.ruleset().split()) == sorted(before.split())

    def test_each_rule_taken_out_is_put_back(self, machine: Machine) -> None:
        machine.guard("ban", *EVERY_KIND)
        before = machine.ruleset()
        assert rules_of_ours(machine)
        for place in range(len(rules_of_ours(machine))):
            machine.does(rules_of_ours(machine)[place])
            assert machine.ruleset() != before
            assert same_as_before(machine, before), place


def rules_of_ours(machine: Machine) -> list[str]:
    """Give commands, each of which takes one of our rules out."""
    if machine.action != "nftables":
        return [
            f"{tool} {line.replace('-A', '-D', 1)}"
            for tool in ("iptables", "ip6tables")
            for line in machine.says(f"{tool} -S").splitlines()
            if line.startswith("-A") and "fw_guard" in line
        ]
    commands: list[str] = []
    chain = ""
    for line in machine.says("nft -a list table inet fw_guard").splitlines():
        if heading := re.match(r"\s*chain (\S+) {", line):
            chain = heading[1]
        elif chain and (rule := re.search(r"# handle (\d+)$", line)):
            commands.append(f"nft delete rule inet fw_guard {chain} handle {rule[1]}")
    return commands


class TestQuietPass:
    """A pass with nothing to do."""

    @back_ends("nftables")
    def test_with_nftables_it_starts_no_process(self, machine: Machine) -> None:
        machine.guard("ban", *EVERY_KIND)
        machine.quiet_pass()
        assert started_by_a_pass(machine) == []

    @modern_back_ends
    def test_its_processes_are_as_many_with_many_bans(self, machine: Machine) -> None:
        machine.guard("ban", ATTACKER4)
        machine.quiet_pass()
        few = started_by_a_pass(machine)
        machine.guard("ban", *(f"198.18.0.{last}" for last in range(200)))
        machine.quiet_pass()
        assert started_by_a_pass(machine) == few

    @back_ends("ipset")
    def test_with_ipset_it_lists_no_set(self, machine: Machine) -> None:
        machine.guard("ban", *EVERY_KIND)
        machine.quiet_pass()
        asked = started_by_a_pass(machine)
        assert [words[1:] for words in asked if words[0].endswith("ipset")] == [
            ["list", "-t", "fw_guard4"],
            ["list", "-t", "fw_guard6"],
        ]


def started_by_a_pass(machine: Machine) -> list[list[str]]:
    """Give the commands that a pass runs."""
    started: list[list[str]] = json.loads(machine.python(COUNTING, "run"))
    return started


@pytest.mark.parametrize("lost", [ALL, MEMBERS], ids=["all", "members"])
@pytest.mark.parametrize("healing", [False, True], ids=["quiet", "healing"])
@modern_back_ends
def test_a_flush_at_any_moment_of_a_pass_is_healed_by_the_next(
    network: Network, machine: Machine, lost: dict[str, tuple[str, ...]], healing: bool
) -> None:
    machine.guard("ban", ATTACKER4, OTHER)
    before = ALL[machine.action] if healing else ()
    during = lost[machine.action]
    words = map(json.dumps, (before, during, machine.listing))
    found: list[str] = json.loads(machine.python(MEDDLING, NEWCOMER, *words))
    assert len(found) > 1
    for moment, members in enumerate(found):
        assert all(each in members for each in (ATTACKER4, OTHER, NEWCOMER)), (moment, members)
    assert not network.attacker.can_ping(network.server, timeout=SILENCE)
