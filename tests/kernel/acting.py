"""An action at work on a host of the test network, as a pass sets it to work."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fw_guard import firewall
from fw_guard.actions import load
from fw_guard.firewall import Outcome, Result, Sight
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fw_guard.schema import Told
    from fw_guard.templates import Action

    from .network import Host

ASK = "from fw_guard import evidence; print(evidence.generation({!r}) or '')"
NOW = 1_700_000_000
HOUR = 3600
ALL_CLASSES = {
    "192.0.2.9": NOW + HOUR,
    "192.0.2.10": None,
    "198.51.100.0/25": None,
    "198.51.100.128/25": None,
    "203.0.113.0/24": NOW + HOUR,
    "2001:db8:5::7": NOW + HOUR,
    "2001:db8:5:1::/64": NOW + HOUR,
    "2001:db8:5:2::/64": None,
    "2001:db8:6::/48": None,
    "2001:db8:7::/48": None,
}


def shipped(name: str, host: Host) -> Guard:
    """Give the action that ships under a name, at work on a host."""
    return Guard(name, load(str(ROOT / "actions" / f"{name}.toml"), trusted=True), host)


@dataclass
class Guard:
    """An action at work on the server of a network, with a record of every command.

    ``told`` is what the firewall was last made to hold, and ``sight`` how it looked then.
    """

    name: str
    action: Action
    host: Host
    calls: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    told: dict[str, Told] = field(default_factory=dict)
    sight: Sight | None = None

    def run(self, argv: Sequence[str], stdin: str) -> Result:
        """Run a command on the server."""
        self.calls.append((tuple(argv), stdin))
        done = self.host.run(argv, stdin=stdin)
        return Result(done.returncode, done.stdout, done.stderr)

    def generation(self, kind: str) -> str | None:
        """Ask the server's kernel."""
        asking = [sys.executable, "-c", ASK.format(kind)]
        env = {"PYTHONPATH": str(ROOT)}
        return self.host.run(asking, env=env, check=True).stdout.strip() or None

    def wants(self, wanted: Mapping[str, int | None]) -> Outcome:
        """Make the firewall hold this and nobody else; the record starts anew."""
        self.calls.clear()
        outcome = firewall.reconcile(
            self.action, wanted, NOW, told=self.told, run=self.run, generation=self.generation
        )
        self.learn(outcome)
        return outcome

    def adjusts(self, wanted: Mapping[str, int | None], *hosts: str) -> Outcome:
        """Tell the firewall, which is as it was left, of some hosts alone."""
        assert self.sight is not None
        self.calls.clear()
        outcome = firewall.adjust(
            self.action,
            {host: wanted[host] for host in hosts if host in wanted},
            {host: self.told[host] for host in hosts if host in self.told},
            NOW,
            self.sight,
            run=self.run,
            generation=self.generation,
        )
        self.learn(outcome)
        return outcome

    def learn(self, outcome: Outcome) -> None:
        """Keep what a pass would keep."""
        for host in outcome.plan.unban:
            self.told.pop(host, None)
        self.told.update(outcome.plan.tell)
        self.sight = outcome.sight

    def looks(self) -> Sight | None:
        """Look at the firewall as a quiet pass does."""
        self.calls.clear()
        return firewall.sight(self.action, self.run, self.generation)

    @property
    def changes(self) -> list[tuple[str, ...]]:
        """The commands run since that are not mere questions."""
        questions = {check.argv for check in self.action.checks}
        questions |= {listing.argv for listing in self.action.listings}
        questions |= {glance.argv for glance in self.action.glances}
        return [argv for argv, _ in self.calls if argv not in questions]


def changed(outcome: Outcome) -> tuple[tuple[str, ...], ...]:
    """Who was banned, who got another time, who was let in."""
    return outcome.plan.ban, outcome.plan.renew, outcome.plan.unban


def ruleset(host: Host) -> str:
    """All rules and sets of the host, without counters, times left and other accidents."""
    texts = [
        host.run(argv).stdout
        for argv in (
            ["nft", "-s", "list", "ruleset"],
            ["iptables-save"],
            ["ip6tables-save"],
            ["ipset", "save"],
        )
    ]
    lines = [line for text in texts for line in text.splitlines() if not line.startswith("#")]
    return re.sub(r"\[\d+:\d+\]| initval 0x\w+| (timeout|expires) \w+", "", "\n".join(lines))
