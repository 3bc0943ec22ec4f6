"""Action files: those that ship do what they say, and a faulty one is told all its faults."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import templates
from fw_guard.actions import load, parse_action
from fw_guard.actionsamples import check_samples
from fw_guard.addresses import AddressError
from fw_guard.faults import FaultsError
from fw_guard.listings import listed
from fw_guard.templates import Action, Command, batch, seconds_left, subject
from fw_guard.tomlfile import Document

ACTIONS = Path(__file__).parents[1] / "actions"
SHIPPED = ("ipfw", "ipset", "iptables", "nftables", "pf", "preview")
TRANSCRIPTS = Path(__file__).parent / "transcripts"

# The smallest action that is whole: one class of addresses, one process a batch.
SMALL = """\
title = "small"

[[check]]
argv = ["tool", "show"]
has = ['table ours {{}']

[[setup]]
argv = ["tool", "-f", "-"]
stdin = 'create ours'

[[ban]]
argv = ["tool", "-f", "-"]
[[ban.stdin]]
for = ["host4"]
each = "add {address} for {seconds}"

[[unban]]
argv = ["tool", "-f", "-"]
[[unban.stdin]]
for = ["host4"]
each = "remove {address}"

[[list]]
argv = ["tool", "list"]
pattern = 'member {address}'

[[sample]]
ban = [["192.0.2.7", 60]]
commands = [{ argv = ["tool", "-f", "-"], stdin = "add 192.0.2.7 for 60\\n" }]

[[sample]]
unban = ["192.0.2.7"]
commands = [{ argv = ["tool", "-f", "-"], stdin = "remove 192.0.2.7\\n" }]

[[sample]]
list = '''
member 192.0.2.7
owner 192.0.2.8
'''
addresses = ["192.0.2.7"]
"""


def parsed(text: str) -> Action:
    """Read the text of an action file."""
    return parse_action(Document("small.toml", text))


def faults_of(text: str) -> str:
    """Give all that is wrong with the text of an action file."""
    with pytest.raises(FaultsError) as caught:
        parsed(text)
    return str(caught.value)


def faults_with(*changes: tuple[str, str]) -> str:
    """Give all that is wrong with the small action after some replacements."""
    text = SMALL
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return faults_of(text)


def shipped(name: str) -> Action:
    return load(str(ACTIONS / f"{name}.toml"))


class TestShipped:
    """The action files that ship."""

    def test_they_are_these(self) -> None:
        assert sorted(path.stem for path in ACTIONS.glob("*.toml")) == list(SHIPPED)

    @pytest.mark.parametrize("name", SHIPPED)
    def test_each_does_what_its_samples_say(self, name: str) -> None:
        action = shipped(name)
        assert check_samples(action) == []
        assert {sample.kind for sample in action.samples} >= (
            {"ban"} | ({"list", "check"} if action.listings else set())
        )

    @pytest.mark.parametrize("name", SHIPPED)
    def test_each_takes_every_class_of_addresses(self, name: str) -> None:
        assert shipped(name).classes == {"host4", "net4", "host6", "prefix64", "net6"}

    @pytest.mark.parametrize("name", SHIPPED)
    def test_no_sample_could_pass_by_itself(self, name: str) -> None:
        action = shipped(name)
        for sample in action.samples:
            wrong = sample._replace(
                listed=(*sample.listed, "192.0.2.222"),
                commands=sample.commands[1:],
                intact=not sample.intact,
                marks=(*sample.marks, "another line"),
            )
            (place,) = {fault.line for fault in check_samples(action._replace(samples=(wrong,)))}
            assert place == sample.line

    @pytest.mark.parametrize("name", ["ipfw", "ipset", "iptables", "nftables", "pf"])
    def test_each_names_nothing_in_the_firewall_that_is_not_ours(self, name: str) -> None:
        action = shipped(name)
        steps = [step.command for step in (*action.setup, *action.teardown)]
        commands = [*steps, *(c for sample in action.samples for c in sample.commands)]
        for command in commands:
            text = command.stdin or " ".join(command.argv)
            lines = [line for line in text.splitlines() if line not in {"", "*filter", "COMMIT"}]
            whole = " ".join(command.argv)
            for line in lines:
                killed_state = command.argv[:3] == ("pfctl", "-q", "-k")
                ours = any(name in line for name in ("fw_guard", "set 29", "set enable 29"))
                # A chain of Docker's that holds our rule alone and that nobody calls: we made it.
                ours |= line == "-X DOCKER-USER" and "-D DOCKER-USER" in command.stdin
                assert ours or "-a fw_guard" in whole or killed_state, (command, line)

    def test_times_are_kept_by_the_kernels_that_can(self) -> None:
        assert {name for name in SHIPPED if shipped(name).keeps_time} == {
            "nftables",
            "ipset",
            "preview",
        }

    def test_a_local_copy_that_others_may_write_is_refused(self, tmp_path: Path) -> None:
        copy = tmp_path / "own.toml"
        copy.write_text(SMALL)
        os.chmod(copy, 0o620)
        with pytest.raises(FaultsError, match="may be written by others"):
            load(str(copy))
        assert load(str(copy), trusted=True).title == "small"


class TestRecords:
    """The patterns of the shipped actions on what the real tools printed."""

    def test_pf_reads_what_pfctl_shows(self) -> None:
        action = shipped("pf")
        output = after("pfctl13.transcript", "pfctl -q -a fw_guard -t banned -T show", 2)
        assert list(listed(action.listings[0], output)) == [
            "10.99.0.2",
            "127.0.0.1",
            "192.0.0.2",
            "192.0.2.0/24",
            "192.0.2.1",
            "192.0.2.2",
            "2001:db8::1",
            "2001:db8:1::/48",
            "fd99::2",
        ]

    def test_ipfw_reads_what_ipfw_lists(self) -> None:
        action = shipped("ipfw")
        output = after("ipfw13.transcript", "ipfw table fw_guard list", 2)
        assert list(listed(action.listings[0], output)) == [
            "192.0.0.2",
            "192.0.2.0/24",
            "192.0.2.1",
            "192.0.2.2",
            "2001:db8::1",
            "2001:db8:1::/48",
        ]


def after(transcript: str, command: str, nth: int) -> str:
    """Give the standard output of the nth run of a command in a transcript."""
    text = (TRANSCRIPTS / transcript).read_text()
    run = text.split(f"--- $ {command}\n")[nth]
    lines = run.split("\nrc=")[0].splitlines()
    return "".join(f"{line[5:]}\n" for line in lines if line.startswith("out| "))


class TestFaults:
    """What is wrong is said with its place, all of it at once."""

    def test_the_small_action_is_whole(self) -> None:
        assert parsed(SMALL).title == "small"

    def test_an_unknown_hole_is_named_with_what_was_meant(self) -> None:
        assert faults_with(("add {address} for", "add {adress} {address} for")) == (
            "small.toml:15:14: unknown hole `adress` (did you mean `address`?); "
            "expected address, network, length, seconds, class or family\n"
            '   15 | each = "add {adress} {address} for {seconds}"\n'
            "      |              ^"
        )

    def test_a_brace_with_a_blank_is_a_brace(self) -> None:
        text = SMALL.replace("add {address} for", "add { port } {address} {22} for")
        text = text.replace("add 192.0.2.7 for", "add { port } 192.0.2.7 {22} for")
        assert parsed(text).ban[0].parts[0].each == "add { port } {address} {22} for {seconds}"

    def test_a_hole_where_no_address_is_at_hand(self) -> None:
        assert faults_with(("create ours", "create {address}")) == (
            "small.toml:9:18: unknown hole `address`; "
            "expected none here (a brace with a blank inside is a brace)\n"
            "    9 | stdin = 'create {address}'\n"
            "      |                  ^"
        )

    def test_a_pattern_that_is_none(self) -> None:
        assert faults_with(("member {address}", "member {address")) == (
            "small.toml:25:19: a hole that is never closed; "
            "expected }, or {{} for a literal brace\n"
            "   25 | pattern = 'member {address'\n"
            "      |                   ^"
        )

    def test_a_pattern_without_the_address(self) -> None:
        assert faults_with(("member {address}", "member {net}")) == (
            "small.toml:25:1: the pattern has no field `address`; expected one {address}\n"
            "   25 | pattern = 'member {net}'\n"
            "      | ^"
        )

    def test_every_fault_of_a_file_comes_out_at_once(self) -> None:
        message = faults_with(
            ('title = "small"', 'titel = "small"'),
            ('argv = ["tool", "show"]', 'argv = []\nok = ["0"]'),
            ('for = ["host4"]\neach = "add', 'for = ["host"]\neach = "add'),
            ('each = "remove {address}"', 'each = "remove it"'),
            ("[[list]]\nargv", "[[list]]\nsplit = 3\nargv"),
            ('unban = ["192.0.2.7"]', 'unban = ["192.0.2.007"]'),
        )
        assert [line for line in message.splitlines() if line.startswith("small")] == [
            "small.toml:1:1: `title` is missing; expected a text",
            "small.toml:1:1: unknown key `titel` (did you mean `title`?)",
            "small.toml:1:1: no [[sample]] of `unban` has an address of the class host4; "
            "expected every class that it takes",
            "small.toml:4:1: `argv` is empty; expected a text or a list of texts",
            "small.toml:5:1: `ok` is no list of exit codes; expected such as [0, 1]",
            "small.toml:15:1: no class 'host' of addresses (did you mean `host6`?); "
            "expected host4, net4, host6, prefix64 or net6",
            "small.toml:22:1: `each` has no address; expected a hole address or network",
            "small.toml:25:1: `split` is a whole number; expected a text",
            "small.toml:34:1: '192.0.2.007' is no address and no network",
        ]

    @pytest.mark.parametrize(
        ("old", "new", "fault"),
        [
            (
                'argv = ["tool", "show"]',
                'argv = ["bin/tool", "show"]',
                "small.toml:4:1: 'bin/tool' is no program; expected a bare name or a path from /",
            ),
            (
                'argv = ["tool", "show"]',
                'argv = [""]',
                "small.toml:4:1: `argv` names no program; expected its name first",
            ),
            (
                'argv = ["tool", "show"]',
                'argv = ["tool", "a\\u0000b"]',
                "small.toml:4:1: `argv` holds a NUL character; expected plain words",
            ),
            (
                '[[check]]\nargv = ["tool", "show"]\nhas = [\'table ours {{}\']\n',
                "",
                "small.toml:4:3: [[setup]] without [[check]]; "
                "expected one that says when it is needed",
            ),
            (
                'title = "small"',
                'title = "small"\nrewrite = true',
                "small.toml:18:3: [[unban]] beside `rewrite`; "
                "expected [[ban]] alone: it writes the set",
            ),
            (
                'for = ["host4"]\neach = "add',
                'for = ["host4", "net4"]\neach = "add',
                "small.toml:17:3: [[unban]] takes no net4, which [[ban]] does; "
                "expected the same classes of addresses",
            ),
            (
                'each = "add {address} for {seconds}"',
                'each = "add {address}"\ntext = "begin\\nend"',
                "small.toml:16:1: `text` has no address; "
                "expected a hole each, addresses or networks",
            ),
            (
                'each = "add {address} for {seconds}"',
                'each = "add {address}"\ntext = "add {addresses}"',
                "small.toml:15:1: `each` is never used; expected a hole each in `text`",
            ),
            (
                '[[unban.stdin]]\nfor = ["host4"]\neach = "remove {address}"\n',
                "",
                "small.toml:17:3: the address is neither in `argv` nor in a table `stdin`; "
                "expected it in one",
            ),
            (
                'title = "small"',
                'title = "small"\nchunk = 0',
                "small.toml:2:1: `chunk` is 0; expected 1 to 1000000000",
            ),
            (
                'unban = ["192.0.2.7"]\n',
                "",
                "small.toml:31:3: a [[sample]] of nothing; "
                "expected one of ban, renew, unban, list, check, glance, setup or teardown",
            ),
            (
                'ban = [["192.0.2.7", 60]]',
                'ban = ["192.0.2.7"]',
                "small.toml:28:1: no ban '192.0.2.7'; expected such as [\"192.0.2.7\", 3600]",
            ),
        ],
    )
    def test_each_fault_has_its_own_words(self, old: str, new: str, fault: str) -> None:
        assert fault in faults_with((old, new)).splitlines()


class TestFailedSamples:
    """A file that does not do what its samples say is no action."""

    def test_another_input(self) -> None:
        assert faults_with(('"add 192.0.2.7 for 60', '"add 192.0.2.7 for 61')) == (
            "small.toml:27:3: input of command 1 of [[ban]]: line 1 is `add 192.0.2.7 for 60` "
            "here; expected `add 192.0.2.7 for 61`\n"
            "   27 | [[sample]]\n"
            "      |   ^"
        )

    def test_a_missing_line_and_a_missing_newline(self) -> None:
        assert "line 2 is nothing here; expected `commit`" in faults_with(
            ("add 192.0.2.7 for 60\\n", "add 192.0.2.7 for 60\\ncommit\\n")
        )
        assert "its last line has no end; expected a newline" in faults_with(
            ("add 192.0.2.7 for 60\\n", "add 192.0.2.7 for 60")
        )

    def test_another_command(self) -> None:
        old = '[{ argv = ["tool", "-f", "-"], stdin = "remove'
        assert (
            "small.toml:31:3: command 1 of [[unban]] is `tool -f -` here; expected `tool -f file`"
        ) in faults_with((old, old.replace('"-"', '"file"')))

    def test_another_number_of_commands(self) -> None:
        message = faults_with(
            ('commands = [{ argv = ["tool", "-f", "-"], stdin = "remove 192.0.2.7\\n" }]', "")
        )
        assert "small.toml:31:3: [[unban]] makes 1 command of this; expected 0" in message

    def test_an_address_too_few_and_one_too_many(self) -> None:
        message = faults_with(('addresses = ["192.0.2.7"]', 'addresses = ["192.0.2.8"]'))
        assert [line for line in message.splitlines() if line.startswith("small")] == [
            "small.toml:35:3: [[list]] also reads 192.0.2.7 here; "
            "expected only what `addresses` names",
            "small.toml:35:3: [[list]] does not read 192.0.2.8 here; "
            "expected all that `addresses` names",
        ]

    def test_a_check_that_misses_something_or_finds_everything(self) -> None:
        sample = "\n[[sample]]\ncheck = 'table {}'\nintact = {}\n"
        assert "[[check]] finds no line 'table ours {{}' here" in faults_of(
            SMALL + sample.format("theirs {", "true")
        )
        assert "[[check]] finds all of `has` here" in faults_of(
            SMALL + sample.format("ours {", "false")
        )


class TestTemplates:
    """Addresses become commands."""

    @pytest.mark.parametrize(
        ("address", "kind"),
        [
            ("192.0.2.7", "host4"),
            ("198.51.100.0/24", "net4"),
            ("192.0.2.6/31", "net4"),
            ("2001:db8::7", "host6"),
            ("2001:db8:1:2::/64", "prefix64"),
            ("2001:db8::/32", "net6"),
            ("2001:db8:1:2:3::/80", "net6"),
        ],
    )
    def test_every_address_is_of_one_class(self, address: str, kind: str) -> None:
        assert subject(address).kind == kind

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "localhost",
            "em0",
            "192.0.2",
            "010.1.1.1",
            "192.0.2.7/32",
            "192.0.2.7/24",
            "!192.0.2.7",
            "192.0.2.7\n",
            "192.0.2.7 }",
            "192.0.2.7; flush ruleset",
            "-A",
            "2001:DB8::7",
            "2001:db8::7/128",
            "2001:db8:0:0::7",
            "[2001:db8::7]",
            "fe80::1%em0",
            "::ffff:192.0.2.7",
            "2001:db8:1:2::7/64",
        ],
    )
    def test_what_is_no_canonical_address_reaches_no_template(self, text: str) -> None:
        with pytest.raises(AddressError):
            batch(parsed(SMALL), "ban", {text: None}, 0)

    @given(st.text(max_size=40) | st.text("0123456789abcdefF.:/%[]! \n-", max_size=24))
    def test_no_text_whatever_gets_through_as_anything_but_an_address(self, text: str) -> None:
        try:
            found = subject(text)
        except AddressError:
            return
        assert set(found.address) <= set("0123456789abcdef.:/")

    def test_the_time_left_is_never_taken_for_good(self) -> None:
        assert seconds_left(None, 1000, 0) == 0
        assert seconds_left(1060, 1000, 0) == 60
        assert seconds_left(1000, 1000, 0) == 1
        assert seconds_left(900, 1000, 0) == 1
        assert seconds_left(10**9, 1000, 3600) == 3600

    def test_a_batch_is_cut_into_chunks(self) -> None:
        action = parsed(SMALL)._replace(chunk=2)
        members = {f"192.0.2.{n}": 60 for n in range(1, 6)}
        assert [command.stdin for command in batch(action, "ban", members, 0)] == [
            "add 192.0.2.1 for 60\nadd 192.0.2.2 for 60\n",
            "add 192.0.2.3 for 60\nadd 192.0.2.4 for 60\n",
            "add 192.0.2.5 for 60\n",
        ]

    def test_no_address_is_no_command(self) -> None:
        assert batch(parsed(SMALL), "ban", {}, 0) == []

    def test_the_whole_set_is_written_even_when_it_is_empty(self) -> None:
        commands = batch(shipped("iptables"), "unban", {}, 0)
        empty = "*filter\n:fw_guard - [0:0]\n\nCOMMIT\n"
        assert commands == [
            Command(("iptables-restore", "--noflush", "-w", "5"), empty),
            Command(("ip6tables-restore", "--noflush", "-w", "5"), empty),
        ]

    def test_the_whole_set_is_never_cut(self) -> None:
        action = shipped("iptables")._replace(chunk=2)
        commands = batch(action, "ban", {f"192.0.2.{n}": None for n in range(5)}, 0)
        assert [command.stdin.count("-A fw_guard") for command in commands] == [5, 0]

    def test_an_address_in_the_arguments_is_a_process_for_each(self) -> None:
        action = shipped("pf")
        members = {f"192.0.2.{n}": None for n in range(100)}
        add, *kills = batch(action, "ban", members, 0)
        assert add.argv == action.ban[0].argv
        assert [kill.argv for kill in kills] == [("pfctl", "-q", "-k", a) for a in members]

    def test_too_many_processes_are_left_out(self) -> None:
        members = {f"192.0.2.{n}": None for n in range(101)}
        (add,) = batch(shipped("pf"), "ban", members, 0)
        assert add.stdin.count("\n") == 101

    def test_a_percent_sign_is_a_percent_sign(self) -> None:
        text = SMALL.replace('"add {address}', '"%s 100% %(x)s {address}')
        text = text.replace('"add 192.0.2.7', '"%s 100% %(x)s 192.0.2.7')
        assert parsed(text).title == "small"

    def test_the_classes_are_those_of_the_heading(self) -> None:
        heading = str(templates.__doc__)
        assert [name for name in templates.CLASSES if f"    {name} " in heading] == list(
            templates.CLASSES
        )
