"""Many networks at once answer as a loop over them would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fw_guard import addresses
from fw_guard.networks import Networks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fw_guard.addresses import Network

# Few bits vary, so that networks meet: the highest two, the lowest two and two in between.
BITS = {32: (0, 1, 15, 16, 30, 31), 128: (0, 1, 63, 64, 126, 127)}


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """A network of either family."""
    width = draw(st.sampled_from((32, 128)))
    ones = draw(st.sets(st.sampled_from(BITS[width])))
    value = sum(1 << (width - 1 - bit) for bit in ones).to_bytes(width // 8, "big")
    length = draw(st.sampled_from((0, 1, 2, 15, 16, 17, 31, 32, width // 2, width - 1, width)))
    return addresses.masked(value, length), length


def first(
    given_: Sequence[Network], asked: Network, fits: Callable[[Network, Network], bool]
) -> str | None:
    """Give the number of the first of ``given_`` that fits: the naive loop."""
    return next((str(n) for n, each in enumerate(given_) if fits(each, asked)), None)


def numbered(given_: Sequence[Network]) -> Networks:
    """Take in networks whose reason is their number."""
    return Networks((each, str(n)) for n, each in enumerate(given_))


@given(st.lists(networks(), max_size=30), networks())
@example([(bytes(4), 0), (bytes(4), 32)], (bytes(4), 16))
@example([(bytes(4), 32), (bytes(4), 0)], (bytes(4), 16))
def test_what_shares_an_address_is_found_as_by_a_loop(
    given_: list[Network], asked: Network
) -> None:
    assert numbered(given_).overlapping(asked) == first(given_, asked, addresses.overlap)


@given(st.lists(networks(), max_size=30), networks())
def test_what_holds_a_network_is_found_as_by_a_loop(given_: list[Network], asked: Network) -> None:
    assert numbered(given_).covering(asked) == first(given_, asked, addresses.covers)


@pytest.mark.parametrize(
    ("asked", "overlapping", "covering"),
    [
        ("192.0.2.7", "office", "office"),
        ("192.0.2.0/24", "office", "office"),
        ("192.0.2.128/25", "office", "office"),
        ("192.0.0.0/16", "office", None),
        ("0.0.0.0/0", "office", None),
        ("192.0.3.0", None, None),
        ("198.51.100.7", "printer", "printer"),
        ("198.51.100.0/29", "printer", None),
        ("198.51.100.8/29", None, None),
        ("2001:db8:0:1::/64", "laptop", None),
        ("2001:db8:0:1::7", "laptop", "laptop"),
        ("2001:db8:0:1::8", None, None),
        ("::/0", "laptop", None),
    ],
)
def test_hosts_and_networks_of_both_families(
    asked: str, overlapping: str | None, covering: str | None
) -> None:
    known = Networks(
        (addresses.split(text), reason)
        for text, reason in (
            ("192.0.2.0/24", "office"),
            ("198.51.100.7", "printer"),
            ("2001:db8:0:1::7", "laptop"),
            ("192.0.2.0/25", "half the office"),
        )
    )
    assert known.overlapping(addresses.split(asked)) == overlapping
    assert known.covering(addresses.split(asked)) == covering


def test_no_networks_hold_nothing() -> None:
    assert Networks(()).overlapping(addresses.split("0.0.0.0/0")) is None
    assert Networks(()).covering(addresses.split("192.0.2.7")) is None
