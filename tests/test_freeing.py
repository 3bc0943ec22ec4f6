"""Bans that may not stand: of who is protected by now, of who had logged in before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fw_guard.freeing import free_logged_in, free_protected
from fw_guard.hits import Hit
from fw_guard.store import Evidence, Store
from tests.machines import HOUR, NOW, ban, configuration, jail, networks, protection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fw_guard.config import Config

HOST, OTHER = "192.0.2.7", "203.0.113.9"
PLAIN = configuration(jail("ssh"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(str(tmp_path / "state")) as opened:
        yield opened


def free(config: Config, store: Store, *near: str, now: int = NOW) -> list[tuple[str, str]]:
    """Give (host, reason) of those that are freed."""
    found = free_protected(config, store, protection(config, *near), now)
    return [(each.host, reason) for each, reason in found]


def login(time: int, host: str = HOST, *, doubtful: bool = False) -> Hit:
    said = ("success", "sshd", "accepted", "9", None, None, "a line")
    return Hit("ssh", host, host, None, time, 1, 1, *said, doubtful=doubtful)


class TestProtected:
    """Who is protected by now is let in, at the latest an hour later."""

    def test_once_an_hour_it_is_found_out(self, store: Store) -> None:
        store.keep_ban(ban(HOST, until=None))
        assert free(PLAIN, store) == []
        assert free(PLAIN, store, HOST, now=NOW + HOUR - 1) == []
        assert free(PLAIN, store, HOST, now=NOW + HOUR) == [(HOST, "near")]
        assert store.bans(NOW + HOUR) == []
        assert store.dirty() == {HOST}

    def test_a_clock_that_was_set_back_does_not_put_it_off(self, store: Store) -> None:
        store.keep_ban(ban(HOST, until=None))
        assert free(PLAIN, store) == []
        assert free(PLAIN, store, HOST, now=NOW - 9) == [(HOST, "near")]

    def test_another_ignoreip_is_obeyed_at_once(self, store: Store) -> None:
        for host in (HOST, OTHER, "192.0.2.0/25"):
            store.keep_ban(ban(host, until=None))
        assert free(PLAIN, store) == []
        config = configuration(jail("ssh"), ignoreip=networks("192.0.2.0/24"))
        freed = free(config, store, now=NOW + 1)
        assert sorted(freed) == [("192.0.2.0/25", "in ignoreip"), (HOST, "in ignoreip")]
        assert [each.host for each in store.bans(NOW + 1)] == [OTHER]

    def test_a_jail_s_own_ignoreip_is_for_its_bans_alone(self, store: Store) -> None:
        for name in ("ssh", "web", "manual"):
            store.keep_ban(ban(HOST, name))
        config = configuration(jail("ssh", ignoreip=networks(HOST)), jail("web"))
        assert free(config, store) == [(HOST, "in ignoreip")]
        assert {each.jail for each in store.bans(NOW)} == {"web", "manual"}

    def test_no_network_stays_banned_that_any_jail_ignores_a_part_of(self, store: Store) -> None:
        store.keep_ban(ban("192.0.2.0/24", "networks"))
        config = configuration(jail("ssh"), jail("web", ignoreip=networks(HOST)))
        assert free(config, store) == [("192.0.2.0/24", "in ignoreip")]

    def test_what_was_forced_stands(self, store: Store) -> None:
        store.keep_ban(ban("127.0.0.1", "manual", forced=True))
        store.keep_ban(ban("127.0.0.2", "manual"))
        assert free(PLAIN, store) == [("127.0.0.2", "loopback")]
        assert [each.host for each in store.bans(NOW)] == ["127.0.0.1"]


class TestLoggedIn:
    """A login that is read late frees as one that is read in time holds back."""

    def keep(self, store: Store, host: str = HOST, name: str = "ssh") -> None:
        lines = [Evidence(NOW - 60 + n, "sshd", "x", "y", doubtful=False) for n in range(3)]
        store.keep_ban(ban(host, name), lines)

    def freed(self, store: Store, host: str = HOST) -> list[str]:
        return [each.host for each, _ in free_logged_in(PLAIN, store, (host,), NOW)]

    @pytest.mark.parametrize(
        ("ago", "is_freed"), [(61, True), (59, False), (86_400 + 59, True), (86_400 + 61, False)]
    )
    def test_a_login_before_the_attempts_frees(
        self, store: Store, ago: int, is_freed: bool
    ) -> None:
        self.keep(store)
        store.add_hits([login(NOW - ago)])
        assert self.freed(store) == ([HOST] if is_freed else [])

    def test_a_doubtful_login_frees_nobody(self, store: Store) -> None:
        self.keep(store)
        store.add_hits([login(NOW - 61, doubtful=True)])
        assert self.freed(store) == []

    def test_a_person_s_ban_stands(self, store: Store) -> None:
        self.keep(store, name="manual")
        store.add_hits([login(NOW - 61)])
        assert self.freed(store) == []

    def test_a_network_is_freed_for_the_sake_of_one(self, store: Store) -> None:
        store.keep_ban(ban("192.0.2.0/24", "networks"))
        store.keep_ban(ban("192.0.2.0/25", "manual"))
        store.add_hits([login(NOW - 5)])
        assert self.freed(store) == ["192.0.2.0/24"]
        assert [each.host for each in store.bans(NOW)] == ["192.0.2.0/25"]
