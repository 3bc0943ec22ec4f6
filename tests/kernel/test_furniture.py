"""What an action puts into the kernel's tables under each choice, found missing rule by rule."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fw_guard import actions, firewall
from fw_guard.processes import Result
from fw_guard.templates import Choice

from .namespace import Namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fw_guard.templates import Action

ACTIONS = Path(__file__).parents[2] / "actions"
IPTABLES = ("iptables", "ip6tables", "iptables-restore", "ip6tables-restore")
PROGRAMS = {"nftables": ("nft",), "ipset": ("ipset", *IPTABLES), "iptables": IPTABLES}
LAST_HOOK = {"nftables": "prerouting", "ipset": "docker", "iptables": "docker"}
EVERYTHING_ELSE = (("block", "reject"), ("established", "keep"), ("hook", "forward"))
PORTS = ((22, 22), (8000, 8010))
MANY_PORTS = tuple((port, port) for port in range(10_000, 10_030, 2))
BASE_CHAINS = tuple(
    f"{tool} -I {chain} -j DROP" for tool in IPTABLES[:2] for chain in ("INPUT", "FORWARD")
)


def choices_of(name: str) -> list[Choice]:
    """Give choices that have every value of every option between them."""
    hook = (("hook", LAST_HOOK[name]),)
    return [
        Choice(),
        Choice((("block", "reject"),)),
        Choice((("established", "keep"),)),
        Choice((("hook", "forward"),)),
        Choice(hook),
        Choice(EVERYTHING_ELSE),
        Choice(ports=((22, 22),)),
        Choice(hook, PORTS),
        Choice(EVERYTHING_ELSE, PORTS),
        Choice(EVERYTHING_ELSE, MANY_PORTS),
    ]


class Tables:
    """The tables of a network namespace."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace

    def run(self, argv: Sequence[str], stdin: str = "") -> Result:
        """Run a command there."""
        done = self.namespace.run(argv, stdin=stdin)
        return Result(done.returncode, done.stdout, done.stderr)

    def does(self, command: str) -> str:
        """Run a command that must succeed."""
        return self.namespace.run(shlex.split(command), check=True).stdout

    def is_intact(self, action: Action) -> bool:
        """Say whether nothing of the furniture is missing."""
        return not firewall.is_incomplete(action, firewall.once(self.run))

    def rules(self, action: Action) -> list[str]:
        """Give for each rule of ours the command that takes it away."""
        if action.path.endswith("nftables.toml"):
            chain, found = "", []
            for line in self.does(f"nft -a list table inet {action.guard}").splitlines():
                named = re.match(r"\s*(?:chain (\w+)|set \w+|table .*) {", line)
                rule = re.search(r" # handle (\d+)$", line)
                if named:
                    chain = named[1] or ""
                elif chain and rule:
                    found.append(f"nft delete rule inet {action.guard} {chain} handle {rule[1]}")
            return found
        return [
            f"{tool} -D{line[2:]}"
            for tool in IPTABLES[:2]
            for line in self.does(f"{tool} -S").splitlines()
            if line.startswith("-A") and action.guard in line
        ]

    def everything(self) -> str:
        """Give all rules and sets, without counters and other accidents."""
        commands = ("nft -s list ruleset", "iptables-save", "ip6tables-save", "ipset save")
        lines = [
            line
            for command in commands
            for line in self.run(shlex.split(command)).out.splitlines()
            if not line.startswith("#")
        ]
        return re.sub(r"\[\d+:\d+\]| initval 0x\w+", "", "\n".join(lines))


@pytest.fixture
def tables(needed_programs: None) -> Iterator[Tables]:
    with Namespace("furniture") as namespace:
        yield Tables(namespace)


def loaded(name: str, choice: Choice) -> Action:
    return actions.load(str(ACTIONS / f"{name}.toml"), trusted=True, choice=choice)


every_back_end = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.needs(*PROGRAMS[name])) for name in PROGRAMS]
)


@every_back_end
def test_no_choice_is_content_with_what_another_has_set_up(tables: Tables, name: str) -> None:
    made = [loaded(name, choice) for choice in choices_of(name)]
    for action in made:
        firewall.set_up(action, tables.run)
        rivals = [each for each in made if each.guard == action.guard]
        assert [each for each in rivals if tables.is_intact(each)] == [action]


@every_back_end
@pytest.mark.parametrize("number", [0, 4, 8])
def test_every_rule_that_is_lost_is_missed(tables: Tables, name: str, number: int) -> None:
    action = loaded(name, choices_of(name)[number])
    firewall.set_up(action, tables.run)
    rules = tables.rules(action)
    assert len(rules) >= 6
    for at in range(len(rules)):
        tables.does(tables.rules(action)[at])
        assert not tables.is_intact(action), rules[at]
        firewall.set_up(action, tables.run)
        assert tables.is_intact(action)
        assert len(tables.rules(action)) == len(rules)


@every_back_end
def test_whatever_was_chosen_is_torn_down_by_any_other_choice(tables: Tables, name: str) -> None:
    for command in BASE_CHAINS if name != "nftables" else ():
        tables.does(command)  # iptables never takes its own chains away again
    before = tables.everything()
    made = [loaded(name, choice) for choice in choices_of(name)]
    for action in made:
        others = [each for each in made if each.guard == action.guard]
        firewall.set_up(action, tables.run)
        assert tables.everything() != before
        for other in (others[-1], others[0]):
            firewall.teardown(other, tables.run)
            assert tables.everything() == before


@every_back_end
def test_a_change_of_mind_leaves_nothing_of_the_first(tables: Tables, name: str) -> None:
    for command in BASE_CHAINS if name != "nftables" else ():
        tables.does(command)
    made = [action for c in choices_of(name) if (action := loaded(name, c)).guard == "fw_guard"]
    clean = []
    for action in made:
        firewall.set_up(action, tables.run)
        clean.append(tables.everything())
        firewall.teardown(action, tables.run)
    for first in made:
        for second, wanted in zip(made, clean, strict=True):
            firewall.set_up(first, tables.run)
            firewall.set_up(second, tables.run)
            assert sorted(tables.everything().split("\n")) == sorted(wanted.split("\n"))
            firewall.teardown(second, tables.run)


@pytest.mark.parametrize("name", ["ipset", "iptables"])
@pytest.mark.needs(*PROGRAMS["ipset"])
def test_a_chain_of_dockers_is_left_as_it_was(tables: Tables, name: str) -> None:
    for tool in IPTABLES[:2]:
        tables.does(f"{tool} -N DOCKER-USER")
        tables.does(f"{tool} -I FORWARD -j DOCKER-USER")
        tables.does(f"{tool} -A DOCKER-USER -j RETURN")
        tables.does(f"{tool} -I INPUT -j DROP")
    before = tables.everything()
    action = loaded(name, Choice((("hook", "docker"),)))
    firewall.set_up(action, tables.run)
    for tool in IPTABLES[:2]:
        first, _ = tables.does(f"{tool} -S DOCKER-USER").splitlines()[1:]
        assert "-j fw_guard" in first
    firewall.teardown(action, tables.run)
    assert tables.everything() == before
