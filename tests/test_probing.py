"""``check`` and the firewalls: what is seen of them, and that trying one leaves all as it was."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from fw_guard import config, passes, probing, rehearsing, templates, views
from fw_guard.processes import MissingToolError, Result
from fw_guard.store import Ban, Store
from tests.fakes.ipfw import FakeIpfw
from tests.fakes.pf import FakePf
from tests.fakes.programs import FakePrograms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fw_guard.config import Config
    from fw_guard.probing import Report
    from tests.conftest import Guard

NOW = 1_772_593_980  # 2026-03-04T03:13:00Z
CALLED = 'anchor "fw_guard"\npass\n'
TWO = ("192.0.2.7", "2001:db8::/64")
IFCONFIG = "lo0: flags\n\tinet 127.0.0.1 netmask 0xff000000\n"


@dataclass
class Machine:
    """A FreeBSD machine with a configuration and a state; ``broken`` answers before its tools."""

    place: Path
    programs: FakePrograms
    broken: Callable[[Sequence[str], str], Result | None] = lambda _argv, _stdin: None
    ran: list[str] = field(default_factory=list)

    @property
    def state(self) -> str:
        return str(self.place / "state")

    def configure(self, text: str) -> None:
        """Write the owner's fw-guard.toml."""
        path = self.place / "fw-guard.toml"
        path.write_text(text)
        path.chmod(0o600)

    def action(self, name: str, text: str) -> None:
        """Write an action of the owner's own."""
        path = self.place / "actions" / f"{name}.toml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)

    @property
    def config(self) -> Config:
        found = config.load(str(self.place))
        assert (found.faults, found.filter_faults) == ((), ())
        return found

    def run(self, argv: Sequence[str], stdin: str) -> Result:
        """The seam: fakes, and a fixed `ifconfig`."""
        self.ran.append(" ".join(argv))
        if argv[0] == "ifconfig":
            return Result(0, IFCONFIG, "")
        if answer := self.broken(argv, stdin):
            return answer
        done = self.programs.run(argv, stdin)
        return Result(done.code, done.out, done.err)

    def look(self) -> list[Report]:
        return probing.look_at(self.config, self.state, NOW, self.run)

    def prove(self, *, dry_run: bool = False, say: Callable[[str], object] = str) -> list[Report]:
        return rehearsing.prove(
            self.config,
            self.state,
            NOW,
            dry_run=dry_run,
            say=say,
            run=self.run,
            generation=lambda _: None,
        )

    def a_pass(self) -> None:
        """Run a pass that must have no trouble."""
        figures = passes.run(
            self.config,
            self.state,
            NOW,
            dry_run=False,
            say=str,
            run_command=self.run,
            generation=lambda _: None,
        )
        assert [text for _, text in figures.troubles if text != config.NO_JAIL] == []

    def ban(self, *hosts: str) -> None:
        """Ban hosts by hand, and have a pass tell the firewall."""
        with passes.locked(self.state), Store(self.state) as store:
            for host in hosts:
                store.keep_ban(Ban("manual", host, NOW, NOW + 3600, 0, "by hand"))
            store.commit()
        self.a_pass()

    def note(self, key: str) -> str:
        with Store(self.state, reading=True) as store:
            return store.note(key)


def pf_machine(place: Path, conf: str = CALLED, *, enabled: bool = True) -> tuple[Machine, FakePf]:
    """Give a machine whose pf has its owner's rules."""
    pf = FakePf(files={"/etc/pf.conf": conf})
    assert pf.run(["pfctl", "-q", "-f", "/etc/pf.conf"]).code == 0
    if enabled:
        assert pf.run(["pfctl", "-e"]).code == 0
    machine = Machine(place, FakePrograms({"pfctl": pf}))
    machine.configure('action = "pf"\n')
    return machine, pf


def ipfw_machine(place: Path, *rules: str) -> tuple[Machine, FakeIpfw]:
    """Give a machine whose ipfw has its owner's rules."""
    ipfw = FakeIpfw()
    for rule in rules:
        assert ipfw.run(["ipfw", "-q", "add", *rule.split()]).code == 0
    machine = Machine(place, FakePrograms({"ipfw": ipfw}))
    machine.configure('action = "ipfw"\n')
    return machine, ipfw


class TestLooking:
    """What is said of a firewall that is looked at."""

    def test_one_that_was_never_set_up_will_be_by_the_first_ban(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        notes = ("will be set up by the first ban",)
        assert machine.look() == [probing.Report("pf", works=None, notes=notes)]
        machine, _ = ipfw_machine(tmp_path)
        assert machine.look() == [probing.Report("ipfw", works=None, notes=notes)]

    def test_one_that_holds_its_bans_works(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        machine.ban("203.0.113.7")
        assert machine.look() == [probing.Report("pf", works=True)]

    def test_so_does_one_of_ipfw(self, tmp_path: Path) -> None:
        machine, _ = ipfw_machine(tmp_path)
        machine.ban("203.0.113.7")
        assert machine.look() == [probing.Report("ipfw", works=True)]

    def test_what_a_pass_has_set_up_and_is_gone_is_put_back_by_the_next(
        self, tmp_path: Path
    ) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.ban("203.0.113.7")
        assert pf.run(["pfctl", "-a", "fw_guard", "-F", "rules"]).code == 0
        (report,) = machine.look()
        assert (report.works, report.troubles) == (None, ())
        (note,) = report.notes
        assert note.startswith("is not in place: `pfctl -a fw_guard -s rules` shows no line `block")
        assert note.endswith("; the next pass puts that right")

    def test_pf_switched_off_cannot_work_until_its_owner_switches_it_on(
        self, tmp_path: Path
    ) -> None:
        machine, _ = pf_machine(tmp_path, enabled=False)
        (report,) = machine.look()
        assert report.works is False
        assert report.troubles == (
            (
                os.EX_UNAVAILABLE,
                "`pfctl -s info` shows no line `Status: Enabled{*}`; pf is switched off:"
                " `sysrc pf_enable=YES`, then `service pf start`",
            ),
        )

    def test_an_anchor_that_is_not_called_cannot_work_until_its_owner_calls_it(
        self, tmp_path: Path
    ) -> None:
        machine, _ = pf_machine(tmp_path, 'anchor "fw_guard/*"\npass\n', enabled=False)
        (report,) = machine.look()
        assert report.works is False
        switched_off, not_called = (text for _, text in report.troubles)
        assert "pf is switched off" in switched_off
        assert not_called.startswith('`pfctl -s rules` shows no line `anchor "fw_guard"{*}`; put')
        assert 'put the line `anchor "fw_guard"` into /etc/pf.conf' in not_called

    def test_each_list_of_ports_wants_its_own_anchor(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        jail = '[jail.sshd]\nfilter = "sshd"\nlogs = ["/var/log/auth.log"]\nports = [22]\n'
        machine.configure(f'action = "pf"\n{jail}')
        every, ssh = machine.look()
        assert (every.label, every.works, ssh.label, ssh.works) == ("pf", None, "pf/22", False)
        assert 'put the line `anchor "fw_guard_22"` into' in ssh.troubles[0][1]

    def test_a_quick_pass_before_the_anchor_is_told(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path, f"pass quick proto tcp to any port 22\n{CALLED}")
        machine.ban("203.0.113.7")
        (report,) = machine.look()
        assert (report.works, report.troubles) == (None, ())
        (note,) = report.notes
        assert note.startswith("`pass quick proto tcp")
        assert "` stands before ours in `pfctl -s rules`: whatever this rule passes never" in note

    def test_a_quick_pass_behind_the_anchor_is_not(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path, f"{CALLED}pass quick proto tcp to any port 22\n")
        machine.ban("203.0.113.7")
        assert machine.look() == [probing.Report("pf", works=True)]

    def test_an_allowing_rule_of_ipfw_before_ours_is_told_and_one_behind_is_not(
        self, tmp_path: Path
    ) -> None:
        rules = ("50 allow tcp from any to me 22", "1000 allow ip from any to any")
        machine, ipfw = ipfw_machine(tmp_path, *rules)
        machine.ban("203.0.113.7")
        assert not ipfw.blocks("203.0.113.7")
        (report,) = machine.look()
        assert report.works is None
        (note,) = report.notes
        assert note.startswith("`00050 set 0 allow tcp from any to me 22` stands before ours in")
        assert "1000" not in note

    def test_of_many_lines_ahead_three_are_shown(self, tmp_path: Path) -> None:
        quick = "pass quick proto tcp to any port 22\n" * 5
        machine, _ = pf_machine(tmp_path, quick + CALLED)
        machine.ban("203.0.113.7")
        notes = machine.look()[0].notes
        assert len(notes) == 4
        assert notes[3] == "so do 2 more lines before ours in `pfctl -s rules`"

    def test_before_ours_are_set_up_nothing_is_ahead_of_them(self, tmp_path: Path) -> None:
        machine, _ = ipfw_machine(tmp_path, "50 allow ip from any to any")
        assert machine.look()[0].notes == ("will be set up by the first ban",)

    def test_a_missing_tool_is_said(self, tmp_path: Path) -> None:
        def missing(argv: Sequence[str], _stdin: str) -> Result | None:
            raise MissingToolError(f"`{argv[0]}` is not installed")

        machine, _ = pf_machine(tmp_path)
        machine.broken = missing
        troubles = ((os.EX_UNAVAILABLE, "`pfctl` is not installed"),)
        assert machine.look() == [probing.Report("pf", works=False, troubles=troubles)]

    def test_who_is_not_root_is_told_so(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        pf.device_error = "Permission denied"
        (report,) = machine.look()
        assert report.works is None
        ((status, text),) = report.troubles
        assert status == os.EX_NOPERM
        assert text.endswith("; expected to be run as root (in a container, with CAP_NET_ADMIN)")

    def test_what_there_is_a_hint_for_is_nothing_that_a_set_up_mends(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        pf.device_error = "No such file or directory"
        (report,) = machine.look()
        assert report.works is False
        assert "pf is not loaded" in report.troubles[0][1]
        machine, _ = ipfw_machine(tmp_path)
        said = "ipfw: retrieving config failed: Protocol not available"
        machine.broken = lambda _argv, _stdin: Result(71, "", said)
        (report,) = machine.look()
        assert "ipfw is not loaded" in report.troubles[0][1]

    def test_preview_shuts_nobody_out_and_is_asked_nothing(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        machine.configure('action = "preview"\n')
        (report,) = machine.look()
        assert report.notes == ("only prints what it would do, and shuts nobody out",)
        assert (report.works, report.troubles, machine.ran) == (None, (), [])

    def test_one_without_a_check_cannot_be_seen_to_work(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        machine.action("mine", MINE)
        machine.configure('action = "mine"\n')
        (report,) = machine.look()
        assert report.notes == ("has no [[check]], so that nobody can see whether it works",)

    def test_to_look_changes_nothing_and_makes_no_state(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.look()
        assert pf.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == ""
        assert not any("-f" in line or "-F" in line for line in machine.ran)
        assert not os.path.exists(machine.state)

    def test_an_action_with_a_fault_has_it_told(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        machine.action("mine", "title = 'mine'\n")
        machine.configure('action = "mine"\n')
        (report,) = machine.look()
        statuses = {status for status, _ in report.troubles}
        assert (report.works, statuses) == (False, {os.EX_DATAERR})
        assert "no [[ban]]" in report.troubles[0][1]

    def test_a_report_says_the_same_in_json(self) -> None:
        report = probing.Report(
            "pf/22", works=False, proved=False, notes=("a",), troubles=((69, "b"),)
        )
        assert report.answer() == {
            "label": "pf/22",
            "action": "pf",
            "works": False,
            "proved": False,
            "tried": [],
            "notes": ["a", "b"],
        }


SAMPLED = ("192.0.2.7", "198.51.100.0/24", "2001:db8::7", "2001:db8:1:2::/64", "2001:db8:3::/48")
MINE = "\n".join(
    [
        'title = "mine: can ban, and cannot list"',
        '[[ban]]\nargv = ["mine", "add", "{address}"]',
        '[[unban]]\nargv = ["mine", "delete", "{address}"]',
        f"[[sample]]\nban = {[[each, 0] for each in SAMPLED]}",
        *(f'[[sample.commands]]\nargv = ["mine", "add", "{each}"]' for each in SAMPLED),
        f"[[sample]]\nunban = {list(SAMPLED)}",
        *(f'[[sample.commands]]\nargv = ["mine", "delete", "{each}"]' for each in SAMPLED),
    ]
)


def fails_on(*words: str, after: int = 0) -> Callable[[Sequence[str], str], Result | None]:
    """Refuse commands with all these words, the first ``after`` of them excepted."""
    seen = [0]

    def broken(argv: Sequence[str], stdin: str) -> Result | None:
        if not all(word in f"{' '.join(argv)}\n{stdin}" for word in words):
            return None
        seen[0] += 1
        return Result(1, "", "the kernel says no") if seen[0] > after else None

    return broken


class TestTrying:
    """A firewall is tried, and is as it was afterwards."""

    def test_one_that_was_not_set_up_is_proved_and_taken_away_again(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        before = pf.run(["pfctl", "-s", "rules"]).out
        (report,) = machine.prove()
        tried = ("203.0.113.77", "2001:db8:77::/64")
        assert report == probing.Report("pf", works=True, proved=True, tried=tried)
        assert pf.run(["pfctl", "-s", "rules"]).out == before
        assert pf.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == ""
        assert not pf.blocks("203.0.113.77")
        assert machine.note("set up") == ""

    def test_the_addresses_were_shut_out_while_it_lasted(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        shut: list[bool] = []

        def watched(argv: Sequence[str], _stdin: str) -> Result | None:
            if "show" in argv:
                shut.append(pf.blocks("203.0.113.77") and pf.blocks("2001:db8:77::1"))
            return None

        machine.broken = watched
        machine.prove()
        assert shut == [False, True, False]

    @pytest.mark.parametrize("make", [pf_machine, ipfw_machine])
    def test_bans_that_stand_are_left_alone(
        self, tmp_path: Path, make: Callable[[Path], tuple[Machine, FakePf | FakeIpfw]]
    ) -> None:
        machine, fake = make(tmp_path)
        machine.ban("198.51.100.7", "2001:db8:5::/64", "198.51.100.128/25")
        (report,) = machine.prove()
        assert (report.proved, report.troubles) == (True, ())
        for banned in ("198.51.100.7", "2001:db8:5::1", "198.51.100.200"):
            assert fake.blocks(banned)
        for free in ("203.0.113.77", "2001:db8:77::1"):
            assert not fake.blocks(free)
        assert machine.note("set up") == report.label

    def test_the_next_pass_compares_the_whole(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.ban("198.51.100.7")
        assert machine.note("sight pf") != ""
        machine.prove()
        assert machine.note("sight pf") == ""
        added = ["pfctl", "-a", "fw_guard", "-t", "banned", "-T", "add", "198.51.100.9"]
        assert pf.run(added).code == 0
        machine.a_pass()
        assert not pf.blocks("198.51.100.9")
        assert pf.blocks("198.51.100.7")

    def test_addresses_that_are_banned_or_protected_are_not_used(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.configure('action = "pf"\nignoreip = ["203.0.113.0/24", "2001:db8:78::1"]\n')
        machine.ban("198.51.100.77", "198.51.100.78/31", "2001:db8:77:0:1::/80")
        inside = ["pfctl", "-a", "fw_guard", "-t", "banned", "-T", "add", "198.51.100.80"]
        assert pf.run(inside).code == 0
        (report,) = machine.prove()
        assert report.tried == ("198.51.100.81", "2001:db8:79::/64")
        assert pf.blocks("198.51.100.77")
        assert pf.blocks("198.51.100.80")

    def test_what_another_jail_ignores_is_not_used(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        jail = '[jail.sshd]\nfilter = "sshd"\nlogs = ["/var/log/auth.log"]\n'
        machine.configure(f'action = "pf"\n{jail}ignoreip = ["203.0.113.77"]\n')
        assert machine.prove()[0].tried[0] == "203.0.113.78"

    def test_no_address_is_used_when_the_owner_protects_all(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.configure('action = "pf"\nignoreip = ["0.0.0.0/0"]\n')
        (report,) = machine.prove()
        said = "every address that it could be tried with is in use"
        assert (report.proved, report.troubles) == (False, ((os.EX_UNAVAILABLE, said),))
        assert pf.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == ""

    def test_what_is_lost_of_one_in_use_is_put_back_first(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.ban("198.51.100.7")
        assert pf.run(["pfctl", "-a", "fw_guard", "-F", "all"]).code == 0
        assert not pf.blocks("198.51.100.7")
        (report,) = machine.prove()
        assert report.proved is True
        assert pf.blocks("198.51.100.7")
        machine.a_pass()
        assert pf.blocks("198.51.100.7")

    def test_a_firewall_that_cannot_work_is_not_touched(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path, "pass\n")
        (report,) = machine.prove()
        assert (report.works, report.proved) == (False, False)
        assert 'put the line `anchor "fw_guard"` into' in report.troubles[0][1]
        assert not [line for line in machine.ran if "-f -" in line or "-F" in line]

    def test_a_ban_that_is_refused_is_said_and_all_taken_back(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.broken = fails_on("-T add")
        (report,) = machine.prove()
        assert (report.works, report.proved) == (False, False)
        ((status, text),) = report.troubles
        assert status == os.EX_UNAVAILABLE
        assert text.endswith("failed with exit code 1: the kernel says no")
        assert any("-T delete" in line for line in machine.ran)
        assert pf.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == ""
        assert machine.note("set up") == ""

    def test_a_ban_that_is_not_in_the_list_is_said(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.ban("198.51.100.7")
        machine.broken = lambda argv, _: Result(0, "", "") if "add" in argv else None
        (report,) = machine.prove()
        said = (
            "203.0.113.77 was banned, and is not in what `pfctl -q -a fw_guard -t banned -T show`"
        )
        assert report.troubles == ((os.EX_UNAVAILABLE, f"{said} shows"),)
        assert pf.blocks("198.51.100.7")

    def test_one_that_is_not_freed_is_said(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.ban("198.51.100.7")
        machine.broken = lambda argv, _: Result(0, "", "") if "delete" in argv else None
        (report,) = machine.prove()
        assert report.troubles[0][1].startswith("203.0.113.77 was freed, and is still in what")
        assert pf.blocks("203.0.113.77")
        machine.broken = lambda _argv, _stdin: None
        machine.a_pass()
        assert not pf.blocks("203.0.113.77")
        assert pf.blocks("198.51.100.7")

    def test_who_is_interrupted_still_takes_all_back(self, tmp_path: Path) -> None:
        def interrupted(argv: Sequence[str], _stdin: str) -> Result | None:
            if "show" in argv and pf.blocks("203.0.113.77"):
                raise KeyboardInterrupt
            return None

        machine, pf = pf_machine(tmp_path)
        machine.broken = interrupted
        with pytest.raises(KeyboardInterrupt):
            machine.prove()
        assert not pf.blocks("203.0.113.77")
        assert pf.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == ""

    def test_furniture_that_cannot_be_taken_away_is_left_to_the_passes(
        self, tmp_path: Path
    ) -> None:
        machine, pf = pf_machine(tmp_path)
        machine.broken = fails_on("-F all")
        (report,) = machine.prove()
        assert (report.proved, report.troubles[0][0]) == (False, os.EX_UNAVAILABLE)
        assert machine.note("set up") == "pf"
        machine.broken = lambda _argv, _stdin: None
        machine.configure('action = "preview"\n')
        machine.a_pass()
        assert pf.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == ""
        assert "pf" not in machine.note("set up").split()

    def test_one_process_that_was_killed_leaves_nothing_that_the_next_pass_does_not_mend(
        self, tmp_path: Path
    ) -> None:
        class Killed(BaseException):
            """What nobody can catch."""

        def killed(argv: Sequence[str], _stdin: str) -> Result | None:
            if "show" in argv and pf.blocks("203.0.113.77"):
                dead.append(True)
            if dead:
                raise Killed
            return None

        dead: list[bool] = []
        machine, pf = pf_machine(tmp_path)
        machine.ban("198.51.100.7")
        machine.broken = killed
        with pytest.raises(Killed):
            machine.prove()
        assert pf.blocks("203.0.113.77")
        machine.broken = lambda _argv, _stdin: None
        machine.a_pass()
        assert not pf.blocks("203.0.113.77")
        assert pf.blocks("198.51.100.7")

    def test_one_that_cannot_list_cannot_be_read_back(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        machine.action("mine", MINE)
        machine.configure('action = "mine"\n')
        machine.broken = lambda argv, _: Result(0, "", "") if argv[0] == "mine" else None
        (report,) = machine.prove()
        assert (report.proved, report.troubles) == (None, ())
        assert [line for line in machine.ran if line.startswith("mine")] == [
            "mine add 203.0.113.77",
            "mine add 2001:db8:77::/64",
            "mine delete 203.0.113.77",
            "mine delete 2001:db8:77::/64",
        ]

    def test_one_that_only_prints_is_not_tried(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        machine.configure('action = "preview"\n')
        (report,) = machine.prove()
        assert (report.proved, report.tried) == (None, ())
        assert machine.ran == []

    def test_an_allowing_rule_ahead_is_told_of_one_that_is_not_set_up_yet(
        self, tmp_path: Path
    ) -> None:
        machine, _ = ipfw_machine(tmp_path, "50 allow tcp from any to me 22")
        (report,) = machine.prove()
        assert (report.works, report.proved) == (None, True)
        assert report.notes[0].startswith("`00050 set 0 allow tcp from any to me 22` stands")

    def test_a_dry_run_says_the_commands_and_changes_nothing(self, tmp_path: Path) -> None:
        machine, pf = pf_machine(tmp_path)
        said: list[str] = []
        (report,) = machine.prove(dry_run=True, say=said.append)
        assert report.tried == ("203.0.113.77", "2001:db8:77::/64")
        assert [text.partition("\n")[0] for text in said] == [
            "pfctl -q -a fw_guard -f -",
            "pfctl -q -a fw_guard -t banned -T add -f -",
            "pfctl -q -k 203.0.113.77",
            "pfctl -q -k 2001:db8:77::/64",
            "pfctl -q -a fw_guard -t banned -T show",
            "pfctl -q -a fw_guard -t banned -T delete -f -",
            "pfctl -q -a fw_guard -t banned -T show",
            "pfctl -q -a fw_guard -F all",
        ]
        assert said[1].endswith("\n203.0.113.77\n2001:db8:77::/64\n")
        assert pf.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == ""
        assert not os.path.exists(machine.state)

    def test_a_dry_run_of_one_in_use_sets_nothing_up(self, tmp_path: Path) -> None:
        machine, _ = pf_machine(tmp_path)
        machine.ban("198.51.100.7")
        said: list[str] = []
        machine.prove(dry_run=True, say=said.append)
        assert said[0].startswith("pfctl -q -a fw_guard -t banned -T add")
        assert not any("-F" in text for text in said)


REWRITING = (
    """
title = "rewriting: each change writes the whole"
rewrite = true
most = 3
[[ban]]
argv = ["write"]
[[ban.stdin]]
each = "{address}"
text = "begin\\n{each}"
[[list]]
argv = ["read"]
pattern = "{address}"
[[sample]]
ban = [
    ["192.0.2.7", 0],
    ["198.51.100.0/24", 0],
    ["2001:db8::7", 0],
    ["2001:db8:1:2::/64", 0],
    ["2001:db8:3::/48", 0],
]
[[sample.commands]]
argv = ["write"]
stdin = """
    + """'''
begin
192.0.2.7
198.51.100.0/24
2001:db8::7
2001:db8:1:2::/64
2001:db8:3::/48
'''
[[sample]]
list = "192.0.2.7"
addresses = ["192.0.2.7"]
"""
)


class TestRewriting:
    """An action that writes the whole set with each change."""

    @staticmethod
    def machine(place: Path, *members: str) -> tuple[Machine, list[str]]:
        """Give a machine with such an action, and all that was ever written to its firewall."""

        def file(argv: Sequence[str], stdin: str) -> Result | None:
            if argv[0] == "write":
                written.append(stdin)
            return Result(0, written[-1] if argv[0] == "read" else "", "")

        written = ["".join(f"{member}\n" for member in ("begin", *members))]
        machine, _ = pf_machine(place)
        machine.action("mine", REWRITING)
        machine.configure('action = "mine"\n')
        machine.broken = file
        return machine, written

    def test_who_is_banned_stays_in_the_set(self, tmp_path: Path) -> None:
        machine, written = self.machine(tmp_path, "198.51.100.7")
        (report,) = machine.prove()
        assert (report.proved, report.troubles) == (True, ())
        assert written == [
            "begin\n198.51.100.7\n",
            "begin\n198.51.100.7\n203.0.113.77\n2001:db8:77::/64\n",
            "begin\n198.51.100.7\n",
        ]

    def test_a_full_one_has_no_room_to_try_another(self, tmp_path: Path) -> None:
        machine, written = self.machine(tmp_path, "198.51.100.7", "198.51.100.8")
        (report,) = machine.prove()
        said = "it holds 2 addresses and takes 3: there is no room to try another"
        assert report.troubles == ((os.EX_UNAVAILABLE, said),)
        assert report.proved is False
        assert len(written) == 1


def test_every_address_that_is_tried_is_for_documentation_alone() -> None:
    kinds = {templates.subject(host).kind for host in rehearsing.hosts4()}
    starts = {host.rpartition(".")[0] for host in rehearsing.hosts4()}
    assert (kinds, starts) == ({"host4"}, {"203.0.113", "198.51.100", "192.0.2"})
    kinds = {templates.subject(host).kind for host in rehearsing.hosts6("/64")}
    assert kinds == {"prefix64"}
    assert all(host.startswith("2001:db8:") for host in rehearsing.hosts6(""))
    assert {templates.subject(host).kind for host in rehearsing.hosts6("")} == {"host6"}


def test_the_command_line_says_what_was_found(guard: Guard) -> None:
    guard.write("fw-guard.toml", 'action = "preview"\n')
    said = "preview: only prints what it would do, and shuts nobody out"
    for words in (["check"], ["check", "--firewall"], ["check", "--firewall", "-n"]):
        done = guard.run(*words)
        assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr
        assert f"fw-guard: {said}\n" in done.stderr
    (report,) = guard.json("check", "--firewall")["firewalls"]
    assert (report["label"], report["works"], report["proved"]) == ("preview", None, None)


def test_a_file_that_is_checked_asks_no_firewall(guard: Guard) -> None:
    path = guard.write("fw-guard.toml", 'action = "pf"\n')
    done = guard.run("check", str(path))
    assert (done.returncode, "pf" in done.stderr) == (0, False)
    assert guard.json("check", str(path))["firewalls"] == []
    assert guard.run("check", "--firewall", str(path)).returncode == os.EX_USAGE


def test_no_firewall_is_tried_without_a_sound_configuration(guard: Guard) -> None:
    done = guard.run("check", "--firewall")
    assert done.returncode == os.EX_CONFIG
    assert "there is no sound configuration; no firewall was tried" in done.stderr


@pytest.mark.parametrize(
    ("answer", "dry_run", "line"),
    [
        (
            (True, True, TWO),
            False,
            "a: 192.0.2.7 and 2001:db8::/64 were banned, read back and freed",
        ),
        ((True, True, TWO[:1]), False, "a: 192.0.2.7 was banned, read back and freed"),
        ((True, None, TWO[:1]), True, "a: 192.0.2.7 would be banned, read back and freed"),
        (
            (None, None, TWO[:1]),
            False,
            "a: 192.0.2.7 was banned and freed; its action has no [[list]],"
            " so nobody can read it back",
        ),
        ((True, None, ()), False, "a: in place"),
    ],
)
def test_what_is_well_is_said_in_one_line(
    answer: tuple[bool | None, bool | None, tuple[str, ...]], dry_run: bool, line: str
) -> None:
    works, proved, tried = answer
    report = probing.Report("a", works, proved, tried)
    assert list(views.firewall_view(report.answer(), dry_run=dry_run)) == [line]


def test_what_is_not_well_is_left_to_the_notes() -> None:
    for works in (None, False):
        answer = probing.Report("a", works).answer()
        assert list(views.firewall_view(answer, dry_run=False)) == []
