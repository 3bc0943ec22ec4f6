"""What is around this machine: its addresses, broadcasts, gateways and name servers."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses, surroundings
from fw_guard.networks import Guarded
from fw_guard.ownaddresses import OwnAddresses
from fw_guard.surroundings import SafetyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from fw_guard.addresses import Network

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
OWN_IPV4 = ("127.0.0.0/8", "127.0.0.1", "198.51.100.5", "203.0.113.77")
IF_INET6 = """\
fe80000000000000021122fffe334455 02 40 20 80     eth0
20010db8000500000000000000000005 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
"""
OWN_IPV6 = ("fe80::211:22ff:fe33:4455", "2001:db8:5::5", "::1")
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
NETSTAT = """\
Routing tables

Internet:
Destination        Gateway            Flags     Netif Expire
default            198.51.100.1       UGS         em0
127.0.0.1          link#2             UH          lo0
192.0.2.0/24       198.51.100.3       UG1         em0
198.51.100.0/24    link#1             U           em0

Internet6:
Destination                       Gateway                       Flags     Netif Expire
default                           fe80::7%em0                   UGS         em0
2001:db8:5::/64                   link#1                        U           em0
2001:db8:9::/48                   2001:db8:5:0:aaaa:bbbb:cccc:1 UGS         em0
"""
# The gateway is a number of the machine's own byte order: 198.51.100.1 and 198.51.100.3.
LITTLE_ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	016433C6	0003	0	0	0	00000000	0	0	0
eth0	006433C6	00000000	0001	0	0	0	00FFFFFF	0	0	0
eth0	000200C0	036433C6	0003	0	0	0	00FFFFFF	0	0	0
*	007100CB	00000000	0200	0	0	0	00FFFFFF	0	0	0
"""
BIG_ROUTES = LITTLE_ROUTES.replace("016433C6", "C6336401").replace("036433C6", "C6336403")
ROUTES = LITTLE_ROUTES if sys.byteorder == "little" else BIG_ROUTES
NOWHERE = "0" * 32
IPV6_ROUTES = f"""\
20010db8000500000000000000000000 40 {NOWHERE} 00 {NOWHERE} 00000100 00000002 00000000 00000001 eth0
20010db8006600000000000000000000 30 {NOWHERE} 00 {NOWHERE} 00000400 00000001 00000000 00200200   lo
{NOWHERE} 00 {NOWHERE} 00 fe800000000000000000000000000007 00000400 00000001 00000000 00000003 eth0
"""


def split(texts: Iterable[str]) -> set[Network]:
    return {addresses.split(text) for text in texts}


def no_command(argv: Sequence[str]) -> str:
    raise AssertionError(f"{argv} is not asked where the kernel tells")


def bsd(argv: Sequence[str]) -> str:
    """The commands of a FreeBSD machine."""
    return {"ifconfig -a": IFCONFIG, "netstat -rn": NETSTAT}[" ".join(argv)]


def silent_kernel() -> None:
    """A kernel that cannot be asked."""


def reasons(root: Path, ask: surroundings.Ask = no_command) -> dict[str, set[Network]]:
    """Give what is around a machine whose files lie in ``root``, by its reason."""
    found: dict[str, set[Network]] = {}
    for network, reason in surroundings.around(ask, str(root), silent_kernel):
        found.setdefault(reason, set()).add(network)
    return found


def write(root: Path, path: str, text: str) -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root / path


@pytest.fixture
def linux(tmp_path: Path) -> Path:
    write(tmp_path, "proc/net/fib_trie", FIB_TRIE)
    write(tmp_path, "proc/net/if_inet6", IF_INET6)
    return tmp_path


def test_linux_tells_its_addresses_without_a_command(linux: Path) -> None:
    assert reasons(linux) == {
        "an address of this machine": split(OWN_IPV4 + OWN_IPV6),
        "a broadcast address of this machine's networks": split(
            ("127.255.255.255", "198.51.100.255")
        ),
    }


def test_the_kernel_s_own_answer_goes_before_the_trie(linux: Path) -> None:
    own = OwnAddresses(frozenset(split(["192.0.2.9"])), frozenset(split(["192.0.2.255"])))
    found = list(surroundings.around(no_command, str(linux), lambda: own))
    assert found == [
        (addresses.split("192.0.2.9"), "an address of this machine"),
        (addresses.split("192.0.2.255"), "a broadcast address of this machine's networks"),
    ]


def test_gateways_of_linux(linux: Path) -> None:
    write(linux, "proc/net/route", ROUTES)
    write(linux, "proc/net/ipv6_route", IPV6_ROUTES)
    expected = split(("198.51.100.1", "198.51.100.3", "fe80::7"))
    assert reasons(linux)["a gateway of this machine"] == expected


@pytest.mark.parametrize(("order", "text"), [("little", LITTLE_ROUTES), ("big", BIG_ROUTES)])
def test_a_gateway_is_a_number_of_the_machine_s_byte_order(
    monkeypatch: pytest.MonkeyPatch, order: str, text: str
) -> None:
    monkeypatch.setattr(sys, "byteorder", order)
    assert set(surroundings.of_ipv4_routes(text)) == split(("198.51.100.1", "198.51.100.3"))


def test_of_a_router_s_many_routes_only_the_beginning_is_read(linux: Path) -> None:
    head, *routes = ROUTES.splitlines(keepends=True)
    more = routes[2] * 2_000  # of which the last that is read is cut off in its midst
    write(linux, "proc/net/route", head + routes[0] + more + routes[2].replace("6433C6", "716433"))
    expected = split(("198.51.100.1", "198.51.100.3"))
    assert reasons(linux)["a gateway of this machine"] == expected


def test_name_servers_in_use_also_those_behind_a_resolver_of_this_machine(linux: Path) -> None:
    write(
        linux,
        "etc/resolv.conf",
        "# nameserver 192.0.2.1\nsearch example.com\nnameserver 127.0.0.53\noptions edns0\n",
    )
    write(
        linux,
        "run/systemd/resolve/resolv.conf",
        "nameserver 192.0.2.53\nnameserver 2001:db8::53\nnameserver fe80::53%eth0\n",
    )
    write(linux, "run/NetworkManager/no-stub-resolv.conf", "nameserver\t203.0.113.53\n")
    assert reasons(linux)["a name server of this machine"] == split(
        ("127.0.0.53", "192.0.2.53", "2001:db8::53", "fe80::53", "203.0.113.53")
    )


def test_a_name_server_s_line_without_an_address_is_passed_over(linux: Path) -> None:
    text = "nameserver\nnameserver example.com\nnameserver 010.1.1.1\n\xff\0\nnameserver 192.0.2.3"
    write(linux, "etc/resolv.conf", text)
    assert reasons(linux)["a name server of this machine"] == split(["192.0.2.3"])


def test_a_pipe_in_place_of_a_file_holds_nothing_up(linux: Path) -> None:
    write(linux, "etc/resolv.conf", "").unlink()
    os.mkfifo(linux / "etc" / "resolv.conf")
    assert "a name server of this machine" not in reasons(linux)


def test_freebsd_is_asked_by_its_commands(tmp_path: Path) -> None:
    write(tmp_path, "etc/resolv.conf", "nameserver 192.0.2.53\n")
    assert reasons(tmp_path, bsd) == {
        "an address of this machine": split(
            (
                *("198.51.100.5", "198.51.100.6", "fe80::211:22ff:fe33:4455", "2001:db8:5::5"),
                *("::1", "fe80::1", "127.0.0.1", "203.0.113.77"),
            )
        ),
        "a broadcast address of this machine's networks": split(("198.51.100.255", "198.51.100.6")),
        "a gateway of this machine": split(
            ("198.51.100.1", "198.51.100.3", "fe80::7", "2001:db8:5:0:aaaa:bbbb:cccc:1")
        ),
        "a name server of this machine": split(["192.0.2.53"]),
    }


def test_ifconfig_may_show_lengths_behind_the_addresses() -> None:
    found = surroundings.of_ifconfig("\tinet 198.51.100.5/24 broadcast 198.51.100.255\n")
    assert found.own == split(["198.51.100.5"])
    assert found.broadcast == split(["198.51.100.255"])


def test_the_default_route_is_found_in_both_families_of_a_long_netstat() -> None:
    route = "20.0.{}.0/24 198.51.100.3 UG1 em0\n"
    many = "".join(route.format(number % 256) for number in range(5_000))
    text = NETSTAT.replace("127.0.0.1 ", many + "127.0.0.1 ")
    found = set(surroundings.of_netstat(text))
    assert found >= split(("198.51.100.1", "198.51.100.3", "fe80::7"))


def test_a_linux_without_ipv6_has_no_table_of_it(linux: Path) -> None:
    (linux / "proc/net/if_inet6").unlink()
    assert reasons(linux)["an address of this machine"] == split(OWN_IPV4)


@pytest.mark.parametrize(
    "text", ["", "ifconfig: permission denied\n", "em0: flags=8802<> mtu 1500\n"]
)
def test_nobody_is_banned_when_no_address_is_found(tmp_path: Path, text: str) -> None:
    with pytest.raises(SafetyError, match="can be found out; nobody is banned"):
        reasons(tmp_path, lambda _: text)


def test_nobody_is_banned_when_the_trie_is_empty(linux: Path) -> None:
    write(linux, "proc/net/fib_trie", "")
    (linux / "proc/net/if_inet6").unlink()
    with pytest.raises(SafetyError, match="can be found out; nobody is banned"):
        reasons(linux)


@pytest.mark.parametrize("name", ["fib_trie", "if_inet6"])
def test_nobody_is_banned_when_half_of_the_addresses_cannot_be_read(linux: Path, name: str) -> None:
    (linux / "proc/net" / name).unlink()
    (linux / "proc/net" / name).mkdir()
    with pytest.raises(SafetyError, match=f"{name}: Is a directory; nobody is banned"):
        reasons(linux)


def test_a_network_that_was_made_local_as_a_whole_is_the_machine_s_own() -> None:
    text = "  |-- 198.51.100.0\n     /24 host LOCAL\n  |-- 203.0.113.0\n     /24 link UNICAST\n"
    assert list(surroundings.of_trie(text, "LOCAL")) == [addresses.split("198.51.100.0/24")]


def test_the_internet_that_a_transparent_proxy_made_local_is_not() -> None:
    text = "Id 100:\n  |-- 0.0.0.0\n     /0 host LOCAL\n"
    assert list(surroundings.of_trie(text, "LOCAL")) == []


def test_a_long_trie_is_read_in_parts_that_tear_no_leaf(
    linux: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in (1, 7, 64, 333):
        monkeypatch.setattr(surroundings, "BLOCK", block)
        assert reasons(linux)["an address of this machine"] == split(OWN_IPV4 + OWN_IPV6)


@given(st.text(alphabet="|- \n/+32.LOCAUNI0:\ufffd", max_size=80), st.integers(0, len(FIB_TRIE)))
def test_an_odd_trie_gives_networks_or_nothing(odd: str, at: int) -> None:
    for value, length in surroundings.of_trie(FIB_TRIE[:at] + odd + FIB_TRIE[at:], "LOCAL"):
        assert addresses.masked(value, length) == value


@given(st.text(max_size=200))
def test_odd_texts_are_passed_over(text: str) -> None:
    for read in (
        surroundings.of_ipv6_table,
        surroundings.of_ipv4_routes,
        surroundings.of_ipv6_routes,
        surroundings.of_netstat,
        surroundings.of_resolv_conf,
    ):
        for odd in (text, f"x {text}", f"nameserver {text}", f"a b c {text}"):
            for value, length in read(odd):
                assert length == addresses.WIDTHS[len(value)]


@pytest.mark.skipif(not os.path.exists("/proc/net/fib_trie"), reason="no Linux /proc here")
def test_this_machine_knows_that_it_is_127_0_0_1_with_and_without_netlink() -> None:
    expected = Guarded(addresses.split("127.0.0.1"), "an address of this machine")
    assert expected in list(surroundings.around(no_command))
    assert expected in list(surroundings.around(no_command, kernel=silent_kernel))
