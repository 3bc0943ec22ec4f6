"""pf and ipfw on fakes that are held to records of the real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fw_guard.firewall import teardown
from fw_guard.processes import FirewallError, Result
from tests.fakes.ipfw import FakeIpfw
from tests.fakes.pf import FakePf
from tests.fakes.programs import FakePrograms
from tests.test_firewall import LATER, NOW, done, reconcile, shipped

if TYPE_CHECKING:
    from collections.abc import Sequence

ALL_CLASSES = (
    "192.0.2.7",
    "198.51.100.0/24",
    "2001:db8::7",
    "2001:db8:1:2::/64",
    "2001:db8:3::/48",
)
PF_CONF = 'anchor "fw_guard"\npass quick all\n'


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
        asking = ("-s", "-T show", " list", " info")
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
        assert done(outcome) == (("192.0.2.7", "2001:db8:1:7::/64"), (), True)
        assert pf.blocks("192.0.2.7")
        assert pf.blocks("2001:db8:1:7::9")
        assert not pf.carries("192.0.2.7")
        assert pf.carries("192.0.2.8")
        assert not pf.blocks("192.0.2.8")
        outcome = reconcile(shipped("pf"), {"2001:db8:1:7::/64": None}, NOW, run=machine.run)
        assert done(outcome) == ((), ("192.0.2.7",), False)
        assert not pf.blocks("192.0.2.7")
        assert pf.blocks("2001:db8:1:7::9")

    def test_a_quiet_pass_changes_nothing(self) -> None:
        _, machine = with_pf()
        wanted = dict.fromkeys(ALL_CLASSES, LATER)
        told = reconcile(shipped("pf"), wanted, NOW, run=machine.run).plan.tell
        assert set(told) == set(ALL_CLASSES)
        machine.changes()
        outcome = reconcile(shipped("pf"), wanted, NOW, told=told, run=machine.run)
        assert done(outcome) == ((), (), False)
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
        assert done(outcome) == (("192.0.2.7", "2001:db8:1:7::/64"), (), True)
        assert ipfw.blocks("192.0.2.7")
        assert ipfw.blocks("192.0.2.7", established=True)
        assert ipfw.blocks("2001:db8:1:7::9")
        assert not ipfw.blocks("192.0.2.8")
        outcome = reconcile(shipped("ipfw"), {"2001:db8:1:7::/64": None}, NOW, run=machine.run)
        assert done(outcome) == ((), ("192.0.2.7",), False)
        assert not ipfw.blocks("192.0.2.7")
        assert ipfw.blocks("2001:db8:1:7::9")

    def test_a_quiet_pass_changes_nothing(self) -> None:
        _, machine = with_ipfw()
        wanted = dict.fromkeys(ALL_CLASSES, LATER)
        told = reconcile(shipped("ipfw"), wanted, NOW, run=machine.run).plan.tell
        assert set(told) == set(ALL_CLASSES)
        machine.changes()
        outcome = reconcile(shipped("ipfw"), wanted, NOW, told=told, run=machine.run)
        assert done(outcome) == ((), (), False)
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
