"""Networks are banned while enough of their hosts are, and by that firewall alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fw_guard.faults import Fault
from fw_guard.hits import Hit
from fw_guard.store import Store
from fw_guard.widening import widen
from tests.machines import HOUR, NOW, ban, configuration, jail, networks, protection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fw_guard.config import Config
    from fw_guard.widening import Widened

NETWORK = "192.0.2.0/24"
RULES = ("3 in /24", "2 in /48")
SSH = configuration(jail("ssh"), folds=RULES)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "state")) as opened:
        yield opened


def widened(store: Store, config: Config = SSH, *near: str, now: int = NOW) -> Widened:
    """Widen as a pass does, which then makes the firewalls right."""
    found = widen(config, store, protection(config, *near), now)
    store.set_note("pass", str(now))
    store.clean()
    return found


def wide(store: Store, now: int = NOW) -> dict[tuple[str, str], int | None]:
    """Give the networks in force, by jail, with the end of each."""
    return {(each.jail, each.host): each.until for each in store.wide_bans(now)}


def keep(store: Store, *last: int, until: int | None = NOW + HOUR, name: str = "ssh") -> None:
    for number in last:
        store.keep_ban(ban(f"192.0.2.{number}", name, until))


def test_enough_hosts_make_a_network_and_it_ends_when_too_few_are_left(store: Store) -> None:
    for number, until in ((1, NOW + 10), (2, NOW + 20), (3, NOW + 30), (4, None)):
        keep(store, number, until=until)
    (made,) = widened(store).banned
    assert (made.host, made.jail, made.action) == (NETWORK, "networks", "wall")
    assert (made.since, made.until, made.hits) == (NOW, NOW + 20, 4)
    assert made.reason == "4 of its addresses are banned, limit 3 in /24"
    assert wide(store) == {("networks", NETWORK): NOW + 20}
    assert widened(store, now=NOW + 10).freed == []
    assert wide(store, NOW + 19) == {("networks", NETWORK): NOW + 20}
    assert wide(store, NOW + 20) == {}


def test_too_few_make_none_and_one_host_in_two_jails_is_one(store: Store) -> None:
    keep(store, 1, 2)
    keep(store, 1, 2, name="web")
    assert widened(store).banned == []
    assert wide(store) == {}


def test_a_longer_ban_of_a_host_makes_its_network_s_longer(store: Store) -> None:
    keep(store, 1, 2, 3)
    widened(store)
    keep(store, 1, 2, 3, until=NOW + 2 * HOUR)
    assert widened(store, now=NOW + 60).banned == []
    assert wide(store) == {("networks", NETWORK): NOW + 2 * HOUR}


def test_a_pardon_of_a_host_ends_its_network(store: Store) -> None:
    keep(store, 1, 2, 3)
    widened(store)
    store.end_bans("192.0.2.1", NOW + 5)
    ((freed, reason),) = widened(store, now=NOW + 5).freed
    assert (freed.host, reason) == (NETWORK, "too few of its addresses are banned")
    assert wide(store, NOW + 5) == {}


def test_a_pardoned_network_comes_back_only_for_new_bans(store: Store) -> None:
    keep(store, 1, 2, 3, until=None)
    widened(store)
    store.end_bans(NETWORK, NOW + 5)
    store.pardon("networks", NETWORK, NOW + 5)
    assert widened(store, now=NOW + 5).banned == []
    for number in (4, 5):
        store.keep_ban(ban(f"192.0.2.{number}", since=NOW + 6))
    assert widened(store, now=NOW + 6).banned == []
    store.keep_ban(ban("192.0.2.6", since=NOW + 7))
    assert [each.host for each in widened(store, now=NOW + 7).banned] == [NETWORK]


def test_each_firewall_counts_its_own_hosts(store: Store) -> None:
    config = configuration(jail("ssh"), jail("web", "fence"), folds=RULES)
    keep(store, 1, 2)
    keep(store, 3, 4, 5, name="web")
    assert [(b.jail, b.action) for b in widened(store, config).banned] == [
        ("networks/fence", "fence")
    ]
    # The jail moves: its hosts are counted with the others.
    moved = configuration(jail("ssh"), jail("web"), folds=RULES)
    after = widened(store, moved, now=NOW + 60)
    assert [each.jail for each in after.banned] == ["networks"]
    assert [each.jail for each, _ in after.freed] == ["networks/fence"]
    assert set(wide(store, NOW + 60)) == {("networks", NETWORK)}


def test_other_rules_are_obeyed_at_once(store: Store) -> None:
    keep(store, 1, 2, 3)
    for number in (1, 2):
        store.keep_ban(ban(f"2001:db8:0:{number}::/64"))
    widened(store)
    assert set(wide(store)) == {("networks", NETWORK), ("networks", "2001:db8::/48")}
    other = configuration(jail("ssh"), folds=("2 in /30",))
    freed = widened(store, other, now=NOW + 1).freed
    assert {reason for _, reason in freed} == {"`networks` has changed"}
    assert set(wide(store, NOW + 1)) == {("networks", "192.0.2.0/30")}
    widened(store, configuration(jail("ssh")), now=NOW + 2)
    assert wide(store, NOW + 2) == {}


@pytest.mark.parametrize(
    ("config", "near"),
    [
        (configuration(jail("ssh"), folds=RULES, ignoreip=networks("192.0.2.99")), ()),
        (configuration(jail("ssh", ignoreip=networks("192.0.2.99")), folds=RULES), ()),
        (SSH, ("192.0.2.99",)),
    ],
)
def test_a_network_with_somebody_protected_in_it_is_held_back(
    store: Store, config: Config, near: tuple[str, ...]
) -> None:
    keep(store, 1, 2, 3)
    ((name, network, reason),) = widened(store, config, *near).held
    assert (name, network) == ("networks", NETWORK)
    assert reason in ("in ignoreip", "near")
    assert wide(store) == {}
    assert store.held() == [("networks", NETWORK, NOW, reason)]


def test_it_is_banned_when_nobody_in_it_is_ignored_any_more(store: Store) -> None:
    config = configuration(jail("ssh"), folds=RULES, ignoreip=networks("192.0.2.99"))
    keep(store, 1, 2, 3)
    assert widened(store, config).banned == []
    assert [each.host for each in widened(store, now=NOW + 1).banned] == [NETWORK]


def test_a_network_that_somebody_logged_in_from_is_held_back(store: Store) -> None:
    said = ("success", "sshd", "accepted", "9", None, None, "a line")
    host = "192.0.2.99"
    store.add_hits([Hit("ssh", host, host, None, NOW - 99, 1, 1, *said, doubtful=False)])
    keep(store, 1, 2, 3)
    ((_, _, reason),) = widened(store).held
    assert reason == "an address in it logged in before"


def test_what_changed_while_the_configuration_had_faults_is_worked_out_afterwards(
    store: Store,
) -> None:
    broken = replace(SSH, faults=(Fault("fw-guard.toml", 1, 1, "it is not TOML"),))
    widened(store)
    keep(store, 1, 2, 3)
    assert widened(store, broken).banned == []
    assert [each.host for each in widened(store).banned] == [NETWORK]
