"""The bans of the state: who is dirty, who is inside whom, what each firewall was told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fw_guard.schema import UNSURE, Told
from fw_guard.store import Ban, Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = 1_486_400_000
HOST, OTHER = "192.0.2.7", "2001:db8:1:2::/64"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "state")) as opened:
        yield opened


def test_what_an_action_was_told_is_kept_host_by_host(store: Store) -> None:
    good, until = Told(None, None), Told(5, 5)
    store.tell("a", {HOST: good, OTHER: until})
    store.tell("b", {HOST: good})
    store.tell("a", {HOST: until})
    assert store.told("a") == {HOST: until, OTHER: until}
    assert store.told("a", [OTHER, "192.0.2.8"]) == {OTHER: until}
    store.untell("a", [HOST, "192.0.2.8"])
    assert store.told("a") == {OTHER: until}
    assert store.told("b") == {HOST: good}
    store.untell("a")
    assert (store.told("a"), store.told("b")) == ({}, {HOST: good})


def test_what_a_firewall_ends_by_itself_is_counted(store: Store) -> None:
    store.tell("a", {HOST: Told(100, 100), OTHER: Told(900, 101), "192.0.2.8": Told(None, None)})
    store.tell("b", {HOST: Told(100, 100)})
    assert [store.ending("a", by) for by in (99, 100, 101)] == [0, 1, 2]
    assert [store.members("a", now) for now in (99, 100, 101)] == [3, 2, 1]


def test_a_ban_that_a_firewall_ends_before_its_time_is_expiring(store: Store) -> None:
    told = {
        HOST: Told(100, 100),  # it ends when it should
        OTHER: Told(900, 100),
        "192.0.2.8": Told(None, 100),
        "192.0.2.9": Told(None, None),
    }
    store.tell("a", told)
    assert store.expiring("a", 99) == []
    assert sorted(store.expiring("a", 100)) == ["192.0.2.8", OTHER]


def test_a_doubted_firewall_is_known_to_hold_somebody_but_not_until_when(store: Store) -> None:
    store.tell("a", {HOST: Told(100, 100), OTHER: Told(None, None)})
    store.doubt()
    assert store.told("a") == {HOST: UNSURE, OTHER: UNSURE}


def test_a_host_is_dirty_from_any_change_of_its_bans_until_it_is_cleaned(store: Store) -> None:
    store.keep_ban(Ban("sshd", HOST, NOON, None, 5, "x"))
    store.keep_ban(Ban("sshd", OTHER, NOON, None, 5, "x"))
    assert store.dirty() == {HOST, OTHER}
    store.clean()
    assert store.dirty() == set()
    assert store.end_bans(HOST, NOON) == 1
    assert store.dirty() == {HOST}
    store.clean()
    assert store.end_bans(HOST, NOON) == 0
    assert store.dirty() == set()


def test_a_ban_that_was_ended_stays_so_when_the_clock_is_set_back(store: Store) -> None:
    store.keep_ban(Ban("sshd", HOST, NOON - 60, NOON + 60, 5, "x"))
    store.keep_ban(Ban("sshd", OTHER, NOON - 60, NOON, 5, "x"))
    store.end_bans(HOST, NOON)
    assert [ban.host for ban in store.bans(NOON - 30)] == [OTHER]
    assert store.bans_now([HOST], NOON - 30) == []
    assert store.pardoned("sshd", HOST) is None


def test_a_pardon_is_kept_while_something_from_before_it_is_banned(store: Store) -> None:
    network = "192.0.2.0/24"
    store.keep_ban(Ban("sshd", HOST, NOON - 60, NOON + 60, 5, "x"))
    store.pardon("networks", network, NOON)
    assert store.pardoned("networks", network) == NOON
    assert store.pardoned("networks/pf", network) is None
    store.forget_pardons(NOON + 59)
    assert store.pardoned("networks", network) == NOON
    store.forget_pardons(NOON + 60)
    assert store.pardoned("networks", network) is None


def test_the_bans_inside_a_network_are_found_and_those_over_an_address(store: Store) -> None:
    hosts = (HOST, "192.0.2.0/24", "192.0.3.1", OTHER, "2001:db8:1:2::7", "2001:db8:1::/48")
    for host in hosts:
        store.keep_ban(Ban("sshd", host, NOON, None, 5, "x"))
    assert {ban.host for ban in store.bans_within("192.0.2.0/24", NOON)} == {HOST, "192.0.2.0/24"}
    inside = {OTHER, "2001:db8:1:2::7", "2001:db8:1::/48"}
    assert {ban.host for ban in store.bans_within("2001:db8:1::/48", NOON)} == inside
    assert {ban.host for ban in store.wide_bans(NOON)} == {"192.0.2.0/24", "2001:db8:1::/48"}
    assert {ban.host for ban in store.bans_over(HOST, NOON)} == {HOST, "192.0.2.0/24"}
    assert {ban.host for ban in store.bans_over("2001:db8:1:2::7", NOON)} == inside


def test_the_bans_of_a_jail_go_where_it_goes_and_stay_when_it_is_gone(store: Store) -> None:
    for jail, action in (("a", "pf"), ("b", "pf"), ("c", "ipfw"), ("d", "pf"), ("manual", "")):
        store.keep_ban(Ban(jail, HOST, NOON, None, 5, "x", action))
    store.relabel({"a": "pf/22", "d": "pf"}, ["", "pf", "pf/22"])
    # That of c was never set up: whoever is the default takes it.
    found = {ban.jail: ban.action for ban in store.bans(NOON)}
    assert found == {"a": "pf/22", "b": "pf", "c": "", "d": "pf", "manual": ""}
