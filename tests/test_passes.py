"""Whole passes against the fakes of pf and ipfw, and what is kept and forgotten between passes."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from fw_guard import config, passes, places
from fw_guard.firewall import FirewallError, MissingToolError, Result
from fw_guard.logs.reader import LogError, Source
from fw_guard.store import Store
from tests.fakes.ipfw import FakeIpfw
from tests.fakes.pf import FakePf
from tests.fakes.programs import FakePrograms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_mock import MockerFixture

    from fw_guard.passes import Figures

NOW = 1_772_593_980  # 2026-03-04T03:13:00Z
ATTACKER, NEIGHBOUR = "203.0.113.7", "203.0.113.8"
LINE = "{stamp} gw sshd[{pid}]: Failed password for root from {host} port 4711 ssh2\n"
CONFIG = """
action = "{action}"
maxretry = 3
findtime = "10m"
bantime = "1h"
[jail.sshd]
filter = ["sshd", "inetd"]
logs = ["{log}"]
"""


class Machine:
    """A guarded FreeBSD machine: its log, its fakes, its passes."""

    def __init__(self, place: Path, action: str, programs: FakePrograms) -> None:
        self.programs = programs
        self.log = place / "auth.log"
        self.log.touch()
        self.state = place / "state"
        (place / "fw-guard.toml").write_text(CONFIG.format(action=action, log=self.log))
        (place / "fw-guard.toml").chmod(0o600)
        self.config = config.load(str(place))
        assert not self.config.faults
        self.now = NOW

    def attempts(self, host: str, count: int, *, ago: int = 10, pid: int = 1000) -> None:
        """Log failed attempts of a host, all at once."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now - ago))
        with self.log.open("a") as file:
            for number in range(count):
                file.write(LINE.format(stamp=stamp, pid=pid + number, host=host))

    def run_command(self, argv: Sequence[str], stdin: str) -> Result:
        """The seam: fakes for pf and ipfw, a fixed `ifconfig`, a `netstat` without routes."""
        if argv[0] == "ifconfig":
            return Result(0, "lo0: flags\n\tinet 127.0.0.1 netmask 0xff000000\n", "")
        if argv[0] == "netstat":
            return Result(0, "Routing tables\n", "")
        done = self.programs.run(argv, stdin)
        return Result(done.code, done.out, done.err)

    def change(self, old: str, new: str) -> None:
        """Change the owner's fw-guard.toml and read it again."""
        path = self.log.parent / "fw-guard.toml"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        self.config = config.load(str(path.parent))

    def run(self, *, dry_run: bool = False) -> Figures:
        """One pass."""
        return passes.run(
            self.config,
            str(self.state),
            self.now,
            dry_run=dry_run,
            say=lambda _: None,
            run_command=self.run_command,
        )

    def changes(self) -> list[tuple[str, ...]]:
        """Give the commands since the last call that may have changed something."""
        calls = [argv for argv, stdin in self.programs.calls if stdin or "-k" in argv]
        self.programs.calls.clear()
        return calls


@pytest.fixture(autouse=True)
def _utc(in_zone: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture
def pf(tmp_path: Path) -> tuple[Machine, FakePf]:
    fake = FakePf(files={"/etc/pf.conf": 'anchor "fw_guard"\npass\n'})
    fake.run(["pfctl", "-f", "/etc/pf.conf"])
    fake.run(["pfctl", "-e"])
    return Machine(tmp_path, "pf", FakePrograms({"pfctl": fake})), fake


@pytest.fixture
def ipfw(tmp_path: Path) -> tuple[Machine, FakeIpfw]:
    fake = FakeIpfw()
    fake.run(["ipfw", "add", "65000", "allow", "ip", "from", "any", "to", "any"])
    return Machine(tmp_path, "ipfw", FakePrograms({"ipfw": fake})), fake


def both(machine: Machine, fake: FakePf | FakeIpfw) -> None:
    """What must hold for either: ban, neighbour, second pass, mend, end."""
    machine.attempts(ATTACKER, 3)
    machine.attempts(NEIGHBOUR, 2, pid=2000)
    assert machine.run().troubles == []
    assert fake.blocks(ATTACKER)
    assert not fake.blocks(NEIGHBOUR)
    assert machine.changes()
    machine.run()
    assert machine.changes() == []
    machine.now = NOW + 3600
    figures = machine.run()
    assert [ban.host for ban in figures.unbanned] == [ATTACKER]
    assert not fake.blocks(ATTACKER)


def test_pf_holds_the_bans_of_a_pass_and_lets_them_go(pf: tuple[Machine, FakePf]) -> None:
    both(*pf)


def test_ipfw_holds_the_bans_of_a_pass_and_lets_them_go(ipfw: tuple[Machine, FakeIpfw]) -> None:
    both(*ipfw)


def test_pf_s_flushed_table_is_filled_again(pf: tuple[Machine, FakePf]) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3)
    machine.run()
    fake.run(["pfctl", "-a", "fw_guard", "-t", "banned", "-T", "flush"])
    assert not fake.blocks(ATTACKER)
    machine.run()
    assert fake.blocks(ATTACKER)


def test_ipfw_s_flushed_rule_is_put_back(ipfw: tuple[Machine, FakeIpfw]) -> None:
    machine, fake = ipfw
    machine.attempts(ATTACKER, 3)
    machine.run()
    fake.run(["ipfw", "-f", "flush"])
    assert not fake.blocks(ATTACKER)
    machine.run()
    assert fake.blocks(ATTACKER)


def test_pf_without_the_anchor_line_is_said_and_the_ban_is_kept(tmp_path: Path) -> None:
    fake = FakePf(files={"/etc/pf.conf": "pass\n"})
    fake.run(["pfctl", "-f", "/etc/pf.conf"])
    fake.run(["pfctl", "-e"])
    machine = Machine(tmp_path, "pf", FakePrograms({"pfctl": fake}))
    machine.attempts(ATTACKER, 3)
    ((status, said),) = machine.run().troubles
    assert status == os.EX_UNAVAILABLE
    assert 'put the line `anchor "fw_guard"` into /etc/pf.conf' in said
    with Store(str(machine.state), reading=True) as store:
        assert [ban.host for ban in store.bans(machine.now)] == [ATTACKER]


def test_a_refusing_firewall_costs_no_ban_and_the_next_pass_makes_it_good(
    pf: tuple[Machine, FakePf],
) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3)
    works = machine.run_command

    def refuses(argv: Sequence[str], stdin: str) -> Result:
        if argv[0] == "pfctl":
            raise FirewallError("`pfctl` was not done after 30 seconds and was killed")
        return works(argv, stdin)

    machine.run_command = refuses  # type: ignore[method-assign]
    assert machine.run().troubles[0][0] == os.EX_UNAVAILABLE
    machine.run_command = works  # type: ignore[method-assign]
    assert machine.run().troubles == []
    assert fake.blocks(ATTACKER)


def test_a_pass_without_bans_leaves_the_firewall_alone(pf: tuple[Machine, FakePf]) -> None:
    machine, _ = pf
    machine.attempts(ATTACKER, 2)
    machine.run()
    assert machine.programs.calls == []


def test_a_dry_run_keeps_nothing_and_changes_nothing(pf: tuple[Machine, FakePf]) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3)
    assert machine.run(dry_run=True).banned
    assert machine.changes() == []
    assert not fake.blocks(ATTACKER)
    assert machine.run().banned


def test_hits_over_several_passes_make_one_window(pf: tuple[Machine, FakePf]) -> None:
    machine, fake = pf
    for number in range(3):
        machine.now = NOW + 60 * number
        machine.attempts(ATTACKER, 1, pid=1000 + number)
        machine.run()
    assert fake.blocks(ATTACKER)


def test_what_a_killed_pass_had_not_committed_is_read_again(pf: tuple[Machine, FakePf]) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3)
    protection = passes.protection_of(machine.config, machine.run_command)
    with Store(str(machine.state)) as store:
        assert passes.learn(machine.config, store, protection, machine.now).banned
    assert machine.run().banned
    assert fake.blocks(ATTACKER)


def test_a_filter_that_was_broken_for_a_while_loses_no_line(
    pf: tuple[Machine, FakePf], tmp_path: Path
) -> None:
    machine, fake = pf
    (tmp_path / "filters").mkdir()
    own = tmp_path / "filters" / "sshd.toml"
    shutil.copy(Path(places.shipped("filters")) / "sshd.toml", own)
    own.chmod(0o600)
    sound = own.read_text()
    machine.config = config.load(str(tmp_path))
    machine.attempts(ATTACKER, 1)
    machine.run()
    own.write_text(sound.replace("{host}", "{hist}"))
    machine.config = config.load(str(tmp_path))
    assert machine.config.filter_faults
    machine.attempts(ATTACKER, 2, pid=1100)
    assert machine.run().gathered.hits == 0
    assert not fake.blocks(ATTACKER)
    own.write_text(sound)
    machine.config = config.load(str(tmp_path))
    figures = machine.run()
    assert figures.gathered.hits == 2
    assert fake.blocks(ATTACKER)
    assert machine.run().gathered.lines == 0


def test_a_broken_jail_keeps_its_hits(pf: tuple[Machine, FakePf], tmp_path: Path) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 2)
    machine.run()
    machine.change("[jail.sshd]", "[jail.sshd]\nmaxretrie = 3")
    assert machine.config.jails == ()
    machine.run()
    machine.change("\nmaxretrie = 3", "")
    machine.attempts(ATTACKER, 1, pid=1100)
    machine.run()
    assert fake.blocks(ATTACKER)


def test_hits_older_than_the_longest_window_go(pf: tuple[Machine, FakePf]) -> None:
    machine, _ = pf
    machine.attempts(ATTACKER, 2)
    machine.run()
    with Store(str(machine.state), reading=True) as store:
        assert len(store.hits("sshd", ATTACKER)) == 2
    machine.now = NOW + 601
    machine.run()
    with Store(str(machine.state), reading=True) as store:
        assert store.hits("sshd", ATTACKER) == []


def test_hits_of_a_name_wait_while_their_ban_could_still_be_in_force(
    pf: tuple[Machine, FakePf],
) -> None:
    machine, _ = pf
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 10))
    refusal = f"{stamp} gw inetd[7]: refused connection from host.example.net, service ftpd (tcp)\n"
    machine.log.write_text(refusal * 2)
    machine.attempts(ATTACKER, 1)
    machine.run()
    for later, waiting in ((3599, 2), (600 + 3600 + 1, 0)):
        machine.now = NOW + later
        machine.run()
        with Store(str(machine.state), reading=True) as store:
            assert store.counts().get("sshd", (0, 0))[1] == waiting


def test_the_hits_around_a_waiting_one_stay_with_it(pf: tuple[Machine, FakePf]) -> None:
    machine, fake = pf
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(NOW - 10))
    machine.log.write_text(
        f"{stamp} gw inetd[7]: refused connection from host.example.net, service ftpd (tcp)\n"
    )
    machine.attempts(ATTACKER, 2)
    machine.run()
    machine.now = NOW + 1800
    machine.run()
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(machine.now))
    with machine.log.open("a") as file:
        file.write(f"{stamp} gw sshd[9]: refused connect from host.example.net ({ATTACKER})\n")
    (ban,) = machine.run().banned
    assert (ban.since, ban.hits) == (NOW - 10, 3)
    assert fake.blocks(ATTACKER)


def test_two_jails_ban_the_same_address_until_the_later_end(tmp_path: Path) -> None:
    fake = FakePf(files={"/etc/pf.conf": 'anchor "fw_guard"\npass\n'})
    fake.run(["pfctl", "-f", "/etc/pf.conf"])
    fake.run(["pfctl", "-e"])
    machine = Machine(tmp_path, "pf", FakePrograms({"pfctl": fake}))
    other = f'[jail.other]\nfilter = "sshd"\nlogs = ["{machine.log}"]\nbantime = "2h"\n'
    path = tmp_path / "fw-guard.toml"
    path.write_text(path.read_text() + other)
    machine.config = config.load(str(tmp_path))
    machine.attempts(ATTACKER, 3)
    assert len(machine.run().banned) == 2
    machine.now = NOW + 3700
    machine.run()
    assert fake.blocks(ATTACKER)
    machine.now = NOW + 7200
    machine.run()
    assert not fake.blocks(ATTACKER)


def test_a_fault_in_the_defaults_leaves_the_firewall_as_it_is(
    pf: tuple[Machine, FakePf], tmp_path: Path
) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3)
    machine.run()
    machine.change("[jail.sshd]", 'bantim = "1h"\n[jail.sshd]')
    assert not machine.config.sound
    machine.changes()
    machine.run()
    assert machine.changes() == []
    assert fake.blocks(ATTACKER)


def test_a_tool_that_is_missing_for_a_moment_leaves_no_ban_behind(
    pf: tuple[Machine, FakePf],
) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3)
    machine.run()
    works = machine.run_command

    def missing(argv: Sequence[str], stdin: str) -> Result:
        raise MissingToolError(f"`{argv[0]}` is not installed")

    machine.run_command = missing  # type: ignore[method-assign]
    assert machine.run().troubles[0][0] == os.EX_UNAVAILABLE
    machine.run_command = works  # type: ignore[method-assign]
    machine.now = NOW + 3600
    machine.run()
    assert not fake.blocks(ATTACKER)


def test_a_jail_that_is_broken_keeps_its_own_firewall(
    pf: tuple[Machine, FakePf], tmp_path: Path
) -> None:
    machine, fake = pf
    path = tmp_path / "fw-guard.toml"
    text = path.read_text().replace('action = "pf"', 'action = "preview"')
    path.write_text(text + 'action = "pf"\n')
    machine.config = config.load(str(tmp_path))
    machine.attempts(ATTACKER, 3)
    machine.run()
    assert fake.blocks(ATTACKER)
    path.write_text(text + 'action = "pf"\nmaxretrie = 3\n')
    machine.config = config.load(str(tmp_path))
    assert machine.config.sound
    assert machine.config.jails == ()
    machine.run()
    assert fake.blocks(ATTACKER)


def test_a_renewed_ban_that_was_not_applied_is_applied_by_the_next_pass(
    pf: tuple[Machine, FakePf],
) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3)
    machine.run()
    with Store(str(machine.state)) as store:
        assert store.dirty() == set()
        (ban,) = store.bans(machine.now)
        store.keep_ban(ban._replace(until=machine.now + 7200))
        store.keep_ban(ban._replace(host="203.0.113.9"))
        store.commit()
    machine.run()
    assert fake.blocks("203.0.113.9")
    machine.now = NOW + 3600
    machine.run()
    assert fake.blocks(ATTACKER)
    assert not fake.blocks("203.0.113.9")
    with Store(str(machine.state), reading=True) as store:
        assert store.dirty() == set()


def test_a_glob_that_takes_in_rotated_files_counts_each_line_once(
    pf: tuple[Machine, FakePf], tmp_path: Path
) -> None:
    machine, fake = pf
    machine.change("auth.log", "auth.log*")
    machine.attempts(ATTACKER, 1)
    assert machine.run().gathered.lines == 1
    machine.attempts(ATTACKER, 1, pid=1100)
    machine.log.rename(tmp_path / "auth.log.1")
    machine.attempts(NEIGHBOUR, 1, pid=1200)
    assert machine.run().gathered.lines == 2
    assert machine.run().gathered.lines == 0
    machine.attempts(NEIGHBOUR, 1, pid=1300)
    assert machine.run().gathered.lines == 1
    assert not fake.blocks(ATTACKER)


def test_a_rotated_file_is_read_once_also_before_its_successor_is_there(
    pf: tuple[Machine, FakePf], tmp_path: Path
) -> None:
    machine, _ = pf
    machine.change("auth.log", "auth.log*")
    machine.attempts(ATTACKER, 1)
    machine.run()
    machine.attempts(ATTACKER, 1, pid=1100)
    machine.log.rename(tmp_path / "auth.log.1")
    assert [machine.run().gathered.lines for _ in range(3)] == [1, 0, 0]
    machine.attempts(NEIGHBOUR, 1, pid=1200)
    assert [machine.run().gathered.lines for _ in range(2)] == [1, 0]


def test_a_file_of_two_names_is_one_log(pf: tuple[Machine, FakePf], tmp_path: Path) -> None:
    machine, _ = pf
    (tmp_path / "other.log").symlink_to(machine.log)
    machine.change('logs = ["', f'logs = ["{tmp_path}/other.log", "')
    machine.attempts(ATTACKER, 2)
    assert machine.run().gathered.hits == 2


def test_a_line_dated_a_little_ahead_counts_as_of_now(pf: tuple[Machine, FakePf]) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3, ago=-300)
    (ban,) = machine.run().banned
    assert (ban.since, ban.until) == (NOW, NOW + 3600)
    assert fake.blocks(ATTACKER)


def test_lines_dated_hours_ahead_keep_their_distances(pf: tuple[Machine, FakePf]) -> None:
    machine, _ = pf
    for hour in range(1, 8):
        machine.attempts(ATTACKER, 1, ago=-3600 * hour, pid=1000 + hour)
    assert machine.run().banned == []


def test_a_pardon_is_for_lines_dated_ahead_too(pf: tuple[Machine, FakePf]) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 3, ago=-3600)
    assert machine.run().banned
    with Store(str(machine.state)) as store:
        store.end_bans(ATTACKER, machine.now)
        store.forget_ahead(ATTACKER, machine.now)
        store.commit()
    figures = machine.run()
    assert (figures.banned, figures.unbanned) == ([], [])
    assert not fake.blocks(ATTACKER)


def test_a_log_that_fails_on_the_way_is_read_again_whole(
    pf: tuple[Machine, FakePf], mocker: MockerFixture
) -> None:
    machine, fake = pf
    machine.run()
    machine.attempts(NEIGHBOUR, 1)
    machine.attempts(ATTACKER, 6000, pid=2000)
    whole = Source._read
    calls = 0

    def fails(source: Source, at: int, size: int) -> bytes:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise LogError(source.path, "cannot be read: Input/output error")
        return whole(source, at, size)

    broken = mocker.patch.object(Source, "_read", autospec=True, side_effect=fails)
    figures = machine.run()
    assert figures.troubles == [
        (os.EX_NOINPUT, f"{machine.log}: cannot be read: Input/output error")
    ]
    assert not fake.blocks(ATTACKER)
    broken.side_effect = whole
    assert machine.run().gathered.hits == 6001
    with Store(str(machine.state), reading=True) as store:
        assert len(store.hits("sshd", NEIGHBOUR)) == 1


def test_copytruncate_under_a_glob_counts_each_line_once(
    pf: tuple[Machine, FakePf], tmp_path: Path
) -> None:
    machine, fake = pf
    machine.change("auth.log", "auth.log*")
    machine.attempts(ATTACKER, 1)
    machine.run()
    machine.attempts(ATTACKER, 1, pid=1100)
    shutil.copy(machine.log, tmp_path / "auth.log.1")
    machine.log.write_text("")
    machine.attempts(NEIGHBOUR, 1, pid=1200)
    assert [machine.run().gathered.lines for _ in range(3)] == [2, 0, 0]
    assert not fake.blocks(ATTACKER)


def test_a_copy_that_another_jail_reads_takes_no_line_from_this_one(
    pf: tuple[Machine, FakePf], tmp_path: Path
) -> None:
    machine, fake = pf
    other = f'[jail.other]\nfilter = "inetd"\nlogs = ["{machine.log}*"]\n'
    machine.change("[jail.sshd]", f"{other}[jail.sshd]")
    machine.attempts(ATTACKER, 2)
    machine.run()
    machine.attempts(ATTACKER, 1, pid=1100)
    shutil.copy(machine.log, tmp_path / "auth.log.1")
    machine.log.write_text("")
    machine.attempts(NEIGHBOUR, 1, pid=1200)
    machine.run()
    assert fake.blocks(ATTACKER)
    with Store(str(machine.state), reading=True) as store:
        assert len(store.hits("sshd", ATTACKER)) == 3
        assert len(store.hits("sshd", NEIGHBOUR)) == 1


def test_a_dry_run_is_in_nobody_s_way(pf: tuple[Machine, FakePf]) -> None:
    machine, _ = pf
    machine.run()
    before = sorted(path.name for path in machine.state.iterdir())
    machine.attempts(ATTACKER, 3)
    with Store(str(machine.state)) as writer:
        assert machine.run(dry_run=True).banned
        writer.commit()
    assert sorted(path.name for path in machine.state.iterdir()) == before
    assert machine.run().banned


def test_a_flood_is_kept_block_by_block(pf: tuple[Machine, FakePf], mocker: MockerFixture) -> None:
    machine, fake = pf
    machine.attempts(ATTACKER, 6000)
    kept = mocker.spy(Store, "add_hits")
    assert machine.run().gathered.hits == 6000
    assert kept.call_count > 1
    assert fake.blocks(ATTACKER)


def test_a_dry_run_makes_no_file(pf: tuple[Machine, FakePf]) -> None:
    machine, _ = pf
    machine.attempts(ATTACKER, 3)
    machine.run(dry_run=True)
    assert not machine.state.exists()


def test_translated_ipv4_hosts_are_each_a_host_of_their_own(pf: tuple[Machine, FakePf]) -> None:
    machine, _ = pf
    for last in range(1, 6):
        machine.attempts(f"64:ff9b::c633:640{last}", 2, pid=1000 + 10 * last)
    machine.attempts("64:ff9b::c633:6409", 3, pid=2000)
    assert [ban.host for ban in machine.run().banned] == ["64:ff9b::c633:6409"]


def test_an_action_that_cannot_list_is_told_anew_after_it_was_torn_down(
    pf: tuple[Machine, FakePf], tmp_path: Path
) -> None:
    machine, _ = pf
    path = tmp_path / "fw-guard.toml"
    text = path.read_text()
    machine.attempts(ATTACKER, 3)
    said: list[str] = []

    def run_with(action: str) -> list[str]:
        path.write_text(text.replace('"pf"', f'"{action}"'))
        machine.config = config.load(str(tmp_path))
        said.clear()
        passes.run(
            machine.config,
            str(machine.state),
            machine.now,
            dry_run=False,
            say=said.append,
            run_command=machine.run_command,
        )
        return list(said)

    assert run_with("preview") == [f"ban {ATTACKER} for 3590s\n"]
    assert run_with("preview") == []
    run_with("pf")
    assert run_with("preview") == [f"ban {ATTACKER} for 3590s\n"]
