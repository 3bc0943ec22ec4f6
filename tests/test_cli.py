"""The command line as a person and cron meet it: words, exit codes, silence, JSON, trouble."""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from fw_guard import cli, options
from tests.conftest import FOUNDING, ROOT, Guard

ATTACKER = "121.101.74.175"
CONFIG = """
action = "preview"
limits = ["5 in 10m"]

[jail.knocking]
filter = ["inetd", "sshd"]
logs = ["{log}"]
"""


@pytest.fixture
def knocking(guard: Guard) -> Guard:
    """A jail over the founding lines, copied to where more can be appended."""
    log = guard.log("messages", (FOUNDING / "refused.log").read_text())
    guard.write("fw-guard.toml", CONFIG.format(log=log))
    return guard


def test_no_configuration_is_one_line_that_says_what_to_write_and_where(guard: Guard) -> None:
    done = guard.run("run")
    assert done.returncode == os.EX_CONFIG
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert str(guard.etc / "fw-guard.toml") in done.stderr
    assert "[jail.sshd]" in done.stderr


@pytest.mark.parametrize(
    "words",
    [[], ["baan"], ["run", "--frob"], ["unban"], ["unban", "--all", "192.0.2.7"], ["ban"]],
)
def test_a_wrong_word_is_exit_64(knocking: Guard, words: list[str]) -> None:
    done = knocking.run(*words)
    assert done.returncode == os.EX_USAGE
    assert done.stderr.startswith("fw-guard")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("length", ["10", "x", "0s", "-1h", "10 potatoes"])
def test_a_length_of_time_without_sense_is_exit_64(knocking: Guard, length: str) -> None:
    assert knocking.run("ban", "192.0.2.7", f"--for={length}").returncode == os.EX_USAGE


def test_options_stand_before_or_after_the_verb(knocking: Guard) -> None:
    before = knocking.run("--json", "status")
    after = knocking.run("status", "--json")
    assert before.stdout == after.stdout
    assert json.loads(before.stdout)["jails"][0]["jail"] == "knocking"


def test_every_verb_has_help_and_the_version_is_told(guard: Guard) -> None:
    for verb in ("run", "status", "list", "ban", "unban", "why", "check", "try", "replay"):
        done = guard.run(verb, "--help")
        assert done.returncode == 0
        assert "--json" in done.stdout
    assert guard.run("--version").stdout.startswith("fw-guard 0.")


def test_a_pass_that_bans_says_nothing_with_a_real_action_and_the_batch_with_preview(
    knocking: Guard,
) -> None:
    done = knocking.run("run")
    assert (done.returncode, done.stderr) == (0, "")
    assert ATTACKER in done.stdout
    again = knocking.run("run")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_a_dry_run_says_the_batch_and_keeps_nothing(knocking: Guard) -> None:
    first = knocking.run("run", "--dry-run")
    assert ATTACKER in first.stdout
    assert knocking.bans() == {}
    assert knocking.run("run", "-n").stdout == first.stdout


def test_a_dry_run_shows_the_exact_batch_of_a_firewall_that_is_not_installed(
    knocking: Guard,
) -> None:
    config = (knocking.etc / "fw-guard.toml").read_text()
    knocking.write("fw-guard.toml", config.replace("preview", "pf"))
    done = knocking.run("run", "--dry-run")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stderr.startswith("fw-guard: pf: `pfctl` is not installed")
    lines = done.stdout.splitlines()
    assert "pfctl -q -a fw_guard -t banned -T add -f -" in lines
    assert lines[lines.index("pfctl -q -a fw_guard -t banned -T add -f -") + 1] == ATTACKER


def test_verbose_says_what_was_done(knocking: Guard) -> None:
    said = knocking.run("run", "-v").stdout
    assert "16 new lines in 1 log, 10 hits kept" in said
    assert f"ban {ATTACKER} by knocking until 2017-02-07 05:41:14 +0900" in said


def test_a_ban_ends_by_itself_and_the_pass_says_so(knocking: Guard) -> None:
    knocking.run("run")
    assert ATTACKER in knocking.bans()
    knocking.now = "2017-02-07T05:41:14+09:00"
    done = knocking.json("run")
    assert [ban["address"] for ban in done["unbanned"]] == [ATTACKER]
    assert knocking.bans() == {}
    assert knocking.json("run")["unbanned"] == []


def test_the_second_of_two_passes_leaves_at_once_with_75_and_silently(knocking: Guard) -> None:
    knocking.run("run")
    with (knocking.state / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = knocking.run("run")
    assert (done.returncode, done.stdout, done.stderr) == (os.EX_TEMPFAIL, "", "")
    assert knocking.run("run").returncode == 0


def test_a_missing_log_is_said_with_66_and_the_others_are_read(knocking: Guard) -> None:
    config = (knocking.etc / "fw-guard.toml").read_text()
    missing = knocking.place / "no-such.log"
    knocking.write("fw-guard.toml", config.replace('logs = ["', f'logs = ["{missing}", "'))
    done = knocking.run("run")
    assert done.returncode == os.EX_NOINPUT
    assert f"{missing}: cannot be read: No such file or directory" in done.stderr
    assert ATTACKER in knocking.bans()


@pytest.mark.parametrize(
    "address", ["8.8", "localhost", "010.1.1.1", "192.0.2.7/33", "192.0.2.7;x"]
)
def test_ban_refuses_what_is_no_address(knocking: Guard, address: str) -> None:
    done = knocking.run("ban", address)
    assert done.returncode == os.EX_USAGE
    assert "nothing was done" in done.stderr
    assert knocking.bans() == {}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "126.0.0.0/7", "::/8"])
def test_ban_refuses_loopback_and_what_holds_it_unless_forced(
    knocking: Guard, address: str
) -> None:
    done = knocking.run("ban", address)
    assert done.returncode == os.EX_USAGE
    assert "is never banned: loopback (--force bans it); nothing was done" in done.stderr
    assert knocking.bans() == {}
    assert knocking.run("ban", "--force", address).returncode in (0, os.EX_UNAVAILABLE)
    assert set(knocking.bans()) == {address}


@pytest.mark.parametrize("words", [["ban"], ["ban", "--force"]])
@pytest.mark.parametrize("address", ["0.0.0.0/0", "::/0"])
def test_nobody_can_ban_every_address_there_is(
    knocking: Guard, words: list[str], address: str
) -> None:
    done = knocking.run(*words, address)
    assert done.returncode == os.EX_USAGE
    assert "is every address there is; expected fewer" in done.stderr
    assert knocking.bans() == {}


def test_ban_and_unban_read_addresses_from_standard_input(knocking: Guard) -> None:
    given = "203.0.113.4 203.0.113.5 # two of one night\n\n  2001:db8::/48\n#203.0.113.6\n"
    assert knocking.run("ban", "-", "198.51.100.7", stdin=given).returncode == 0
    everybody = {"203.0.113.4", "203.0.113.5", "2001:db8::/48", "198.51.100.7"}
    assert set(knocking.bans()) == everybody
    assert knocking.run("unban", "-", stdin="203.0.113.4\n2001:db8::/48").returncode == 0
    assert set(knocking.bans()) == {"203.0.113.5", "198.51.100.7"}
    assert knocking.run("ban", "-", stdin="203.0.113.4 nonsense").returncode == os.EX_USAGE
    assert set(knocking.bans()) == {"203.0.113.5", "198.51.100.7"}


def test_ban_refuses_the_address_that_one_is_logged_in_from(knocking: Guard) -> None:
    knocking.environment = {**knocking.environment, "SSH_CONNECTION": "203.0.113.4 50 192.0.2.1 22"}
    for address in ("203.0.113.4", "203.0.113.0/24"):
        done = knocking.run("ban", address)
        assert done.returncode == os.EX_USAGE
        assert "the address of this login session" in done.stderr
    assert knocking.run("ban", "203.0.113.5").returncode == 0
    assert knocking.run("ban", "--force", "203.0.113.4").returncode == 0
    assert set(knocking.bans()) == {"203.0.113.4", "203.0.113.5"}
    knocking.run("run")  # what was forced is not freed again
    assert {"203.0.113.4", "203.0.113.5"} <= set(knocking.bans())


def test_one_refused_address_stops_the_others_of_the_same_words(knocking: Guard) -> None:
    assert knocking.run("ban", "192.0.2.7", "127.0.0.1").returncode == os.EX_USAGE
    assert knocking.bans() == {}


def test_ban_by_hand_for_a_time_with_a_reason(knocking: Guard) -> None:
    done = knocking.run("ban", "192.0.2.7", "2001:db8::7", "--for", "2h", "-m", "a feeling")
    assert done.returncode == 0, done.stderr
    bans = knocking.bans()
    assert set(bans) == {"192.0.2.7", "2001:db8::7"}
    ban = bans["192.0.2.7"]
    assert ban["until"] - ban["since"] == 7200
    assert (ban["jail"], ban["reason"]) == ("manual", "a feeling")


def test_unban_of_who_is_not_banned_says_so_and_succeeds(knocking: Guard) -> None:
    done = knocking.run("unban", "192.0.2.99")
    assert (done.returncode, done.stdout) == (0, "192.0.2.99 is not banned\n")


def test_unban_ends_a_jail_s_ban_and_the_same_lines_do_not_bring_it_back(knocking: Guard) -> None:
    knocking.run("run")
    assert knocking.run("unban", ATTACKER).returncode == 0
    assert knocking.bans() == {}
    knocking.run("run")
    assert knocking.bans() == {}


def test_unban_all_frees_everybody(knocking: Guard) -> None:
    knocking.run("run")
    knocking.run("ban", "192.0.2.7")
    assert knocking.run("unban", "--all").returncode == 0
    assert knocking.bans() == {}


def test_an_ipv6_host_is_freed_with_its_64(knocking: Guard) -> None:
    knocking.run("ban", "2001:db8:1:2::/64")
    assert knocking.run("unban", "2001:db8:1:2::99").returncode == 0
    assert knocking.bans() == {}


def test_unban_of_an_address_in_a_banned_network_names_the_network(knocking: Guard) -> None:
    knocking.run("ban", "198.51.100.0/24")
    done = knocking.run("unban", "198.51.100.9")
    assert done.returncode == 1
    assert "stays shut out with 198.51.100.0/24" in done.stdout


def test_list_of_an_address_that_is_not_banned_is_exit_1(knocking: Guard) -> None:
    assert knocking.run("list", "192.0.2.99").returncode == 1
    knocking.run("ban", "198.51.100.0/24")
    done = knocking.run("list", "198.51.100.99", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["bans"][0]["address"] == "198.51.100.0/24"


def test_list_json_has_the_keys_that_programs_rely_on(knocking: Guard) -> None:
    knocking.run("run")
    assert knocking.json("list") == {
        "bans": [
            {
                "address": ATTACKER,
                "jail": "knocking",
                "since": 1486410074,  # 2017-02-06T19:41:14Z
                "until": 1486413674,
                "hits": 5,
                "reason": "5 hits in 9s, limit 5 in 10m",
            }
        ]
    }


def test_replay_json_gives_events_in_the_order_of_their_time(knocking: Guard) -> None:
    events: list[dict[str, Any]] = knocking.json("replay", str(FOUNDING / "refused.log"))
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    assert {event["event"] for event in events} == {"hit", "ban"}
    for event in events:
        assert {"time", "event", "address", "jail", "reason"} <= set(event)


def test_why_shows_the_lines_and_the_sum(knocking: Guard) -> None:
    knocking.run("run")
    said = knocking.run("why", ATTACKER).stdout
    assert "banned by knocking: 5 hits in 9s, limit 5 in 10m" in said
    assert said.count("refused connect from p654aaf.okymff01.ap.so-net.ne.jp") == 8
    assert knocking.run("why", "192.0.2.99").returncode == 1
    assert knocking.run("why", "p654aaf.okymff01.ap.so-net.ne.jp").returncode == 0


def test_why_names_what_protects_an_address(knocking: Guard) -> None:
    assert "is never banned: loopback" in knocking.run("why", "127.0.0.1").stdout


def test_who_is_in_ignoreip_is_held_and_status_and_why_say_so(knocking: Guard) -> None:
    config = (knocking.etc / "fw-guard.toml").read_text()
    knocking.write("fw-guard.toml", f'ignoreip = ["121.101.0.0/16"]\n{config}')
    knocking.run("run")
    assert knocking.bans() == {}
    held = knocking.json("status")["jails"][0]["held"]
    assert [(each["address"], each["reason"]) for each in held] == [(ATTACKER, "in ignoreip")]
    assert "is never banned: in ignoreip" in knocking.run("why", ATTACKER).stdout


def test_who_is_put_into_ignoreip_is_freed(knocking: Guard) -> None:
    knocking.run("run")
    config = (knocking.etc / "fw-guard.toml").read_text()
    knocking.write("fw-guard.toml", f'ignoreip = ["{ATTACKER}"]\n{config}')
    freed = knocking.json("run")["unbanned"]
    assert [(ban["address"], ban["reason"]) for ban in freed] == [(ATTACKER, "in ignoreip")]
    assert knocking.bans() == {}


def test_who_logged_in_before_is_held(knocking: Guard) -> None:
    log = knocking.log("auth", "")
    knocking.write("fw-guard.toml", CONFIG.format(log=log))
    accepted = "Feb  7 {} server sshd[1]: Accepted publickey for anna from 192.0.2.50 port 9 ssh2\n"
    failed = "Feb  7 04:30:0{} server sshd[2{}]: Failed password for anna from {} port 9 ssh2\n"
    knocking.log("auth", accepted.format("03:00:00"))
    knocking.log("auth", "".join(failed.format(n, n, "192.0.2.50") for n in range(6)))
    knocking.run("run")
    assert knocking.bans() == {}
    assert "it logged in before" in knocking.run("status").stdout


def test_a_first_run_over_an_old_log_bans_nobody(knocking: Guard) -> None:
    knocking.now = "2017-06-01T00:00:00+09:00"
    knocking.run("run")
    assert knocking.bans() == {}


def test_a_log_is_read_once_through_rotation(knocking: Guard) -> None:
    knocking.run("run")
    log = knocking.place / "messages"
    line = "Feb  7 04:41:{} server sshd[75140]: refused connect from 192.0.2.7 (192.0.2.7)\n"
    knocking.log("messages", line.format(50))
    log.rename(knocking.place / "messages.0")
    knocking.log("messages", line.format(51))
    figures = knocking.json("run")
    assert (figures["lines"], figures["hits"]) == (2, 2)


def test_check_of_a_directory_without_a_configuration_says_so_with_78(guard: Guard) -> None:
    done = guard.run("check")
    assert done.returncode == os.EX_CONFIG
    assert f"no configuration in {guard.etc}: only what ships was checked" in done.stderr


def test_check_names_logs_that_are_missing_and_that_there_is_no_jail(guard: Guard) -> None:
    guard.write("fw-guard.toml", 'action = "preview"\n')
    assert "there is no jail" in guard.run("check").stderr
    guard.write("fw-guard.toml", CONFIG.format(log="/no/such.log"))
    done = guard.run("check")
    assert done.returncode == 0
    assert "knocking: /no/such.log: cannot be read: No such file" in done.stderr


def test_check_of_a_filter_reads_its_jail_too(guard: Guard) -> None:
    path = guard.write("filters/mine.toml", f"{FILTER}{GOOD}{BAD}[jail]\nlogs = ['/x']\n")
    assert guard.run("check", str(path)).returncode == 0
    guard.write("filters/mine.toml", f"{FILTER}{GOOD}{BAD}[jail]\nlogs = ['/x']\nmaxrety = 3\n")
    done = guard.run("check", str(path))
    assert done.returncode == os.EX_DATAERR
    assert "unknown key `maxrety` (did you mean `maxretry`?)" in done.stderr
    path.chmod(0o666)
    assert "may be written by others" in guard.run("check", str(path)).stderr


def test_a_glob_that_matches_nothing_is_a_missing_log(guard: Guard) -> None:
    guard.write("fw-guard.toml", CONFIG.format(log=f"{guard.place}/no-such-*.log"))
    done = guard.run("run")
    assert done.returncode == os.EX_NOINPUT
    assert f"no file matches {guard.place}/no-such-*.log" in done.stderr
    assert "missing" in guard.run("status").stdout


def test_options_stand_between_the_words_too(knocking: Guard) -> None:
    log = str(FOUNDING / "refused.log")
    assert knocking.run("try", "sshd", "--json", log).returncode == 0
    assert knocking.run("ban", "192.0.2.7", "-n", "192.0.2.8").returncode == 0
    assert knocking.bans() == {}
    assert "unknown option --cofnig" in knocking.run("--cofnig", "x", "run").stderr
    assert knocking.run("status", "--jso").returncode == os.EX_USAGE


def test_the_value_of_an_option_may_look_like_one(knocking: Guard) -> None:
    assert knocking.run("ban", "203.0.113.7", "-m", "--dry-run").returncode == 0
    assert knocking.bans()["203.0.113.7"]["reason"] == "--dry-run"
    assert knocking.run("run", "--version").stdout.startswith("fw-guard 0.")
    assert knocking.run("--cofnig").stderr.startswith("fw-guard: unknown option --cofnig")


def test_check_of_a_file_that_is_not_there_is_a_fault(knocking: Guard) -> None:
    (knocking.etc / "jails").mkdir()
    for name in ("jails/nope.toml", "nope.toml", "fw-guard.tom"):
        done = knocking.run("check", str(knocking.etc / name), str(FOUNDING.parent.parent))
        assert done.returncode == os.EX_DATAERR
        assert f"{name}: cannot be read: No such file" in done.stderr
        assert "Is a directory" in done.stderr


def test_try_counts_the_lines_of_all_its_logs(guard: Guard) -> None:
    logs = [str(FOUNDING / name) for name in ("refused.log", "login-names.log")]
    assert guard.run("try", "sshd", *logs).stderr == "19 of 33 lines matched by sshd\n"
    assert guard.run("try", "sshd", "-q", *logs).stderr == ""


def test_try_over_several_logs_says_which_log_a_line_is_of(guard: Guard) -> None:
    line = "Feb  7 04:41:05 server sshd[1]: refused connect from 192.0.2.{0} (192.0.2.{0})\n"
    one, two = (str(guard.log(f"log{n}", "x\n" * n + line.format(n))) for n in (1, 2))
    said = guard.run("try", "sshd", one, two).stdout.splitlines()
    assert said[0].startswith(f"{one}:2: refused (failure) host 192.0.2.1 ")
    assert said[1].startswith(f"{two}:3: refused (failure) host 192.0.2.2 ")
    assert guard.run("try", "sshd", two).stdout.startswith("3: refused (failure)")
    told = guard.json("try", "sshd", one, two)
    assert [(found["log"], found["line"]) for found in told] == [(one, 2), (two, 3)]
    (piped,) = guard.json("try", "sshd", one)
    assert "log" not in piped


def test_a_compressed_log_is_said_with_what_reads_it_and_66(knocking: Guard) -> None:
    path = knocking.place / "old.gz"
    path.write_bytes(gzip.compress((FOUNDING / "refused.log").read_bytes()))
    for words in (["try", "sshd", str(path)], ["replay", str(path)]):
        done = knocking.run(*words)
        verb = "try FILTER" if words[0] == "try" else "replay"
        assert (done.returncode, done.stdout) == (os.EX_NOINPUT, "")
        assert done.stderr == (
            f"fw-guard: {path}: is compressed by gzip; expected text,"
            f" as `zcat FILE | fw-guard {verb} -` gives\n"
        )
    text = gzip.decompress(path.read_bytes()).decode()
    assert knocking.run("replay", "-", stdin=text).returncode == 0


def test_a_change_by_hand_is_told_as_json(knocking: Guard) -> None:
    answer = knocking.json("ban", "192.0.2.7", "--for", "1h")
    assert [ban["address"] for ban in answer["banned"]] == ["192.0.2.7"]
    assert (answer["refused"], answer["troubles"]) == ([], [])
    assert knocking.json("unban", "192.0.2.7", "192.0.2.8") == {
        "banned": [],
        "unbanned": ["192.0.2.7"],
        "not_banned": ["192.0.2.8"],
        "still": [],
        "refused": [],
        "troubles": [],
    }


def test_a_ban_that_no_firewall_took_is_not_called_one(knocking: Guard) -> None:
    config = (knocking.etc / "fw-guard.toml").read_text()
    knocking.write("fw-guard.toml", config.replace("preview", "pf"))
    done = knocking.run("ban", "192.0.2.7")
    assert done.returncode == os.EX_UNAVAILABLE
    assert done.stdout.startswith("192.0.2.7 is not yet banned until")
    assert "`pfctl` is not installed" in done.stderr


def test_why_of_a_name_shows_the_address_it_stands_for(knocking: Guard) -> None:
    knocking.run("run")
    said = knocking.run("why", "p654aaf.okymff01.ap.so-net.ne.jp").stdout
    assert said.startswith(f"p654aaf.okymff01.ap.so-net.ne.jp stands for {ATTACKER}\n")
    assert "banned by knocking" in said


def test_the_worst_exit_code_is_told() -> None:
    for code in cli.SEVERITY:
        assert cli.worst([0, code]) == cli.worst([code, 0]) == code
    assert cli.worst([os.EX_NOINPUT, os.EX_NOPERM, os.EX_DATAERR]) == os.EX_NOPERM


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_standard_output_is_said(knocking: Guard) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "fw_guard", "check", "-c", str(knocking.etc)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(knocking.environment),
            check=False,
        )
    assert done.returncode == os.EX_IOERR
    assert done.stderr.endswith("fw-guard: standard output: No space left on device\n")
    assert "Traceback" not in done.stderr


def test_check_of_everything_shipped_is_clean(guard: Guard) -> None:
    guard.write("fw-guard.toml", 'action = "preview"\n')
    done = guard.run("check", "--json")
    assert done.returncode == 0, done.stdout
    answer = json.loads(done.stdout)
    names = {(file["kind"], Path(file["path"]).stem) for file in answer["files"]}
    assert {("filter", name) for name in ("inetd", "sshd", "pam", "httpd-probes")} <= names
    actions = ("preview", "nftables", "iptables", "ipset", "pf", "ipfw")
    assert {("action", name) for name in actions} <= names
    assert answer["faults"] == []


FILTER = """\
title   = 'mine'
service = 'mine'
log     = { format = 'syslog', program = ['mine'] }
[[match]]
name    = 'failed'
pattern = 'bad login from {host}'
"""
GOOD = """\
[[sample]]
line = 'Mar  4 03:12:55 gw mine[8]: bad login from 192.0.2.7'
host = '192.0.2.7'
"""
BAD = "[[sample]]\nline = 'Mar  4 03:12:55 gw mine[8]: good login from 192.0.2.7'\nmatch = false\n"


def test_check_refuses_a_filter_without_samples(guard: Guard) -> None:
    path = guard.write("mine.toml", FILTER)
    done = guard.run("check", str(path))
    assert done.returncode == os.EX_DATAERR
    assert "no sample that must match" in done.stderr
    assert "no sample that must not match" in done.stderr
    assert "no sample is read by match 'failed'" in done.stderr
    guard.write("mine.toml", FILTER + GOOD + BAD)
    assert guard.run("check", str(path)).returncode == 0


def test_a_failed_sample_shows_how_far_each_pattern_got(guard: Guard) -> None:
    path = guard.write("mine.toml", FILTER + GOOD.replace("bad login f", "bad login, f") + BAD)
    done = guard.run("check", str(path))
    assert done.returncode == os.EX_DATAERR
    line = "      Mar  4 03:12:55 gw mine[8]: bad login, from 192.0.2.7"
    assert line in done.stderr
    caret = next(row for row in done.stderr.splitlines() if "matched up to here" in row)
    assert caret.index("^") == line.index(",")


def test_a_broken_filter_in_full_and_the_other_jails_ban(knocking: Guard) -> None:
    knocking.write("filters/mine.toml", FILTER.replace("{host}", "{host:ipp}") + GOOD + BAD)
    config = (knocking.etc / "fw-guard.toml").read_text()
    jail = '\n[jail.mine]\nfilter = "mine"\nlogs = ["/var/log/mine.log"]\n'
    knocking.write("fw-guard.toml", config + jail)
    done = knocking.run("run")
    assert done.returncode == os.EX_DATAERR
    assert "filters/mine.toml:6:" in done.stderr
    assert "no such type 'ipp'" in done.stderr
    assert "pattern = 'bad login from {host:ipp}'" in done.stderr
    assert ATTACKER in knocking.bans()


def test_all_faults_of_a_configuration_come_at_once(guard: Guard) -> None:
    guard.write(
        "fw-guard.toml",
        'action = "nftable"\nmaxretries = 5\nfindtime = "10 potatoes"\n'
        'ignoreip = ["10.0.0.0/99"]\n',
    )
    done = guard.run("run")
    assert done.returncode == os.EX_CONFIG
    assert "there is no action 'nftable'" in done.stderr
    assert "unknown key `maxretries` (did you mean `maxretry`?)" in done.stderr
    assert "'10 potatoes' is no length of time" in done.stderr
    assert "'10.0.0.0/99' has no length from 0 to 32" in done.stderr


def test_hostile_text_reaches_no_terminal_raw(knocking: Guard) -> None:
    evil = "\x1b]0;owned\x07\x1b[31m"
    line = f"Feb  7 04:41:5{{}} server sshd[1{{}}]: Invalid user {evil} from 192.0.2.66 port 1\n"
    knocking.log("messages", "".join(line.format(n, n) for n in range(6)))
    knocking.run("run")
    outputs = [
        knocking.run("why", "192.0.2.66"),
        knocking.run("try", "sshd", str(knocking.place / "messages")),
        knocking.run("replay", "-v", str(knocking.place / "messages")),
        knocking.run("ban", f"192.0.2.7{evil}"),
        knocking.run("list"),
        knocking.run("status"),
    ]
    for done in outputs:
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr
    assert "\\x1b" in outputs[0].stdout
    assert "\x1b" not in knocking.run("why", "192.0.2.66", "--json").stdout


def test_try_reads_standard_input_and_the_last_line_without_its_newline(guard: Guard) -> None:
    text = "Feb  7 04:41:05 server sshd[1]: refused connect from 192.0.2.7 (192.0.2.7)"
    for stdin in (text, text + "\n"):
        done = guard.run("try", "sshd", "-", stdin=stdin)
        assert done.returncode == 0
        assert done.stdout.startswith("1: refused (failure) host 192.0.2.7")
        assert done.stderr == "1 of 1 line matched by sshd\n"
    path = guard.log("one", text)
    assert guard.run("try", "sshd", str(path)).stderr == "1 of 1 line matched by sshd\n"


def test_try_says_what_each_match_read_and_what_was_nearly_read(guard: Guard) -> None:
    log = guard.log("auth", (FOUNDING / "refused.log").read_text())
    guard.log("auth", "Feb  7 04:41:5 gw\n")
    for number in range(3):
        user = f"Feb  7 04:42:0{number} gw sshd[1]: Connection closed by user{number} 192.0.2.7\n"
        guard.log("auth", user)
    done = guard.run("try", "sshd", str(log))
    assert "\nMATCH    KIND     LINES\nrefused  failure  9\n" in done.stdout
    assert "1 line not of the format syslog" in done.stdout
    assert (
        f"{log}:18 and 2 lines like it\n    Connection closed by user0 192.0.2.7\n" in done.stdout
    )
    caret = next(row for row in done.stdout.splitlines() if "matched up to here" in row)
    assert caret.index("^") == len("    Connection closed by ")
    assert "read no line: " in done.stdout
    told = guard.run("try", "sshd", str(log), "--json")
    assert [json.loads(line)["line"] for line in told.stdout.splitlines()] == [
        *(3, 7, 8, 9, 10, 11, 12, 15, 16),
    ]
    quiet = guard.run("try", "sshd", str(log), "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


def test_a_near_miss_on_standard_input_is_placed_there(guard: Guard) -> None:
    line = "Feb  7 04:41:05 gw sshd[1]: Connection closed by somebody\n"
    assert (
        "\nstandard input:1\n    Connection closed by somebody\n"
        in guard.run("try", "sshd", stdin=line).stdout
    )


def test_a_near_miss_reaches_no_terminal_raw(guard: Guard) -> None:
    log = guard.log("auth", "Feb  7 04:41:05 gw sshd[1]: Connection closed by \x1b[2J\x9b\u202e\n")
    done = guard.run("try", "sshd", str(log))
    assert done.returncode == 1
    assert "Connection closed by \\x1b[2J" in done.stdout
    assert all(line.isprintable() for line in (done.stdout + done.stderr).splitlines())


def test_short_options_of_the_verb_and_shared_ones_stand_in_one_word(knocking: Guard) -> None:
    log = str(FOUNDING / "refused.log")
    apart = knocking.run("replay", "-v", "-j", "knocking", log)
    assert apart.stdout
    for words in (["-vj", "knocking"], ["-vjknocking"], ["-vnj", "knocking"]):
        assert knocking.run("replay", *words, log).stdout == apart.stdout
    assert knocking.run("replay", "-vj", "nope", log).returncode == 1
    assert knocking.run("ban", "-qm", "-n", "192.0.2.7").returncode == 0
    assert knocking.bans()["192.0.2.7"]["reason"] == "-n"
    assert "unrecognized arguments: -x" in knocking.run("replay", "-vx", log).stderr


def test_letters_that_the_encoding_of_the_terminal_lacks_are_spelled_out(guard: Guard) -> None:
    guard.environment = {**guard.environment, "PYTHONIOENCODING": "ascii"}
    log = guard.log("auth", "Feb  7 04:41:05 gw sshd[1]: Invalid user 日 from 192.0.2.7\n")
    done = guard.run("try", "sshd", str(log))
    assert (done.returncode, "user \\u65e5 at" in done.stdout) == (0, True)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("words", "scrolls", "bar"),
    [
        (["replay", "x"], False, True),
        (["try", "sshd"], True, False),
        (["replay", "x", "-q"], False, False),
        (["replay", "x", "--json"], False, False),
    ],
)
def test_a_bar_is_drawn_only_on_a_terminal_of_its_own(
    monkeypatch: pytest.MonkeyPatch, words: list[str], scrolls: bool, bar: bool
) -> None:
    chosen = options.parse(words)
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    assert options.wants_bar(chosen, scrolls=scrolls) is bar
    monkeypatch.setenv("TERM", "dumb")
    assert not options.wants_bar(chosen, scrolls=scrolls)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not options.wants_bar(chosen, scrolls=scrolls)


def test_no_bar_is_drawn_over_a_pager_and_one_is_when_lines_go_to_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = options.parse(["try", "sshd"])
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe, (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert not options.wants_bar(chosen, scrolls=True)
        monkeypatch.setattr(sys, "stdout", file)
        assert options.wants_bar(chosen, scrolls=True)


def test_a_closed_pipe_is_no_error(guard: Guard) -> None:
    log = guard.log("many", (FOUNDING / "refused.log").read_text() * 2000)
    command = [sys.executable, "-m", "fw_guard", "try", "sshd", str(log)]
    environment = dict(guard.environment)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_a_configuration_directory_that_others_may_write_is_refused(knocking: Guard) -> None:
    (knocking.etc / "filters").mkdir(mode=0o777)
    (knocking.etc / "filters").chmod(0o777)
    done = knocking.run("run")
    assert done.returncode == os.EX_CONFIG
    assert f"{knocking.etc}/filters: belongs to somebody else or may be written" in done.stderr
    assert knocking.bans() == {}


def test_a_list_that_others_may_write_is_refused(knocking: Guard) -> None:
    knocking.write("filters/mine.toml", f"{FILTER}where = {{ host = '@mine' }}\n{GOOD}{BAD}")
    (knocking.etc / "filters" / "lists").mkdir()
    path = knocking.etc / "filters" / "lists" / "mine.txt"
    path.write_text("192.0.2.*\n")
    path.chmod(0o644)
    assert knocking.run("check").returncode == 0
    path.chmod(0o666)
    done = knocking.run("check")
    assert done.returncode == os.EX_DATAERR
    assert "lists/mine.txt: may be written by others" in done.stderr
    path.unlink()
    os.mkfifo(path, 0o644)
    assert knocking.run("check").returncode != 0


def test_odd_words_leave_no_traceback(knocking: Guard) -> None:
    for words in (["list", ""], ["why", ""], ["ban", "", "-m", "\udcff"], ["unban", "\udcff"]):
        assert "Traceback" not in knocking.run(*words).stderr
    assert knocking.run("ban", "203.0.113.7", "-m", "\udcff\x1b").returncode == 0
    assert knocking.bans()["203.0.113.7"]["reason"] == "\\xff\x1b"
    config = (knocking.etc / "fw-guard.toml").read_text()
    knocking.write("fw-guard.toml", config.replace('logs = ["', 'logs = ["/x\\u0000*", "'))
    done = knocking.run("run")
    assert done.returncode == os.EX_CONFIG
    assert "holds a control character" in done.stderr


def test_a_state_that_cannot_be_made_is_exit_73(knocking: Guard) -> None:
    knocking.state.write_text("a file in the directory's place")
    done = knocking.run("run")
    assert done.returncode == os.EX_CANTCREAT
    assert "Traceback" not in done.stderr


def test_a_corrupt_state_is_said_and_exit_74(knocking: Guard) -> None:
    knocking.state.mkdir(mode=0o700)
    (knocking.state / "state.db").write_bytes(b"this is no database" * 100)
    done = knocking.run("run")
    assert done.returncode == os.EX_IOERR
    assert "state.db" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("words", [["run"], ["status"], ["list"], ["unban", "192.0.2.7"]])
def test_who_is_not_root_is_told_so_with_77(words: list[str]) -> None:
    # A process of our own that gives its rights away: another user may not even be able to start
    # the interpreter of these tests.
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        config = Path(place) / "fw-guard.toml"
        config.write_text('action = "preview"\n')
        config.chmod(0o644)
        (Path(place) / "state").mkdir(mode=0o700)
        script = (
            "import os, sys, glob, json\n"
            "from fw_guard import answers, cli, config, manual, options, passes, proofs, views\n"
            "options.parse(sys.argv[1:])\n"
            "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
            "cli.main()\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, "-c", place, "--state", f"{place}/state", *words],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(ROOT)},
            check=False,
        )
    assert done.returncode == os.EX_NOPERM, done.stderr
    assert done.stderr.count("\n") == 1
    assert "Permission denied" in done.stderr


def test_the_state_is_for_its_owner_alone(knocking: Guard) -> None:
    knocking.run("run")
    assert knocking.state.stat().st_mode & 0o777 == 0o700
    for path in knocking.state.iterdir():
        assert path.stat().st_mode & 0o077 == 0
