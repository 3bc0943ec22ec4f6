"""The brake: a filter gone wrong bans so many in a pass and no more; a person may ban everybody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fw_guard import config
from fw_guard.safety import Protection
from fw_guard.settings import BRAKE
from fw_guard.store import Store
from tests.fakes.programs import FakePrograms
from tests.test_passes import NOW, Machine, _utc  # noqa: F401 - a fixture for all

if TYPE_CHECKING:
    from pathlib import Path

    from fw_guard.passes import Figures

HOSTS = [f"203.0.113.{number}" for number in range(1, 11)]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with ten hosts due at once, and a brake of three."""
    machine = Machine(tmp_path, "preview", FakePrograms({}))
    path = tmp_path / "fw-guard.toml"
    path.write_text(f"brake = 3\n{path.read_text()}")
    machine.config = config.load(str(tmp_path))
    assert machine.config.faults == ()
    for number, host in enumerate(HOSTS):
        machine.attempts(host, 3, pid=1000 + 10 * number)
    return machine


def held(machine: Machine) -> set[str]:
    with Store(str(machine.state), reading=True) as store:
        return {host for _, host, _, _ in store.held()}


def banned(figures: Figures) -> set[str]:
    return {ban.host for ban in figures.banned}


def test_it_is_generous_unless_the_owner_says_otherwise(tmp_path: Path) -> None:
    assert BRAKE == 5_000
    assert Machine(tmp_path, "preview", FakePrograms({})).config.general.brake == 5_000


def test_a_pass_makes_as_many_and_leaves_the_others_to_the_next(machine: Machine) -> None:
    made: set[str] = set()
    for left in (7, 4, 1):
        figures = machine.run()
        assert len(banned(figures)) == 3
        assert not banned(figures) & made
        made |= banned(figures)
        assert held(machine) == set(HOSTS) - made
        assert len(held(machine)) == left
        ((status, said),) = figures.troubles
        assert status == os.EX_UNAVAILABLE
        assert said.startswith("more bans were due in this pass than `brake` = 3, which leaves ")
        assert f"leaves {left} of them to the next" in said
        assert "`fw-guard unban --all` lets everybody in again" in said
        machine.now += 60
    figures = machine.run()
    assert figures.troubles == []
    assert made | banned(figures) == set(HOSTS)
    assert held(machine) == set()


def test_those_that_wait_are_banned_for_as_long_as_the_others(machine: Machine) -> None:
    for _ in range(4):
        machine.run()
        machine.now += 60
    with Store(str(machine.state), reading=True) as store:
        ends = {ban.until for ban in store.bans(machine.now)}
    assert ends == {NOW - 10 + 3600}


def test_whoever_waits_until_the_ban_would_be_over_is_not_banned(machine: Machine) -> None:
    first = banned(machine.run())
    machine.now = NOW + 3600
    figures = machine.run()
    assert figures.troubles == []
    with Store(str(machine.state), reading=True) as store:
        assert store.bans(machine.now) == []
    assert first & banned(figures) == set()


def test_the_hits_of_those_that_wait_are_kept_longer_than_the_window(machine: Machine) -> None:
    """Their window is ten minutes; the passes come every half of that, and each one prunes."""
    made = set()
    for _ in range(4):
        made |= banned(machine.run())
        machine.now += 300
    assert made == set(HOSTS)


def test_bans_that_are_over_already_are_not_braked(machine: Machine) -> None:
    machine.now = NOW + 3600
    figures = machine.run()
    assert banned(figures) == set(HOSTS)
    assert figures.troubles == []


def test_a_person_is_not_braked(machine: Machine) -> None:
    from fw_guard.manual import Hands

    with Store(str(machine.state)) as store:
        hands = Hands(machine.config, store, Protection(lambda: ()), NOW, dry_run=False)
        assert len(hands.ban(HOSTS, None, "by hand").banned) == 10
        assert len(store.bans(NOW)) == 10
