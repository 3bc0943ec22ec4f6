"""``fw-guard check`` on a real kernel: does the chosen firewall block, and what is left behind?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from .machine import EVERYTHING, SCRIPT, Machine, back_ends
from .owner import everything, move_in, theirs

if TYPE_CHECKING:
    from pathlib import Path

    from .network import Network

PORT = 2222
SILENCE = 0.4
PROVED = "203.0.113.77 and 2001:db8:77::/64 were banned, read back and freed"
FLUSHES = {
    "nftables": ("nft flush ruleset",),
    "ipset": ("iptables -F", "iptables -X", "ip6tables -F", "ip6tables -X", "ipset destroy"),
    "iptables": ("iptables -F", "iptables -X", "ip6tables -F", "ip6tables -X"),
}
# Root in a container that was not given the network: without CAP_NET_ADMIN, whatever is started.
WITHOUT_RIGHTS = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_NET_ADMIN = 24, 12
assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_NET_ADMIN, 0, 0, 0) == 0
os.execv(sys.argv[1], sys.argv[1:])
"""

every_back_end = back_ends("nftables", "ipset", "iptables")


def report(machine: Machine, *words: str, code: int = 0) -> dict[str, Any]:
    """Give what ``check --json`` says of the one firewall in use."""
    done = machine.run("check", "--json", *words)
    assert done.returncode == code, done.stderr + done.stdout
    (found,) = json.loads(done.stdout)["firewalls"]
    return dict(found)


@pytest.fixture(scope="module")
def proofs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is proved of the filters that ship, which takes seconds, once for all tests."""
    place = tmp_path_factory.mktemp("proved")
    (place / "state").mkdir(mode=0o700)
    (place / "fw-guard.toml").write_text('action = "preview"\n')
    (place / "fw-guard.toml").chmod(0o600)
    words = ["-c", str(place), "--state", str(place / "state"), "check"]
    subprocess.run([SCRIPT, *words], check=True, capture_output=True)
    return place / "state" / "proofs"


@pytest.fixture
def machine(network: Network, tmp_path: Path, back_end: str, proofs: Path) -> Machine:
    machine = Machine(network.server, tmp_path, back_end)
    (tmp_path / "state").mkdir(mode=0o700)
    shutil.copy(proofs, tmp_path / "state")
    return machine


@pytest.mark.needs("nft", "ipset", "iptables", "ip6tables")
@every_back_end
def test_what_was_not_set_up_is_proved_and_nothing_is_left(machine: Machine) -> None:
    move_in(machine)
    before = everything(machine)
    assert report(machine)["notes"] == ["will be set up by the first ban"]
    assert everything(machine) == before
    assert f"{machine.action}: {PROVED}\n" in machine.guard("check", "--firewall")
    assert everything(machine) == before


@pytest.mark.needs("nft", "ipset", "iptables", "ip6tables")
@every_back_end
def test_the_owner_s_rules_and_standing_bans_stay_as_they_are(
    network: Network, machine: Machine
) -> None:
    move_in(machine)
    machine.attempts(network.attacker.ipv4, 3)
    machine.quiet_pass()
    machine.guard("ban", "198.51.100.0/24", "2001:db8:5::/64", "203.0.113.77")
    before, owners = machine.ruleset(), theirs(machine)
    assert "192.0.2.7" in before
    found = report(machine, "--firewall")
    assert (found["works"], found["proved"], found["notes"]) == (True, True, [])
    assert found["tried"] == ["203.0.113.78", "2001:db8:77::/64"]
    assert (machine.ruleset(), theirs(machine)) == (before, owners)
    machine.quiet_pass()
    assert machine.ruleset() == before


@back_ends("ipset", "iptables")
def test_an_accept_before_our_jump_is_told_and_one_behind_is_not(
    network: Network, machine: Machine
) -> None:
    accept = f"-p tcp -m tcp --dport {PORT} -j ACCEPT"
    machine.does("iptables -A INPUT -i lo -j ACCEPT", f"iptables -A INPUT {accept}")
    machine.attempts(network.attacker.ipv4, 3)
    machine.quiet_pass()
    found = report(machine)
    assert (found["works"], found["notes"]) == (True, [])
    machine.does(f"iptables -I INPUT 1 {accept}")
    with network.server.listen(PORT):
        assert network.attacker.can_connect(network.server, PORT)
    found = report(machine)
    assert found["works"] is None
    (note,) = found["notes"]
    assert note.startswith(f"`-A INPUT {accept}` stands before ours in `iptables -w 5 -S")


@every_back_end
def test_what_was_flushed_is_told_and_put_back_before_it_is_tried(
    network: Network, machine: Machine
) -> None:
    machine.attempts(network.attacker.ipv4, 3)
    machine.quiet_pass()
    before = machine.ruleset()
    machine.does(*FLUSHES[machine.action])
    found = report(machine)
    assert found["works"] is None
    assert found["notes"][0].endswith("; the next pass puts that right")
    with network.server.listen(PORT):
        assert network.attacker.reach(network.server, PORT, timeout=SILENCE) == EVERYTHING
        assert report(machine, "--firewall")["proved"] is True
        assert not network.attacker.can_connect(network.server, PORT, timeout=SILENCE)
    assert machine.ruleset() == before


@every_back_end
def test_who_may_not_touch_the_firewall_is_told_so_with_77(machine: Machine) -> None:
    rights = (sys.executable, "-c", WITHOUT_RIGHTS)
    for words in ((), ("--firewall",)):
        said = machine.guard("check", *words, before=rights, code=os.EX_NOPERM)
        assert "expected to be run as root (in a container, with CAP_NET_ADMIN)" in said
        assert "Traceback" not in said


@back_ends("nftables")
def test_two_at_once_wait_for_each_other(machine: Machine) -> None:
    machine.guard("ban", "203.0.113.9")
    before = machine.ruleset()
    inside = ["ip", "netns", "exec", machine.host.namespace.name]
    words = [*inside, str(SCRIPT), *machine.options, "check", "--firewall"]
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    done = [(*process.communicate(timeout=120), process.returncode) for process in both]
    for out, err, code in done:
        assert (code, PROVED in out) == (0, True), err
    assert machine.ruleset() == before


@pytest.mark.parametrize("back_end", ["pf"])
def test_a_tool_that_is_not_there_is_exit_69(machine: Machine) -> None:
    for words in ((), ("--firewall",)):
        found = report(machine, *words, code=os.EX_UNAVAILABLE)
        assert found["works"] is False
        assert found["notes"][0].startswith("`pfctl` is not installed")


@back_ends("nftables")
def test_an_option_that_the_action_does_not_have_stops_passes_and_checks(
    network: Network, machine: Machine
) -> None:
    machine.configure('hook = "sideways"\n')
    machine.attempts(network.attacker.ipv4, 3)
    before = machine.ruleset()
    for verb in ("check", "run"):
        said = machine.guard(verb, code=os.EX_CONFIG)
        assert "action 'nftables': `hook` has no value 'sideways'; expected input" in said
        assert "fw-guard.toml:6:1: " in said
    assert machine.ruleset() == before
    assert "no firewall was tried" in machine.guard("check", "--firewall", code=os.EX_CONFIG)
