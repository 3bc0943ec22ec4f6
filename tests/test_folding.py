"""Folding: a network is banned exactly while enough of its hosts are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses
from fw_guard.folding import Fold, Folded, Member, fold, network_of, networks_of, parse

if TYPE_CHECKING:
    from random import Random

NETWORK = "192.0.2.0/24"
EXPECTED = r"; expected such as '10 in /24' or '5 in /48'\Z"
THREE = Fold(3, 24)
NOW = 1_000

times = st.integers(0, 2_000)
ends = st.none() | st.integers(0, 3_000)
hosts = st.sampled_from(
    (
        *(f"192.0.2.{number}" for number in (0, 1, 2, 3, 4, 255)),
        *("192.0.1.255", "192.0.3.0", "192.0.2.0/24", "192.0.0.0/16", "192.0.2.64/28"),
        *("2001:db8:1:2::/64", "2001:db8:1:3::/64", "c000:200::/64", "::c000:201"),
    )
)
members = st.lists(st.builds(Member, hosts, times, ends), max_size=12)
unbans = st.none() | times
rules = st.builds(Fold, st.integers(2, 5), st.just(24))


def banned_at(time: int, given: list[Member], unban: int | None) -> set[str]:
    """Give the hosts of NETWORK that count at a time, said plainly."""
    return {
        host
        for host, since, until in given
        if host.startswith("192.0.2.") and host != NETWORK
        if since <= NOW and (until is None or until > time)
        if unban is None or since > unban
    }


@pytest.mark.parametrize(
    ("text", "rule", "family"),
    [
        ("10 in /24", Fold(10, 24), 4),
        ("2 in /31", Fold(2, 31), 4),
        ("65536 in /16", Fold(65_536, 16), 4),
        ("2 in /32", Fold(2, 32), 6),
        ("5 in /48", Fold(5, 48), 6),
        ("1000000 in /63", Fold(1_000_000, 63), 6),
        ("  10  in  /24 ", Fold(10, 24), 4),
    ],
)
def test_a_rule_is_read_and_its_length_says_its_family(text: str, rule: Fold, family: int) -> None:
    assert parse(text) == rule
    assert rule.family == family


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        *(
            (text, f"{text!r} has a length that is neither from 16 to 31 (IPv4) nor from 32 to 63")
            for text in ("10 in /15", "10 in /8", "10 in /0", "10 in /64", "10 in /128")
        ),
        ("1 in /24", "'1 in /24' asks for fewer than 2 addresses"),
        ("0 in /48", "'0 in /48' asks for fewer than 2 addresses"),
        ("257 in /24", "'257 in /24' asks for more than the 256 of a /24"),
        ("3 in /31", "'3 in /31' asks for more than the 2 of a /31"),
    ],
)
def test_a_rule_that_could_do_no_good_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=EXPECTED) as refused:
        parse(text)
    assert str(refused.value).startswith(wrong)


@pytest.mark.parametrize(
    "text",
    [
        *("", "10", "10 in", "10 in 24", "/24", "10 in /", "10 of /24", "10 in /24 now"),
        *("ten in /24", "-5 in /24", "+5 in /24", "٣ in /24", "3 in /²", f"{'9' * 13} in /24"),
        *("10 in /24\0", "10in/24", "10 in 192.0.2.0/24", "\x1b[2J"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ValueError, match=EXPECTED) as refused:
        parse(text)
    assert str(refused.value).startswith(f"{text!r} is no rule for networks; ")


@given(st.integers(2, 256), st.sampled_from((*range(16, 25), *range(32, 64))))
def test_a_rule_is_spelled_as_it_is_read(least: int, length: int) -> None:
    assert parse(str(Fold(least, length))) == Fold(least, length)


@given(st.text(max_size=20) | st.from_regex(r"[0-9]{1,4} in /[0-9]{1,3}", fullmatch=True))
def test_no_text_is_read_as_a_rule_that_cannot_be(text: str) -> None:
    try:
        rule = parse(text)
    except ValueError:
        return
    assert rule.least >= 2
    assert 16 <= rule.length <= 63


def test_enough_banned_hosts_ban_their_network_until_too_few_are_left() -> None:
    given = [
        Member("192.0.2.1", 100, 5_000),
        Member("192.0.2.2", 300, 2_000),
        Member("192.0.2.3", 200, None),
        Member("192.0.2.4", 400, 3_000),
    ]
    # Of the ends never, 5000, 3000, 2000 the third leaves two; by 300 the third was banned.
    reason = "4 of its addresses are banned, limit 3 in /24"
    assert fold(THREE, given, NETWORK, NOW, None) == Folded(NETWORK, 300, 3_000, 4, reason)
    assert fold(Fold(5, 24), given, NETWORK, NOW, None) is None


def test_a_host_that_several_jails_banned_counts_once_from_its_first_ban_to_its_last_end() -> None:
    given = [
        Member("192.0.2.1", 300, 2_000),
        Member("192.0.2.1", 100, 4_000),
        Member("192.0.2.1", 500, 3_000),
        Member("192.0.2.2", 400, 1_500),
        Member("192.0.2.2", 200, None),
        Member("192.0.2.2", 300, 5_000),
    ]
    reason = "2 of its addresses are banned, limit 2 in /24"
    expected = Folded(NETWORK, 200, 4_000, 2, reason)
    assert fold(Fold(2, 24), given, NETWORK, NOW, None) == expected
    assert fold(Fold(2, 24), given[::-1], NETWORK, NOW, None) == expected
    assert fold(THREE, given, NETWORK, NOW, None) is None


def test_a_network_of_hosts_that_are_banned_for_good_is_banned_for_good() -> None:
    given = [Member(f"192.0.2.{number}", number, None) for number in (1, 2, 3)]
    reason = "3 of its addresses are banned, limit 3 in /24"
    assert fold(THREE, given, NETWORK, NOW, None) == Folded(NETWORK, 3, None, 3, reason)


def test_networks_of_ipv6_fold_into_a_wider_one() -> None:
    given = [Member(f"2001:db8:1:{number}::/64", 100, 2_000) for number in range(1, 6)]
    reason = "5 of its networks are banned, limit 5 in /48"
    folded = fold(Fold(5, 48), given, "2001:db8:1::/48", NOW, None)
    assert folded == Folded("2001:db8:1::/48", 100, 2_000, 5, reason)


@pytest.mark.parametrize(
    ("edge", "counts"),
    [
        (Member("192.0.2.0", 100, 2_000), True),
        (Member("192.0.2.255", 100, 2_000), True),
        (Member("192.0.1.255", 100, 2_000), False),
        (Member("192.0.3.0", 100, 2_000), False),
        (Member("192.0.2.0/25", 100, 2_000), True),
        (Member("192.0.2.0/24", 100, 2_000), False),
        (Member("192.0.2.0/23", 100, 2_000), False),
        (Member("::c000:203", 100, 2_000), False),
        (Member("c000:203::/64", 100, 2_000), False),
        (Member("192.0.2.3", NOW, 2_000), True),
        (Member("192.0.2.3", NOW + 1, 2_000), False),
        (Member("192.0.2.3", 100, NOW + 1), True),
        (Member("192.0.2.3", 100, NOW), False),
        (Member("192.0.2.1", 100, 2_000), False),
    ],
)
def test_at_the_edges_of_place_and_time_a_ban_counts_or_not(edge: Member, counts: bool) -> None:
    given = [Member("192.0.2.1", 100, 2_000), Member("192.0.2.2", 100, 2_000), edge]
    assert (fold(THREE, given, NETWORK, NOW, None) is not None) == counts


@pytest.mark.parametrize(("unban", "counts"), [(None, True), (99, True), (100, False)])
def test_a_ban_that_began_when_the_network_was_unbanned_counts_for_nothing_more(
    unban: int | None, counts: bool
) -> None:
    given = [Member(f"192.0.2.{number}", 100, 2_000) for number in (1, 2, 3)]
    assert (fold(THREE, given, NETWORK, NOW, unban) is not None) == counts


def test_of_a_host_banned_before_and_after_the_unban_the_newer_ban_alone_counts() -> None:
    given = [
        Member("192.0.2.1", 100, None),
        Member("192.0.2.1", 600, 1_500),
        Member("192.0.2.2", 700, 2_000),
    ]
    folded = fold(Fold(2, 24), given, NETWORK, NOW, 500)
    assert folded is not None
    assert (folded.since, folded.until) == (700, 1_500)


@given(rules, members, unbans, st.integers(0, 2_500))
def test_the_network_is_banned_at_every_instant_at_which_enough_hosts_are(
    rule: Fold, given: list[Member], unban: int | None, later: int
) -> None:
    folded = fold(rule, given, NETWORK, NOW, unban)
    time = NOW + later
    says = folded is not None and (folded.until is None or time < folded.until)
    assert says == (len(banned_at(time, given, unban)) >= rule.least)


@given(rules, members, unbans)
def test_it_is_banned_since_enough_of_the_present_hosts_were(
    rule: Fold, given: list[Member], unban: int | None
) -> None:
    folded = fold(rule, given, NETWORK, NOW, unban)
    present = banned_at(NOW, given, unban)
    if folded is None:
        assert len(present) < rule.least
        return
    begun = {
        last: banned_at(NOW, [member for member in given if member.since <= last], unban)
        for last in (folded.since, folded.since - 1)
    }
    assert len(begun[folded.since]) >= rule.least > len(begun[folded.since - 1])
    assert folded.since <= NOW
    assert folded.members == len(present)
    assert folded.reason.startswith(f"{len(present)} of its ")


@given(rules, members, unbans, st.randoms())
def test_the_order_of_the_bans_does_not_matter(
    rule: Fold, given: list[Member], unban: int | None, random: Random
) -> None:
    shuffled = random.sample(given, len(given))
    assert fold(rule, shuffled, NETWORK, NOW, unban) == fold(rule, given, NETWORK, NOW, unban)


@given(rules, members, unbans)
def test_a_ban_told_of_twice_counts_once(
    rule: Fold, given: list[Member], unban: int | None
) -> None:
    assert fold(rule, given * 2, NETWORK, NOW, unban) == fold(rule, given, NETWORK, NOW, unban)


@given(rules, members, unbans)
def test_bans_elsewhere_change_nothing(rule: Fold, given: list[Member], unban: int | None) -> None:
    elsewhere = [
        Member(host, 0, None)
        for host in ("192.0.1.9", "198.51.100.7", "2001:db8::/64", "::192.0.2.9", "c000:0209::")
    ]
    expected = fold(rule, given, NETWORK, NOW, unban)
    assert fold(rule, [*given, *elsewhere], NETWORK, NOW, unban) == expected


@given(rules, members, times)
def test_after_an_unban_the_bans_from_before_count_for_nothing(
    rule: Fold, given: list[Member], unban: int
) -> None:
    newer = [member for member in given if member.since > unban]
    assert fold(rule, given, NETWORK, NOW, unban) == fold(rule, newer, NETWORK, NOW, None)


@pytest.mark.parametrize(
    ("host", "rule", "network"),
    [
        ("192.0.2.0", Fold(2, 24), "192.0.2.0/24"),
        ("192.0.2.255", Fold(2, 24), "192.0.2.0/24"),
        ("192.0.3.0", Fold(2, 24), "192.0.3.0/24"),
        ("192.0.2.255", Fold(2, 31), "192.0.2.254/31"),
        ("198.51.100.7", Fold(2, 16), "198.51.0.0/16"),
        ("192.0.2.0/25", Fold(2, 24), "192.0.2.0/24"),
        ("192.0.2.0/24", Fold(2, 24), None),
        ("192.0.0.0/16", Fold(2, 24), None),
        ("192.0.2.7", Fold(2, 48), None),
        ("2001:db8:1:2::/64", Fold(2, 48), "2001:db8:1::/48"),
        ("2001:db8:1:ffff::7", Fold(2, 63), "2001:db8:1:fffe::/63"),
        ("2001:db8:1::/48", Fold(2, 48), None),
        ("2001:db8::7", Fold(2, 24), None),
        ("::ffff:192.0.2.7", Fold(2, 24), "192.0.2.0/24"),
        ("::ffff:192.0.2.7", Fold(2, 48), None),
    ],
)
def test_a_host_belongs_to_the_network_around_it(
    host: str, rule: Fold, network: str | None
) -> None:
    assert network_of(host, rule) == network


def test_hosts_behind_a_translator_share_no_network() -> None:
    given = [Member(f"64:ff9b::c000:20{number}", 100, None) for number in range(1, 6)]
    assert network_of("64:ff9b::c000:201", Fold(2, 48)) is None
    assert fold(Fold(2, 48), given, "64:ff9b::/48", NOW, None) is None


def test_a_host_belongs_to_one_network_of_each_rule_of_its_family() -> None:
    rules = [Fold(20, 16), Fold(10, 24), Fold(5, 48), Fold(30, 24)]
    assert networks_of("192.0.2.7", rules) == ["192.0.0.0/16", "192.0.2.0/24"]
    assert networks_of("2001:db8:1:2::/64", rules) == ["2001:db8:1::/48"]
    assert networks_of("192.0.2.0/24", rules) == ["192.0.0.0/16"]
    assert networks_of("192.0.2.7", []) == []


@given(st.ip_addresses(), st.sampled_from((*range(16, 64),)))
def test_the_network_of_a_host_covers_it(address: object, length: int) -> None:
    host = addresses.host(str(address))
    assert host is not None
    network = network_of(host, Fold(2, length))
    if network is not None:
        assert addresses.canonical(network) == network
        assert addresses.split(network)[1] == length
        assert addresses.covers(addresses.split(network), addresses.split(host))
    same_family = (":" in host) == (length >= 32)
    assert (network is not None) == (same_family and not host.startswith("64:ff9b::"))


def test_what_is_no_host_is_refused() -> None:
    with pytest.raises(addresses.AddressError):
        networks_of("example.com", [THREE])
