"""The configuration: every key that the owner may say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fw_guard import addresses
from fw_guard.config import Limit
from tests.directories import SSHD, Directory

if TYPE_CHECKING:
    from pathlib import Path

    from fw_guard.config import Config


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


def names(found: Config) -> list[str]:
    return [jail.name for jail in found.jails]


def networks(*texts: str) -> tuple[tuple[bytes, int], ...]:
    return tuple(addresses.split(text) for text in texts)


def test_a_jail_needs_no_more_than_filter_and_logs(directory: Directory) -> None:
    jail = directory.jail(SSHD)
    assert jail.name == "sshd"
    assert [each.name for each in jail.filters] == ["sshd"]
    assert jail.logs == ("/var/log/auth.log",)
    assert jail.limits == (Limit(5, 600),)
    assert jail.bantime == 3600
    assert jail.logintime == 24 * 3600
    assert jail.ignoreip == ()
    assert jail.prefix6 == 64
    assert jail.action == "preview"
    assert jail.window == 600


EVERY_KEY = """
action    = "nftables"
maxretry  = 3
findtime  = "5m"
bantime   = "2h"
logintime = "2d"
ignoreip  = ["192.0.2.0/24", "2001:db8::7"]
prefix6   = 56
"""


def test_every_default_holds_for_every_jail(directory: Directory) -> None:
    jail = directory.jail(EVERY_KEY + SSHD)
    assert jail.action == "nftables"
    assert jail.limits == (Limit(3, 300),)
    assert jail.bantime == 7200
    assert jail.logintime == 2 * 86_400
    assert jail.ignoreip == networks("192.0.2.0/24", "2001:db8::7")
    assert jail.prefix6 == 56
    found = directory.load()
    assert (found.action, found.bantime) == ("nftables", 7200)
    assert found.ignoreip == networks("192.0.2.0/24", "2001:db8::7")
    assert found.directory == str(directory.path)


def test_a_jail_may_say_every_key_otherwise(directory: Directory) -> None:
    own = (
        'action = "pf"\nmaxretry = 7\nfindtime = 90\nbantime = "1d"\nlogintime = 0\n'
        'ignoreip = "198.51.100.0/24"\nprefix6 = 128\nenabled = true\n'
    )
    jail = directory.jail(EVERY_KEY + SSHD + own)
    assert jail.action == "pf"
    assert jail.limits == (Limit(7, 90),)
    assert jail.bantime == 86_400
    assert jail.logintime == 0
    assert jail.ignoreip == networks("192.0.2.0/24", "2001:db8::7", "198.51.100.0/24")
    assert jail.prefix6 == 128
    assert directory.load().ignoreip == networks("192.0.2.0/24", "2001:db8::7")


@pytest.mark.parametrize(
    ("said", "limits"),
    [
        ('limits = ["5 in 10m", "20 in 1d"]', (Limit(5, 600), Limit(20, 86_400))),
        ('limits = "3 in 1h30m"', (Limit(3, 5400),)),
        ('limits = "  3   in  1h  30m "', (Limit(3, 5400),)),
        ("maxretry = 2", (Limit(2, 600),)),
        ('findtime = "1d"', (Limit(5, 86_400),)),
        ("maxretry = 1\nfindtime = 1", (Limit(1, 1),)),
    ],
)
def test_limits_have_two_forms(directory: Directory, said: str, limits: tuple[Limit, ...]) -> None:
    assert directory.jail(f"{SSHD}{said}\n").limits == limits
    assert directory.jail(f"{said}\n{SSHD}").limits == limits


def test_the_longest_window_of_a_jail_is_what_it_looks_back(directory: Directory) -> None:
    assert directory.jail(SSHD + 'limits = ["20 in 1d", "5 in 10m"]').window == 86_400


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ('limits = ["5 per 10m"]', "'5 per 10m' is no limit; expected such as '5 in 10m'"),
        ('limits = ["0 in 10m"]', "'0 in 10m' is no limit; expected such as '5 in 10m'"),
        ('limits = ["5 in 10"]', "'10' is no length of time; expected such as 90s, 10m, 2h or 1d"),
        ("limits = [5]", "`limits` holds a whole number; expected texts"),
        (
            'limits = ["5 in 10m"]\nmaxretry = 5',
            "`limits` stands beside `maxretry` or `findtime`; expected one form",
        ),
        ("maxretry = 0", "`maxretry` is 0; expected 1 to 1000000"),
        ("prefix6 = 31", "`prefix6` is 31; expected 32 to 128"),
        ("prefix6 = 129", "`prefix6` is 129; expected 32 to 128"),
        (
            'bantime = "for good"',
            "'for good' is no length of time; expected such as 90s, 10m, 2h or 1d",
        ),
        ("bantime = true", "`bantime` is true or false; expected a time such as 10m"),
        (
            'ignoreip = ["192.0.2"]',
            "'192.0.2' is no address and no network; expected such as 192.0.2.7 or 192.0.2.0/24",
        ),
        (
            'ignoreip = ["192.0.2.0/33"]',
            "'192.0.2.0/33' has no length from 0 to 32 after the slash;"
            " expected such as 192.0.2.7 or 192.0.2.0/24",
        ),
        (
            'action = "nftable"',
            "there is no action 'nftable' (did you mean `nftables`?);"
            " expected ipfw, ipset, iptables, nftables, pf or preview",
        ),
        ("bantme = 5", "unknown key `bantme` (did you mean `bantime`?)"),
    ],
)
def test_a_fault_stops_the_jail_or_all_jails_by_where_it_stands(
    directory: Directory, said: str, fault: str
) -> None:
    other = '[jail.inetd]\nfilter = "inetd"\nlogs = "/var/log/messages"\n'
    directory.main(f"{other}{SSHD}{said}\n")
    assert directory.faults() == [f"fw-guard.toml:7:1: {fault}"]
    assert names(directory.load()) == ["inetd"]
    directory.main(f"{said}\n{other}{SSHD}")
    assert directory.faults() == [f"fw-guard.toml:1:1: {fault}"]
    assert names(directory.load()) == []


@pytest.mark.parametrize(
    ("jail", "fault"),
    [
        ('filter = "sshd"', "2:2: `logs` is missing; expected a text or a list of texts"),
        ('logs = "/a"', "2:2: `filter` is missing; expected a text or a list of texts"),
        ('filter = []\nlogs = "/a"', "3:1: `filter` is empty; expected a text or a list of texts"),
        ('filter = "sshd"\nlogs = []', "4:1: `logs` is empty; expected a text or a list of texts"),
        (
            'filter = "sshd"\nlogs = "auth.log"',
            "4:1: 'auth.log' is no absolute path; expected such as /var/log/auth.log",
        ),
        (
            'filter = "sshd"\nlogs = "journal"',
            "4:1: the journal is not read yet; expected the path of a log file",
        ),
        ('filter = "sshd"\nlogs = "/a"\nenabled = "no"', "5:1: `enabled` is a text; expected true"),
        ('filter = "sshd"\nlogs = "/a"\nlog = 5', "5:1: unknown key `log` (did you mean `logs`?)"),
    ],
)
def test_a_fault_of_a_jail_is_shown_where_it_stands(
    directory: Directory, jail: str, fault: str
) -> None:
    directory.main(f"\n[jail.one]\n{jail}\n")
    (shown,) = directory.faults()
    assert shown.startswith(f"fw-guard.toml:{fault}")
    assert names(directory.load()) == []


@pytest.mark.parametrize("name", ["manual", "a b", '"-a"', "'a\\b'", "'../a'", '"a\\u001b"'])
def test_a_jail_has_a_name_that_can_stand_anywhere(directory: Directory, name: str) -> None:
    quoted = name if name[0] in "\"'" or name == "manual" else f'"{name}"'
    directory.main(f'[jail.{quoted}]\nfilter = "sshd"\nlogs = "/a"\n')
    (shown,) = directory.faults()
    assert shown.startswith("fw-guard.toml:1:2: a jail cannot be named '")
    assert "\x1b" not in shown
    assert names(directory.load()) == []


def test_a_jail_may_have_a_name_with_dots(directory: Directory) -> None:
    assert directory.jail(SSHD.replace("jail.sshd", 'jail."www.example.com"')).name == (
        "www.example.com"
    )


def test_a_ban_may_be_forever(directory: Directory) -> None:
    assert directory.jail(SSHD + 'bantime = "forever"\n').bantime is None
    assert directory.jail('bantime = "forever"\n' + SSHD).bantime is None
    assert directory.jail('bantime = "forever"\n' + SSHD + 'bantime = "1h"\n').bantime == 3600


def test_several_filters_count_together(directory: Directory) -> None:
    jail = directory.jail(SSHD.replace('"sshd"', '["inetd", "sshd"]'))
    assert [each.name for each in jail.filters] == ["inetd", "sshd"]


def test_a_jail_that_is_not_enabled_is_left_out_without_a_fault(directory: Directory) -> None:
    directory.main(SSHD + "enabled = false\n")
    assert directory.faults() == []
    assert names(directory.load()) == []
