"""What else an action says of itself: a cheap look, what stands ahead, renewing, skipped steps."""

from __future__ import annotations

from pathlib import Path

import pytest

from fw_guard.actions import load, parse_action
from fw_guard.actionsamples import check_samples
from fw_guard.faults import FaultsError
from fw_guard.listings import Check, Glance, ahead, glanced, lacking
from fw_guard.templates import Action, Command, batch
from fw_guard.tomlfile import Document

ACTIONS = Path(__file__).parents[1] / "actions"

WATCHFUL = """\
title = "watchful"
generation = "nf_tables"

[[check]]
argv = ["tool", "rules"]
after = 'table {guard}'
until = 'table {*}'
has = ['-j {guard}', 'call {guard}']
ahead = ['{*}-j ACCEPT', '-j DOCKER{*}']
harmless = ['-i lo {*}']
caution = "what it accepts passes"

[[setup]]
argv = ["tool", "add"]
unless = ["tool", "rules"]
shows = ['-j {guard}', 'call {guard}']

[[ban]]
argv = ["tool", "add", "{address}"]
for = ["host4"]

[[renew]]
argv = ["tool", "renew", "{address}"]
for = ["host4"]

[[unban]]
argv = ["tool", "delete", "{address}"]
for = ["host4"]

[[glance]]
argv = ["tool", "info", "4"]
pattern = '{Members: {count:int}|Enabled {*:word}}'

[[glance]]
argv = ["tool", "info", "6"]
ok = [0, 1]
pattern = '{Members: {count:int}|Enabled {*:word}}'

[[teardown]]
argv = ["tool", "clear"]

[[sample]]
ban = [["192.0.2.7", 60]]
commands = [{ argv = ["tool", "add", "192.0.2.7"] }]

[[sample]]
renew = [["192.0.2.7", 60]]
commands = [{ argv = ["tool", "renew", "192.0.2.7"] }]

[[sample]]
unban = ["192.0.2.7"]
commands = [{ argv = ["tool", "delete", "192.0.2.7"] }]

[[sample]]
glance = '''
Name: ours
  Enabled yes
Members: 12
Members: many
Members: 3
'''
count = 15
marks = ["Enabled yes"]

[[sample]]
check = '''
table other
-p tcp -j ACCEPT
table fw_guard
-i lo -j ACCEPT
  -p udp -j ACCEPT
-j fw_guard
call fw_guard
-p tcp -j ACCEPT
'''
passes = ["-p udp -j ACCEPT"]

[[sample]]
setup = true
commands = [{ argv = ["tool", "add"] }]

[[sample]]
teardown = true
commands = [{ argv = ["tool", "clear"] }]
"""


def parsed(text: str = WATCHFUL) -> Action:
    return parse_action(Document("watchful.toml", text))


def faults_with(*changes: tuple[str, str]) -> list[str]:
    """Give the first line of every fault of the watchful action after some replacements."""
    text = WATCHFUL
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(FaultsError) as caught:
        parsed(text)
    return [str(fault).splitlines()[0] for fault in caught.value.faults]


def the_check() -> Check:
    (check,) = parsed().checks
    return check


def the_glance() -> Glance:
    return parsed().glances[0]


class TestGlances:
    """A look that costs the same however many are banned."""

    def test_the_action_says_how_to_look(self) -> None:
        action = parsed()
        assert action.generation == "nf_tables"
        assert [glance.argv[-1] for glance in action.glances] == ["4", "6"]
        assert [glance.ok for glance in action.glances] == [(0,), (0, 1)]

    @pytest.mark.parametrize(
        ("output", "count", "marks"),
        [
            ("", 0, ()),
            ("Members: 3\n", 3, ()),
            ("Members: 3\n  Members: 40\nMembers: x\n", 43, ()),
            ("Enabled yes\nMembers: 0\nEnabled no\n", 0, ("Enabled yes", "Enabled no")),
        ],
    )
    def test_counts_are_added_up_and_marks_are_kept(
        self, output: str, count: int, marks: tuple[str, ...]
    ) -> None:
        assert glanced(the_glance(), output) == (count, marks)

    def test_without_the_field_there_is_no_count(self) -> None:
        text = WATCHFUL.replace("{Members: {count:int}|Enabled {*:word}}", "Enabled {*:word}")
        text = text.replace("count = 15\n", "")
        assert glanced(parsed(text).glances[0], "Enabled yes\nMembers: 3\n") == (
            None,
            ("Enabled yes",),
        )

    def test_ipset_counts_what_its_sets_hold(self) -> None:
        four, six = load(str(ACTIONS / "ipset.toml"), trusted=True).glances
        assert (four.argv, six.argv) == (
            ("ipset", "list", "-t", "fw_guard4"),
            ("ipset", "list", "-t", "fw_guard6"),
        )
        output = "Name: fw_guard4\nReferences: 2\nNumber of entries: 100000\n"
        assert glanced(four, output) == (100_000, ())


class TestAhead:
    """What stands before our rule and lets some of the banned through."""

    def test_lines_after_ours_and_harmless_ones_are_not_told(self) -> None:
        output = "table fw_guard\n-i lo -j ACCEPT\n-j DOCKER-USER\n-j fw_guard\n-j ACCEPT\n"
        assert ahead(the_check(), output) == ("-j DOCKER-USER",)

    def test_without_ours_every_line_is_ahead(self) -> None:
        output = "table fw_guard\n-p tcp -j ACCEPT\n-j DROP\n -j ACCEPT\n"
        assert ahead(the_check(), output) == ("-p tcp -j ACCEPT", "-j ACCEPT")

    def test_only_the_lines_between_after_and_until_count(self) -> None:
        output = (
            "table x\n-j ACCEPT\n-j fw_guard\ntable fw_guard\n-j fw_guard\ntable y\ncall fw_guard\n"
        )
        assert ahead(the_check(), output) == ()
        assert lacking(the_check(), output) == ("call fw_guard",)
        assert lacking(the_check(), output.replace("table y", "chain y")) == ()

    @pytest.mark.parametrize("name", ["ipset", "iptables"])
    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("-A INPUT -i lo -j ACCEPT", False),
            ("-A INPUT -s 203.0.113.9/32 -i lo -p tcp -j ACCEPT", False),
            ("-A INPUT -j ACCEPT", True),
            ("-A INPUT -i lo0 -j ACCEPT", True),
            ("-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT", True),
            ("-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT", True),
            ("-A INPUT -m state --state ESTABLISHED -j ACCEPT", True),
            ("-A INPUT -p tcp -j DROP", False),
            ("-A FORWARD -j ACCEPT", False),
        ],
    )
    def test_an_accept_before_ours_is_told(self, name: str, line: str, told: bool) -> None:
        checks = load(str(ACTIONS / f"{name}.toml"), trusted=True).checks
        of_input = [check for check in checks if check.ahead and check.argv[0] == "iptables"]
        cautions = [check.caution for check in of_input if ahead(check, f"{line}\n")]
        established = "connections that are open when their peer is banned go on"
        assert [caution == established for caution in cautions] == [
            "ESTABLISHED" in line
        ] * told  # one of the two, never both

    def test_after_ours_nothing_is_told(self) -> None:
        for check in load(str(ACTIONS / "iptables.toml"), trusted=True).checks:
            assert ahead(check, "-A INPUT -j fw_guard\n-A INPUT -j ACCEPT\n") == ()


class TestRenewing:
    """An address that is banned already, with another time."""

    def test_an_action_may_renew_otherwise_than_it_bans(self) -> None:
        members = {"192.0.2.7": None}
        assert batch(parsed(), "renew", members, 0) == [Command(("tool", "renew", "192.0.2.7"))]
        assert batch(parsed(), "ban", members, 0) == [Command(("tool", "add", "192.0.2.7"))]

    def test_else_it_bans_again(self) -> None:
        renew = WATCHFUL[WATCHFUL.index("[[renew]]") : WATCHFUL.index("[[unban]]")]
        sample = WATCHFUL[WATCHFUL.index("[[sample]]\nrenew") : WATCHFUL.index("[[sample]]\nunban")]
        action = parsed(WATCHFUL.replace(renew, "").replace(sample, ""))
        assert batch(action, "renew", {"192.0.2.7": None}, 0) == [
            Command(("tool", "add", "192.0.2.7"))
        ]

    def test_an_action_that_rewrites_writes_the_whole_set_whatever_it_is_called(self) -> None:
        action = load(str(ACTIONS / "iptables.toml"), trusted=True)
        members = {"192.0.2.7": None}
        made = [batch(action, kind, members, 0) for kind in ("ban", "renew", "unban")]
        assert made[0] == made[1] == made[2]


def test_a_step_knows_what_its_question_must_show() -> None:
    (step,) = parsed().setup
    assert [shape.source for shape in step.shows] == ["-j fw_guard", "call fw_guard"]


class TestFaults:
    """What is wrong is said with its place."""

    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            (
                'generation = "nf_tables"',
                'generation = "nftables"',
                "watchful.toml:2:1: `generation` is 'nftables' (did you mean `nf_tables`?); "
                "expected nf_tables",
            ),
            (
                "harmless = ['-i lo {*}']\ncaution = \"what it accepts passes\"\n",
                "",
                "watchful.toml:9:1: `ahead` alone; expected `has` and `caution` beside it",
            ),
            (
                "ahead = ['{*}-j ACCEPT', '-j DOCKER{*}']\n",
                "",
                "watchful.toml:9:1: `harmless` without `ahead`; expected both",
            ),
            (
                'unless = ["tool", "rules"]\n',
                "",
                "watchful.toml:15:1: `shows` without `unless`; expected the command that shows it",
            ),
            (
                '[[renew]]\nargv = ["tool", "renew", "{address}"]\nfor = ["host4"]',
                '[[renew]]\nargv = ["tool", "renew", "{address}"]\nfor = ["net4"]',
                "watchful.toml:22:3: [[renew]] takes no host4, which [[ban]] does; "
                "expected the same classes of addresses",
            ),
            (
                'argv = ["tool", "info", "4"]\n'
                "pattern = '{Members: {count:int}|Enabled {*:word}}'",
                'argv = ["tool", "info", "4"]\npattern = \'{Members: {count}|Enabled {*:word}}\'',
                "watchful.toml:32:22: `count` is no number, or stands twice; "
                "expected one {count:int}",
            ),
            (
                'argv = ["tool", "info", "4"]\n'
                "pattern = '{Members: {count:int}|Enabled {*:word}}'",
                'argv = ["tool", "info", "4"]\n'
                "pattern = '{Members: {count:int}|Some {count:int}}'",
                "watchful.toml:32:22: `count` is no number, or stands twice; "
                "expected one {count:int}",
            ),
            (
                'argv = ["tool", "info", "4"]\npattern',
                'argv = ["tool", "info", "4"]\npatern',
                "watchful.toml:30:3: `pattern` is missing; expected a text",
            ),
            (
                "setup = true\n",
                "setup = false\n",
                "watchful.toml:79:1: `setup` says nothing; expected true",
            ),
            (
                "[[sample]]\nglance = '''\n",
                "[[sample]]\nlist = '''\n",
                "watchful.toml:1:1: no [[sample]] of `glance`; "
                "expected one with the tool's own output",
            ),
            (
                'renew = [["192.0.2.7", 60]]',
                'ban = [["192.0.2.7", 60]]',
                "watchful.toml:1:1: no [[sample]] of `renew` has an address of the class host4; "
                "expected every class that it takes",
            ),
        ],
    )
    def test_each_fault_has_its_own_words(self, old: str, new: str, fault: str) -> None:
        assert fault in faults_with((old, new))

    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            ("count = 15\n", "count = 14\n", "[[glance]] reads the count 15 here; expected 14"),
            ("count = 15\n", "", "[[glance]] reads the count 15 here; expected none"),
            (
                'marks = ["Enabled yes"]\n',
                "",
                "[[glance]] keeps the lines 'Enabled yes' here; expected none",
            ),
            (
                'passes = ["-p udp -j ACCEPT"]',
                'passes = ["-i lo -j ACCEPT"]',
                "[[check]] does not find '-i lo -j ACCEPT' ahead here; "
                "expected all that `passes` names",
            ),
            (
                'passes = ["-p udp -j ACCEPT"]',
                "",
                "[[check]] finds '-p udp -j ACCEPT' ahead here; expected only what `passes` names",
            ),
            (
                'commands = [{ argv = ["tool", "clear"] }]',
                "commands = []",
                "[[teardown]] makes 1 command of this; expected 0",
            ),
            (
                'commands = [{ argv = ["tool", "renew", "192.0.2.7"] }]',
                'commands = [{ argv = ["tool", "add", "192.0.2.7"] }]',
                "command 1 of [[renew]] is `tool renew 192.0.2.7` here; "
                "expected `tool add 192.0.2.7`",
            ),
        ],
    )
    def test_a_sample_that_does_not_hold(self, old: str, new: str, fault: str) -> None:
        assert fault in [line.split(": ", 1)[1] for line in faults_with((old, new))]

    def test_the_samples_hold(self) -> None:
        assert check_samples(parsed()) == []
        assert len(parsed().samples) == 7
