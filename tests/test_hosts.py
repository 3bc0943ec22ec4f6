"""Names become addresses, or they do not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fw_guard.hosts import Names

DAY = 86_400
NOON = 1_486_400_000
NAME = "p654aaf.example.jp"


def test_a_name_that_nobody_paired_leads_nowhere() -> None:
    assert Names().address(NAME, NOON) is None


def test_a_name_leads_to_the_one_address_it_was_seen_with() -> None:
    names = Names()
    names.learn(NAME, "192.0.2.7", NOON)
    assert names.address(NAME, NOON) == "192.0.2.7"
    assert names.address("other.example.jp", NOON) is None


def test_a_pair_holds_for_thirty_days_before_and_after() -> None:
    names = Names({NAME: {"192.0.2.7": (NOON, NOON + DAY)}})
    assert names.address(NAME, NOON - 30 * DAY) == "192.0.2.7"
    assert names.address(NAME, NOON + 31 * DAY) == "192.0.2.7"
    assert names.address(NAME, NOON - 30 * DAY - 1) is None
    assert names.address(NAME, NOON + 31 * DAY + 1) is None


def test_of_two_addresses_within_thirty_days_it_is_neither() -> None:
    before = NOON - 29 * DAY
    names = Names({NAME: {"192.0.2.7": (before, before), "198.51.100.7": (NOON, NOON)}})
    assert names.address(NAME, NOON) is None


def test_of_two_addresses_far_apart_in_time_it_is_the_near_one() -> None:
    long_ago = NOON - 90 * DAY
    names = Names({NAME: {"192.0.2.7": (long_ago, long_ago), "198.51.100.7": (NOON, NOON)}})
    assert names.address(NAME, NOON) == "198.51.100.7"
    assert names.address(NAME, long_ago) == "192.0.2.7"
    assert names.address(NAME, NOON - 45 * DAY) is None


def test_a_pair_reaches_from_its_first_to_its_last_sight_in_whatever_order() -> None:
    names = Names({NAME: {"192.0.2.7": (NOON, NOON)}})
    names.learn(NAME, "192.0.2.7", NOON - 50 * DAY)
    names.learn(NAME, "192.0.2.7", NOON - 20 * DAY)
    assert names.learnt == {(NAME, "192.0.2.7"): (NOON - 50 * DAY, NOON)}
    assert names.address(NAME, NOON - 80 * DAY) == "192.0.2.7"
    assert names.address(NAME, NOON + 30 * DAY) == "192.0.2.7"
    names.learn(NAME, "192.0.2.7", NOON + DAY)
    assert names.learnt == {(NAME, "192.0.2.7"): (NOON - 50 * DAY, NOON + DAY)}


def test_what_was_known_before_is_not_learnt_anew() -> None:
    names = Names({NAME: {"192.0.2.7": (NOON, NOON)}})
    assert names.learnt == {}
    names.learn("other.example.jp", "192.0.2.8", NOON)
    assert names.learnt == {("other.example.jp", "192.0.2.8"): (NOON, NOON)}


def test_learning_leaves_what_the_caller_gave_alone() -> None:
    known = {NAME: {"192.0.2.7": (NOON, NOON)}}
    Names(known).learn(NAME, "198.51.100.7", NOON)
    assert known == {NAME: {"192.0.2.7": (NOON, NOON)}}


SIGHTINGS = st.lists(
    st.tuples(st.sampled_from(["192.0.2.7", "192.0.2.8", "192.0.2.9"]), st.integers(0, 200 * DAY))
)


@given(SIGHTINGS, st.integers(0, 200 * DAY))
def test_an_address_is_given_only_when_no_other_was_seen_nearby(
    sightings: list[tuple[str, int]], time: int
) -> None:
    names = Names()
    for address, seen in sightings:
        names.learn(NAME, address, seen)
    times = {a: [seen for other, seen in sightings if other == a] for a, _ in sightings}
    month = 30 * DAY
    near = [a for a, seen in times.items() if min(seen) - month <= time <= max(seen) + month]
    assert names.address(NAME, time) == (near[0] if len(near) == 1 else None)
