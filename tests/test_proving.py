"""The proofs of a filter: what its author reads, what is remembered, what two filters share."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from fw_guard import config, filterfiles, places, proofs, proving
from fw_guard.tomlfile import Document

if TYPE_CHECKING:
    from pathlib import Path

    from fw_guard.filters import Filter

HEAD = """\
title = 'mine'
service = 'mine'
log = { format = 'syslog', program = ['mine'] }
"""
SAMPLES = """
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: {line}'
host = '192.0.2.7'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: good'
match = false
"""


def document(matches: str, line: str, head: str = HEAD) -> Document:
    """Give a filter file of some matches and a line that the first one reads."""
    return Document("mine.toml", head + matches + SAMPLES.replace("{line}", line))


def faults(matches: str, line: str, head: str = HEAD) -> list[str]:
    """Give what the author of such a file reads."""
    found = document(matches, line, head)
    filterfiles.read(found)
    return [str(fault) for fault in sorted(found.faults, key=lambda each: each.message)]


FORGEABLE = "[[match]]\nname = 'failed'\npattern = '{user} from {host}: {*}'\n"
SLOW = "[[match]]\nname = 'failed'\npattern = 'by {host} for {*} in {*} now'\n"


def test_a_forgeable_pattern_is_shown_with_its_line_and_both_hosts() -> None:
    assert faults(FORGEABLE, "anna from 192.0.2.7: no") == [
        """\
mine.toml:6:24: forgeable: one line can be read in two ways, and whoever writes it chooses; \
expected {*} after {host} to be bounded, as {x:word}, {x:int} or {a|b} are
    6 | pattern = '{user} from {host}: {*}'
      |                        ^
       from 198.51.100.9: from host.example.net:
                               ^ 'failed' reads host 'host.example.net', a failure
            ^ 'failed' reads host '198.51.100.9', a failure
      (forgeable = "why" keeps such a [[match]]; its hits are told of, and never ban alone)"""
    ]


def test_a_slow_pattern_is_shown_with_what_to_repeat() -> None:
    assert faults(SLOW, "by 192.0.2.7 for x in y now") == [
        """\
mine.toml:6:12: slow: whoever writes the line chooses how long it takes; \
expected no two holes that can take the same text, except at the line's end
    6 | pattern = 'by {host} for {*} in {*} now'
      |            ^
      a line that begins with 'by :: for ' and goes on with ' in' over and over"""
    ]


def test_every_fault_of_a_file_is_told_at_once() -> None:
    told = faults(FORGEABLE + SLOW.replace("failed", "other"), "anna from 192.0.2.7: no")
    kinds = [each.split(":")[3].split()[0] for each in told]
    assert kinds == ["forgeable", "no", "slow"]


def test_an_owner_may_keep_what_can_be_forged_for_a_reason() -> None:
    kept = FORGEABLE + "forgeable = 'the old server writes no other'\n"
    assert faults(kept, "anna from 192.0.2.7: no") == []
    assert faults(FORGEABLE, "anna from 192.0.2.7: no", HEAD + "forgeable = 'old'\n") == []
    empty = faults(FORGEABLE + "forgeable = ' '\n", "anna from 192.0.2.7: no")
    assert len(empty) == 1  # nothing is proved while the file has faults
    assert "`forgeable` is empty; expected the reason why" in empty[0]


def test_a_match_that_is_kept_excuses_no_other() -> None:
    kept = FORGEABLE + "forgeable = 'old'\n"
    other = "[[match]]\nname = 'other'\npattern = 'no {user} from {host}: x'\n"
    told, unused = faults(kept + other, "anna from 192.0.2.7: no")
    assert "no sample is read" in unused
    assert "'failed' and 'other' cannot share" in told
    assert told.startswith("mine.toml:10:")


def test_nothing_excuses_a_slow_match() -> None:
    kept = SLOW + "forgeable = 'old'\n"
    assert "slow" in faults(kept, "by 192.0.2.7 for x in y now")[0]


def test_of_json_the_patterns_over_one_text_are_proved_together() -> None:
    head = HEAD.replace(
        "{ format = 'syslog', program = ['mine'] }",
        ("{ format = 'json', time = 'ts', message = 'msg' }"),
    )
    one = "[[match]]\nname = 'one'\npattern = '{user} failed from {host}'\n"
    other = "[[match]]\nname = 'other'\npattern = 'from {host} failed {user}'\n"
    samples = "sample"
    together = document(one + other, samples, head)
    filterfiles.read(together)
    assert any("forgeable" in fault.message for fault in together.faults)
    apart = document(one + other + "in = 'text'\n", samples, head)
    filterfiles.read(apart)
    assert not any("forgeable" in fault.message for fault in apart.faults)


def test_what_is_proved_is_not_proved_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = "[[match]]\nname = 'failed'\npattern = '{user} from {host}'\n"
    proved: set[str] = set()
    filterfiles.read(document(sound, "anna from 192.0.2.7"), proved)
    assert len(proved) == 1
    monkeypatch.setattr(proving, "forgery", lambda *_, **__: pytest.fail("proved again"))
    filterfiles.read(document(sound, "anna from 192.0.2.7"), proved)
    with pytest.raises(pytest.fail.Exception):
        filterfiles.read(document(sound.replace("from", "at"), "anna at 192.0.2.7"), proved)


SAME_REGEX = "[[match]]\nname = 'm'\npattern = 'at {%s:addr} {user} from {%s:addr}: {*}'\n"


@pytest.mark.parametrize(
    ("sound", "changed", "head"),
    [
        (SAME_REGEX % ("host", "b"), SAME_REGEX % ("b", "host"), HEAD),
        (FORGEABLE + "forgeable = 'old'\n", FORGEABLE, HEAD),
        (
            "[[match]]\nname = 'm'\npattern = '{user} by {host}]'\n"
            "[[match]]\nname = 'n'\npattern = 'from {host} by {*:addr}'\n",
            "",
            HEAD.replace("'syslog', program = ['mine']", "'plain'"),
        ),
        (
            "[[match]]\nname = 'm'\npattern = '{user} from {host}'\n"
            "[[match]]\nname = 'n'\npattern = 'accepted {user} from {host}'\n",
            "[[match]]\nname = 'm'\npattern = '{user} from {host}'\n"
            "[[match]]\nname = 'n'\nkind = 'success'\npattern = 'accepted {user} from {host}'\n",
            HEAD,
        ),
    ],
    ids=["which is the host", "the excuse", "the format", "the kind"],
)
def test_a_proof_is_of_all_that_it_depends_on(sound: str, changed: str, head: str) -> None:
    proved: set[str] = set()
    first = document(sound, "x", head)
    filterfiles.read(first, proved)
    assert not any("forgeable" in fault.message for fault in first.faults)
    assert proved
    second = document(changed or sound, "x")
    filterfiles.read(second, proved)
    assert any(fault.message.startswith("forgeable") for fault in second.faults)


def test_too_many_proofs_are_forgotten(tmp_path: Path) -> None:
    proofs.remember(str(tmp_path), {f"{number:064x}" for number in range(proofs.MOST + 1)})
    assert proofs.recall(str(tmp_path)) == set()


def test_what_is_refused_is_not_remembered() -> None:
    proved: set[str] = set()
    filterfiles.read(document(FORGEABLE, "anna from 192.0.2.7: no"), proved)
    assert proved == set()


def test_proofs_are_remembered_beside_the_state(tmp_path: Path) -> None:
    digests = {"0" * 64, "f" * 64}
    proofs.remember(str(tmp_path), digests)
    assert proofs.recall(str(tmp_path)) == digests
    assert (tmp_path / proofs.NAME).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [proofs.NAME]


def test_a_memory_that_others_may_write_is_none(tmp_path: Path) -> None:
    proofs.remember(str(tmp_path), {"0" * 64})
    (tmp_path / proofs.NAME).chmod(0o622)
    assert proofs.recall(str(tmp_path)) == set()


def test_no_memory_is_no_trouble(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    proofs.remember(missing, {"0" * 64})
    assert not os.path.exists(missing)
    assert proofs.recall(missing) == set()
    (tmp_path / proofs.NAME).mkdir()
    proofs.remember(str(tmp_path), {"0" * 64})
    assert proofs.recall(str(tmp_path)) == set()
    assert [path.name for path in tmp_path.iterdir()] == [proofs.NAME]


def test_a_memory_that_is_torn_holds_only_whole_digests(tmp_path: Path) -> None:
    (tmp_path / proofs.NAME).write_text("0" * 64 + "\n" + "f" * 40)
    assert proofs.recall(str(tmp_path)) == {"0" * 64}
    (tmp_path / proofs.NAME).write_bytes(b"\xff" * 100)
    assert proofs.recall(str(tmp_path)) == set()


def shipped(name: str) -> Filter:
    """Give a filter that ships."""
    return filterfiles.load(f"{places.shipped('filters')}/{name}.toml", trusted=True)


@pytest.mark.parametrize(
    ("mine", "its", "shared"),
    [
        (("sshd",), ("sshd",), True),
        (("sshd",), ("smbd",), False),
        (("sshd*",), ("sshd-session",), True),
        (("ssh*",), ("ssh-*",), True),
        (("ssh*",), ("smb*",), False),
        (("*",), ("smbd",), True),
        (("?shd",), ("sshd",), True),
        ((), ("smbd",), True),
    ],
)
def test_two_filters_share_the_lines_of_a_program(
    mine: tuple[str, ...], its: tuple[str, ...], shared: bool
) -> None:
    def reading(program: tuple[str, ...]) -> Filter:
        head = HEAD.replace("program = ['mine']", f"program = {list(program)}")
        return filterfiles.read(document("", "", head))

    assert proving.share_lines(reading(mine), reading(its)) is shared
    assert proving.share_lines(reading(its), reading(mine)) is shared


def test_filters_that_read_the_same_program_cannot_forge_each_other() -> None:
    names = places.names("filters", "")
    every = [shipped(name) for name in names]
    by_program = [each for each in every if each.formats == ("syslog",) and each.program]
    assert len(by_program) > 10
    assert proving.clash(tuple(by_program), set()) is None


@pytest.mark.parametrize(
    "names",
    [
        ("sshd", "sshd-scans", "pam", "inetd", "klogind", "tcpd", "dropbear"),
        ("dovecot", "dovecot-scans", "pam", "postfix", "postfix-scans", "sendmail"),
        ("apache-access", "httpd-probes", "wordpress", "phpmyadmin"),
        ("nginx-access", "nginx-scans", "nginx-error"),
        ("lighttpd", "lighttpd-access"),
        ("sshd", "vsftpd", "ftpd", "pure-ftpd"),
        ("sshd", "proftpd", "pam"),
        ("sshd", "mysqld", "vaultwarden", "gitea", "named"),
        ("proxmox", "webmin", "cockpit", "pam", "sshd"),
    ],
)
def test_filters_that_go_together_may_share_a_jail(names: tuple[str, ...]) -> None:
    assert proving.clash(tuple(map(shipped, names)), set()) is None


def two_filters(tmp_path: Path) -> None:
    """Drop two filters that forge each other."""
    (tmp_path / "filters").mkdir(mode=0o755)
    for name, pattern in (
        ("one", "{user} failed from {host}"),
        ("other", "from {host} failed {user}"),
    ):
        line = "x failed from 192.0.2.7" if name == "one" else "from 192.0.2.7 failed x"
        text = document(f"[[match]]\nname = 'failed'\npattern = '{pattern}'\n", line).text
        (tmp_path / "filters" / f"{name}.toml").write_text(text)


def test_a_jail_of_two_filters_that_forge_each_other_is_refused(tmp_path: Path) -> None:
    two_filters(tmp_path)
    (tmp_path / "fw-guard.toml").write_text(
        "[jail.both]\nfilter = ['one', 'other']\nlogs = ['/var/log/auth.log']\n"
        "[jail.one]\nfilter = 'one'\nlogs = ['/var/log/auth.log']\n"
    )
    found = config.load(str(tmp_path))
    assert [jail.name for jail in found.jails] == ["one"]
    assert len(found.faults) == 1
    assert found.faults[0].line == 2
    said = "'one' and 'other' can be forged by each other's lines; expected no log for both"
    assert found.faults[0].message == said
    assert "reads host" in found.faults[0].detail


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("/var/log/auth.log", "/var/log/auth.log", True),
        ("/var/log/auth.log", "/var/log/*.log", True),
        ("/var/log/a*", "/var/*/auth.log", True),
        ("/var/log/auth.log", "/var/log//auth.log", True),
        ("/var/log/auth.log", "/var/./log/../log/*.log", True),
        ("/var/log/auth.log", "/var/**/auth.log", True),
        ("/var/log/auth.log", "/var/log/mail.log", False),
        ("/var/log/auth.log", "/var/log/mail*", False),
    ],
)
def test_two_jails_over_one_log_are_proved_together(
    tmp_path: Path, one: str, other: str, together: bool
) -> None:
    two_filters(tmp_path)
    (tmp_path / "fw-guard.toml").write_text(
        f"[jail.one]\nfilter = 'one'\nlogs = ['{one}']\n"
        f"[jail.other]\nfilter = 'other'\nlogs = ['{other}']\n"
    )
    found = config.load(str(tmp_path))
    assert [jail.name for jail in found.jails] == (["one"] if together else ["one", "other"])
    assert len(found.faults) == together
