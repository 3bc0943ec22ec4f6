"""An action that does not take what is chosen of it is a fault, at the place that chooses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.directories import SSHD, Directory

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = "title = 'mine'\n[[ban]]\nargv = ['x', '{address}']\n[[unban]]\nargv = ['x', '{address}']\n"
CHOOSING = f"""{PLAIN}
[option.block.drop]
[option.block.reject]
[option.ports]
most = 2
[option.ports.none]
[option.ports.some]
"""


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """A configuration with an action `plain` that has no options, and one with some, `choosing`."""
    found = Directory(tmp_path)
    found.write("actions/plain.toml", PLAIN)
    found.write("actions/choosing.toml", CHOOSING)
    return found


def test_a_value_that_the_action_does_not_have_is_a_fault_of_the_defaults(
    directory: Directory,
) -> None:
    directory.main(f'action = "choosing"\nblock = "rejekt"\n{SSHD}')
    assert directory.faults() == [
        "fw-guard.toml:2:1: action 'choosing': `block` has no value 'rejekt'"
        " (did you mean `reject`?); expected drop or reject"
    ]
    assert not directory.load().sound


def test_so_is_an_option_that_it_does_not_have(directory: Directory) -> None:
    directory.main(f'action = "choosing"\nhook = "forward"\n{SSHD}')
    assert directory.faults() == [
        "fw-guard.toml:2:1: action 'choosing': no option 'hook'; expected block or ports"
    ]
    directory.main(f'hook = "forward"\naction = "plain"\n{SSHD}')
    assert directory.faults() == [
        "fw-guard.toml:1:1: action 'plain': no option 'hook'; expected none here"
    ]
    assert not directory.load().sound


def test_what_the_action_has_is_no_fault(directory: Directory) -> None:
    directory.main(f'action = "choosing"\nblock = "reject"\nports = [22, 80]\n{SSHD}')
    assert directory.faults() == []
    assert directory.load().general.options == (("block", "reject"),)


@pytest.mark.parametrize("action", ["nftables", "ipset", "iptables", "preview"])
def test_what_ships_takes_what_every_firewall_takes(directory: Directory, action: str) -> None:
    chosen = 'block = "reject"\nestablished = "keep"\nhook = "forward"\nports = [22, "8000-8010"]\n'
    directory.main(f'action = "{action}"\n{chosen}{SSHD}')
    assert directory.faults() == []


def test_prerouting_is_for_nftables_alone(directory: Directory) -> None:
    directory.main('action = "nftables"\nhook = "prerouting"\n')
    assert directory.faults() == []
    directory.main('action = "ipset"\nhook = "prerouting"\n')
    (fault,) = directory.faults()
    assert fault.startswith("fw-guard.toml:2:1: action 'ipset': `hook` has no value 'prerouting'")


def test_a_jail_whose_own_action_does_not_take_it_is_at_fault_alone(directory: Directory) -> None:
    directory.main(
        f'action = "choosing"\nblock = "reject"\n{SSHD}'
        '[jail.other]\nfilter = "sshd"\nlogs = "/var/log/other.log"\naction = "plain"\n'
    )
    assert directory.faults() == [
        "fw-guard.toml:9:1: action 'plain': no option 'block'; expected none here"
    ]
    found = directory.load()
    assert found.sound
    assert [jail.name for jail in found.jails] == ["sshd"]


def test_ports_of_a_jail_that_its_action_cannot_shut_are_at_fault(directory: Directory) -> None:
    directory.main(f'action = "plain"\n{SSHD}ports = [22]\n')
    assert directory.faults() == [
        "fw-guard.toml:5:1: action 'plain': no option 'ports'; expected none here"
    ]
    directory.main(f'action = "choosing"\n{SSHD}ports = [22, "80-90"]\n')
    assert directory.faults() == [
        "fw-guard.toml:5:1: action 'choosing': 3 ports are named; expected 2 at the most"
        " (a range counts two)"
    ]


def test_ports_of_the_defaults_are_at_fault_where_another_action_is_chosen(
    directory: Directory,
) -> None:
    directory.main(f'action = "choosing"\nports = [22]\n{SSHD}action = "plain"\n')
    assert directory.faults() == [
        "fw-guard.toml:6:1: action 'plain': no option 'ports'; expected none here"
    ]


def test_a_drop_in_s_action_is_at_fault_there(directory: Directory) -> None:
    directory.main(f'action = "choosing"\nblock = "reject"\n{SSHD}')
    directory.write("jails/web.toml", 'action = "plain"\n')
    assert directory.faults() == [
        "jails/web.toml:1:1: action 'plain': no option 'block'; expected none here"
    ]
    assert [jail.name for jail in directory.load().jails] == ["sshd"]


def test_an_action_that_cannot_be_read_is_not_judged_here(directory: Directory) -> None:
    directory.write("actions/plain.toml", "title = ")
    directory.write("actions/choosing.toml", "[option.block]\n")
    directory.main(f'action = "plain"\nblock = "reject"\n{SSHD}action = "choosing"\n')
    assert directory.faults() == []
