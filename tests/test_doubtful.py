"""Doubtful hits on their way from a line to a verdict, a state and what a person reads."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from fw_guard import filterfiles, places
from fw_guard.hosts import Names
from fw_guard.logs.clock import Clock
from fw_guard.matching import Scanner
from tests.test_matching import NOW, jail

if TYPE_CHECKING:
    from fw_guard.hits import Hit
    from tests.conftest import Guard

PEER = "192.0.2.7"
BYSTANDER = "203.0.113.66"
CONFIG = """
action = "preview"
maxretry = 5
findtime = "10m"
[jail.sshd]
filter = "sshd"
logs = ["{log}"]
"""


def failed(user: str, *seconds: int) -> str:
    """Log a failed password, at seconds after 04:30, each in a process of its own."""
    return "".join(
        f"Feb  7 04:30:{n:02} server sshd[{1000 + n}]: Failed password for invalid user {user}"
        f" from {PEER} port 4711 ssh2\n"
        for n in seconds
    )


def sure(*seconds: int) -> str:
    return failed("cisco", *seconds)


def doubtful(*seconds: int) -> str:
    return failed(BYSTANDER, *seconds)


def accepted(user: str) -> str:
    return f"Feb  7 04:29:00 server sshd[9]: Accepted password for {user} from {PEER} port 1 ssh2\n"


@pytest.fixture
def sshd(guard: Guard) -> Guard:
    """A jail of sshd's, its log still empty, in the minute after all lines."""
    guard.now = "2017-02-07T04:31:00+09:00"
    guard.write("fw-guard.toml", CONFIG.format(log=guard.log("auth", "")))
    return guard


def scan(*lines: str) -> tuple[list[Hit], Names]:
    """Scan lines, all written on 4 March 2026, UTC."""
    names = Names()
    scanner = Scanner([jail("sshd", "sshd")], Clock(NOW).epoch, names)
    text = "".join(f"2026-03-04T03:12:{n:02}Z gw {line}\n" for n, line in enumerate(lines))
    return list(scanner.hits(text.encode())), names


def test_a_reading_is_doubtful_when_another_address_stands_before_the_host() -> None:
    found = filterfiles.load(f"{places.shipped('filters')}/sshd.toml", trusted=True)
    readings = [
        found.read(line.encode()) for line in (*doubtful(1).splitlines(), *sure(2).splitlines())
    ]
    assert [reading and reading.doubtful for reading in readings] == [True, False]


def test_a_hit_is_as_doubtful_as_its_line_and_so_are_its_repeats() -> None:
    line = "sshd[87]: Failed password for invalid user {} from 192.0.2.7 port 4711 ssh2"
    hits, _ = scan(
        line.format("cisco"),
        "last message repeated 2 times",
        line.format(BYSTANDER),
        "last message repeated 3 times",
        f"sshd[87]: message repeated 4 times: [ {line[10:].format(BYSTANDER)}]",
    )
    assert [(hit.times, hit.doubtful) for hit in hits] == [
        (1, False),
        (2, False),
        (1, True),
        (3, True),
        (4, True),
    ]


def test_a_doubtful_line_teaches_no_name() -> None:
    _, names = scan(f"sshd[2]: refused connect from {BYSTANDER}@host.example.net (192.0.2.8)")
    assert names.learnt == {}
    _, names = scan("sshd[2]: refused connect from anna@host.example.net (192.0.2.8)")
    assert list(names.learnt) == [("host.example.net", "192.0.2.8")]


def test_doubtful_hits_alone_are_reported_and_ban_nobody(sshd: Guard) -> None:
    sshd.log("auth", doubtful(*range(40)))
    figures = sshd.json("run")
    assert (figures["hits"], figures["doubtful"], figures["banned"]) == (40, 40, [])
    assert sshd.bans() == {}
    (told,) = sshd.json("status")["jails"]
    assert (told["hits"], told["doubtful"]) == (40, 40)
    assert [(each["address"], each["reason"]) for each in told["held"]] == [
        (PEER, "only doubtful hits")
    ]
    status = sshd.run("status").stdout
    assert "40 (40 doubtful)" in status
    assert f"not banned by sshd: {PEER}" in status
    why = sshd.run("why", PEER).stdout
    assert "only doubtful hits" in why
    assert why.count("sshd sshd/password, doubtful: ") == 10


def test_why_tells_what_counts_from_what_is_doubtful(sshd: Guard) -> None:
    sshd.log("auth", sure(1, 2) + doubtful(*range(3, 12)))
    sshd.run("run")
    told = sshd.json("why", PEER)
    assert [hit["doubtful"] for hit in told["hits"]] == [False] * 2 + [True] * 9
    (limit,) = told["sums"][0]["limits"]
    assert (limit["weight"], limit["doubtful"]) == (4, 9)
    assert [held["reason"] for held in told["held"]] == ["9 of 11 hits are doubtful"]
    said = sshd.run("why", PEER).stdout.splitlines()
    assert "  sshd: 4 hits counting now, limit 5 in 10m; of 9 doubtful at most 2 count" in said
    assert said[-2:] == [
        "  doubtful (at most half of a limit may be such hits):",
        "    another address, or a very long text, stands before the host",
    ]


def test_a_ban_that_doubtful_hits_helped_to_says_so(sshd: Guard) -> None:
    sshd.log("auth", doubtful(1) + sure(2, 3, 4) + doubtful(5))
    sshd.run("run")
    ban = sshd.bans()[PEER]
    assert (ban["hits"], ban["reason"]) == (5, "5 hits in 4s, 2 of them doubtful, limit 5 in 10m")
    (told,) = sshd.json("why", PEER)["bans"]
    assert [line["doubtful"] for line in told["lines"]] == [True, False, False, False, True]


def test_a_ban_of_sure_hits_has_no_word_of_doubt(sshd: Guard) -> None:
    sshd.log("auth", sure(1, 2, 3, 4, 5))
    assert sshd.json("run")["doubtful"] == 0
    assert sshd.bans()[PEER]["reason"] == "5 hits in 4s, limit 5 in 10m"
    for verb in (
        ("status",),
        ("why", PEER),
        ("list",),
        ("replay", "-v", str(sshd.log("auth", ""))),
    ):
        assert "doubtful" not in sshd.run(*verb).stdout


def test_what_was_held_back_as_doubtful_is_told_no_more_once_it_is_banned(sshd: Guard) -> None:
    sshd.log("auth", doubtful(*range(6)))
    assert len(sshd.json("run")["held"]) == 1
    sshd.log("auth", sure(6, 7, 8))
    figures = sshd.json("run")
    assert ([ban["address"] for ban in figures["banned"]], figures["held"]) == ([PEER], [])
    assert sshd.json("status")["jails"][0]["held"] == []


@pytest.mark.parametrize(("user", "banned"), [("anna", []), (BYSTANDER, [PEER])])
def test_only_a_sure_login_holds_a_ban_back(sshd: Guard, user: str, banned: list[str]) -> None:
    log = sshd.log("auth", accepted(user) + sure(1, 2, 3, 4, 5))
    sshd.run("run")
    assert list(sshd.bans()) == banned
    events = sshd.json("replay", str(log))
    assert [event["address"] for event in events if event["event"] == "ban"] == banned


def test_replay_marks_doubtful_hits_and_says_what_they_held_back(sshd: Guard) -> None:
    log = sshd.log("auth", sure(1) + doubtful(2, 3, 4, 5))
    events = sshd.json("replay", str(log))
    hits = [event["doubtful"] for event in events if event["event"] == "hit"]
    assert hits == [False, True, True, True, True]
    assert [(event["event"], event["reason"]) for event in events[5:]] == [
        ("held", "4 of 5 hits are doubtful")
    ]
    said = sshd.run("replay", "-v", str(log)).stdout.splitlines()
    assert said[0].endswith("sshd/password for cisco")
    assert said[1].endswith(f"sshd/password for {BYSTANDER}, doubtful")


def test_try_marks_doubtful_lines(sshd: Guard) -> None:
    log = str(sshd.log("auth", sure(1) + doubtful(2)))
    assert ["doubtful" in found for found in sshd.json("try", "sshd", log)] == [False, True]
    said = sshd.run("try", "sshd", log).stdout.splitlines()
    assert said[0].startswith("1: password (failure) host 192.0.2.7")
    assert said[1].startswith("2: password (failure, doubtful) host 192.0.2.7")


MINE = """
title = 'mine'
service = 'mine'
{doubtful}
log = {{ format = 'syslog', program = ['mine'] }}
[[match]]
name = 'failed'
pattern = 'bad login of {{user}} from {{host}}'
{mine}
[[match]]
name = 'login'
kind = 'success'
pattern = 'good login of {{user}} from {{host}}'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: bad login of anna from 192.0.2.7'
host = '192.0.2.7'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: good login of anna from 192.0.2.7'
host = '192.0.2.7'
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: no login'
match = false
"""
BAD = "".join(f"Feb  7 04:30:{n:02} gw mine: bad login of x from {PEER}\n" for n in range(6))
GOOD = f"Feb  7 04:29:00 gw mine: good login of x from {PEER}\n"
REASON = "doubtful = 'names may hold line breaks'"


def banned(guard: Guard, log: str, *, whole: str = "", mine: str = "", jail: str = "") -> list[str]:
    """Give whom a pass bans over ``log`` with a filter that says of itself what it can promise."""
    guard.now = "2017-02-07T04:31:00+09:00"
    guard.write("filters/mine.toml", MINE.format(doubtful=whole, mine=mine))
    path = guard.log("mine", log)
    guard.write(
        "fw-guard.toml",
        f'action = "preview"\n[jail.mine]\nfilter = "mine"\nlogs = ["{path}"]\n{jail}\n',
    )
    return [ban["address"] for ban in guard.json("run")["banned"]]


def test_what_a_filter_calls_doubtful_bans_nobody(guard: Guard) -> None:
    assert banned(guard, BAD, whole=REASON) == []


def test_what_one_match_calls_doubtful_bans_nobody(guard: Guard) -> None:
    assert banned(guard, BAD, mine=REASON) == []


def test_without_a_word_of_doubt_the_same_lines_ban(guard: Guard) -> None:
    assert banned(guard, BAD) == [PEER]


def why(guard: Guard) -> list[str]:
    """Give what `why` says of the peer below the word doubtful."""
    said = guard.run("why", PEER).stdout.splitlines()
    return said[said.index("  doubtful (at most half of a limit may be such hits):") + 1 :]


def test_why_quotes_the_filter_and_names_the_setting_that_counts_later_lines(guard: Guard) -> None:
    assert banned(guard, BAD, whole=REASON) == []
    setting = "    `count_doubtful = true` in [jail.mine] {} what the filter doubts, in lines read"
    then_on = " from then on; kept hits stay as they were judged"
    assert why(guard) == [
        "    mine/failed: names may hold line breaks",
        setting.format("would count") + then_on,
    ]
    assert guard.json("why", PEER)["doubts"] == [
        {"jail": "mine", "filter": "mine", "match": "failed", "kind": "failure"}
        | {"reason": "names may hold line breaks", "table": "[jail.mine]", "counted": False}
    ]
    # The setting holds for lines read from now on: what is kept bans nobody, and `why` says so.
    assert banned(guard, "", whole=REASON, jail="count_doubtful = true") == []
    assert why(guard)[-1] == setting.format("is set, and counts") + then_on
    assert banned(guard, BAD, whole=REASON, jail="count_doubtful = true") == [PEER]


def test_why_does_not_name_the_setting_for_what_stands_in_the_line(guard: Guard) -> None:
    assert banned(guard, BAD.replace(" of x ", f" of {BYSTANDER} ")) == []
    assert why(guard) == ["    another address, or a very long text, stands before the host"]


def test_the_setting_of_a_filter_with_a_jail_of_its_own_stands_in_that_file(guard: Guard) -> None:
    guard.now = "2017-02-07T04:31:00+09:00"
    log = guard.log("mine", BAD)
    text = MINE.format(doubtful=REASON, mine="") + f"[jail]\nlogs = ['{log}']\n"
    path = guard.write("filters/mine.toml", text)
    guard.write("fw-guard.toml", 'action = "preview"\n')
    guard.run("run")
    assert f"`count_doubtful = true` in [jail] of {path} would count" in why(guard)[-1]


NOTE = (
    "fw-guard: mine: all that its filters read is doubtful, so that it bans nobody alone;"
    " names may hold line breaks; `count_doubtful = true` in [jail.mine] would count it\n"
)


@pytest.mark.parametrize(
    ("whole", "mine", "jail", "noted"),
    [
        (REASON, "", "", True),
        ("", REASON, "", True),  # the other match is a login, which bans nobody
        ("", REASON.replace("doubtful", "forgeable"), "", True),
        (REASON, "", "count_doubtful = true", False),
        ("", "", "", False),
    ],
)
def test_check_notes_a_jail_whose_filters_doubt_all_that_they_read(
    guard: Guard, whole: str, mine: str, jail: str, noted: bool
) -> None:
    banned(guard, BAD, whole=whole, mine=mine, jail=jail)
    done = guard.run("check")
    assert (done.returncode, NOTE in done.stderr) == (0, noted)
    assert ("is doubtful" in done.stderr) == noted


def test_a_jail_with_one_filter_that_is_sure_has_no_note(guard: Guard) -> None:
    banned(guard, BAD, whole=REASON)
    main = (guard.etc / "fw-guard.toml").read_text()
    guard.write("fw-guard.toml", main.replace('"mine"', '["mine", "inetd"]'))
    assert "is doubtful" not in guard.run("check").stderr


def test_check_marks_doubtful_filters(guard: Guard) -> None:
    def row(**where: str) -> str:
        banned(guard, BAD, **where)
        path = str(guard.etc / "filters" / "mine.toml")
        (head, line) = guard.run("check", "-v", path, "-q").stdout.splitlines()
        start = head.index("DOUBTFUL")
        return line[start : head.index("TITLE")].strip()

    assert row() == ""
    assert row(whole=REASON) == "all"
    assert row(mine=REASON) == "1 of 2"


@pytest.mark.parametrize("where", ["whole", "mine"])
def test_an_owner_may_count_what_a_filter_doubts(guard: Guard, where: str) -> None:
    told = {where: REASON}
    assert banned(guard, BAD, **told, jail="count_doubtful = true") == [PEER]


def test_no_owner_can_have_an_address_counted_that_the_line_casts_doubt_on(guard: Guard) -> None:
    planted = BAD.replace(" of x ", f" of {BYSTANDER} ")
    assert banned(guard, planted, jail="count_doubtful = true") == []


def test_a_doubtful_login_frees_nobody_even_when_doubtful_hits_count(guard: Guard) -> None:
    assert banned(guard, GOOD + BAD) == []
    shutil.rmtree(guard.state)
    assert banned(guard, GOOD + BAD, whole=REASON, jail="count_doubtful = true") == [PEER]


def test_a_reason_must_say_something(guard: Guard) -> None:
    guard.write("filters/mine.toml", MINE.format(doubtful="doubtful = ''", mine=""))
    told = guard.run("check", str(guard.etc / "filters" / "mine.toml"))
    assert told.returncode == 65
    assert "`doubtful` is empty; expected the reason why" in told.stderr
