"""A machine with a fake firewall, an action that guards it, and what a pass does with the two."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fw_guard import actions, firewall, listings, templates
from fw_guard.processes import Result

from .programs import FakePrograms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fw_guard.templates import Action, Choice

    from .ipfw import FakeIpfw
    from .pf import FakePf

ACTIONS = Path(__file__).parents[2] / "actions"
NOW = 1_700_000_000


class Machine:
    """Fake programs behind the seam; `run` is what runs a command."""

    def __init__(self, **programs: FakePf | FakeIpfw) -> None:
        self.programs = FakePrograms(dict(programs))

    def run(self, argv: Sequence[str], stdin: str = "") -> Result:
        """Run a program of the machine."""
        result = self.programs.run(argv, stdin)
        return Result(result.code, result.out, result.err)

    def must(self, line: str, stdin: str = "") -> str:
        """Run a command of the owner's, which succeeds; give its output."""
        result = self.run(line.split(), stdin)
        assert result.code == 0, (line, result)
        return result.out

    def seen(self, *lines: str) -> list[Result]:
        """Look at the firewall with these commands."""
        return [self.run(line.split()) for line in lines]


@dataclass(frozen=True)
class Guard:
    """An action under one choice, at work on a machine."""

    action: Action
    machine: Machine

    def is_whole(self) -> bool:
        """Whether every check finds what it looks for."""
        for check in self.action.checks:
            result = self.machine.run(check.argv)
            if result.code not in check.ok or listings.lacking(check, result.out):
                return False
        return True

    def passing(self) -> list[str]:
        """The lines ahead of ours, as `fw-guard check` tells them."""
        return [
            line
            for check in self.action.checks
            for line in listings.ahead(check, self.machine.run(check.argv).out)
        ]

    def set_up(self) -> None:
        firewall.set_up(self.action, self.machine.run)

    def tear_down(self) -> None:
        firewall.teardown(self.action, self.machine.run)

    def ban(self, *addresses: str) -> None:
        for command in templates.batch(self.action, "ban", dict.fromkeys(addresses), NOW):
            result = self.machine.run(command.argv, command.stdin)
            assert result.code in command.ok, (command, result)

    def unban(self, *addresses: str) -> None:
        for command in templates.batch(self.action, "unban", dict.fromkeys(addresses), NOW):
            result = self.machine.run(command.argv, command.stdin)
            assert result.code in command.ok, (command, result)

    def members(self) -> set[str]:
        """Who is listed as banned."""
        (listing,) = self.action.listings
        result = self.machine.run(listing.argv)
        assert result.code in listing.ok, result
        return set(listings.listed(listing, result.out))

    def glance(self) -> tuple[int | None, tuple[str, ...]] | None:
        """What is seen without listing; None when the look fails."""
        (glance,) = self.action.glances
        result = self.machine.run(glance.argv)
        return listings.glanced(glance, result.out) if result.code in glance.ok else None

    def hold(self, wanted: Iterable[str]) -> None:
        """Do what a pass does that compares the whole: set up what is missing, then the members."""
        (listing,) = self.action.listings
        if not self.is_whole() or self.machine.run(listing.argv).code not in listing.ok:
            self.set_up()
        present = self.members()
        self.unban(*sorted(present - set(wanted)))
        self.ban(*sorted(set(wanted) - present))


@functools.cache
def shipped(name: str, choice: Choice) -> Action:
    """Load a shipped action for a choice."""
    return actions.load(str(ACTIONS / f"{name}.toml"), trusted=True, choice=choice)


def guard(name: str, machine: Machine, choice: Choice) -> Guard:
    """Put a shipped action to work on a machine."""
    return Guard(shipped(name, choice), machine)
