"""What was observed of pf beside the transcripts, and rules that hold in general."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.addresses import loose_address
from tests.fakes.pf import FakePf
from tests.fakes.result import Result
from tests.fakes.strategies import hosts

RULES = "table <banned> persist\nblock drop quick from <banned> to any\n"
MAIN = 'anchor "fw_guard"\npass all\n'
TABLE = ("pfctl", "-q", "-a", "fw_guard", "-t", "banned", "-T")


def guarded_pf(*, request_maxcount: int = 65_535, table_entries: int = 200_000) -> FakePf:
    fake = FakePf(request_maxcount=request_maxcount, table_entries=table_entries)
    for argv, stdin in (
        (["pfctl", "-q", "-f", "-"], MAIN),
        (["pfctl", "-q", "-a", "fw_guard", "-f", "-"], RULES),
        (["pfctl", "-q", "-e"], ""),
    ):
        assert fake.run(argv, stdin) == Result(0)
    return fake


def many(count: int, first: str = "10.0.0.1") -> str:
    start = int(ipaddress.IPv4Address(first))
    return "".join(f"{ipaddress.IPv4Address(start + step)}\n" for step in range(count))


def test_a_banned_source_is_blocked_by_pf_until_it_is_unbanned() -> None:
    fake = guarded_pf()
    assert not fake.blocks("192.0.2.1")
    assert fake.run([*TABLE, "add", "-f", "-"], "192.0.2.1\n2001:db8::1\n") == Result(0)
    assert fake.blocks("192.0.2.1")
    assert fake.blocks("2001:db8::1")
    assert not fake.blocks("192.0.2.2")
    assert fake.run([*TABLE, "delete", "-f", "-"], "192.0.2.1\n") == Result(0)
    assert not fake.blocks("192.0.2.1")


@pytest.mark.parametrize(
    "undo",
    [
        ["pfctl", "-q", "-d"],
        ["pfctl", "-q", "-F", "rules"],
        ["pfctl", "-q", "-a", "fw_guard", "-F", "rules"],
        ["pfctl", "-q", "-a", "fw_guard", "-F", "all"],
        [*TABLE, "kill"],
        [*TABLE, "flush"],
    ],
    ids=" ".join,
)
def test_pf_blocks_nobody_when_a_part_of_the_guard_is_gone(undo: list[str]) -> None:
    fake = guarded_pf()
    fake.run([*TABLE, "add", "192.0.2.1"])
    assert fake.blocks("192.0.2.1")
    assert fake.run(undo) == Result(0)
    assert not fake.blocks("192.0.2.1")


def test_pf_takes_the_longest_match_and_a_negated_entry_out() -> None:
    fake = guarded_pf()
    fake.run([*TABLE, "add", "-f", "-"], "198.51.100.0/24 !198.51.100.128/25 198.51.100.200")
    assert fake.blocks("198.51.100.1")
    assert not fake.blocks("198.51.100.129")
    assert fake.blocks("198.51.100.200")


def test_pf_blocks_only_the_ports_and_protocol_of_its_rule() -> None:
    fake = guarded_pf()
    rules = "block drop quick proto tcp from <banned> to any port { ssh, 25 }\n"
    fake.run(["pfctl", "-q", "-a", "fw_guard", "-f", "-"], rules)
    fake.run([*TABLE, "add", "192.0.2.1"])
    assert fake.blocks("192.0.2.1", port=22)
    assert fake.blocks("192.0.2.1", port=25)
    assert not fake.blocks("192.0.2.1", port=443)
    assert not fake.blocks("192.0.2.1", protocol="udp", port=22)


def test_pf_shows_a_rule_for_each_protocol_and_port_and_blocks_those() -> None:
    fake = guarded_pf()
    rule = "block return quick proto { tcp udp } from <banned> to any port { 22 8000:8010 60000 }\n"
    fake.run(["pfctl", "-q", "-a", "fw_guard", "-f", "-"], rule)
    fake.run([*TABLE, "add", "192.0.2.1"])
    assert fake.run(["pfctl", "-a", "fw_guard", "-s", "rules"]).out == "".join(
        f"block return quick proto {protocol} from <banned> to any port {port}\n"
        for protocol in ("tcp", "udp")
        for port in ("= ssh", "8000:8010", "= 60000")
    )
    ports = (21, 22, 7999, 8000, 8010, 8011, 60000)
    blocked = [fake.verdict("192.0.2.1", port=port) == "block return" for port in ports]
    assert blocked == [False, True, False, True, True, False, True]
    assert fake.blocks("192.0.2.1", protocol="udp", port=8005)
    assert not fake.blocks("192.0.2.1", protocol="icmp", port=22)


def test_pf_says_since_when_a_table_is_there() -> None:
    fake = FakePf(now=60)
    show = ["pfctl", "-a", "fw_guard", "-vv", "-s", "Tables"]
    fake.run([*TABLE, "add", "192.0.2.1"])
    fake.kernel.clock = 120
    fake.run(["pfctl", "-q", "-a", "fw_guard", "-f", "-"], RULES)
    assert "Cleared:     Thu Jan  1 00:01:00 1970\n" in fake.run(show).out
    fake.run([*TABLE, "kill"])
    fake.kernel.clock = 180
    fake.run(["pfctl", "-q", "-a", "fw_guard", "-f", "-"], RULES)
    assert "Addresses:   0\n\tCleared:     Thu Jan  1 00:03:00 1970\n" in fake.run(show).out


def test_one_pfctl_both_kills_states_and_bans() -> None:
    fake = guarded_pf()
    assert fake.connect("192.0.2.1")
    assert fake.connect("192.0.2.2")
    result = fake.run(["pfctl", "-k", "192.0.2.1", *TABLE[2:], "add", "192.0.2.1"])
    killed = "killed 1 states from 1 sources and 0 destinations\n"
    assert result == Result(0, "", f"{killed}1/1 addresses added.\n")
    assert not fake.carries("192.0.2.1")
    assert fake.carries("192.0.2.2")
    assert not fake.connect("192.0.2.1")


def test_a_second_host_limits_the_states_killed_to_those_that_go_there() -> None:
    fake = guarded_pf()
    fake.connect("192.0.2.1", "203.0.113.1")
    fake.connect("192.0.2.1", "203.0.113.2")
    result = fake.run(["pfctl", "-k", "192.0.2.0/24", "-k", "203.0.113.2"])
    assert result.err == "killed 1 states from 1 sources and 1 destinations\n"


TOO_MANY = Result(255, "", "pfctl: Invalid argument.\n")


def test_pf_takes_no_more_than_request_maxcount_in_one_call_and_then_nothing() -> None:
    fake = guarded_pf(request_maxcount=100)
    assert fake.run([*TABLE, "add", "-f", "-"], many(101)) == TOO_MANY
    assert fake.run([*TABLE, "show"]) == Result(0)
    assert fake.run([*TABLE, "add", "-f", "-"], many(100)) == Result(0)
    assert fake.run([*TABLE, "show"]).out.count("\n") == 100
    assert fake.run([*TABLE, "delete", "-f", "-"], many(101)) == TOO_MANY
    assert fake.blocks("10.0.0.1")


def test_a_pf_table_of_more_than_request_maxcount_is_not_shown_but_blocks() -> None:
    fake = guarded_pf(request_maxcount=100)
    fake.run([*TABLE, "add", "-f", "-"], many(100))
    assert fake.run([*TABLE, "add", "203.0.113.1"]) == Result(0)
    assert fake.run([*TABLE, "show"]) == TOO_MANY
    assert fake.blocks("203.0.113.1")


def test_pf_as_it_comes_adds_65535_and_replaces_32768() -> None:
    fake = FakePf()
    assert fake.run([*TABLE, "add", "-f", "-"], many(65_536)) == TOO_MANY
    assert fake.run([*TABLE, "replace", "-f", "-"], many(32_769)) == TOO_MANY
    assert fake.run([*TABLE, "replace", "-f", "-"], many(32_768)) == Result(0)


def test_all_tables_together_have_a_limit_and_over_it_nothing_is_added() -> None:
    fake = guarded_pf(table_entries=3)
    assert fake.run(["pfctl", "-q", "-t", "other", "-T", "add", "192.0.2.1"]) == Result(0)
    refused = Result(255, "", "pfctl: Cannot allocate memory.\n")
    assert fake.run([*TABLE, "add", "-f", "-"], many(3)) == refused
    assert fake.run([*TABLE, "show"]) == Result(0)
    assert fake.run([*TABLE, "add", "-f", "-"], many(2)) == Result(0)


@pytest.mark.parametrize("reason", ["No such file or directory", "Permission denied"])
def test_pfctl_needs_its_device(reason: str) -> None:
    fake = FakePf(device_error=reason)
    assert fake.run([*TABLE, "show"]) == Result(1, "", f"pfctl: /dev/pf: {reason}\n")


def test_expire_takes_those_that_are_older_than_the_seconds_given() -> None:
    fake = FakePf(now=1_000)
    expire = ["pfctl", "-t", "banned", "-T", "expire", "60"]
    fake.run(["pfctl", "-t", "banned", "-T", "add", "192.0.2.1"])
    fake.now = fake.kernel.clock = 1_030
    fake.run(["pfctl", "-t", "banned", "-T", "add", "192.0.2.2"])
    fake.now = fake.kernel.clock = 1_060
    assert fake.run(expire).err == "0/0 addresses expired.\n"
    fake.now = fake.kernel.clock = 1_061
    assert fake.run(expire).err == "1/1 addresses expired.\n"
    assert fake.run(["pfctl", "-t", "banned", "-T", "show"]).out == "   192.0.2.2\n"


def test_words_of_a_pf_table_are_read_as_inet_aton_reads_them() -> None:
    fake = guarded_pf()
    fake.run([*TABLE, "add", "010.1.1.1", "0x7f.1", "192.0.2/24"])
    shown = "   8.1.1.1\n   127.0.0.1\n   192.0.2.0/24\n"
    assert fake.run([*TABLE, "show"]) == Result(0, shown)


def test_addresses_in_a_file_may_stand_between_any_blanks() -> None:
    fake = guarded_pf()
    fake.run([*TABLE, "add", "-f", "-"], "192.0.2.1\r\n192.0.2.2\t192.0.2.3 #192.0.2.4\n192.0.2.5")
    shown = "".join(f"   192.0.2.{last}\n" for last in (1, 2, 3, 5))
    assert fake.run([*TABLE, "show"]) == Result(0, shown)


def test_a_number_sign_inside_a_word_of_a_pf_file_is_no_comment() -> None:
    fake = guarded_pf()
    result = fake.run([*TABLE, "add", "-f", "-"], "192.0.2.1#192.0.2.2\n")
    assert result.code == 255
    assert result.err.startswith("no IP address found for 192.0.2.1#192.0.2.2\n")


@pytest.mark.parametrize(
    ("rule", "four", "six"),
    [
        ("block drop in quick inet from <banned> to any", True, False),
        ("block drop in quick inet6 from <banned> to any", False, True),
        ("block drop out quick from <banned> to any", False, False),
        ("block drop quick from !<banned> to any", False, False),
        ("block drop quick from 192.0.2.0/24 to any", True, False),
        ("block drop quick from { 192.0.2.2 2001:db8::1 } to any", False, True),
        ("block drop from <banned> to any\npass all", False, False),
        ("block drop all", True, True),
    ],
)
def test_a_rule_of_pf_stops_what_it_names(rule: str, four: bool, six: bool) -> None:
    fake = guarded_pf()
    fake.run([*TABLE, "add", "192.0.2.1", "2001:db8::1"])
    # The main ruleset calls the anchor last, so that it decides without `quick` as well.
    fake.run(["pfctl", "-q", "-f", "-"], 'pass all\nanchor "fw_guard"\n')
    assert fake.run(["pfctl", "-q", "-a", "fw_guard", "-f", "-"], f"{rule}\n") == Result(0)
    assert (fake.blocks("192.0.2.1"), fake.blocks("2001:db8::1")) == (four, six)


def test_a_rule_that_reads_a_killed_table_reads_the_one_made_anew() -> None:
    fake = guarded_pf()
    fake.run([*TABLE, "kill"])
    assert fake.run([*TABLE, "show"]).code == 255
    fake.run([*TABLE, "add", "192.0.2.1"])
    assert fake.blocks("192.0.2.1")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2", "192.0.0.2"),
        ("10", "0.0.0.10"),
        ("010.1.1.1", "8.1.1.1"),
        ("0x7f.1", "127.0.0.1"),
        ("4294967295", "255.255.255.255"),
        ("4294967296", None),
        ("192.0.2.300", None),
        ("192.0.2.09", None),
        ("192.0.2.1.1", None),
        ("", None),
        ("example.com", None),
    ],
)
def test_inet_aton_reads_one_to_four_parts(text: str, address: str | None) -> None:
    parsed = loose_address(text)
    assert (parsed and str(parsed)) == address


@given(added=st.lists(hosts), deleted=st.lists(hosts), asked=hosts)
def test_pf_blocks_those_and_only_those_in_its_table(
    added: list[str], deleted: list[str], asked: str
) -> None:
    fake = guarded_pf()
    fake.run([*TABLE, "add", "-f", "-"], "\n".join(added))
    fake.run([*TABLE, "delete", "-f", "-"], "\n".join(deleted))
    left = set(added) - set(deleted)
    shown = fake.run([*TABLE, "show"]).out
    assert len(shown.splitlines()) == len(left)
    assert set(shown.split()) == left
    assert fake.blocks(asked) == (asked in left)


@given(st.lists(hosts, unique=True), st.lists(hosts, unique=True))
def test_replace_makes_the_table_what_it_is_given(old: list[str], new: list[str]) -> None:
    fake = FakePf()
    replace = ["pfctl", "-t", "banned", "-T", "replace", "-f", "-"]
    fake.run(replace, "\n".join(old))
    lines = fake.run(replace, "\n".join(new)).err.splitlines()
    gone, come = len(set(old) - set(new)), len(set(new) - set(old))
    expected = [f"{come} addresses added."] * bool(come) + [f"{gone} addresses deleted."] * bool(
        gone
    )
    assert lines == (expected or ["no changes."])
    assert set(fake.run(["pfctl", "-t", "banned", "-T", "show"]).out.split()) == set(new)
