"""What holds for the whole machine, and the ports of a jail: read, or refused with the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fw_guard.folding import Fold
from tests.directories import SSHD, Directory

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


def test_all_of_it_is_read_at_the_top(directory: Directory) -> None:
    directory.main(
        'block = "reject"\nestablished = "keep"\nhook = "forward"\nbrake = 30\n'
        'action = "nftables"\nnetworks = ["10 in /24", "5 in /48"]\n' + SSHD
    )
    found = directory.load()
    assert found.faults == ()
    options = {"block": "reject", "established": "keep", "hook": "forward"}
    assert dict(found.general.options) == options
    assert found.general.networks == (Fold(10, 24), Fold(5, 48))
    assert found.general.brake == 30


@pytest.mark.parametrize(
    "line",
    [
        *('block = "reject"', 'established = "keep"', 'hook = "input"', "brake = 7"),
        'networks = ["10 in /24"]',
    ],
)
def test_none_of_it_may_stand_in_a_jail_or_a_drop_in(directory: Directory, line: str) -> None:
    name = line.partition(" ")[0]
    said = f"`{name}` holds for the whole machine; expected it at the top of fw-guard.toml"
    directory.main(f'action = "nftables"\n{SSHD}{line}\n')
    assert directory.faults() == [f"fw-guard.toml:5:1: {said}"]
    assert directory.load().jails == ()
    directory.main(f'action = "nftables"\n{SSHD}')
    directory.write("jails/more.toml", f"{line}\n")
    assert directory.faults() == [f"jails/more.toml:1:1: {said}"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('networks = ["ten in /24"]', "'ten in /24' is no rule for networks"),
        ('networks = ["10 in /24", "1 in /24"]', "'1 in /24' asks for fewer than 2 addresses"),
        ('networks = ["10 in /8"]', "'10 in /8' has a length that is neither from 16 to 31"),
        ('networks = ["300 in /24"]', "'300 in /24' asks for more than the 256 of a /24"),
        ("brake = 0", "expected"),
        ('block = "bounce"', "bounce"),
    ],
)
def test_what_cannot_be_meant_is_a_fault(directory: Directory, line: str, said: str) -> None:
    directory.main(f'action = "nftables"\n{line}\n{SSHD}')
    (fault,) = directory.faults()
    assert fault.startswith("fw-guard.toml:2:")
    assert said in fault


def test_no_jail_may_have_the_name_of_one_of_ours(directory: Directory) -> None:
    for name in ("networks", "manual"):
        directory.main(SSHD.replace("sshd]", f"{name}]"))
        (fault,) = directory.faults()
        assert fault == f"fw-guard.toml:1:2: a jail cannot be named {name!r}"


@pytest.mark.parametrize(
    ("value", "ports", "label"),
    [
        ("22", ((22, 22),), "nftables/22"),
        ('[443, "8000-8010", 80]', ((80, 80), (443, 443), (8000, 8010)), None),
        ('["20-25", 22, 26]', ((20, 26),), "nftables/20-26"),
        ("[]", (), "nftables"),
    ],
)
def test_ports_are_put_in_order(
    directory: Directory, value: str, ports: tuple[tuple[int, int], ...], label: str | None
) -> None:
    found = directory.jail(f'action = "nftables"\n{SSHD}ports = {value}\n')
    assert found.ports == ports
    assert found.label == (label or "nftables/80,443,8000-8010")


def test_ports_of_the_defaults_are_those_of_jails_without(directory: Directory) -> None:
    directory.main(f'action = "nftables"\nports = [22]\n{SSHD}')
    found = directory.load()
    assert (found.label, found.jails[0].label) == ("nftables/22", "nftables/22")


@pytest.mark.parametrize("value", ["0", "65536", '"ssh"', '"30-20"', "true", "[22, -1]", "2.5"])
def test_what_is_no_port_is_a_fault(directory: Directory, value: str) -> None:
    directory.main(f'action = "nftables"\n{SSHD}ports = {value}\n')
    (fault,) = directory.faults()
    assert "is no port; expected such as 22 or '8000-8010'" in fault
    assert directory.load().jails == ()
