"""The configuration's files: what is dropped in, and what a fault in one of them costs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fw_guard import addresses
from fw_guard.config import Limit, NoConfigError
from tests.directories import SSHD, Directory

if TYPE_CHECKING:
    from pathlib import Path

    from fw_guard.config import Config

DOOR = r"""
title = "doors"
service = "doord"
log = { format = "syslog", program = ["doord"] }

[[match]]
name = "knock"
pattern = 'knock from {host}'

[[sample]]
line = 'Feb  7 02:26:52 server doord[1]: knock from 192.0.2.7'
host = "192.0.2.7"

[[sample]]
line = 'Feb  7 02:26:52 server doord[1]: bell from 192.0.2.7'
match = false
"""
OWN_JAIL = '\n[jail]\nlogs = ["/var/log/door.log"]\nmaxretry = 2\n'
ACTION = """
title = "print"

[[ban]]
[[ban.stdin]]
each = "ban {address}"
"""


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


def names(found: Config) -> list[str]:
    return [jail.name for jail in found.jails]


def networks(*texts: str) -> tuple[tuple[bytes, int], ...]:
    return tuple(addresses.split(text) for text in texts)


def test_an_unknown_filter_is_told_with_what_was_meant(directory: Directory) -> None:
    directory.main(SSHD.replace('filter = "sshd"', 'filter = ["sshdd", "inetd"]'))
    assert directory.faults() == [
        "fw-guard.toml:2:1: there is no filter 'sshdd' (did you mean `sshd`?);"
        " expected filters/sshdd.toml"
    ]
    assert names(directory.load()) == []


def test_a_file_dropped_into_jails_is_read_with_the_defaults(directory: Directory) -> None:
    directory.main('maxretry = 3\nignoreip = "192.0.2.7"\n' + SSHD)
    directory.write(
        "jails/web.toml",
        'maxretry = 9\n[jail.inetd]\nfilter = "inetd"\nlogs = "/var/log/messages"\n',
    )
    directory.write("jails/.hidden.toml", "nonsense")
    directory.write("jails/web.toml~", "nonsense")
    found = directory.load()
    assert found.faults == ()
    assert {jail.name: jail.limits for jail in found.jails} == {
        "sshd": (Limit(3, 600),),
        "inetd": (Limit(9, 600),),
    }
    assert all(jail.ignoreip == networks("192.0.2.7") for jail in found.jails)


def test_a_fault_in_a_dropped_file_costs_only_its_own_jails(directory: Directory) -> None:
    directory.main(SSHD)
    inetd = '[jail.inetd]\nfilter = "inetd"\nlogs = "/var/log/messages"\n'
    directory.write("jails/a.toml", "maxretry = 0\n" + inetd.replace("jail.inetd", "jail.a"))
    directory.write("jails/b.toml", "no toml\n")
    directory.write("jails/c.toml", inetd)
    assert names(directory.load()) == ["sshd", "inetd"]
    assert directory.faults() == [
        "jails/a.toml:1:1: `maxretry` is 0; expected 1 to 1000000",
        "jails/b.toml:1:4: no TOML: expected '=' after a key in a key/value pair",
    ]


def test_a_jail_that_stands_in_two_files_is_that_of_the_first(directory: Directory) -> None:
    directory.main(SSHD)
    directory.write("jails/a.toml", SSHD.replace("auth.log", "other.log"))
    assert directory.faults() == ["jails/a.toml:1:2: jail 'sshd' stands in an earlier file already"]
    (jail,) = directory.load().jails
    assert jail.logs == ("/var/log/auth.log",)


def test_a_filter_that_carries_a_jail_works_with_no_further_line(directory: Directory) -> None:
    directory.main('maxretry = 7\nignoreip = "192.0.2.7"\n')
    directory.write("filters/door.toml", DOOR + OWN_JAIL)
    found = directory.load()
    assert (found.faults, found.filter_faults) == ((), ())
    (jail,) = found.jails
    assert (jail.name, jail.logs, jail.limits) == (
        *("door", ("/var/log/door.log",)),
        (Limit(2, 600),),
    )
    assert [each.name for each in jail.filters] == ["door"]
    assert jail.ignoreip == networks("192.0.2.7")


def test_a_jail_of_the_main_file_goes_before_the_one_a_filter_carries(
    directory: Directory,
) -> None:
    directory.main('[jail.door]\nfilter = "door"\nlogs = "/var/log/main.log"\n')
    directory.write("filters/door.toml", DOOR + OWN_JAIL)
    (jail,) = directory.load().jails
    assert jail.logs == ("/var/log/main.log",)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("\n[jail]\n", "18:2: `logs` is missing; expected a text or a list of texts"),
        ("\n[jail]\nlogs = 'x'\n", "19:1: 'x' is no absolute path; expected such as"),
        ("\n[jail]\nlogs = '/x'\nmaxtry = 2\n", "20:1: unknown key `maxtry` (did you mean"),
    ],
)
def test_a_fault_in_the_jail_that_a_filter_carries_costs_that_jail(
    directory: Directory, table: str, fault: str
) -> None:
    directory.main(SSHD)
    directory.write("filters/door.toml", DOOR + table)
    (shown,) = directory.faults()
    assert shown.startswith(f"filters/door.toml:{fault}")
    assert names(directory.load()) == ["sshd"]


def test_a_filter_cannot_bring_a_jail_named_as_bans_by_hand_are(directory: Directory) -> None:
    directory.main("")
    directory.write("filters/manual.toml", DOOR + OWN_JAIL)
    assert directory.faults() == ["filters/manual.toml:18:2: a jail cannot be named 'manual'"]
    assert names(directory.load()) == []


def test_a_jail_of_a_filter_that_is_no_table_is_told(directory: Directory) -> None:
    directory.main(SSHD)
    directory.write("filters/door.toml", "jail = 5\n" + DOOR)
    shown = directory.faults()
    assert shown == ["filters/door.toml:1:1: `jail` is a whole number; expected a table"]


def test_a_filter_of_the_owners_replaces_the_shipped_one(directory: Directory) -> None:
    path = directory.write("filters/sshd.toml", DOOR)
    jail = directory.jail(SSHD)
    assert [(each.path, each.title) for each in jail.filters] == [(path, "doors")]


def test_a_broken_filter_costs_itself_alone(directory: Directory) -> None:
    directory.main(
        '[jail.both]\nfilter = ["inetd", "door"]\nlogs = "/a"\n'
        '[jail.door]\nfilter = "door"\nlogs = "/a"\n' + SSHD
    )
    directory.write("filters/door.toml", DOOR.replace("{host}", "{hosst}"))
    found = directory.load()
    assert found.faults == ()
    assert [(j.name, [f.name for f in j.filters]) for j in found.jails] == [
        ("both", ["inetd"]),
        ("sshd", ["sshd"]),
    ]
    assert {fault.path for fault in found.filter_faults} == {f"{directory.path}/filters/door.toml"}
    assert {fault.line for fault in found.filter_faults} == {8}


def test_an_action_of_the_owners_is_an_action(directory: Directory) -> None:
    directory.write("actions/mine.toml", ACTION)
    assert directory.jail('action = "mine"\n' + SSHD).action == "mine"


@pytest.mark.parametrize("name", ["fw-guard.toml", "jails/a.toml", "filters/door.toml"])
def test_a_file_that_others_may_write_is_refused(directory: Directory, name: str) -> None:
    directory.main(SSHD)
    texts = {"fw-guard.toml": SSHD, "jails/a.toml": "", "filters/door.toml": DOOR + OWN_JAIL}
    directory.write(name, texts[name], 0o660)
    assert directory.faults() == [
        f"{name}: may be written by others; expected no more than mode 640"
    ]
    assert names(directory.load()) == ([] if name == "fw-guard.toml" else ["sshd"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_configuration_of_somebody_else_is_refused(directory: Directory) -> None:
    os.chown(directory.main(SSHD), 65_534, -1)
    assert directory.faults() == [
        "fw-guard.toml: belongs to user 65534; expected root or the user who runs this"
    ]
    assert names(directory.load()) == []


def test_all_faults_of_all_files_come_at_once(directory: Directory) -> None:
    directory.main(
        'maxretry = 0\nbantme = "1h"\n[jail.one]\nfilter = "nothing"\nlogs = "a"\n'
        '[jail.two]\nfilter = "sshd"\n'
    )
    directory.write("jails/a.toml", "[jail.three]\nfindtime = 0\n")
    directory.write("filters/door.toml", DOOR.replace("match = false", "match = 5"))
    assert directory.faults() == [
        "fw-guard.toml:1:1: `maxretry` is 0; expected 1 to 1000000",
        "fw-guard.toml:2:1: unknown key `bantme` (did you mean `bantime`?)",
        "fw-guard.toml:4:1: there is no filter 'nothing'; expected filters/nothing.toml",
        "fw-guard.toml:5:1: 'a' is no absolute path; expected such as /var/log/auth.log",
        "fw-guard.toml:6:2: `logs` is missing; expected a text or a list of texts",
        "jails/a.toml:1:2: `filter` is missing; expected a text or a list of texts",
        "jails/a.toml:1:2: `logs` is missing; expected a text or a list of texts",
        "jails/a.toml:2:1: '0s' is no length of time; expected such as 90s, 10m, 2h or 1d",
        "filters/door.toml:14:3: a sample that matches says whom; expected `host`",
        "filters/door.toml:16:1: `match` is neither false nor the name of a [[match]]",
    ]
    assert names(directory.load()) == []


def test_a_main_file_that_is_no_toml_stops_every_jail(directory: Directory) -> None:
    directory.main("maxretry 5\n")
    directory.write("jails/a.toml", SSHD)
    assert directory.faults() == [
        "fw-guard.toml:1:10: no TOML: expected '=' after a key in a key/value pair"
    ]
    assert names(directory.load()) == []


def test_without_a_configuration_one_line_says_what_to_write(directory: Directory) -> None:
    with pytest.raises(NoConfigError) as refused:
        directory.load()
    text = str(refused.value)
    assert len(text.splitlines()) == 1
    assert f"{directory.path}/fw-guard.toml" in text
    assert "[jail." in text


def test_a_file_in_the_place_of_the_directory_is_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoConfigError, match=r"is a file; expected the directory of fw-guard\.toml"):
        Directory(tmp_path / "file").load()
