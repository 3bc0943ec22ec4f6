"""Addresses: one canonical text each, held to the standard library's own reading."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fw_guard import addresses
from fw_guard.addresses import AddressError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
COMPATIBLE = ipaddress.IPv6Network("::/96")


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """Networks of both families and any length; none around the mapped addresses."""
    width = draw(st.sampled_from((32, 128)))
    number = draw(st.integers(0, 2**width - 1))
    length = draw(st.integers(0, width))
    if width == 32:
        return ipaddress.IPv4Network((number, length), strict=False)
    assume(ipaddress.IPv6Address(number) not in MAPPED)
    return ipaddress.IPv6Network((number, length), strict=False)


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Network, Network]:
    """Two networks of one family that often share their first bits."""
    one = draw(networks())
    width = one.max_prefixlen
    noise = draw(st.integers(0, 2 ** draw(st.integers(0, width)) - 1))
    number = int(one.network_address) ^ noise
    length = draw(st.integers(0, width))
    if width == 32:
        return one, ipaddress.IPv4Network((number, length), strict=False)
    assume(ipaddress.IPv6Address(number) not in MAPPED)
    return one, ipaddress.IPv6Network((number, length), strict=False)


def without_host_length(network: Network) -> str:
    text = str(network)
    return text.removesuffix(f"/{network.max_prefixlen}")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("255.255.255.255", "255.255.255.255"),
        ("0.0.0.0", "0.0.0.0"),
        ("2001:DB8::7", "2001:db8::7"),
        ("2001:0db8:0000:0000:0000:0000:0000:0007", "2001:db8::7"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("fe80::1%em0", "fe80::1"),
        ("[fe80::1%em0]", "fe80::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::FFFF:c000:207", "192.0.2.7"),
        ("[::ffff:192.0.2.7]", "192.0.2.7"),
        ("::", "::"),
        ("::1", "::1"),
    ],
)
def test_an_address_has_one_canonical_text(written: str, canonical: str) -> None:
    assert addresses.host(written) == canonical
    assert addresses.canonical(written) == canonical


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", ".", "...", ":", ":::", "[", "[]", "[:]", "%", "%em0", "UNKNOWN", "localhost"),
        *("010.1.1.1", "1.1.1.010", "00.0.0.0", "192.0.2", "3221225991", "0xc0000207"),
        *("0x7f.1", "0x7f.0.0.1", "127.1", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3"),
        *("256.0.2.7", "192.0.2.-7", "192.0.2.+7", "192.0.2.7a", "192.0.2.1e1"),
        *("192.0.2.7\n", "192.0.2.7 ", " 192.0.2.7", "192.0. 2.7", "192.0.2.7\t", "192.0.2.7\0"),
        *("2001:db8::7\n", "2001:db8::7 ", " 2001:db8::7", "2001:db8::7\0", "2001:db8\0::7"),
        *("2001:db8::7::1", "2001:db8:1:2:3:4:5", "1:2:3:4:5:6:7:8:9", "2001:db8::12345"),
        *("[2001:db8::7", "2001:db8::7]", "[[2001:db8::7]]", "[192.0.2.7]", "192.0.2.7%em0"),
        *("::ffff:192.0.2", "::ffff:192.0.2.256", "::ffff:010.1.1.1", "g::1", "2001:db8::7."),
        *("192.0.2.7:22", "[2001:db8::7]:22", "192.0.2.7/32", "2001:db8::/64"),
        *("１９２.0.2.7", "192.0.2.٧", "192。0。2。7", "2001:db8::７", "\ud800:", "192.0.2.\ud800"),
    ],
)
def test_what_is_no_address_is_none(text: str) -> None:
    assert addresses.host(text) is None
    assert addresses.packed(text) is None


@given(st.text(alphabet="0123456789abcdefx.:[]%/ \n\0", max_size=24) | st.text(max_size=12))
@example("1.2.3")
@example("0.0.0.0 ")
def test_no_text_is_read_as_more_than_the_standard_library_reads(text: str) -> None:
    found = addresses.host(text)
    bare = text.removeprefix("[").removesuffix("]") if text[:1] == "[" else text
    try:
        expected = ipaddress.ip_address(bare.partition("%")[0] if ":" in bare else bare)
    except ValueError:
        assert found is None
        return
    if found is not None:
        mapped = expected.ipv4_mapped if isinstance(expected, ipaddress.IPv6Address) else None
        assert ipaddress.ip_address(found) == (mapped or expected)


@given(st.ip_addresses())
@example(ipaddress.ip_address("::ffff:192.0.2.7"))
@example(ipaddress.ip_address("::192.0.2.7"))
def test_every_address_survives_the_way_to_bytes_and_back(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    value = addresses.packed(str(address))
    assert value == (mapped or address).packed
    assert ipaddress.ip_address(addresses.spelled(value)) == (mapped or address)


@given(networks())
def test_a_canonical_network_is_what_the_standard_library_says(network: Network) -> None:
    # How an address of the long forgotten ::/96 is spelled is the C library's own affair.
    assume(network.version == 4 or network.network_address not in COMPATIBLE)
    assert addresses.canonical(str(network)) == without_host_length(network)


@given(networks(), st.integers(0, 2**128 - 1))
def test_bits_beyond_the_length_are_cleared(network: Network, noise: int) -> None:
    host = network[noise % network.num_addresses]
    assume(host not in MAPPED)
    assert addresses.canonical(f"{host}/{network.prefixlen}") == addresses.canonical(str(network))


@given(networks())
def test_a_canonical_text_is_its_own_canonical_text(network: Network) -> None:
    text = addresses.canonical(str(network))
    assert addresses.canonical(text) == text
    assert ipaddress.ip_network(text) == network


@given(networks())
def test_a_network_is_split_into_its_bytes_and_its_length(network: Network) -> None:
    expected = network.network_address.packed, network.prefixlen
    assert addresses.split(str(network)) == expected


@given(neighbours())
def test_covering_is_being_a_supernet(pair: tuple[Network, Network]) -> None:
    one, other = pair
    wide, narrow = addresses.split(str(one)), addresses.split(str(other))
    if isinstance(one, ipaddress.IPv4Network):
        assert isinstance(other, ipaddress.IPv4Network)
        expected = other.subnet_of(one)
    else:
        assert isinstance(other, ipaddress.IPv6Network)
        expected = other.subnet_of(one)
    assert addresses.covers(wide, narrow) == expected


@given(neighbours())
def test_overlapping_is_sharing_an_address(pair: tuple[Network, Network]) -> None:
    one, other = pair
    expected = one.overlaps(other)
    assert addresses.overlap(addresses.split(str(one)), addresses.split(str(other))) == expected
    assert addresses.overlap(addresses.split(str(other)), addresses.split(str(one))) == expected


def test_the_two_families_never_cover_each_other() -> None:
    everything4, everything6 = addresses.split("0.0.0.0/0"), addresses.split("::/0")
    assert not addresses.covers(everything6, addresses.split("192.0.2.7"))
    assert not addresses.covers(everything4, addresses.split("2001:db8::7"))
    assert not addresses.overlap(everything4, everything6)


def test_a_mapped_address_lies_in_the_ipv4_network_around_it() -> None:
    network = addresses.split("192.0.2.0/24")
    assert addresses.covers(network, addresses.split("::ffff:192.0.2.7"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("192.0.2.7/33", "'192.0.2.7/33' has no length from 0 to 32 after the slash"),
        ("192.0.2.7/", "'192.0.2.7/' has no length from 0 to 32 after the slash"),
        ("192.0.2.7/-1", "'192.0.2.7/-1' has no length from 0 to 32 after the slash"),
        ("192.0.2.7/ 24", "'192.0.2.7/ 24' has no length from 0 to 32 after the slash"),
        ("192.0.2.7/٢٤", "'192.0.2.7/٢٤' has no length from 0 to 32 after the slash"),
        ("192.0.2.0/255.255.255.0", "'192.0.2.0/255.255.255.0' has no length from 0 to 32 after"),
        ("2001:db8::/129", "'2001:db8::/129' has no length from 0 to 128 after the slash"),
        ("2001:db8::/64/64", "'2001:db8::/64/64' has no length from 0 to 128 after the slash"),
        ("192.0.2/24", "'192.0.2/24' is no address and no network"),
        ("example.com", "'example.com' is no address and no network"),
        ("", "'' is no address and no network"),
        ("/24", "'/24' is no address and no network"),
        ("\x1b[2J", "'\\x1b[2J' is no address and no network"),
    ],
)
def test_what_is_no_network_is_refused_with_what_was_expected(text: str, message: str) -> None:
    with pytest.raises(AddressError) as refused:
        addresses.split(text)
    assert str(refused.value).startswith(message)
    with pytest.raises(AddressError):
        addresses.canonical(text)


def test_a_host_never_carries_its_full_length() -> None:
    assert addresses.canonical("192.0.2.7/32") == "192.0.2.7"
    assert addresses.canonical("2001:db8::7/128") == "2001:db8::7"
    assert addresses.canonical("0.0.0.0/0") == "0.0.0.0/0"


def test_ipv6_counts_by_its_64_and_ipv4_by_itself() -> None:
    assert addresses.subject("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert addresses.subject("192.0.2.7") == "192.0.2.7"


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [(128, "2001:db8:1:2:3::6"), (48, "2001:db8:1::/48"), (56, "2001:db8:1::/56")],
)
def test_the_length_that_ipv6_counts_by_can_be_chosen(prefix: int, expected: str) -> None:
    assert addresses.subject("2001:db8:1:2:3::6", prefix) == expected


@given(st.ip_addresses(v=6), st.integers(32, 128))
def test_the_subject_of_an_address_covers_it(address: ipaddress.IPv6Address, prefix: int) -> None:
    host = addresses.host(str(address))
    assert host is not None
    subject = addresses.split(addresses.subject(host, prefix))
    assert addresses.covers(subject, addresses.split(host))
    translated = address in ipaddress.IPv6Network("64:ff9b::/96")
    assert subject[1] == (32 if len(subject[0]) == 4 else 128 if translated else prefix)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("host.example.com", "host.example.com"),
        ("HOST.Example.COM", "host.example.com"),
        ("host.example.com.", "host.example.com"),
        ("p654aaf.example.jp", "p654aaf.example.jp"),
        ("192-0-2-7.example.net", "192-0-2-7.example.net"),
        ("_smtp.example.com", "_smtp.example.com"),
        ("7.2.0.192.in-addr.arpa", "7.2.0.192.in-addr.arpa"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        (f"{'a' * 63}.example", f"{'a' * 63}.example"),
    ],
)
def test_a_name_is_kept_in_lower_case_without_its_last_dot(written: str, name: str) -> None:
    assert addresses.name(written) == name


@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "UNKNOWN", "unknown", "localhost", "localhost.", "1.2.3", "1.2.3.4"),
        *("192.0.2.7", "192.0.2.256", "example.123", "host..example.com", ".example.com"),
        *("host.example.com..", "host example.com", "host.example.com\n", " host.example.com"),
        *("host.example.com:22", "2001:db8::7", "a@b.example", "host/example.com", "a\0.example"),
        *(f"{'a' * 64}.example", ".".join(["abcdefg"] * 32), "bücher.example", "\x1b[2J.example"),
        *("\u212a.example", "host。example", "host.example．com"),
    ],
)
def test_what_could_never_lead_to_an_address_is_no_name(text: str) -> None:
    assert addresses.name(text) is None


def test_a_name_is_at_most_253_letters_long() -> None:
    longest = ".".join(["a" * 49, "b" * 49, "c" * 49, "d" * 49, "e" * 53])
    assert len(longest) == 253
    assert addresses.name(longest) == longest
    assert addresses.name(f"{longest}.") == longest
    assert addresses.name(f"{longest}e") is None


@given(st.text(max_size=40) | st.from_regex(r"[a-zA-Z0-9._-]{1,80}", fullmatch=True))
def test_no_text_is_both_a_name_and_an_address(text: str) -> None:
    assert addresses.name(text) is None or addresses.host(text) is None


@given(st.text() | st.from_regex(r"[a-zA-Z0-9._-]{1,80}", fullmatch=True))
def test_a_name_is_made_of_the_letters_of_names_alone(text: str) -> None:
    name = addresses.name(text)
    if name is not None:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._")
        assert name == text.lower().removesuffix(".")
        assert addresses.name(name) == name


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("192.0.2.7", "04c0000207", "04c0000207"),
        ("192.0.2.0/24", "04c0000200", "04c00002ff"),
        ("192.0.2.128/25", "04c0000280", "04c00002ff"),
        ("0.0.0.0/0", "0400000000", "04ffffffff"),
        ("2001:db8::7", f"0620010db8{'0' * 23}7", f"0620010db8{'0' * 23}7"),
        ("2001:db8:1:2::/64", f"0620010db800010002{'0' * 16}", f"0620010db800010002{'f' * 16}"),
        ("::/0", f"06{'0' * 32}", f"06{'f' * 32}"),
    ],
)
def test_a_span_goes_from_the_first_address_to_the_last(text: str, first: str, last: str) -> None:
    assert addresses.span(text) == (bytes.fromhex(first), bytes.fromhex(last))
    assert addresses.key(text) == bytes.fromhex(first)


@given(neighbours())
@example((ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("192.0.2.255/32")))
@example((ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("192.0.3.0/32")))
@example((ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("192.0.1.255/32")))
def test_a_network_no_wider_lies_in_a_span_when_it_is_covered(
    pair: tuple[Network, Network],
) -> None:
    wide, narrow = sorted(pair, key=lambda network: network.prefixlen)
    first, last = addresses.span(str(wide))
    inside = first <= addresses.key(str(narrow)) <= last
    expected = addresses.covers(addresses.split(str(wide)), addresses.split(str(narrow)))
    assert inside == expected


@given(networks(), networks())
def test_a_key_lies_in_no_span_of_the_other_family(one: Network, other: Network) -> None:
    assume(one.version != other.version)
    first, last = addresses.span(str(one))
    assert not first <= addresses.key(str(other)) <= last


@given(st.lists(st.ip_addresses(), max_size=8))
def test_keys_sort_ipv4_before_ipv6_and_each_by_its_number(
    hosts: list[ipaddress.IPv4Address | ipaddress.IPv6Address],
) -> None:
    assume(not any(host.version == 6 and host in MAPPED for host in hosts))
    by_number = sorted(hosts, key=lambda host: (host.version, int(host)))
    assert sorted(hosts, key=lambda host: addresses.key(str(host))) == by_number


@given(networks(), st.integers(0, 2**128 - 1))
def test_bits_beyond_the_length_change_no_span(network: Network, noise: int) -> None:
    host = network[noise % network.num_addresses]
    assume(host not in MAPPED)
    assert addresses.span(f"{host}/{network.prefixlen}") == addresses.span(str(network))


@pytest.mark.parametrize("text", ["", "example.com", "192.0.2.0/33", "192.0.2"])
def test_what_is_no_network_has_no_key_and_no_span(text: str) -> None:
    with pytest.raises(AddressError):
        addresses.key(text)
    with pytest.raises(AddressError):
        addresses.span(text)
