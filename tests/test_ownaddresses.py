"""What the kernel says of this machine's own addresses, message by message."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import addresses, ownaddresses
from fw_guard.ownaddresses import UnansweredError

if TYPE_CHECKING:
    from fw_guard.addresses import Network

LOCAL_TABLE = 255
MAIN_TABLE = 254
NEW_ROUTE = 24
UNICAST, LOCAL, BROADCAST, ANYCAST = 1, 2, 3, 4
MULTI, INTERRUPTED = 0x2, 0x10


def number(value: int, size: int) -> bytes:
    """A number as the machine writes it."""
    return value.to_bytes(size, sys.byteorder)


def attribute(kind: int, value: bytes) -> bytes:
    """An attribute: its length, its kind, its value, and zeros up to a multiple of four."""
    return number(4 + len(value), 2) + number(kind, 2) + value + bytes(-len(value) % 4)


def message(kind: int, body: bytes, flags: int = MULTI) -> bytes:
    """A message: length, type, flags, sequence, port, body, padding."""
    head = number(16 + len(body), 4) + number(kind, 2) + number(flags, 2) + bytes(8)
    return head + body + bytes(-len(body) % 4)


def route(text: str, kind: int = LOCAL, table: int = LOCAL_TABLE) -> bytes:
    """A message about a route: family, lengths, tos, table, protocol, scope, kind, flags."""
    value, length = addresses.split(text)
    family = 2 if len(value) == 4 else 10
    body = bytes((family, length, 0, 0, table, 2, 254, kind)) + bytes(4)
    # RTA_TABLE stands before RTA_DST, RTA_OIF behind it.
    whole = attribute(15, number(table, 4)) + attribute(1, value) + attribute(4, number(1, 4))
    return message(NEW_ROUTE, body + whole)


DONE = message(3, bytes(4))


def told(answer: bytes) -> list[tuple[int, Network]]:
    return list(ownaddresses.routes(answer))


def test_the_table_of_what_is_local_tells_addresses_and_broadcasts() -> None:
    answer = (
        route("127.0.0.0/8")
        + route("198.51.100.5")
        + route("198.51.100.255", BROADCAST)
        + route("2001:db8:5::5")
        + route("2001:db8:5::", ANYCAST)
        + DONE
    )
    assert told(answer) == [
        (LOCAL, addresses.split("127.0.0.0/8")),
        (LOCAL, addresses.split("198.51.100.5")),
        (BROADCAST, addresses.split("198.51.100.255")),
        (LOCAL, addresses.split("2001:db8:5::5")),
        (ANYCAST, addresses.split("2001:db8:5::")),
    ]


def test_routes_to_others_and_other_tables_are_not_this_machine() -> None:
    # An old kernel gives all tables; a transparent proxy makes the whole Internet local in its own.
    proxy = message(NEW_ROUTE, bytes((2, 0, 0, 0, 100, 2, 254, LOCAL)) + bytes(4))
    answer = route("203.0.113.0/24", UNICAST) + route("192.0.2.1", LOCAL, MAIN_TABLE) + proxy
    assert told(answer) == []


def test_the_end_is_known_and_trouble_is_no_end() -> None:
    assert ownaddresses.is_last(route("127.0.0.1") + DONE)
    assert not ownaddresses.is_last(route("127.0.0.1"))
    for trouble in (
        message(2, number(-1 & 0xFFFFFFFF, 4)),  # an error: EPERM
        message(3, number(-12 & 0xFFFFFFFF, 4)),  # the end, for want of memory
        message(3, bytes(4), MULTI | INTERRUPTED),
        message(NEW_ROUTE, bytes(12), MULTI | INTERRUPTED) + DONE,
    ):
        with pytest.raises(UnansweredError):
            ownaddresses.is_last(trouble)


@given(st.binary(max_size=200), st.integers(0, 60), st.integers(0, 255))
def test_a_broken_answer_tells_networks_or_nothing(tail: bytes, at: int, byte: int) -> None:
    good = bytearray(route("198.51.100.5"))
    good[at % len(good)] = byte
    for answer in (bytes(good) + tail, tail, bytes(good[: at % len(good)])):
        for _, (value, length) in told(answer):
            assert addresses.masked(value, length) == value


def test_a_cut_off_answer_tells_what_is_whole() -> None:
    answer = route("198.51.100.5") + route("198.51.100.6")
    assert told(answer[:-1]) == [(LOCAL, addresses.split("198.51.100.5"))]


def test_the_question_is_for_the_table_of_what_is_local() -> None:
    # nlmsghdr: length 28, RTM_GETROUTE, REQUEST | DUMP; rtmsg: AF_INET, its fifth byte the table.
    expected = number(28, 4) + number(26, 2) + number(0x301, 2) + bytes(8)
    assert ownaddresses.request(2) == expected + bytes((2, 0, 0, 0, 255, 0, 0, 0)) + bytes(4)


@pytest.mark.skipif(sys.platform != "linux", reason="no netlink here")
def test_the_kernel_of_this_machine_knows_that_it_is_127_0_0_1() -> None:
    found = ownaddresses.asked()
    if found is None:
        pytest.skip("the kernel cannot be asked here")
    assert addresses.split("127.0.0.1") in found.own
    assert addresses.split("192.0.2.77") not in found.own


def test_whoever_has_no_netlink_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "freebsd14")
    assert ownaddresses.asked() is None
