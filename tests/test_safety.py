"""Who is never banned, and how the machine's own addresses are found out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses, safety
from fw_guard.safety import Protection, SafetyError

if TYPE_CHECKING:
    import ipaddress
    from pathlib import Path

OWN = ("198.51.100.5", "2001:db8:5::5")
IGNORED = (addresses.split("192.0.2.0/24"), addresses.split("2001:db8:a::/48"))

FIB_TRIE = """\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
     +-- 198.51.100.0/24 2 0 2
        +-- 198.51.100.0/29 2 0 2
           |-- 198.51.100.0
              /24 link UNICAST
           |-- 198.51.100.5
              /32 host LOCAL
        |-- 198.51.100.255
           /32 link BROADCAST
     |-- 203.0.113.9
        /32 link UNICAST
     |-- 203.0.113.77
        /32 link UNICAST
        /32 host LOCAL
Local:
  +-- 127.0.0.0/8 2 0 2
     |-- 127.0.0.1
        /32 host LOCAL
  |-- 198.51.100.5
     /32 host LOCAL
"""
IF_INET6 = """\
fe80000000000000021122fffe334455 02 40 20 80     eth0
20010db8000500000000000000000005 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""
IFCONFIG = """\
em0: flags=8863<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
\toptions=481249b<RXCSUM,TXCSUM,VLAN_MTU>
\tether 00:11:22:33:44:55
\tinet 198.51.100.5 netmask 0xffffff00 broadcast 198.51.100.255
\tinet 198.51.100.6 netmask 0xffffffff broadcast 198.51.100.6 vhid 1
\tinet6 fe80::211:22ff:fe33:4455%em0 prefixlen 64 scopeid 0x1
\tinet6 2001:db8:5::5 prefixlen 64 autoconf
\tmedia: Ethernet autoselect (1000baseT <full-duplex>)
\tstatus: active
\tnd6 options=23<PERFORMNUD,ACCEPT_RTADV,AUTO_LINKLOCAL>
lo0: flags=8049<UP,LOOPBACK,RUNNING,MULTICAST> metric 0 mtu 16384
\tinet6 ::1 prefixlen 128
\tinet6 fe80::1%lo0 prefixlen 64 scopeid 0x2
\tinet 127.0.0.1 netmask 0xff000000
\tgroups: lo
tun0: flags=8051<UP,POINTOPOINT,RUNNING,MULTICAST> metric 0 mtu 1500
\tinet 203.0.113.77 --> 203.0.113.9 netmask 0xffffffff
"""


def no_ifconfig() -> str:
    raise AssertionError("ifconfig is not asked where /proc tells")


@pytest.fixture
def protection() -> Protection:
    return Protection(OWN, IGNORED)


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
        ("192.0.0.0/16", "in ignoreip"),
        ("2001:db8:a:1::/64", "in ignoreip"),
        ("2001:db8::/32", "an address of this machine"),
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


def test_a_jail_may_ignore_more(protection: Protection) -> None:
    more = (addresses.split("203.0.113.0/25"),)
    assert protection.reason("203.0.113.7", more) == "in ignoreip"
    assert protection.reason("203.0.113.0/24", more) == "in ignoreip"
    assert protection.reason("203.0.113.200", more) == ""
    assert protection.reason("203.0.113.7") == ""


@given(st.ip_addresses(), st.integers(0, 128))
def test_no_network_around_an_own_address_may_be_banned(
    own: ipaddress.IPv4Address | ipaddress.IPv6Address, length: int
) -> None:
    host = addresses.host(str(own))
    assert host is not None
    around = f"{host}/{min(length, 32 if ':' not in host else 128)}"
    assert Protection((host,)).reason(around) != ""


def test_the_addresses_of_linux_are_the_local_leaves_of_the_trie() -> None:
    assert list(safety.ipv4_of_trie(FIB_TRIE)) == [
        *("127.0.0.0/8", "127.0.0.1", "198.51.100.5", "203.0.113.77"),
        *("127.0.0.1", "198.51.100.5"),
    ]


def test_the_ipv6_addresses_of_linux_are_the_first_column() -> None:
    found = list(safety.ipv6_of_table(IF_INET6))
    assert found == ["fe80::211:22ff:fe33:4455", "2001:db8:5::5", "::1"]


def test_the_addresses_of_freebsd_are_what_ifconfig_calls_inet() -> None:
    assert list(safety.addresses_of_ifconfig(IFCONFIG)) == [
        *("198.51.100.5", "198.51.100.6", "fe80::211:22ff:fe33:4455", "2001:db8:5::5"),
        *("::1", "fe80::1", "127.0.0.1", "203.0.113.77"),
    ]


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the kernel's tables lie in a directory of the test's."""
    monkeypatch.setattr(safety, "IPV4_TABLE", str(tmp_path / "fib_trie"))
    monkeypatch.setattr(safety, "IPV6_TABLE", str(tmp_path / "if_inet6"))
    return tmp_path


def test_linux_tells_its_addresses_without_a_command(proc: Path) -> None:
    (proc / "fib_trie").write_text(FIB_TRIE)
    (proc / "if_inet6").write_text(IF_INET6)
    assert set(safety.own_addresses(no_ifconfig)) == {
        *("127.0.0.0/8", "127.0.0.1", "198.51.100.5", "203.0.113.77"),
        *("fe80::211:22ff:fe33:4455", "2001:db8:5::5", "::1"),
    }


def test_a_linux_without_ipv6_has_no_table_of_it(proc: Path) -> None:
    (proc / "fib_trie").write_text(FIB_TRIE)
    found = safety.own_addresses(no_ifconfig)
    assert sorted(found) == ["127.0.0.0/8", "127.0.0.1", "198.51.100.5", "203.0.113.77"]


def test_a_system_without_proc_is_asked_by_ifconfig(proc: Path) -> None:
    assert "198.51.100.6" in safety.own_addresses(lambda: IFCONFIG)


@pytest.mark.parametrize(
    "text", ["", "ifconfig: permission denied\n", "em0: flags=8802<> mtu 1500\n"]
)
def test_nobody_is_banned_when_no_address_is_found(proc: Path, text: str) -> None:
    protection = Protection(safety.own_addresses(lambda: text))
    for _ in range(2):
        with pytest.raises(SafetyError, match="can be found out; nobody is banned"):
            protection.reason("192.0.2.7")


def test_nobody_is_banned_when_the_trie_is_empty(proc: Path) -> None:
    (proc / "fib_trie").write_text("")
    protection = Protection(safety.own_addresses(no_ifconfig))
    with pytest.raises(SafetyError, match="can be found out; nobody is banned"):
        protection.reason("192.0.2.7")


def test_nobody_is_banned_when_half_of_the_addresses_cannot_be_read(proc: Path) -> None:
    (proc / "fib_trie").mkdir()
    (proc / "if_inet6").write_text(IF_INET6)
    protection = Protection(safety.own_addresses(no_ifconfig))
    with pytest.raises(SafetyError, match="fib_trie: Is a directory; nobody is banned"):
        protection.reason("192.0.2.7")
    with pytest.raises(SafetyError, match="nobody is banned"):
        protection.reason("192.0.2.7")


def test_a_pass_that_asks_about_nobody_does_not_look_for_addresses(proc: Path) -> None:
    protection = Protection(safety.own_addresses(no_ifconfig))
    with pytest.raises(AssertionError, match="ifconfig is not asked"):
        protection.reason("192.0.2.7")


@pytest.mark.skipif(not os.path.exists(safety.IPV4_TABLE), reason="no Linux /proc here")
def test_this_machine_knows_that_it_is_127_0_0_1() -> None:
    assert "127.0.0.1" in safety.own_addresses(no_ifconfig)


def test_a_network_that_was_made_local_as_a_whole_is_the_machine_s_own() -> None:
    text = "  |-- 198.51.100.0\n     /24 host LOCAL\n  |-- 203.0.113.0\n     /24 link UNICAST\n"
    assert list(safety.ipv4_of_trie(text)) == ["198.51.100.0/24"]
