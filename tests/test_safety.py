"""Who is never banned, and which reason is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses, networks
from fw_guard.networks import Guarded
from fw_guard.safety import Protection
from fw_guard.surroundings import SafetyError

if TYPE_CHECKING:
    import ipaddress
    from collections.abc import Callable, Iterator

IGNORED = (addresses.split("192.0.2.0/24"), addresses.split("2001:db8:a::/48"))


def around(*pairs: tuple[str, str]) -> Callable[[], Iterator[Guarded]]:
    """Guard these networks, each with its reason."""
    return lambda: (Guarded(addresses.split(text), reason) for text, reason in pairs)


AROUND = around(
    ("198.51.100.5", "an address of this machine"),
    ("2001:db8:5::5", "an address of this machine"),
    ("198.51.100.1", "a gateway of this machine"),
    ("198.51.100.1", "a name server of this machine"),
    ("203.0.113.53", "a name server of this machine"),
    ("203.0.113.7", "a login session of anna"),
    ("2001:db8:7::7", "a login session of bob"),
    ("192.0.2.9", "a login session of carl"),
)


@pytest.fixture
def protection() -> Protection:
    return Protection(AROUND, IGNORED)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("127.0.0.0/8", "loopback"),
        ("::1", "loopback"),
        ("::/64", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("0.0.0.0", "no single host's address"),
        ("0.1.2.3", "no single host's address"),
        ("224.0.0.1", "no single host's address"),
        ("239.255.255.255", "no single host's address"),
        ("240.0.0.1", "no single host's address"),
        ("255.255.255.255", "no single host's address"),
        ("::", "no single host's address"),
        ("ff02::1", "no single host's address"),
        ("198.51.100.5", "an address of this machine"),
        ("198.51.100.0/24", "an address of this machine"),
        ("2001:db8:5::5", "an address of this machine"),
        ("2001:db8:5::/64", "an address of this machine"),
        ("192.0.2.0", "in ignoreip"),
        ("192.0.2.255", "in ignoreip"),
        ("192.0.2.128/25", "in ignoreip"),
        ("192.0.0.0/16", "a login session of carl"),
        ("2001:db8:a:1::/64", "in ignoreip"),
        ("2001:db8::/32", "an address of this machine"),
        ("198.51.100.1", "a gateway of this machine"),
        ("198.51.100.0/30", "a gateway of this machine"),
        ("203.0.113.53", "a name server of this machine"),
        ("203.0.113.0/24", "a name server of this machine"),
        ("203.0.113.7", "a login session of anna"),
        ("2001:db8:7::/64", "a login session of bob"),
        ("192.0.2.9", "a login session of carl"),
        ("0.0.0.0/0", "loopback"),
        ("::/0", "loopback"),
    ],
)
def test_who_may_not_be_banned_and_why(protection: Protection, address: str, reason: str) -> None:
    assert protection.reason(address) == reason


@pytest.mark.parametrize(
    "address",
    [
        *("198.51.100.4", "198.51.100.6", "198.51.100.8/29", "192.0.3.0", "192.0.1.255"),
        *("126.255.255.255", "128.0.0.0", "1.0.0.0", "223.255.255.255", "2001:db8:5:1::/64"),
        *("2001:db8:b::/48", "::2", "fe80::1", "64:ff9b::c000:207"),
    ],
)
def test_everybody_else_may_be_banned(protection: Protection, address: str) -> None:
    assert protection.reason(address) == ""


@pytest.mark.parametrize("common", [(), IGNORED])
def test_a_jail_may_ignore_more(
    protection: Protection, common: tuple[addresses.Network, ...]
) -> None:
    more = (*common, addresses.split("203.0.113.128/26"))
    for _ in range(2):
        assert protection.reason("203.0.113.130", more) == "in ignoreip"
        assert protection.reason("203.0.113.128/25", more) == "in ignoreip"
        assert protection.reason("203.0.113.200", more) == ""
        assert protection.reason("203.0.113.130") == ""
        assert protection.reason("192.0.2.7", more) == "in ignoreip"
    other = (*common, addresses.split("203.0.113.192/26"))
    assert protection.reason("203.0.113.200", other) == "in ignoreip"
    assert protection.reason("203.0.113.130", other) == ""


def test_what_many_jails_have_in_common_is_taken_in_once(
    protection: Protection, monkeypatch: pytest.MonkeyPatch
) -> None:
    protection.reason("203.0.113.130")
    taken: list[int] = []

    class Counted(networks.Networks):
        """Networks that tell how many there are."""

        def __init__(self, items: Iterator[tuple[addresses.Network, str]]) -> None:
            found = list(items)
            taken.append(len(found))
            super().__init__(found)

    monkeypatch.setattr("fw_guard.safety.Networks", Counted)
    jails = [(*IGNORED, addresses.split(f"203.0.113.{number}")) for number in range(130, 135)]
    for _ in range(3):
        for jail in (IGNORED, *jails):
            protection.reason("203.0.113.200", jail)
    assert taken == [1, 1, 1, 1, 1]


@given(st.ip_addresses(), st.integers(0, 128))
def test_no_network_around_an_own_address_may_be_banned(
    own: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int
) -> None:
    host = addresses.host(str(own))
    assert host is not None
    wide = f"{host}/{min(length, 32 if ':' not in host else 128)}"
    guarded = around((host, "an address of this machine"))
    assert Protection(guarded).reason(wide) != ""


def test_nothing_is_looked_up_before_somebody_is_asked_about_and_then_once() -> None:
    asked = []

    def guarded() -> Iterator[Guarded]:
        asked.append(True)
        yield Guarded(addresses.split("198.51.100.5"), "an address of this machine")

    protection = Protection(guarded, IGNORED)
    assert asked == []
    assert protection.reason("198.51.100.5") == "an address of this machine"
    assert protection.reason("203.0.113.7") == ""
    assert asked == [True]


def test_what_could_not_be_found_out_is_asked_again_and_nobody_is_banned() -> None:
    def guarded() -> Iterator[Guarded]:
        yield Guarded(addresses.split("198.51.100.5"), "an address of this machine")
        raise SafetyError("no address of this machine can be found out; nobody is banned")

    protection = Protection(guarded)
    for _ in range(2):
        with pytest.raises(SafetyError, match="nobody is banned"):
            protection.reason("203.0.113.7")
