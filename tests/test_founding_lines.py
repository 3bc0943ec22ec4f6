"""The founding lines: one attacker, a server in Tokyo, February 2017."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.conftest import FOUNDING, Guard

ADDRESS = "121.101.74.175"
TOKYO = timezone(timedelta(hours=9))
CONFIG = """
action = "preview"
limits = ["5 in 10m"]

[jail.knocking]
filter = ["inetd", "sshd"]
logs = [{logs}]
"""


def tokyo(text: str) -> int:
    """Give the epoch of a time in Tokyo."""
    return int(datetime.fromisoformat(text).replace(tzinfo=TOKYO).timestamp())


@pytest.fixture
def refused(guard: Guard) -> Guard:
    """One jail over inetd and sshd, reading refused.log."""
    guard.write("fw-guard.toml", CONFIG.format(logs=f'"{FOUNDING / "refused.log"}"'))
    return guard


def test_ten_hits_ban_the_address_at_the_fifth(refused: Guard) -> None:
    figures = refused.json("run")
    assert (figures["lines"], figures["hits"]) == (16, 10)
    ban = refused.bans()[ADDRESS]
    assert ban["since"] == tokyo("2017-02-07 04:41:14")
    assert ban["until"] == tokyo("2017-02-07 05:41:14")
    assert (ban["jail"], ban["hits"]) == ("knocking", 5)


def test_eight_hits_are_sshd_s_and_two_inetd_s(refused: Guard) -> None:
    refused.run("run")
    hits = refused.json("why", ADDRESS)["hits"]
    assert [hit["filter"] for hit in hits].count("sshd") == 8
    assert [hit["filter"] for hit in hits].count("inetd") == 2
    assert {hit["address"] for hit in hits} == {ADDRESS}
    day = {datetime.fromtimestamp(hit["time"], TOKYO).strftime("%Y-%m-%d") for hit in hits}
    assert day == {"2017-02-07"}


def test_the_lines_of_february_and_march_before_are_the_year_before(refused: Guard) -> None:
    events = refused.json("replay", str(FOUNDING / "refused.log"))
    days = [
        datetime.fromtimestamp(event["time"], TOKYO).strftime("%Y-%m-%d")
        for event in events
        if event["event"] == "hit"
    ]
    assert days == ["2016-02-22"] * 2 + ["2016-03-02"] * 4 + ["2017-02-07"] * 10


def test_failures_and_probes_of_the_name_are_laid_to_its_address(guard: Guard) -> None:
    logs = ", ".join(f'"{FOUNDING / name}"' for name in ("refused.log", "login-names.log"))
    guard.write(
        "fw-guard.toml",
        CONFIG.format(logs=logs)
        + f'[jail.probes]\nfilter = "httpd-probes"\nlogs = ["{FOUNDING / "httpd-access.log"}"]\n',
    )
    guard.run("run")
    status = guard.json("status")
    assert [jail["waiting_names"] for jail in status["jails"]] == [0, 0]
    events = guard.json(
        "replay", *(str(FOUNDING / f"{n}.log") for n in ("refused", "login-names", "httpd-access"))
    )
    hits = [event for event in events if event["event"] == "hit"]
    assert {event["address"] for event in hits} == {ADDRESS}
    users = {"cisco", "Cisco", "n3ssus", "anonymous", "guest", "emailswitch", "product", "admin"}
    users |= {"FlaOzyY9", "root"}
    told = {event["reason"].partition(" for ")[2] for event in hits if "/pam" in event["reason"]}
    assert told == users
    probes = [event["text"].split('"')[1] for event in hits if event["jail"] == "probes"]
    assert "GET /axis/DirectDownload.jsp HTTP/1.1" in probes
    assert "GET / HTTP/1.1" not in probes
    assert guard.bans()[ADDRESS]["since"] == tokyo("2017-02-07 04:32:51")


def test_a_name_that_waits_counts_when_its_address_becomes_known(guard: Guard) -> None:
    log = guard.log("messages", "")
    guard.write("fw-guard.toml", CONFIG.format(logs=f'"{log}"'))
    refusal = "refused connection from p654aaf.example.jp, service ftpd (tcp)"
    lines = (f"Feb  7 04:40:00 server inetd[750{number}]: {refusal}\n" for number in range(5))
    guard.log("messages", "".join(lines))
    guard.now = "2017-02-07T04:41:00+09:00"
    guard.run("run")
    assert guard.bans() == {}
    assert guard.json("status")["jails"][0]["waiting_names"] == 5
    guard.log(
        "messages",
        "Feb  7 05:10:00 server sshd[75200]: refused connect from p654aaf.example.jp (192.0.2.7)\n",
    )
    guard.now = "2017-02-07T05:10:30+09:00"
    guard.run("run")
    assert guard.bans()["192.0.2.7"]["since"] == tokyo("2017-02-07 04:40:00")


def test_a_second_pass_finds_nothing_and_says_nothing(refused: Guard) -> None:
    refused.run("run")
    before = refused.run("list").stdout
    again = refused.run("run")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert refused.json("run")["lines"] == 0
    assert refused.run("list").stdout == before


def test_try_gives_each_matched_line_as_json(guard: Guard) -> None:
    done = guard.run("try", "sshd", str(FOUNDING / "login-names.log"), "--json")
    first = json.loads(done.stdout.splitlines()[0])
    assert first == {
        "line": 4,
        "filter": "sshd",
        "match": "pam",
        "kind": "failure",
        "host": "p654aaf.okymff01.ap.so-net.ne.jp",
        "user": "cisco",
        "port": None,
        "time": tokyo("2017-02-07 02:28:11"),
        "weight": 1,
        "text": "Feb  7 02:28:11 server sshd[27766]: error: PAM: authentication error for illegal"
        " user cisco from p654aaf.okymff01.ap.so-net.ne.jp",
    }
    assert len(done.stdout.splitlines()) == 10
