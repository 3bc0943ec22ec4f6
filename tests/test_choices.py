"""What may be chosen of an action: options, ports, and the holes that they fill."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import actions, choices
from fw_guard.actions import parse_action
from fw_guard.faults import FaultsError
from fw_guard.templates import HOLE, LONGEST_GUARD, Action, Choice, Command, batch, guard_name
from fw_guard.tomlfile import Document, open_document

ACTIONS = Path(__file__).parents[1] / "actions"
SHIPPED = ("ipfw", "ipset", "iptables", "nftables", "pf", "preview")
PORTS = ((22, 22), (8000, 8010))
REJECT = Choice((("block", "reject"),))
FORWARD = Choice((("hook", "forward"),))

CHOOSY = """\
title = "choosy"

[option.block.drop]
verdict = "drop"
[option.block.reject]
verdict = '''
reset in {guard}
reject
'''

[option.hook.input]
[option.hook.forward]

[option.ports]
join = " or "
range = ":"
most = 3
[option.ports.none]
scope = ""
[option.ports.some]
scope = "only {ports}"

[[check]]
argv = ["tool", "show", "{guard}"]
has = ['table {guard} of {choice} {*:word}']

[[check]]
with = { ports = "some" }
argv = ["tool", "show", "{guard}"]
has = ['{scope:word} {ports}']

[[setup]]
argv = ["tool", "-f", "-"]
stdin = '''
create {guard} for {choice}
  {scope}
then {verdict}
end
'''

[[setup]]
with = { hook = "forward" }
argv = ["tool", "also", "{guard}", "{verdict}"]

[[ban]]
argv = ["tool", "-f", "-"]
[[ban.stdin]]
for = ["host4"]
each = "{guard} {verdict} {address}"

[[unban]]
argv = ["tool", "{guard}", "{address}"]
for = ["host4"]

[[sample]]
ban = [["192.0.2.7", 60]]
commands = [{ argv = ["tool", "-f", "-"], stdin = "fw_guard drop 192.0.2.7\\n" }]

[[sample]]
unban = ["192.0.2.7"]
commands = [{ argv = ["tool", "fw_guard", "192.0.2.7"] }]

[[sample]]
options = { block = "reject", ports = [22] }
setup = true
[[sample.commands]]
argv = ["tool", "-f", "-"]
stdin = '''
create fw_guard_22 for block=reject hook=input ports=some
  only 22
then reset in fw_guard_22
reject
end
'''
"""


def parsed(text: str = CHOOSY, choice: Choice = actions.DEFAULTS) -> Action:
    return parse_action(Document("choosy.toml", text), choice)


def faults_with(*changes: tuple[str, str], choice: Choice = actions.DEFAULTS) -> list[str]:
    """Give the first line of every fault of the choosy action after some replacements."""
    text = CHOOSY
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    with pytest.raises(FaultsError) as caught:
        parsed(text, choice)
    return [str(fault).splitlines()[0] for fault in caught.value.faults]


def setup_of(choice: Choice) -> list[Command]:
    return [step.command for step in parsed(choice=choice).setup]


class TestHoles:
    """What stands in the place of a hole."""

    def test_without_a_choice_the_first_values_stand_and_an_empty_line_vanishes(self) -> None:
        assert setup_of(Choice()) == [
            Command(
                ("tool", "-f", "-"),
                "create fw_guard for block=drop hook=input ports=none\nthen drop\nend\n",
            )
        ]

    def test_a_choice_changes_its_own_holes_and_the_tables_that_stand(self) -> None:
        choice = Choice((("hook", "forward"), ("block", "reject")), PORTS)
        guard = "fw_guard_22_8000to8010"
        assert setup_of(choice) == [
            Command(
                ("tool", "-f", "-"),
                f"create {guard} for block=reject hook=forward ports=some\n"
                f"  only 22 or 8000:8010\nthen reset in {guard}\nreject\nend\n",
            ),
            Command(("tool", "also", guard, f"reset in {guard}\nreject")),
        ]

    def test_the_holes_of_addresses_are_filled_afterwards(self) -> None:
        action = parsed(choice=Choice(ports=((22, 22),)))
        members = {"192.0.2.7": None, "192.0.2.8": None}
        (command,) = batch(action, "ban", members, 0)
        assert command.stdin == "fw_guard_22 drop 192.0.2.7\nfw_guard_22 drop 192.0.2.8\n"
        unbans = batch(action, "unban", members, 0)
        assert [unban.argv[1] for unban in unbans] == ["fw_guard_22", "fw_guard_22"]

    def test_patterns_know_the_guard_the_choice_and_the_ports_alone(self) -> None:
        first, second = parsed(choice=Choice(ports=PORTS)).checks
        assert first.has[0].source == (
            "table fw_guard_22_8000to8010 of block=drop hook=input ports=some {*:word}"
        )
        assert second.has[0].source == "{scope:word} 22 or 8000:8010"

    def test_an_action_knows_the_name_of_its_furniture(self) -> None:
        assert parsed().guard == "fw_guard"
        assert parsed(choice=Choice(ports=((22, 22),))).guard == "fw_guard_22"

    def test_to_name_the_default_is_to_name_nothing(self) -> None:
        assert parsed(choice=Choice((("block", "drop"),))) == parsed()

    def test_several_values_may_be_wanted(self) -> None:
        text = CHOOSY.replace('hook = "forward"', 'hook = ["forward", "input"], block = "drop"')
        assert [len(parsed(text, c).setup) for c in (Choice(), FORWARD, REJECT)] == [2, 2, 1]

    def test_a_part_of_the_input_may_be_for_one_value(self) -> None:
        text = CHOOSY.replace("[[ban.stdin]]\n", '[[ban.stdin]]\nwith = { hook = "input" }\n')
        more = '[[ban.stdin]]\nwith = { hook = "forward" }\nfor = ["host4"]\neach = "f {address}"\n'
        text = text.replace("[[unban]]", f"{more}\n[[unban]]")
        for choice, line in ((Choice(), "fw_guard drop 192.0.2.7\n"), (FORWARD, "f 192.0.2.7\n")):
            (command,) = batch(parsed(text, choice), "ban", {"192.0.2.7": None}, 0)
            assert command.stdin == line

    @given(st.lists(st.sampled_from(["{guard}", "{scope}", "{x}", "{ guard }", "a", "\n"])))
    def test_filling_is_replacing(self, pieces: list[str]) -> None:
        text = "".join(pieces)
        filled = choices.filled(text, {"guard": "fw_guard", "scope": "only"})
        assert filled == text.replace("{guard}", "fw_guard").replace("{scope}", "only")

    @given(st.lists(st.sampled_from(["{guard}", "{choice}", "{ports}", "{x}", "a", "{{}", " "])))
    def test_a_place_in_a_filled_pattern_is_found_in_the_file(self, pieces: list[str]) -> None:
        holes = {"guard": "fw_guard_22", "choice": "block=drop", "ports": "22", "x": "never"}
        chosen = choices.Chosen({}, {}, holes, Choice())
        filled = [choices.in_pattern(piece, chosen) for piece in pieces]
        assert choices.in_pattern("".join(pieces), chosen) == "".join(filled)
        for at, piece in enumerate(pieces):
            before, now = len("".join(pieces[:at])), len("".join(filled[:at]))
            for offset in range(len(filled[at])):
                expected = before if filled[at] != piece else before + offset
                text = "".join(pieces)
                assert choices.offset_in_file(text, chosen, now + offset) == expected


class TestGuardName:
    """The name of the furniture of some ports."""

    @pytest.mark.parametrize(
        ("ports", "name"),
        [
            ((), "fw_guard"),
            (((22, 22),), "fw_guard_22"),
            (((22, 22), (80, 80), (443, 443)), "fw_guard_22_80_443"),
            (((8000, 8010),), "fw_guard_8000to8010"),
            (((22, 22), (80, 80), (443, 443), (10000, 10000)), "fw_guard_22_80_443_10000"),
        ],
    )
    def test_a_short_list_is_spelled_out(
        self, ports: tuple[tuple[int, int], ...], name: str
    ) -> None:
        assert guard_name(ports) == name

    def test_a_long_list_has_a_name_that_stays(self) -> None:
        ports = tuple((n, n) for n in range(10000, 10020, 2))
        name = guard_name(ports)
        assert re.fullmatch(r"fw_guard_[0-9a-f]{8}", name)
        assert guard_name(ports) == name
        assert guard_name(ports[1:]) != name

    @given(st.lists(st.tuples(st.integers(1, 65535), st.integers(1, 65535)), max_size=20))
    def test_every_name_is_short_and_plain(self, ports: list[tuple[int, int]]) -> None:
        name = guard_name(tuple(ports))
        assert re.fullmatch(r"fw_guard[a-z0-9_]*", name)
        assert len(name) <= LONGEST_GUARD


class TestFaults:
    """What is wrong with the options of a file, and with a choice that is made of it."""

    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            (
                "[option.hook.input]\n[option.hook.forward]\n",
                "[option.hook]\n",
                "choosy.toml:11:2: the option 'hook' has no value; expected a table for each",
            ),
            (
                "[option.hook.input]\n[option.hook.forward]\n",
                '[option]\nhook = "input"\n',
                "choosy.toml:12:1: `hook` is a text; expected a table",
            ),
            (
                '[option.block.drop]\nverdict = "drop"\n',
                '[option.block.drop]\nverdict = "drop"\nlog = ""\n',
                "choosy.toml:6:2: 'reject' has other holes than 'drop'; "
                "expected `verdict` or `log`",
            ),
            (
                "[option.hook.input]\n[option.hook.forward]\n",
                '[option.hook.input]\nverdict = ""\n',
                "choosy.toml:11:2: the hole `verdict` is one of the option 'block' too; "
                "expected another name",
            ),
            (
                "[option.hook.input]\n[option.hook.forward]\n",
                '[option.hook.input]\naddress = ""\n',
                "choosy.toml:12:1: the hole `address` has a meaning of its own; "
                "expected another name",
            ),
            (
                "[option.hook.input]\n",
                "[option.Hook.input]\n[option.hook.input]\n",
                "choosy.toml:11:2: an option cannot be named 'Hook'; expected a-z 0-9 _",
            ),
            (
                "[option.hook.input]\n",
                "[option.hook.in-put]\n[option.hook.input]\n",
                "choosy.toml:11:2: a value cannot be named 'in-put'; expected a-z 0-9 _",
            ),
            (
                "[option.hook.input]\n",
                "[option.hook.input]\nUp = ''\n",
                "choosy.toml:12:1: a hole cannot be named 'Up'; expected a-z 0-9 _",
            ),
            (
                "[option.hook.input]\n",
                "[option.hook.input]\nup = 3\n",
                "choosy.toml:12:1: `up` is a whole number; expected a text",
            ),
            (
                'scope = "only {ports}"',
                'scope = "only {port}"',
                "choosy.toml:21:16: unknown hole `port` (did you mean `ports`?); "
                "expected guard, choice or ports",
            ),
            (
                "[option.ports.none]",
                "[option.ports.all]",
                "choosy.toml:14:2: the values of `ports` are fixed; expected none, then some",
            ),
            (
                "most = 3",
                "most = 0",
                "choosy.toml:17:1: `most` is 0; expected 1 to 65535",
            ),
            (
                'with = { hook = "forward" }',
                'with = { hok = "forward" }',
                "choosy.toml:42:10: no option 'hok' (did you mean `hook`?); "
                "expected block, hook or ports",
            ),
            (
                'with = { hook = "forward" }',
                'with = { hook = ["input", "forwards"] }',
                "choosy.toml:42:28: `hook` has no value 'forwards' (did you mean `forward`?); "
                "expected input or forward",
            ),
            (
                'with = { hook = "forward" }',
                'with = "forward"',
                "choosy.toml:42:1: `with` is a text; expected a table",
            ),
            (
                "then {verdict}",
                "then {verdickt}",
                "choosy.toml:37:7: unknown hole `verdickt` (did you mean `verdict`?); "
                "expected none here (a brace with a blank inside is a brace)",
            ),
            (
                "{guard} {verdict} {address}",
                "{guard} {adress} {address}",
                "choosy.toml:49:18: unknown hole `adress` (did you mean `address`?); "
                "expected address, network, length, seconds, class or family",
            ),
            (
                "table {guard} of {choice} {*:word}",
                "table {guard} of {choice} {*:wrd} {guard}",
                "choosy.toml:25:38: no such type 'wrd' (did you mean `word`?); expected one of ",
            ),
            (
                'options = { block = "reject", ports = [22] }',
                'options = { block = "rejet", ports = [22] }',
                "choosy.toml:64:13: `block` has no value 'rejet' (did you mean `reject`?); "
                "expected drop or reject",
            ),
            (
                'options = { block = "reject", ports = [22] }',
                'options = { blok = "reject", ports = [22] }',
                "choosy.toml:64:13: no option 'blok' (did you mean `block`?); "
                "expected block, hook or ports",
            ),
            (
                'options = { block = "reject", ports = [22] }',
                'options = { block = "reject", ports = ["80-22"] }',
                "choosy.toml:64:31: '80-22' is no port; expected such as 22 or '8000-8010'",
            ),
            (
                'options = { block = "reject", ports = [22] }',
                'options = { ports = [1, "3-4", 6] }',
                "choosy.toml:64:13: 4 ports are named; expected 3 at the most (a range counts two)",
            ),
        ],
    )
    def test_each_fault_has_its_own_words(self, old: str, new: str, fault: str) -> None:
        assert any(line.startswith(fault) for line in faults_with((old, new))), faults_with(
            (old, new)
        )

    @pytest.mark.parametrize(
        ("choice", "fault"),
        [
            (
                Choice((("blok", "drop"),)),
                "choosy.toml:3:2: no option 'blok' (did you mean `block`?); "
                "expected block, hook or ports",
            ),
            (
                Choice((("block", "rejekt"),)),
                "choosy.toml:3:2: `block` has no value 'rejekt' (did you mean `reject`?); "
                "expected drop or reject",
            ),
            (
                Choice(ports=((1, 2), (4, 5))),
                "choosy.toml:14:2: 4 ports are named; expected 3 at the most (a range counts two)",
            ),
        ],
    )
    def test_what_is_chosen_and_is_not_there(self, choice: Choice, fault: str) -> None:
        assert faults_with(choice=choice) == [fault]

    def test_nothing_can_be_chosen_of_an_action_without_options(self) -> None:
        text = CHOOSY[: CHOOSY.index("[option")] + CHOOSY[CHOOSY.index("[[ban]]") :]
        text = text.replace("{verdict}", "drop").partition("[[sample]]\noptions")[0]
        assert parsed(text).guard == "fw_guard"
        with pytest.raises(FaultsError) as caught:
            parsed(text, Choice((("block", "drop"),), PORTS))
        assert [fault.message for fault in caught.value.faults] == [
            "no option 'block'; expected none here",
            "no option 'ports'; expected none here",
        ]

    def test_a_file_without_ports_has_no_hole_for_them(self) -> None:
        ports = CHOOSY[CHOOSY.index("[option.ports]") : CHOOSY.index("[[check]]")]
        message = "\n".join(faults_with((ports, "\n"), ("create {guard}", "create {ports}")))
        assert "unknown hole `ports`" in message

    def test_a_value_without_a_way_to_ban_is_found_by_the_check_alone(self, tmp_path: Path) -> None:
        text = CHOOSY.replace("[[ban]]\n", '[[ban]]\nwith = { block = "drop" }\n')
        assert parsed(text).ban
        message = "no [[ban]] is left with block=reject hook=input ports=none"
        with pytest.raises(FaultsError, match=re.escape(message)):
            parsed(text, REJECT)
        copy = tmp_path / "choosy.toml"
        copy.write_text(text)
        faults = [(f.line, f.message) for f in actions.check(str(copy))]
        assert (45, f"{message}; expected one for every value") in faults


class TestSamples:
    """A sample is for one choice, and is tried on that."""

    def test_only_those_of_the_choice_are_kept(self) -> None:
        assert [sample.kind for sample in parsed().samples] == ["ban", "unban"]
        chosen = Choice((("block", "reject"),), ((22, 22),))
        assert [sample.kind for sample in parsed(choice=chosen).samples] == ["setup"]
        assert parsed(choice=FORWARD).samples == ()

    def test_a_wrong_one_is_no_fault_of_another_choice(self, tmp_path: Path) -> None:
        wrong = CHOOSY.replace("create fw_guard_22 for", "created fw_guard_22 for")
        assert parsed(wrong).samples
        copy = tmp_path / "choosy.toml"
        copy.write_text(wrong)
        (fault,) = actions.check(str(copy))
        assert str(fault).splitlines()[0] == (
            f"{copy}:63:3: input of command 1 of [[setup]]: line 1 is "
            "`create fw_guard_22 for block=reject hook=input ports=some` here; "
            "expected `created fw_guard_22 for block=reject hook=input ports=some`"
        )

    def test_a_fault_of_every_choice_is_told_once(self, tmp_path: Path) -> None:
        copy = tmp_path / "choosy.toml"
        copy.write_text(CHOOSY.replace('title = "choosy"', 'titel = "choosy"'))
        assert [fault.message for fault in actions.check(str(copy))] == [
            "`title` is missing; expected a text",
            "unknown key `titel` (did you mean `title`?)",
        ]

    def test_a_table_that_stands_for_another_value_alone_is_checked_too(
        self, tmp_path: Path
    ) -> None:
        copy = tmp_path / "choosy.toml"
        copy.write_text(CHOOSY.replace('"also", "{guard}"', '"also", "{gard}"'))
        parsed(copy.read_text())
        (fault,) = actions.check(str(copy))
        assert (fault.line, fault.column) == (43, 27)
        assert fault.message.startswith("unknown hole `gard` (did you mean `guard`?)")

    def test_a_file_that_cannot_be_read_is_its_only_fault(self, tmp_path: Path) -> None:
        (fault,) = actions.check(str(tmp_path / "none.toml"))
        assert fault.message == "cannot be read: No such file or directory"


def every_choice(name: str) -> list[Choice]:
    """Give every choice there is of a shipped action, with and without ports."""
    root = open_document(str(ACTIONS / f"{name}.toml"), trusted=True).root
    options = choices.read(root, Choice()).options
    named = [[(n, v) for v in o.values] for n, o in options.items() if n != choices.PORTS]
    combined = list(itertools.product(*named))
    ports: list[tuple[tuple[int, int], ...]] = [(), ((22, 22),), PORTS]
    return [Choice(chosen, some) for chosen, some in itertools.product(combined, ports)]


def loaded(name: str, choice: Choice) -> Action:
    return actions.load(str(ACTIONS / f"{name}.toml"), trusted=True, choice=choice)


@pytest.mark.parametrize("name", SHIPPED)
class TestShipped:
    """The action files that ship, under every choice."""

    def test_none_has_a_fault(self, name: str) -> None:
        assert actions.check(str(ACTIONS / f"{name}.toml"), trusted=True) == []

    def test_the_general_options_come_with_their_defaults(self, name: str) -> None:
        root = open_document(str(ACTIONS / f"{name}.toml"), trusted=True).root
        chosen = choices.read(root, Choice())
        values = dict(chosen.values)
        assert (values["block"], values["established"], values["ports"]) == ("drop", "end", "none")
        assert values.get("hook", "input") == "input"
        assert set(chosen.options["block"].values) == {"drop", "reject"}
        assert set(chosen.options["established"].values) == {"end", "keep"}

    def test_no_hole_is_left_in_any_command(self, name: str) -> None:
        for choice in every_choice(name):
            action = loaded(name, choice)
            steps = [*action.setup, *action.teardown]
            argvs = [s.command.argv + s.unless + s.when for s in steps]
            argvs += [check.argv for check in action.checks]
            argvs += [listing.argv for listing in action.listings]
            argvs += [glance.argv for glance in action.glances]
            commands = batch(action, "ban", {"192.0.2.7": None, "2001:db8::/64": None}, 0)
            words = [word for argv in argvs for word in argv]
            words += [step.command.stdin for step in steps] + [c.stdin for c in commands]
            words += [text for hint in action.hints for text in (hint.error, hint.advice)]
            assert [word for word in words if HOLE.search(word)] == []

    def test_two_choices_never_make_the_same_furniture(self, name: str) -> None:
        if name not in ("ipset", "iptables", "nftables"):
            return  # a packet has but one way through pf and ipfw, and preview makes nothing
        made: dict[tuple[Command, ...], Choice] = {}
        for choice in every_choice(name):
            steps = tuple(step.command for step in loaded(name, choice).setup)
            assert steps not in made, (choice, made[steps])
            made[steps] = choice

    def test_what_one_choice_made_is_taken_away_by_every_other(self, name: str) -> None:
        for ports in ((), ((22, 22),)):
            teardowns = {
                loaded(name, choice).teardown
                for choice in every_choice(name)
                if choice.ports == ports
            }
            assert len(teardowns) == 1


@pytest.mark.parametrize("name", ["ipset", "iptables", "nftables"])
def test_a_sample_shows_the_furniture_of_every_value(name: str) -> None:
    root = open_document(str(ACTIONS / f"{name}.toml"), trusted=True).root
    options = choices.read(root, Choice()).options
    for kind in ("setup", "check"):
        shown = {
            pair
            for choice in every_choice(name)
            for sample in loaded(name, choice).samples
            if sample.kind == kind
            for pair in (*sample.choice.options, (choices.PORTS, bool(sample.choice.ports)))
        }
        wanted = {(n, v) for n, o in options.items() for v in o.values if n != choices.PORTS}
        assert shown >= wanted | {(choices.PORTS, True), (choices.PORTS, False)}
