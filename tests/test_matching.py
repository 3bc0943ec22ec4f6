"""Lines become hits: for every jail that wants them, in the order of the log."""

from __future__ import annotations

from dataclasses import replace

from fw_guard import filterfiles, places
from fw_guard.config import DEFAULTS, Jail
from fw_guard.filters import Wanted
from fw_guard.hits import FAILURE, SUCCESS, Hit
from fw_guard.hosts import Names
from fw_guard.logs.clock import Clock
from fw_guard.matching import Scanner, number

NOW = 1_772_600_000


def jail(name: str, *filter_names: str, prefix6: int = 64) -> Jail:
    """A jail of shipped filters."""
    shipped = places.shipped("filters")
    loaded = tuple(
        filterfiles.load(f"{shipped}/{each}.toml", trusted=True) for each in filter_names
    )
    return replace(DEFAULTS, name=name, filters=loaded, prefix6=prefix6)


def scan(jails: list[Jail], *lines: str) -> tuple[list[Hit], Scanner, Names]:
    """Scan lines, all written on 4 March 2026, UTC."""
    names = Names()
    scanner = Scanner(jails, Clock(NOW).epoch, names)
    text = "".join(f"2026-03-04T03:12:{n:02}Z gw {line}\n" for n, line in enumerate(lines))
    return list(scanner.hits(text.encode("utf-8", "surrogateescape"))), scanner, names


def test_a_hit_carries_what_the_line_says() -> None:
    (hit,), _, _ = scan(
        [jail("sshd", "sshd")],
        "sshd-session[87]: Failed password for invalid user cisco from 2001:db8::7 port 4711 ssh2",
    )
    assert hit == Hit(
        jail="sshd",
        host="2001:db8::/64",
        address="2001:db8::7",
        name=None,
        time=1772593920,  # 2026-03-04T03:12:00Z
        weight=1,
        times=1,
        kind=FAILURE,
        filter="sshd",
        match="password",
        pid="87",
        user="cisco",
        port=4711,
        line="2026-03-04T03:12:00Z gw sshd-session[87]: Failed password for invalid user cisco"
        " from 2001:db8::7 port 4711 ssh2",
        doubtful=False,
    )


def test_a_line_is_one_hit_in_each_jail_that_wants_it() -> None:
    line = "sshd[87]: Failed password for root from 192.0.2.7 port 4711 ssh2"
    hits, _, _ = scan(
        [jail("one", "sshd"), jail("two", "inetd", "sshd"), jail("no", "inetd")], line
    )
    assert [hit.jail for hit in hits] == ["one", "two"]


def test_hits_come_in_the_order_of_the_lines() -> None:
    hits, scanner, _ = scan(
        [jail("a", "inetd", "sshd")],
        "inetd[1]: refused connection from 192.0.2.7, service ftpd (tcp)",
        "kernel: nothing",
        "sshd[2]: refused connect from host.example.net (192.0.2.8)",
        "inetd[3]: refused connection from host.example.net, service ftpd (tcp)",
    )
    assert [hit.address or hit.name for hit in hits] == [
        "192.0.2.7",
        "192.0.2.8",
        "host.example.net",
    ]
    assert (scanner.lines, scanner.matched) == (4, 3)
    assert scanner.last == hits[-1].time


def test_a_line_that_pairs_a_name_teaches_it() -> None:
    hits, _, names = scan(
        [jail("a", "sshd")], "sshd[2]: refused connect from Host.Example.NET. (192.0.2.8)"
    )
    assert names.address("host.example.net", hits[0].time) == "192.0.2.8"
    _, _, names = scan([jail("a", "sshd")], "sshd[2]: refused connect from 192.0.2.9 (192.0.2.8)")
    assert names.learnt == {}


def test_the_resolver_s_complaint_teaches_no_name() -> None:
    _, _, names = scan(
        [jail("a", "sshd")],
        "sshd[2]: reverse mapping checking getaddrinfo for v.example.net [192.0.2.8] failed"
        " - POSSIBLE BREAK-IN ATTEMPT!",
    )
    assert names.learnt == {}


def test_a_repeated_line_stands_for_as_many() -> None:
    (hit,), _, _ = scan(
        [jail("a", "sshd")],
        "sshd[2]: message repeated 5 times: [ Failed password for root from 192.0.2.7 port 1 ssh2]",
    )
    assert hit.times == 5


def test_a_count_in_the_line_is_how_often_it_stands() -> None:
    (hit,), _, _ = scan(
        [jail("a", "pam")],
        "sshd[2]: PAM 5 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser="
        " rhost=192.0.2.7  user=root",
    )
    assert (hit.times, hit.match) == (5, "failure")


def test_a_good_login_is_a_success_and_no_failure() -> None:
    (hit,), _, _ = scan(
        [jail("a", "sshd")], "sshd[2]: Accepted password for anna from 192.0.2.50 port 1 ssh2"
    )
    assert hit.kind == SUCCESS


def test_a_matched_line_without_a_time_that_can_be_is_counted_apart() -> None:
    scanner = Scanner([jail("a", "inetd")], Clock(NOW).epoch, Names())
    line = b"Feb 30 25:00:00 gw inetd[1]: refused connection from 192.0.2.7, service ftpd (tcp)\n"
    assert list(scanner.hits(line)) == []
    assert scanner.undated == 1


def test_bytes_that_are_no_text_cost_nothing_but_themselves() -> None:
    scanner = Scanner([jail("a", "inetd", "sshd", "pam")], Clock(NOW).epoch, Names())
    good = b"Mar  4 03:12:55 gw inetd[1]: refused connection from 192.0.2.7, service ftpd (tcp)\n"
    noise = b"\x00\xff\xfe\x1b[0m\n\n\r\n" + b"x" * 9000 + b"\n"
    evil = b"Mar  4 03:12:56 gw sshd[1]: Invalid user \xff\x00\x1b from 192.0.2.8 port 1\n"
    hits = list(scanner.hits(noise + good + evil))
    assert [hit.address for hit in hits] == ["192.0.2.7", "192.0.2.8"]
    assert hits[1].user == "\\xff\x00\x1b"
    assert scanner.long == 1


REFUSAL = "inetd[1]: refused connection from 203.0.113.7, service ftpd (tcp)"


def repeated(*lines: str) -> list[tuple[int, int]]:
    """Give (seconds since the first line, attempts) of the hits."""
    hits, _, _ = scan([jail("a", "inetd")], *lines)
    return [(hit.time - 1772593920, hit.times) for hit in hits]


def test_last_message_repeated_counts_the_line_before_again() -> None:
    assert repeated(REFUSAL, "last message repeated 9 times") == [(0, 1), (1, 9)]
    assert repeated(REFUSAL, "syslogd: last message repeated 1 times") == [(0, 1), (1, 1)]


def test_a_second_repeat_means_the_same_line() -> None:
    lines = ("last message repeated 2 times", "last message repeated 3 times")
    assert repeated(REFUSAL, *lines) == [(0, 1), (1, 2), (2, 3)]


def test_a_repeat_of_another_line_counts_nothing() -> None:
    assert repeated(REFUSAL, "kernel: x", "last message repeated 9 times") == [(0, 1)]
    assert repeated("last message repeated 9 times") == []


def test_who_only_says_that_a_message_was_repeated_is_not_syslogd() -> None:
    assert repeated(REFUSAL, "evil[1]: last message repeated 9 times") == [(0, 1)]


def test_a_repeat_of_the_last_line_of_the_pass_before_counts() -> None:
    jails, names = [jail("a", "inetd")], Names()
    first = Scanner(jails, Clock(NOW).epoch, names)
    assert len(list(first.hits(f"2026-03-04T03:12:00Z gw {REFUSAL}\n".encode()))) == 1
    second = Scanner(jails, Clock(NOW).epoch, names, first.tail)
    (hit,) = second.hits(b"2026-03-04T03:13:00Z gw last message repeated 4 times\n")
    assert (hit.times, hit.time) == (4, 1772593980)
    assert (second.lines, second.undated) == (1, 0)


def test_the_last_line_proper_is_remembered_through_repeats() -> None:
    jails = [jail("a", "inetd")]
    tail = b""
    attempts = 0
    for second, line in enumerate(
        (REFUSAL, "last message repeated 2 times", "last message repeated 3 times")
    ):
        scanner = Scanner(jails, Clock(NOW).epoch, Names(), tail)
        text = f"2026-03-04T03:1{second}:00Z gw {line}\n".encode()
        attempts += sum(hit.times for hit in scanner.hits(text))
        tail = scanner.tail
    assert attempts == 6


def test_a_line_too_long_to_be_read_is_not_read_as_its_beginning_when_it_is_repeated() -> None:
    jails = [jail("a", "sshd")]
    planted = b"Failed password for x from 198.51.100.9 port 22 ssh2"
    start = b"2026-03-04T03:12:00Z gw sshd[1]: "
    long = (start + planted).ljust(9000) + b" from 203.0.113.7 port 4711 ssh2\n"
    first = Scanner(jails, Clock(NOW).epoch, Names())
    assert list(first.hits(long)) == []
    second = Scanner(jails, Clock(NOW).epoch, Names(), first.tail)
    assert list(second.hits(b"2026-03-04T03:13:00Z gw last message repeated 5 times\n")) == []


def test_a_number_of_any_length_stops_nobody() -> None:
    assert number({"port": b"1" * 5000}, "port", -1) == -1
    assert number({"times": b"12"}, "times", 1) == 12
    wanted = Wanted(frozenset(), frozenset({535}), None, "535")
    assert wanted.fits(b"535")
    assert not wanted.fits(b"5" * 5000)
