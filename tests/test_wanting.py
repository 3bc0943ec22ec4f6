"""Who is to be held by which firewall: all of it, or some, and what is asked for at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fw_guard.planning import uncovered
from fw_guard.settings import label, parted
from fw_guard.store import Store
from fw_guard.wanting import Labels, Wanting
from tests.machines import HOUR, NOW, ban, configuration, jail, networks, protection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fw_guard.config import Config

WEB = ((80, 80), (443, 443))
HOST, OTHER, NETWORK = "192.0.2.7", "203.0.113.9", "192.0.2.0/24"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "state")) as opened:
        yield opened


def wanting(config: Config, store: Store, *near: str, now: int = NOW, applied: int = 0) -> Wanting:
    return Wanting(config, store, protection(config, *near), now, applied)


def test_a_label_is_an_action_with_its_ports() -> None:
    assert label("pf", ()) == "pf"
    assert label("pf", ((22, 22), (8000, 8010))) == "pf/22,8000-8010"
    assert parted("pf/22,8000-8010") == ("pf", ((22, 22), (8000, 8010)))
    assert parted("pf") == ("pf", ())


def test_a_ban_is_in_the_firewall_of_its_jail_as_it_is_by_now() -> None:
    config = configuration(jail("ssh"), jail("web", ports=WEB), jail("mail", "fence"))
    labels = Labels(config)
    assert labels.used == {"wall", "wall/80,443", "fence"}
    assert labels.of(ban(HOST, "web", action="wall")) == "wall/80,443"
    assert labels.of(ban(HOST, "mail")) == "fence"
    assert labels.of(ban(HOST, "manual")) == "wall"
    assert labels.of(ban(HOST, "gone", action="fence")) == "fence"
    assert labels.of(ban(HOST, "gone")) == "wall"
    assert labels.of(ban(NETWORK, "networks", action="wall")) == "wall"
    assert labels.of(ban(NETWORK, "networks/fence", action="fence")) == "fence"
    assert labels.jail_of_networks("wall") == "networks"
    assert labels.jail_of_networks("fence") == "networks/fence"


def test_each_firewall_wants_its_own_and_the_longest_ban_counts(store: Store) -> None:
    config = configuration(jail("ssh"), jail("web", ports=WEB))
    for each in (
        ban(HOST, "ssh"),
        ban(HOST, "manual", until=NOW + 2 * HOUR),
        ban(OTHER, "ssh", until=None),
        ban(OTHER, "manual"),
        ban(HOST, "web", until=NOW + 60),
        ban("203.0.113.1", "web", until=NOW),
    ):
        store.keep_ban(each)
    wants = wanting(config, store)
    assert wants.whole("wall") == {HOST: NOW + 2 * HOUR, OTHER: None}
    assert wants.whole("wall/80,443") == {HOST: NOW + 60}
    assert wants.whole("fence") == {}


def test_the_protected_are_left_out_unless_by_force(store: Store) -> None:
    mine = jail("ssh", ignoreip=networks("198.51.100.0/24"))
    config = configuration(mine, jail("web", ports=WEB))
    for each in (
        ban("198.51.100.1", "ssh"),
        ban("198.51.100.1", "web"),
        ban("127.0.0.1", "manual"),
        ban("203.0.113.1", "manual"),
        ban("203.0.113.2", "manual", forced=True),
        ban("198.51.100.0/28", "networks"),
        ban(HOST),
    ):
        store.keep_ban(each)
    wants = wanting(config, store, "203.0.113.0/24")
    assert set(wants.whole("wall")) == {HOST, "203.0.113.2"}
    # Only the jail ssh ignores it.
    assert set(wants.whole("wall/80,443")) == {"198.51.100.1"}


def test_what_has_changed_takes_in_the_hosts_of_networks(store: Store) -> None:
    config = configuration(jail("ssh"))
    store.keep_ban(ban(HOST))
    store.keep_ban(ban(OTHER))
    store.keep_ban(ban("198.51.100.1", until=NOW + 60))
    store.clean()
    assert wanting(config, store, applied=NOW).changed == set()
    store.keep_ban(ban(NETWORK, "manual", until=NOW + 90))
    assert wanting(config, store, applied=NOW).changed == {NETWORK, HOST}
    store.clean()
    assert wanting(config, store, now=NOW + 89, applied=NOW).changed == {"198.51.100.1"}
    ended = wanting(config, store, now=NOW + 90, applied=NOW + 60).changed
    assert ended == {NETWORK, HOST}


def test_a_firewall_out_of_use_is_kept_while_it_holds_a_ban(store: Store) -> None:
    config = configuration(jail("ssh"))
    store.keep_ban(ban(HOST, "gone", action="fence"))
    store.keep_ban(ban(OTHER, "gone", action="moat", until=NOW))
    store.keep_ban(ban(OTHER, "ssh", action="mound"))  # its jail bans elsewhere by now
    earlier = {"fence", "moat", "mound"}
    assert wanting(config, store).labels(earlier) == {"wall", "fence"}
    assert wanting(config, store, now=NOW + HOUR).labels(earlier) == {"wall"}


@pytest.mark.parametrize(
    "other",
    [
        configuration(jail("ssh"), ignoreip=networks(OTHER)),
        configuration(jail("ssh", ignoreip=networks(OTHER))),
        configuration(jail("ssh", "fence")),
        configuration(jail("ssh", ports=WEB)),
        configuration(jail("ssh"), action="fence"),
        configuration(),
    ],
)
def test_another_meaning_is_known_by_another_text(store: Store, other: Config) -> None:
    means = wanting(configuration(jail("ssh")), store).means
    assert wanting(configuration(jail("ssh")), store).means == means
    assert wanting(other, store).means != means


def test_whose_list_it_is_matters(store: Store) -> None:
    ignored = networks(OTHER)
    one = configuration(jail("a", ignoreip=ignored), jail("b"))
    two = configuration(jail("a"), jail("b", ignoreip=ignored))
    assert wanting(one, store).means != wanting(two, store).means


HOSTS = (
    *("192.0.2.7", "192.0.2.0/24", "192.0.2.0/25", "192.0.0.0/16", "192.0.3.1"),
    *("2001:db8:0:1::7", "2001:db8:0:1::/64", "2001:db8:0:1::/96", "2001:db8::/32"),
    *("2001:db8:0:2::/64", "127.0.0.1"),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(HOSTS),
            st.sampled_from(["ssh", "web", "manual", "networks", "gone"]),
            st.sampled_from([NOW, NOW + 60, NOW + HOUR, None]),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.sets(st.sampled_from(HOSTS)),
)
def test_some_is_what_the_whole_says_of_them(
    tmp_path_factory: pytest.TempPathFactory,
    kept: list[tuple[str, str, int | None, bool]],
    asked: set[str],
) -> None:
    config = configuration(jail("ssh"), jail("web", ports=WEB))
    with Store(str(tmp_path_factory.mktemp("state"))) as store:
        for host, name, until, forced in kept:
            store.keep_ban(ban(host, name, until, forced=forced))
        wants = wanting(config, store)
        for name in wants.labels(()):
            whole = uncovered(wants.whole(name), NOW)
            some = {host: until for host, until in whole.items() if host in asked}
            assert wants.some(name, asked) == some
