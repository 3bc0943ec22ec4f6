"""The wanted set against the actual set: what is run, and what is said when it cannot be."""

from __future__ import annotations

import fcntl
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses, firewall
from fw_guard.actions import load
from fw_guard.addresses import AddressError
from fw_guard.firewall import (
    FirewallError,
    Outcome,
    Result,
    in_order,
    intended,
    planned,
    reconcile,
    run_command,
    teardown,
    uncovered,
)
from tests.fakes.ipfw import FakeIpfw
from tests.fakes.pf import FakePf
from tests.fakes.programs import FakePrograms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mock import MockerFixture

    from fw_guard.templates import Action

ACTIONS = Path(__file__).parents[1] / "actions"
NOW = 1_700_000_000
LATER = NOW + 3600
ALL_CLASSES = (
    "192.0.2.7",
    "198.51.100.0/24",
    "2001:db8::7",
    "2001:db8:1:2::/64",
    "2001:db8:3::/48",
)
PF_CONF = 'anchor "fw_guard"\npass quick all\n'


def shipped(name: str) -> Action:
    return load(str(ACTIONS / f"{name}.toml"), trusted=True)


class Machine:
    """A fake machine behind the seam, with a record of what was run."""

    def __init__(self, **programs: FakePf | FakeIpfw) -> None:
        self.programs = FakePrograms(dict(programs))

    def run(self, argv: Sequence[str], stdin: str) -> Result:
        """Run a program of the machine."""
        result = self.programs.run(argv, stdin)
        return Result(result.code, result.out, result.err)

    def changes(self) -> list[str]:
        """Give the commands run since the last question that were no mere questions."""
        calls, self.programs.calls = self.programs.calls, []
        asking = ("-s", "-T show", "set 29 list", "table fw_guard list")
        lines = [(" ".join(argv), stdin) for argv, stdin in calls]
        return [line for line, stdin in lines if stdin or not any(word in line for word in asking)]


def with_pf(conf: str = PF_CONF, *, enabled: bool = True) -> tuple[FakePf, Machine]:
    """Give a machine whose pf has its owner's rules."""
    pf = FakePf(files={"/etc/pf.conf": conf})
    assert pf.run(["pfctl", "-q", "-f", "/etc/pf.conf"]).code == 0
    if enabled:
        assert pf.run(["pfctl", "-e"]).code == 0
    return pf, Machine(pfctl=pf)


def with_ipfw() -> tuple[FakeIpfw, Machine]:
    """Give a machine whose ipfw has its owner's rules."""
    ipfw = FakeIpfw()
    for rule in ("add 100 allow tcp from 192.0.2.1 to any", "add 1000 allow tcp from any to any"):
        assert ipfw.run(["ipfw", "-q", *rule.split()]).code == 0
    return ipfw, Machine(ipfw=ipfw)


class TestPf:
    """The action pf on a fake that is held to records of the real one."""

    def test_a_ban_blocks_and_cuts_and_an_unban_frees(self) -> None:
        pf, machine = with_pf()
        assert pf.connect("192.0.2.7")
        assert pf.connect("192.0.2.8")
        outcome = reconcile(
            shipped("pf"), {"192.0.2.7": LATER, "2001:db8:1:7::/64": None}, NOW, run=machine.run
        )
        assert outcome == Outcome(("192.0.2.7", "2001:db8:1:7::/64"), (), True, ())
        assert pf.blocks("192.0.2.7")
        assert pf.blocks("2001:db8:1:7::9")
        assert not pf.carries("192.0.2.7")
        assert pf.carries("192.0.2.8")
        assert not pf.blocks("192.0.2.8")
        outcome = reconcile(shipped("pf"), {"2001:db8:1:7::/64": None}, NOW, run=machine.run)
        assert outcome == Outcome((), ("192.0.2.7",), False, ())
        assert not pf.blocks("192.0.2.7")
        assert pf.blocks("2001:db8:1:7::9")

    def test_a_quiet_pass_changes_nothing(self) -> None:
        _, machine = with_pf()
        wanted = dict.fromkeys(ALL_CLASSES, LATER)
        reconcile(shipped("pf"), wanted, NOW, run=machine.run)
        machine.changes()
        outcome = reconcile(shipped("pf"), wanted, NOW, changed=ALL_CLASSES, run=machine.run)
        assert outcome == Outcome((), (), False, ())
        assert machine.changes() == []

    @pytest.mark.parametrize(
        "lost",
        [
            ["-a", "fw_guard", "-F", "all"],
            ["-a", "fw_guard", "-F", "rules"],
            ["-a", "fw_guard", "-t", "banned", "-T", "kill"],
            ["-a", "fw_guard", "-t", "banned", "-T", "flush"],
        ],
    )
    def test_what_was_lost_is_put_back(self, lost: list[str]) -> None:
        pf, machine = with_pf()
        reconcile(shipped("pf"), {"192.0.2.7": None}, NOW, run=machine.run)
        assert pf.run(["pfctl", "-q", *lost]).code == 0
        assert not pf.blocks("192.0.2.7")
        reconcile(shipped("pf"), {"192.0.2.7": None}, NOW, run=machine.run)
        assert pf.blocks("192.0.2.7")

    def test_an_anchor_that_is_not_called_is_an_error_with_the_line_to_write(self) -> None:
        _, machine = with_pf('anchor "fw_guard/*"\npass quick all\n')
        with pytest.raises(FirewallError) as caught:
            reconcile(shipped("pf"), {"192.0.2.7": None}, NOW, run=machine.run)
        assert str(caught.value) == (
            '`pfctl -s rules` shows no line `anchor "fw_guard"{*}`, even after the set-up of '
            "'pf: a table in an anchor of our own'; put the line `anchor \"fw_guard\"` into "
            "/etc/pf.conf, before any `pass quick`, and run `pfctl -f /etc/pf.conf`"
        )

    def test_a_pf_that_is_switched_off_is_an_error(self) -> None:
        _, machine = with_pf(enabled=False)
        with pytest.raises(FirewallError, match="pf is switched off: `sysrc pf_enable=YES`"):
            reconcile(shipped("pf"), {}, NOW, run=machine.run)

    def test_a_pf_that_is_not_loaded_is_an_error(self) -> None:
        machine = Machine(pfctl=FakePf(device_error="No such file or directory"))
        with pytest.raises(FirewallError) as caught:
            reconcile(shipped("pf"), {}, NOW, run=machine.run)
        assert str(caught.value) == (
            "`pfctl -q -a fw_guard -f -` failed with exit code 1: pfctl: /dev/pf: "
            "No such file or directory; pf is not loaded: `sysrc pf_enable=YES`, "
            "then `service pf start`"
        )
        assert not caught.value.needs_root

    def test_who_is_not_root_is_told(self) -> None:
        machine = Machine(pfctl=FakePf(device_error="Permission denied"))
        with pytest.raises(FirewallError) as caught:
            reconcile(shipped("pf"), {}, NOW, run=machine.run)
        assert str(caught.value).endswith(
            "/dev/pf: Permission denied; expected to be run as root "
            "(in a container, with CAP_NET_ADMIN)"
        )
        assert caught.value.needs_root

    def test_more_than_the_kernel_takes_at_once_goes_in_chunks(self) -> None:
        pf, machine = with_pf()
        action = shipped("pf")
        assert action.chunk <= pf.kernel.request_maxcount
        smaller = action._replace(chunk=30)
        pf.kernel.request_maxcount = 65
        wanted = {f"192.0.2.{n}": None for n in range(101)}
        with pytest.raises(FirewallError, match=r"the table may be larger than net\.pf\.request"):
            reconcile(action, wanted, NOW, run=machine.run)
        machine.changes()
        reconcile(smaller, wanted, NOW, run=machine.run)
        assert machine.changes() == ["pfctl -q -a fw_guard -t banned -T add -f -"] * 4
        assert pf.blocks("192.0.2.0")
        assert pf.blocks("192.0.2.100")
        assert not pf.blocks("192.0.2.101")

    def test_a_table_that_cannot_be_listed_is_an_error_with_the_setting(self) -> None:
        pf, machine = with_pf()
        reconcile(shipped("pf"), {f"192.0.2.{n}": None for n in range(9)}, NOW, run=machine.run)
        pf.kernel.request_maxcount = 8
        with pytest.raises(FirewallError, match=r"try `sysctl net\.pf\.request_maxcount=400000`"):
            reconcile(shipped("pf"), {}, NOW, run=machine.run)

    def test_a_teardown_leaves_the_owners_rules(self) -> None:
        pf, machine = with_pf()
        before = pf.run(["pfctl", "-s", "rules"]).out
        reconcile(shipped("pf"), dict.fromkeys(ALL_CLASSES), NOW, run=machine.run)
        teardown(shipped("pf"), machine.run)
        teardown(shipped("pf"), machine.run)
        assert pf.run(["pfctl", "-s", "rules"]).out == before
        assert pf.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == ""
        assert not pf.blocks("192.0.2.7")


class TestIpfw:
    """The action ipfw on a fake that is held to records of the real one."""

    def test_a_ban_blocks_and_an_unban_frees(self) -> None:
        ipfw, machine = with_ipfw()
        outcome = reconcile(
            shipped("ipfw"), {"192.0.2.7": LATER, "2001:db8:1:7::/64": None}, NOW, run=machine.run
        )
        assert outcome == Outcome(("192.0.2.7", "2001:db8:1:7::/64"), (), True, ())
        assert ipfw.blocks("192.0.2.7")
        assert ipfw.blocks("192.0.2.7", established=True)
        assert ipfw.blocks("2001:db8:1:7::9")
        assert not ipfw.blocks("192.0.2.8")
        outcome = reconcile(shipped("ipfw"), {"2001:db8:1:7::/64": None}, NOW, run=machine.run)
        assert outcome == Outcome((), ("192.0.2.7",), False, ())
        assert not ipfw.blocks("192.0.2.7")
        assert ipfw.blocks("2001:db8:1:7::9")

    def test_a_quiet_pass_changes_nothing(self) -> None:
        _, machine = with_ipfw()
        wanted = dict.fromkeys(ALL_CLASSES, LATER)
        reconcile(shipped("ipfw"), wanted, NOW, run=machine.run)
        machine.changes()
        outcome = reconcile(shipped("ipfw"), wanted, NOW, changed=ALL_CLASSES, run=machine.run)
        assert outcome == Outcome((), (), False, ())
        assert machine.changes() == []

    @pytest.mark.parametrize(
        "lost", [["-f", "flush"], ["delete", "100"], ["table", "fw_guard", "flush"]]
    )
    def test_what_was_lost_is_put_back_and_no_rule_is_there_twice(self, lost: list[str]) -> None:
        ipfw, machine = with_ipfw()
        reconcile(shipped("ipfw"), {"192.0.2.7": None}, NOW, run=machine.run)
        assert ipfw.run(["ipfw", "-q", *lost]).code == 0
        assert not ipfw.blocks("192.0.2.7")
        reconcile(shipped("ipfw"), {"192.0.2.7": None}, NOW, run=machine.run)
        assert ipfw.blocks("192.0.2.7")
        assert ipfw.run(["ipfw", "list"]).out.count("table(fw_guard)") == 1

    def test_many_addresses_are_one_process(self) -> None:
        ipfw, machine = with_ipfw()
        reconcile(shipped("ipfw"), {}, NOW, run=machine.run)
        machine.changes()
        wanted = {f"10.1.{n >> 8}.{n & 255}": None for n in range(2000)}
        reconcile(shipped("ipfw"), wanted, NOW, run=machine.run)
        assert machine.changes() == ["ipfw -q /dev/stdin"]
        assert ipfw.blocks("10.1.7.207")
        assert not ipfw.blocks("10.1.7.208")

    def test_a_teardown_leaves_the_owners_rules(self) -> None:
        ipfw, machine = with_ipfw()
        before = ipfw.run(["ipfw", "list"]).out
        reconcile(shipped("ipfw"), dict.fromkeys(ALL_CLASSES), NOW, run=machine.run)
        teardown(shipped("ipfw"), machine.run)
        teardown(shipped("ipfw"), machine.run)
        assert ipfw.run(["ipfw", "list"]).out == before
        assert ipfw.run(["ipfw", "table", "all", "list"]).out == ""


class TestReconcile:
    """The order of things, whatever the firewall."""

    @pytest.fixture
    def run(self, mocker: MockerFixture) -> Scripted:
        return Scripted(mocker)

    def test_nothing_to_do_asks_once_and_runs_nothing_else(self, run: Scripted) -> None:
        run.says(NFT_LIST, out=NFT_TABLE)
        outcome = reconcile(
            shipped("nftables"), {"192.0.2.7": LATER, "2001:db8:1:2::/64": None}, NOW, run=run.mock
        )
        assert outcome == Outcome((), (), False, ())
        assert run.ran() == [NFT_LIST]

    def test_unbans_come_before_bans(self, run: Scripted) -> None:
        run.says(NFT_LIST, out=NFT_TABLE)
        outcome = reconcile(shipped("nftables"), {"192.0.2.8": NOW + 60}, NOW, run=run.mock)
        assert outcome == Outcome(("192.0.2.8",), ("192.0.2.7", "2001:db8:1:2::/64"), False, ())
        assert run.inputs() == [
            "",
            "add element inet fw_guard host4 { 192.0.2.7 }\n"
            "delete element inet fw_guard host4 { 192.0.2.7 }\n"
            "add element inet fw_guard prefix64 { 2001:db8:1:2:: }\n"
            "delete element inet fw_guard prefix64 { 2001:db8:1:2:: }\n",
            "add element inet fw_guard host4 { 192.0.2.8 }\n"
            "delete element inet fw_guard host4 { 192.0.2.8 }\n"
            "add element inet fw_guard host4 { 192.0.2.8 timeout 60s }\n",
        ]

    def test_a_missing_table_is_set_up_and_filled(self, run: Scripted) -> None:
        missing = Result(1, "", "Error: No such file or directory\n")
        run.says(NFT_LIST, results=[missing, Result(0, NFT_EMPTY, "")])
        outcome = reconcile(shipped("nftables"), {"192.0.2.7": None}, NOW, run=run.mock)
        assert outcome == Outcome(("192.0.2.7",), (), True, ())
        assert run.ran() == [NFT_LIST, NFT_FILE, NFT_LIST, NFT_FILE]

    def test_a_table_that_is_still_missing_after_the_set_up_is_an_error(
        self, run: Scripted
    ) -> None:
        run.says(NFT_LIST, Result(1, "", "Error: No such file or directory\nlist table\n"))
        with pytest.raises(FirewallError) as caught:
            reconcile(shipped("nftables"), {}, NOW, run=run.mock)
        assert str(caught.value) == (
            "`nft -s list table inet fw_guard` failed with exit code 1: "
            "Error: No such file or directory; list table"
        )

    def test_a_refused_batch_is_an_error_with_the_tools_own_words(self, run: Scripted) -> None:
        run.says(NFT_LIST, out=NFT_TABLE)
        run.says(NFT_FILE, Result(1, "", "\x1b[31mError: no\n\nmore\nstill more\nand more\n"))
        with pytest.raises(FirewallError) as caught:
            reconcile(shipped("nftables"), {}, NOW, run=run.mock)
        assert str(caught.value) == (
            "`nft -f -` failed with exit code 1: \\x1b[31mError: no; more; still more"
        )
        assert run.ran() == [NFT_LIST, NFT_FILE]

    def test_a_tool_that_was_killed_is_said_so(self, run: Scripted) -> None:
        run.says(NFT_LIST, out=NFT_TABLE)
        run.says(NFT_FILE, Result(-9, "", ""))
        with pytest.raises(FirewallError, match=r"^`nft -f -` failed with signal 9$"):
            reconcile(shipped("nftables"), {}, NOW, run=run.mock)

    def test_a_list_that_fails_is_empty_only_if_the_action_says_so(self, run: Scripted) -> None:
        action = shipped("ipfw")
        no_table = Result(71, "", "ipfw: failed to request table info: No such process\n")
        run.says(action.checks[0].argv, out="00100 deny ip from table(fw_guard) to any\n")
        run.says(action.listings[0].argv, no_table)
        with pytest.raises(FirewallError, match="No such process"):
            reconcile(action, {"192.0.2.7": None}, NOW, run=run.mock)
        assert run.inputs().count(action.setup[0].command.stdin) == 1
        lenient = action._replace(listings=(action.listings[0]._replace(ok=(0, 71)),))
        outcome = reconcile(lenient, {"192.0.2.7": None}, NOW, run=run.mock)
        assert outcome == Outcome(("192.0.2.7",), (), False, ())

    def test_a_step_is_skipped_unless_it_is_called_for(self, run: Scripted) -> None:
        action = shipped("iptables")
        no = Result(1, "", "iptables: Bad rule (does a matching rule exist in that chain?).\n")
        for tool in ("iptables", "ip6tables"):
            run.says((tool, "-w", "5", "-C", "INPUT", "-j", "fw_guard"), no)
        firewall.set_up(action, run.mock)
        teardown(action, run.mock)
        assert [argv for argv in run.ran() if not {"-C", "-L"} & set(argv)] == [
            ("iptables", "-w", "5", "-I", "INPUT", "1", "-j", "fw_guard"),
            ("ip6tables", "-w", "5", "-I", "INPUT", "1", "-j", "fw_guard"),
            ("iptables-restore", "--noflush", "-w", "5"),
            ("ip6tables-restore", "--noflush", "-w", "5"),
        ]

    def test_a_changed_time_is_told_to_a_firewall_that_keeps_it(self, run: Scripted) -> None:
        run.says(NFT_LIST, out=NFT_TABLE)
        wanted = {"192.0.2.7": LATER, "2001:db8:1:2::/64": None}
        outcome = reconcile(
            shipped("nftables"), wanted, NOW, changed={"192.0.2.7", "203.0.113.9"}, run=run.mock
        )
        assert outcome == Outcome(("192.0.2.7",), (), False, ())
        assert run.inputs()[1].endswith("host4 { 192.0.2.7 timeout 3600s }\n")

    def test_an_action_that_cannot_list_is_told_the_actual_set(
        self,
    ) -> None:
        said: list[str] = []

        def say(argv: Sequence[str], stdin: str) -> Result:
            assert argv == ()
            said.append(stdin)
            return Result(0, "", "")

        wanted = {"192.0.2.7": LATER, "192.0.2.8": None}
        actual = {"192.0.2.8", "192.0.2.9"}
        outcome = reconcile(shipped("preview"), wanted, NOW, actual=actual, run=say)
        assert outcome == Outcome(("192.0.2.7",), ("192.0.2.9",), False, ())
        assert "".join(said) == "unban 192.0.2.9\nban 192.0.2.7 for 3600s\n"
        with pytest.raises(ValueError, match="cannot list; expected the actual set"):
            reconcile(shipped("preview"), wanted, NOW)

    def test_a_dry_run_asks_and_does_nothing(self, run: Scripted) -> None:
        run.says(NFT_LIST, Result(1, "", "Error: No such file or directory\n"))
        commands = intended(shipped("nftables"), {"192.0.2.7": None}, NOW, run=run.mock)
        assert [command.argv for command in commands] == [NFT_FILE, NFT_FILE]
        assert commands[0] == shipped("nftables").setup[0].command
        assert commands[1].stdin.endswith("{ 192.0.2.7 timeout 0s }\n")
        assert run.ran() == [NFT_LIST]

    def test_a_rewriting_action_writes_all_or_nothing(self, run: Scripted) -> None:
        kept = "-P INPUT ACCEPT\n-N fw_guard\n-A INPUT -j fw_guard\n"
        run.says(IPTABLES_LIST, out=kept + "-A fw_guard -s 192.0.2.7/32 -j DROP\n")
        run.says(("ip6tables", *IPTABLES_LIST[1:]), out=kept)
        wanted = {"192.0.2.7": LATER}
        assert reconcile(shipped("iptables"), wanted, NOW, run=run.mock).banned == ()
        assert [stdin for stdin in run.inputs() if stdin] == []
        outcome = reconcile(shipped("iptables"), {**wanted, "192.0.2.6": None}, NOW, run=run.mock)
        assert outcome == Outcome(("192.0.2.6",), (), False, ())
        assert run.inputs()[-2] == (
            "*filter\n:fw_guard - [0:0]\n-A fw_guard -s 192.0.2.6 -j DROP\n"
            "-A fw_guard -s 192.0.2.7 -j DROP\nCOMMIT\n"
        )


NFT_LIST = ("nft", "-s", "list", "table", "inet", "fw_guard")
NFT_FILE = ("nft", "-f", "-")
IPTABLES_LIST = ("iptables", "-w", "5", "-S")
NFT_CHAIN = """\
	chain input {
		type filter hook input priority filter - 10; policy accept;
		ip saddr @host4 counter drop
		ip saddr @net4 counter drop
		ip6 saddr @host6 counter drop
		ip6 saddr & ffff:ffff:ffff:ffff:: == @prefix64 counter drop
		ip6 saddr @net6 counter drop
	}
}
"""
NFT_EMPTY = "table inet fw_guard {\n" + NFT_CHAIN
NFT_TABLE = (
    """\
table inet fw_guard {
	set host4 {
		type ipv4_addr
		flags timeout
		elements = { 192.0.2.7 }
	}

	set prefix64 {
		type ipv6_addr
		flags timeout
		elements = { 2001:db8:1:2:: }
	}

"""
    + NFT_CHAIN
)


class Scripted:
    """A seam that answers as it was told, and with success where it was told nothing."""

    def __init__(self, mocker: MockerFixture) -> None:
        self.answers: dict[tuple[str, ...], list[Result]] = {}
        self.mock = mocker.Mock(spec=run_command, side_effect=self._run)

    def says(
        self,
        argv: tuple[str, ...],
        result: Result | None = None,
        *,
        out: str = "",
        results: Sequence[Result] = (),
    ) -> None:
        """Answer a command with these results in turn; the last one stays."""
        self.answers[argv] = list(results) or [result or Result(0, out, "")]

    def _run(self, argv: Sequence[str], stdin: str) -> Result:
        results = self.answers.get(tuple(argv), [Result(0, "", "")])
        return results.pop(0) if len(results) > 1 else results[0]

    def ran(self) -> list[tuple[str, ...]]:
        """Give the commands."""
        return [tuple(call.args[0]) for call in self.mock.call_args_list]

    def inputs(self) -> list[str]:
        """Give the standard inputs."""
        return [str(call.args[1]) for call in self.mock.call_args_list]


class TestPlan:
    """Wanted and actual become a difference."""

    def test_what_is_over_is_not_wanted(self) -> None:
        wanted = {"192.0.2.1": NOW, "192.0.2.2": NOW + 1, "192.0.2.3": None}
        plan = planned(shipped("pf"), wanted, {"192.0.2.1"}, NOW)
        assert (plan.ban, plan.unban) == (("192.0.2.2", "192.0.2.3"), ("192.0.2.1",))

    def test_what_a_wanted_network_holds_is_not_wanted_beside_it(self) -> None:
        wanted = {
            "192.0.2.7": None,
            "192.0.2.0/25": None,
            "192.0.2.0/24": LATER,
            "192.0.3.7": None,
            "2001:db8:1:2::/64": None,
            "2001:db8:1::/48": LATER,
            "2001:db8:2:2::/64": None,
        }
        kept = {"192.0.2.0/24", "192.0.3.7", "2001:db8:1::/48", "2001:db8:2:2::/64"}
        assert set(uncovered(wanted)) == kept

    def test_a_host_comes_back_when_the_network_around_it_is_over(self) -> None:
        wanted = {"192.0.2.7": None, "192.0.2.0/24": NOW + 60}
        assert planned(shipped("pf"), wanted, (), NOW).ban == ("192.0.2.0/24",)
        plan = planned(shipped("pf"), wanted, {"192.0.2.0/24"}, NOW + 60)
        assert (plan.ban, plan.unban) == (("192.0.2.7",), ("192.0.2.0/24",))

    @given(
        st.dictionaries(
            st.builds(
                lambda value, length: addresses.network(value, length),
                st.binary(min_size=4, max_size=4).map(lambda b: bytes((192, 0, b[2] & 3, b[3]))),
                st.sampled_from([16, 22, 24, 28, 32]),
            ),
            st.none(),
            max_size=20,
        )
    )
    def test_no_more_and_no_fewer_addresses_are_covered(self, wanted: dict[str, None]) -> None:
        kept = uncovered(wanted)
        parts = {address: addresses.split(address) for address in wanted}
        for address in wanted:
            around = [a for a in kept if addresses.covers(parts[a], parts[address])]
            assert len(around) == 1
            assert (address in kept) == (around == [address])

    @given(
        st.sets(st.sampled_from([f"192.0.2.{n}" for n in range(12)])),
        st.sets(st.sampled_from([f"192.0.2.{n}" for n in range(12)])),
    )
    def test_the_difference_leads_from_the_one_to_the_other(
        self, wanted: set[str], actual: set[str]
    ) -> None:
        plan = planned(PF, dict.fromkeys(wanted), actual, NOW)
        assert (actual - set(plan.unban)) | set(plan.ban) == wanted
        assert set(plan.unban) <= actual
        assert not set(plan.ban) & actual
        assert bool(plan.commands) == (wanted != actual)

    def test_an_address_that_no_rule_can_name_is_left_out_and_said(self) -> None:
        wanted = dict.fromkeys(["0.0.0.0/0", "::/0", "::192.0.2.7", "192.0.2.7", "2001:db8::7"])
        plan = planned(shipped("pf"), wanted, {"0.0.0.0/0"}, NOW)
        assert plan.ban == ("192.0.2.7", "2001:db8::7")
        assert plan.unban == ("0.0.0.0/0",)
        assert plan.left_out == (
            ("0.0.0.0/0", "is every address there is"),
            ("::/0", "is every address there is"),
            ("::192.0.2.7", "is of ::/96, which no peer's packet comes from"),
        )

    def test_a_network_that_the_action_cannot_ban_does_not_hide_its_hosts(self) -> None:
        action = shipped("nftables")
        hosts = tuple(part._replace(classes=("host4",)) for part in action.ban[0].parts[:1])
        only_hosts = action._replace(ban=(action.ban[0]._replace(parts=hosts, classes=("host4",)),))
        plan = planned(only_hosts, {"192.0.2.7": None, "192.0.2.0/24": None}, (), NOW)
        assert plan.ban == ("192.0.2.7",)
        assert plan.left_out == (
            ("192.0.2.0/24", "is of the class net4, which the action cannot ban"),
        )

    def test_a_class_that_the_action_does_not_know_is_left_out_and_said(self) -> None:
        action = shipped("iptables")
        only4 = action._replace(ban=action.ban[:1])
        plan = planned(only4, {"192.0.2.7": None, "2001:db8::7": None}, {"2001:db8::9"}, NOW)
        assert (plan.ban, plan.unban) == (("192.0.2.7",), ())
        assert plan.left_out == (
            ("2001:db8::7", "is of the class host6, which the action cannot ban"),
        )

    def test_beyond_what_the_action_takes_those_that_end_last_are_kept(self) -> None:
        action = shipped("iptables")._replace(most=2)
        wanted = {"192.0.2.1": NOW + 5, "192.0.2.2": NOW + 50, "192.0.2.3": None}
        plan = planned(action, wanted, {"192.0.2.1"}, NOW)
        assert (plan.ban, plan.unban) == (("192.0.2.2", "192.0.2.3"), ("192.0.2.1",))
        assert plan.left_out == (
            (
                "192.0.2.1",
                "is one more than the 2 that the action takes; "
                "the action ipset or nftables takes as many as there are",
            ),
        )

    @pytest.mark.parametrize("text", ["192.0.2.7/24", "localhost", "192.0.2.7\n", "2001:DB8::7"])
    def test_what_is_not_canonical_is_refused(self, text: str) -> None:
        with pytest.raises(AddressError):
            planned(shipped("nftables"), {text: None}, (), NOW)

    def test_addresses_are_in_the_order_of_their_numbers(self) -> None:
        texts = ["2001:db8::/32", "192.0.2.10", "192.0.2.9", "192.0.2.0/24", "10.0.0.0/8"]
        assert in_order(texts) == [
            "10.0.0.0/8",
            "192.0.2.0/24",
            "192.0.2.9",
            "192.0.2.10",
            "2001:db8::/32",
        ]


PF = shipped("pf")


def lock_is_free(path: Path) -> bool:
    """Whether nobody holds the lock, or whoever does lets it go within five seconds."""
    with path.open() as file:
        for _ in range(100):
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.05)
            else:
                return True
    return False


class TestRunCommand:
    """The one place that starts a process."""

    def test_input_output_errors_and_exit_code(self) -> None:
        program = "import sys; print(sys.stdin.read()[::-1]); print('no', file=sys.stderr); exit(3)"
        result = run_command((sys.executable, "-c", program), "abc")
        assert result == Result(3, "cba\n", "no\n")

    def test_the_environment_is_ours_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LD_PRELOAD_OF_A_STRANGER", "yes")
        assert sorted(run_command(("env",), "").out.splitlines()) == [
            "LC_ALL=C",
            "PATH=/sbin:/usr/sbin:/bin:/usr/bin:/usr/local/sbin:/usr/local/bin",
        ]

    def test_the_path_of_the_caller_is_not_asked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trap = tmp_path / "env"
        trap.write_text("#!/bin/sh\necho trapped\n")
        trap.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert "trapped" not in run_command(("env",), "").out

    def test_there_is_no_shell(self) -> None:
        program = "import sys; print(sys.argv[1])"
        result = run_command((sys.executable, "-c", program, "$(id) `id`; id"), "")
        assert result.out == "$(id) `id`; id\n"

    def test_a_tool_that_is_missing_is_named(self) -> None:
        with pytest.raises(FirewallError) as caught:
            run_command(("no-such-tool-of-ours", "-f"), "")
        assert str(caught.value) == (
            "`no-such-tool-of-ours` is not installed (looked in /sbin, /usr/sbin, /bin, /usr/bin, "
            "/usr/local/sbin, /usr/local/bin); install it, or choose another `action`"
        )

    def test_a_tool_that_hangs_is_killed_with_what_it_started(self, tmp_path: Path) -> None:
        lock = tmp_path / "lock"
        lock.touch()
        child = (
            "import fcntl, time; f = open({!r}); fcntl.flock(f, fcntl.LOCK_EX); "
            "open({!r}, 'w'); time.sleep(600)"
        ).format(str(lock), str(tmp_path / "locked"))
        parent = "import os, sys; os.fork() or exec(sys.argv[1]); os.wait()"
        with pytest.raises(FirewallError) as caught:
            run_command((sys.executable, "-c", parent, child), "", timeout=3)
        assert str(caught.value).startswith(f"`{sys.executable} -c ")
        assert str(caught.value).endswith(
            " was not done after 3 seconds and was killed; another program may hold the "
            "firewall's lock: the next pass tries again"
        )
        assert (tmp_path / "locked").exists()
        assert lock_is_free(lock)

    def test_a_tool_that_does_not_read_its_input_is_no_error(self) -> None:
        assert run_command(("true",), "x" * 1_000_000) == Result(0, "", "")

    def test_output_that_is_not_text_is_made_text(self) -> None:
        program = r"import sys; sys.stdout.buffer.write(b'a\xffb')"
        assert run_command((sys.executable, "-c", program), "").out == "a\\xffb"
