"""What was observed of ipfw beside the transcripts, and rules that hold in general."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.ipfw import FakeIpfw
from tests.fakes.result import Result
from tests.fakes.strategies import hosts

DENY = "add 100 set 29 deny ip from table(fw_guard) to any\n"


def guarded_ipfw() -> FakeIpfw:
    fake = FakeIpfw()
    batch(fake, f"table fw_guard create type addr missing\ndelete set 29\n{DENY}")
    return fake


def batch(fake: FakeIpfw, lines: str) -> None:
    assert fake.run(["ipfw", "-q", "/dev/stdin"], lines) == Result(0)


def test_a_banned_source_is_blocked_by_ipfw_until_it_is_unbanned() -> None:
    fake = guarded_ipfw()
    assert not fake.blocks("192.0.2.1")
    batch(fake, "table fw_guard add 192.0.2.1\ntable fw_guard add 2001:db8::/64\n")
    assert fake.blocks("192.0.2.1")
    assert fake.blocks("192.0.2.1", established=True)
    assert fake.blocks("2001:db8::7")
    assert not fake.blocks("192.0.2.2")
    batch(fake, "table fw_guard delete 192.0.2.1\n")
    assert not fake.blocks("192.0.2.1")


@pytest.mark.parametrize(
    ("rule", "blocked"),
    [
        ("add 99 allow ip from any to any", False),
        ("add 101 allow ip from any to any", True),
        ("add 99 allow tcp from any to any established", True),
        ("add 99 allow ip from 192.0.2.0/24 to any", False),
        ("add 99 allow ip from 198.51.100.0/24 to any", True),
        ("add 99 allow ip6 from any to any", True),
        ("add 99 allow tcp from any to me dst-port 25,22", False),
        ("add 99 allow tcp from any to me dst-port 25", True),
        ("delete set 29", False),
        ("-f flush", False),
    ],
)
def test_the_first_rule_of_ipfw_that_fits_decides(rule: str, blocked: bool) -> None:
    fake = guarded_ipfw()
    batch(fake, f"table fw_guard add 192.0.2.1\n{rule}\n")
    assert fake.blocks("192.0.2.1") is blocked


@pytest.mark.parametrize(
    ("rule", "stopped"),
    [
        ("reset tcp from table(t) to any", {"tcp": True, "icmp": False, "six": True}),
        ("unreach port ip from table(t) to any", {"tcp": True, "icmp": True, "six": True}),
        (
            "unreach6 admin-prohib ip6 from table(t) to any",
            {"tcp": False, "icmp": False, "six": True},
        ),
    ],
)
def test_a_rule_of_ipfw_stops_its_own_protocol(rule: str, stopped: dict[str, bool]) -> None:
    fake = FakeIpfw()
    batch(fake, f"add 100 {rule}\ntable t add 192.0.2.1\ntable t add 2001:db8::1\n")
    assert {
        "tcp": fake.blocks("192.0.2.1"),
        "icmp": fake.blocks("192.0.2.1", protocol="icmp"),
        "six": fake.blocks("2001:db8::1"),
    } == stopped


def test_ipfw_takes_ports_and_ranges_of_tcp_and_udp_and_shows_them_either_way() -> None:
    rule = "deny ip from table(t) to any dst-port 22,8000-8010"
    for before_ports in ("", "dst-port "):
        fake = FakeIpfw(before_ports=before_ports)
        batch(fake, f"add 100 {rule}\nadd 101 deny ip6 from any to any 22\ntable t add 192.0.2.1\n")
        shown = f"00100 deny ip from table(t) to any {before_ports}22,8000-8010"
        assert fake.run(["ipfw", "list", "100"]).out == f"{shown}\n"
        ports = (21, 22, 7999, 8000, 8010, 8011)
        blocked = [fake.blocks("192.0.2.1", port=port) for port in ports]
        assert blocked == [False, True, False, True, True, False]
        assert fake.blocks("192.0.2.1", protocol="udp", port=8005)
        assert not fake.blocks("192.0.2.1", protocol="icmp", port=22)
        assert not fake.blocks("192.0.2.2", port=22)
        assert fake.blocks("2001:db8::1", port=22)


@pytest.mark.parametrize(
    ("option", "first", "later", "echo"),
    [
        ("setup", True, False, False),
        ("established", False, True, False),
        ("not established", True, False, True),
    ],
)
def test_ipfw_tells_the_first_packet_of_a_connection(
    option: str, first: bool, later: bool, echo: bool
) -> None:
    fake = FakeIpfw()
    batch(fake, f"add 100 deny ip from any to any {option}\n")
    assert fake.run(["ipfw", "list", "100"]).out == f"00100 deny ip from any to any {option}\n"
    assert fake.blocks("192.0.2.1") is first
    assert fake.blocks("192.0.2.1", established=True) is later
    assert fake.blocks("192.0.2.1", protocol="icmp") is echo


def test_ipfw_deletes_a_number_in_one_set_and_leaves_it_in_the_others() -> None:
    fake = guarded_ipfw()
    batch(fake, "add 100 allow ip from any to any\nadd 101 set 29 deny ip from any to any\n")
    batch(fake, "set 29 delete 99 100\n")
    assert fake.run(["ipfw", "-S", "list"]).out == (
        "00100 set 0 allow ip from any to any\n"
        "00101 set 29 deny ip from any to any\n"
        "65535 set 31 allow ip from any to any\n"
    )


def test_a_set_of_ipfw_that_is_disabled_blocks_nobody_and_is_listed_with_its_sets_only() -> None:
    fake = guarded_ipfw()
    batch(fake, "table fw_guard add 192.0.2.1\nset disable 29\n")
    assert not fake.blocks("192.0.2.1")
    assert fake.run(["ipfw", "list"]).out == "65535 allow ip from any to any\n"
    assert fake.run(["ipfw", "-S", "list"]).out == (
        "# DISABLED 00100 set 29 deny ip from table(fw_guard) to any\n"
        "65535 set 31 allow ip from any to any\n"
    )
    batch(fake, "set enable 29\n")
    assert fake.blocks("192.0.2.1")


def test_a_flush_of_ipfw_keeps_the_tables_and_the_rules_of_set_31() -> None:
    fake = guarded_ipfw()
    batch(
        fake, "add 200 set 31 deny ip from table(fw_guard) to any\ntable fw_guard add 192.0.2.1\n"
    )
    batch(fake, "-f flush\n")
    assert fake.run(["ipfw", "-S", "list"]).out == (
        "00200 set 31 deny ip from table(fw_guard) to any\n65535 set 31 allow ip from any to any\n"
    )
    assert fake.run(["ipfw", "table", "fw_guard", "list"]).out == "192.0.2.1/32 0\n"


def test_a_line_of_ipfw_longer_than_its_buffer_is_cut_and_the_rest_is_a_command() -> None:
    fake = guarded_ipfw()
    start = "table fw_guard add "
    blanks = " " * (4095 - len(start) - len("10"))
    result = fake.run(["ipfw", "-q", "/dev/stdin"], f"{start}{blanks}10.200.100.200\n")
    assert result == Result(64, "", "Line 2: bad command `.200.100.200'\n")
    assert fake.run(["ipfw", "table", "fw_guard", "list"]).out == "0.0.0.10/32 0\n"


def test_a_line_of_ipfw_that_fills_its_buffer_is_whole() -> None:
    fake = guarded_ipfw()
    start, end = "table fw_guard add ", "192.0.2.1\n"
    batch(fake, start + " " * (4095 - len(start) - len(end)) + end)
    assert fake.blocks("192.0.2.1")


def test_ipfw_reads_a_file_by_its_absolute_path_only() -> None:
    fake = FakeIpfw(files={"/etc/rules": DENY, "etc/rules": DENY})
    assert fake.run(["ipfw", "-q", "/etc/rules"]) == Result(0)
    assert fake.run(["ipfw", "-q", "etc/rules"]) == Result(
        64, "", "ipfw: bad command `etc/rules'\n"
    )


def test_an_option_in_a_line_of_ipfw_stays_on_for_the_next() -> None:
    fake = guarded_ipfw()
    lines = "-q table fw_guard add 192.0.2.1\ntable fw_guard add 192.0.2.1\n"
    assert fake.run(["ipfw", "/dev/stdin"], lines) == Result(0)


def test_a_table_of_ipfw_made_with_or_flush_is_empty() -> None:
    fake = guarded_ipfw()
    batch(fake, "table fw_guard add 192.0.2.1\ntable fw_guard create or-flush\n")
    assert not fake.blocks("192.0.2.1")


def test_tables_of_ipfw_are_swapped_under_the_rule() -> None:
    fake = guarded_ipfw()
    batch(fake, "table fw_guard add 192.0.2.1\ntable fw_guard_new create\n")
    batch(fake, "table fw_guard_new add 192.0.2.2\ntable fw_guard swap fw_guard_new\n")
    assert not fake.blocks("192.0.2.1")
    assert fake.blocks("192.0.2.2")
    batch(fake, "table fw_guard_new destroy\n")
    assert fake.blocks("192.0.2.2")


def test_a_full_table_of_ipfw_keeps_what_came_before_the_limit() -> None:
    fake = FakeIpfw()
    batch(fake, "table t create limit 2\n")
    line = "table t add 192.0.2.1 0 192.0.2.2 0 192.0.2.3 0\n"
    result = fake.run(["ipfw", "-q", "/dev/stdin"], line)
    assert (result.code, result.err) == (71, "Line 1: Adding record failed: limit hit\n")
    assert fake.run(["ipfw", "table", "t", "list"]).out == "192.0.2.1/32 0\n192.0.2.2/32 0\n"


def test_an_atomic_add_of_ipfw_that_hits_the_limit_adds_nothing() -> None:
    fake = FakeIpfw()
    batch(fake, "table t create limit 1\n")
    result = fake.run(["ipfw", "table t atomic add 192.0.2.1 0 192.0.2.2 0"])
    assert result.code == 71
    assert fake.run(["ipfw", "table", "t", "list"]) == Result(0)


@given(added=st.lists(hosts), deleted=st.lists(hosts), asked=hosts)
def test_ipfw_blocks_those_and_only_those_in_its_table(
    added: list[str], deleted: list[str], asked: str
) -> None:
    fake = guarded_ipfw()
    batch(fake, "".join(f"table fw_guard add {address}\n" for address in added))
    batch(fake, "".join(f"table fw_guard delete {address}\n" for address in deleted))
    left = set(added) - set(deleted)
    shown = fake.run(["ipfw", "table", "fw_guard", "list"]).out.splitlines()
    assert {line.partition("/")[0] for line in shown} == left
    assert len(shown) == len(left)
    assert fake.blocks(asked) == (asked in left)
