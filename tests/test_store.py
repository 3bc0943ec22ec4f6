"""The state: what is committed is there, what is not is not."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from fw_guard.hits import Hit
from fw_guard.logs.reader import Position
from fw_guard.schema import Told
from fw_guard.store import Ban, Evidence, Log, Store, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400
NOON = 1_486_400_000
HOST, OTHER, NAME = "192.0.2.7", "2001:db8:1:2::/64", "p654aaf.example.jp"
LINE = "Feb  7 02:26:52 server sshd[9]: refused connect from 192.0.2.7"


def hit(time: int = NOON, jail: str = "sshd", **more: Any) -> Hit:
    base = Hit(
        *(jail, HOST, HOST, None, time, 1, 1, "failure", "sshd", "refused", "9", None, None, LINE),
        doubtful=False,
    )
    return base._replace(**more)


def named(time: int = NOON, jail: str = "inetd", name: str = NAME) -> Hit:
    return hit(time, jail, host=None, address=None, name=name, filter="inetd")


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Make files as the command line does."""
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def place(tmp_path: Path) -> str:
    return str(tmp_path / "state")


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    with Store(place) as opened:
        yield opened


def test_everything_that_was_committed_is_there_again(place: str) -> None:
    log = Log(
        "/var/log/auth.log",
        "sshd/sshd",
        Position(64_769, 1 << 62, 77, b"Feb\xff\0", NOON),
        NOON - 5,
        b"the last line",
    )
    unread = Log("/var/log/other.log", "sshd/pam", Position(1, 2, 0, b"", NOON), None, b"")
    whole = hit(user="root", port=50_022, weight=3, times=5, name=NAME, doubtful=True)
    waiting = named()
    ban = Ban("sshd", HOST, NOON, NOON + 3600, 5, "5 hits in 9s, limit 5 in 10m")
    good = Ban("manual", OTHER, NOON + 1, None, 0, "by hand")
    line = Evidence(NOON, "sshd", "refused", LINE, doubtful=True)
    with Store(place) as store:
        store.keep_log(log)
        store.keep_log(unread)
        store.add_hits([whole, waiting])
        store.keep_pairs({(NAME, HOST): (NOON - 9, NOON)})
        store.keep_ban(ban, [line])
        store.keep_ban(good)
        store.hold("sshd", OTHER, NOON, "it logged in before")
        store.tell("preview", {HOST: Told(NOON + 3600, NOON + 600), OTHER: Told(None, None)})
        store.set_note("pass", str(NOON))
        store.commit()
    with Store(place, reading=True) as store:
        assert store.logs() == {
            (log.path, "sshd/sshd"): log,
            (unread.path, "sshd/pam"): unread,
        }
        assert store.hits("sshd", HOST) == [whole]
        assert store.hits_of(HOST) == [whole]
        assert store.hits_named(NAME) == [whole, waiting]
        assert store.waiting() == [("inetd", NAME, NOON)]
        assert store.pairs() == {NAME: {HOST: (NOON - 9, NOON)}}
        assert store.ban("sshd", HOST) == ban
        assert store.bans(NOON) == [good, ban]
        assert store.evidence("sshd", HOST) == [line]
        assert store.held() == [("sshd", OTHER, NOON, "it logged in before")]
        assert store.told("preview") == {
            HOST: Told(NOON + 3600, NOON + 600),
            OTHER: Told(None, None),
        }
        assert store.told("other") == {}
        assert store.note("pass") == str(NOON)


def test_a_log_is_kept_at_its_latest_position(store: Store) -> None:
    for offset, last in ((10, NOON), (20, None)):
        position = Position(1, 2, offset, b"x", NOON)
        store.keep_log(Log("/var/log/a", "sshd/sshd", position, last, b""))
    log = store.logs()["/var/log/a", "sshd/sshd"]
    assert (log.position.offset, log.last) == (20, NOON)


def test_two_readers_of_a_log_have_positions_of_their_own(store: Store) -> None:
    for reader, offset in (("sshd/sshd", 10), ("sshd/pam", 20)):
        store.keep_log(Log("/var/log/a", reader, Position(1, 2, offset, b"x", NOON), None, b""))
    assert {key[1]: log.position.offset for key, log in store.logs().items()} == {
        "sshd/sshd": 10,
        "sshd/pam": 20,
    }


def test_a_log_that_nobody_reads_is_forgotten_after_a_month(store: Store) -> None:
    for path, age in (("/var/log/a", 30 * DAY), ("/var/log/b", 30 * DAY + 1)):
        store.keep_log(Log(path, "sshd/sshd", Position(1, 2, 3, b"x", NOON - age), None, b""))
    store.prune_rest(["sshd"], NOON, NOON, NOON)
    assert [path for path, _ in store.logs()] == ["/var/log/a"]


def test_hits_come_in_the_order_of_time_then_of_reading(store: Store) -> None:
    late, early, again = hit(NOON + 9), hit(NOON, pid="1"), hit(NOON, pid="2")
    store.add_hits([late, early, again])
    assert store.hits("sshd", HOST) == [early, again, late]
    assert store.hits_of(HOST) == [early, again, late]


def test_hits_are_told_apart_by_jail_host_and_kind(store: Store) -> None:
    good = hit(kind="success")
    ours, theirs, elsewhere = hit(), hit(host=OTHER), hit(jail="inetd")
    store.add_hits([ours, good, theirs, elsewhere])
    assert store.hits("sshd", HOST) == [ours]
    assert store.hits("sshd", HOST, "success") == [good]
    assert store.hits_of(HOST) == [ours, good, elsewhere]


def test_logins_are_known_in_whatever_jail(store: Store) -> None:
    store.add_hits([hit(5, kind="success"), hit(7, "inetd", kind="success"), hit(9)])
    assert sorted(store.logins(HOST)) == [5, 7]
    assert store.logins(OTHER) == []


def test_hits_are_counted_by_jail_those_that_wait_apart(store: Store) -> None:
    store.add_hits([hit(), hit(), named(jail="sshd"), named(), hit(kind="success")])
    assert store.counts() == {"sshd": (2, 1, 0), "inetd": (0, 1, 0)}


def test_doubtful_hits_are_counted_among_those_with_a_host(store: Store) -> None:
    doubtful = [hit(doubtful=True), hit(doubtful=True), hit(kind="success", doubtful=True)]
    store.add_hits([hit(), *doubtful, named(jail="sshd")._replace(doubtful=True)])
    assert store.counts() == {"sshd": (3, 1, 2)}


def test_a_doubtful_login_is_none(store: Store) -> None:
    store.add_hits([hit(5, kind="success", doubtful=True), hit(7, kind="success")])
    assert store.logins(HOST) == [7]


def test_what_is_doubtful_stays_so_and_apart_from_what_is_sure(store: Store) -> None:
    store.add_hits([hit(doubtful=True), hit(), hit(doubtful=True), named()])
    store.add_hits([named()._replace(doubtful=True)])
    store.lay(NAME, "inetd", NOON, HOST, HOST)
    assert [each.doubtful for each in store.hits("inetd", HOST)] == [False, True]
    told = [(each.times, each.doubtful) for each in store.told_of("sshd", HOST)]
    assert told == [(2, True), (1, False)]
    assert [each.doubtful for each in store.hits("sshd", HOST)] == [True, False, True]


def test_doubtful_lines_do_not_push_the_sure_ones_out_of_the_evidence(store: Store) -> None:
    store.add_hits(hit(NOON + n, doubtful=True) for n in range(30))
    store.add_hits([hit(NOON + 28, line="sure"), hit(NOON + 29, line="sure too")])
    lines = store.lines("sshd", HOST, NOON, NOON + 29)
    assert [line.time - NOON for line in lines] == [*range(18), 28, 29]
    assert [line.line for line in lines if not line.doubtful] == ["sure", "sure too"]


def test_a_very_long_line_is_cut(store: Store) -> None:
    store.add_hits([hit(line="x" * 5_000)])
    assert store.hits_of(HOST)[0].line == "x" * 2_000


def test_what_would_be_sql_is_text(store: Store) -> None:
    evil = "'; delete from hit; --\0\x1b"
    store.add_hits([hit(user=evil, line=evil, jail=evil, host=evil)])
    assert [(h.user, h.line) for h in store.hits(evil, evil)] == [(evil, evil)]


def test_waiting_hits_are_laid_to_the_address_of_their_time(store: Store) -> None:
    store.add_hits([named(NOON), named(NOON), named(NOON + 9), named(NOON, "httpd")])
    store.add_hits([named(NOON, name="other.example.jp")])
    store.lay(NAME, "inetd", NOON, "2001:db8:1:2::9", OTHER)
    laid = store.hits("inetd", OTHER)
    assert [(h.time, h.address, h.name) for h in laid] == [(NOON, "2001:db8:1:2::9", NAME)] * 2
    assert set(store.waiting()) == {
        ("inetd", NAME, NOON + 9),
        ("httpd", NAME, NOON),
        ("inetd", "other.example.jp", NOON),
    }


def test_a_hit_that_was_laid_once_stays_where_it_is(store: Store) -> None:
    store.add_hits([named()])
    store.lay(NAME, "inetd", NOON, HOST, HOST)
    store.lay(NAME, "inetd", NOON, "198.51.100.7", "198.51.100.7")
    assert len(store.hits("inetd", HOST)) == 1
    assert store.hits("inetd", "198.51.100.7") == []


def test_a_pair_is_kept_with_the_times_last_said(store: Store) -> None:
    store.keep_pairs({(NAME, HOST): (NOON, NOON)})
    store.keep_pairs({(NAME, HOST): (NOON - 9, NOON + 9), (NAME, "192.0.2.8"): (1, 2)})
    assert store.pairs() == {NAME: {HOST: (NOON - 9, NOON + 9), "192.0.2.8": (1, 2)}}


def test_a_ban_is_in_force_until_its_time_is_over(store: Store) -> None:
    ban = Ban("sshd", HOST, NOON, NOON + 60, 5, "x")
    store.keep_ban(ban)
    assert store.bans(NOON + 59) == [ban]
    assert store.bans(NOON + 60) == []
    assert store.ban("sshd", HOST) == ban
    assert store.bans_of(HOST) == [ban]
    assert store.ban("inetd", HOST) is None


def test_bans_that_ended_between_two_passes_are_told_once(store: Store) -> None:
    ban = Ban("sshd", HOST, NOON, NOON + 60, 5, "x")
    short = Ban("sshd", OTHER, NOON + 10, NOON + 20, 5, "began and ended between two passes")
    for each in (ban, short, Ban("sshd", "192.0.2.8", NOON, None, 5, "for good")):
        store.keep_ban(each)
    assert store.ended(NOON, NOON + 59) == []
    assert store.ended(NOON, NOON + 60) == [ban]
    assert store.ended(NOON + 60, NOON + 120) == []


def test_a_new_ban_replaces_the_earlier_one_and_its_lines(store: Store) -> None:
    old = Evidence(1, "sshd", "a", "old", doubtful=False)
    new = Evidence(2, "sshd", "b", "new", doubtful=False)
    store.keep_ban(Ban("sshd", HOST, NOON, NOON + 1, 5, "old"), [old, old])
    store.hold("sshd", HOST, NOON, "held")
    store.hold("sshd", OTHER, NOON, "held")
    again = Ban("sshd", HOST, NOON + 9, NOON + 10, 6, "new")
    store.keep_ban(again, [new])
    assert store.bans_of(HOST) == [again]
    assert store.evidence("sshd", HOST) == [new]
    assert store.held() == [("sshd", OTHER, NOON, "held")]


def test_of_a_flood_twenty_lines_are_kept(store: Store) -> None:
    lines = [Evidence(n, "sshd", "refused", f"line {n}", doubtful=False) for n in range(1000)]
    store.keep_ban(Ban("sshd", HOST, NOON, None, 1000, "x"), iter(lines))
    assert store.evidence("sshd", HOST) == lines[:20]


def test_a_host_is_let_in_again_in_every_jail(store: Store) -> None:
    over = Ban("a", HOST, 1, NOON - 1, 5, "over")
    other = Ban("sshd", OTHER, NOON, None, 5, "another host")
    for ban in (
        over,
        other,
        Ban("b", HOST, NOON, NOON + 9, 5, "x"),
        Ban("c", HOST, NOON, None, 5, "x"),
    ):
        store.keep_ban(ban)
    assert store.end_bans(HOST, NOON) == 2
    assert store.bans(NOON) == [other]
    assert store.ban("a", HOST) == over
    assert store.end_bans(HOST, NOON) == 0


def test_a_host_is_held_back_once_in_each_jail(store: Store) -> None:
    store.hold("sshd", HOST, NOON, "old")
    store.hold("sshd", HOST, NOON + 5, "new")
    store.hold("inetd", HOST, NOON + 1, "x")
    assert store.held() == [("inetd", HOST, NOON + 1, "x"), ("sshd", HOST, NOON + 5, "new")]


def test_an_empty_note_is_forgotten(store: Store) -> None:
    store.set_note("pass", "1")
    store.set_note("pass", "2")
    assert store.note("pass") == "2"
    store.set_note("pass", "")
    assert store.note("pass") == ""


def test_pruning_a_jail_forgets_its_old_failures_alone(store: Store) -> None:
    kept = [hit(100), hit(1, "inetd"), hit(1, kind="success"), named(50, "sshd")]
    store.add_hits([*kept, hit(99), named(49, "sshd")])
    store.prune("sshd", 100, 50)
    assert store.hits("sshd", HOST) == [kept[0]]
    assert store.hits("inetd", HOST) == [kept[1]]
    assert store.hits("sshd", HOST, "success") == [kept[2]]
    assert store.hits_named(NAME) == [kept[3]]


def test_pruning_the_rest_keeps_exactly_what_can_still_be_asked_for(store: Store) -> None:
    login, failure = hit(NOON - 10, kind="success"), hit(1)
    store.add_hits(
        [login, failure, hit(NOON - 11, kind="success"), hit(NOON - 30 * DAY - 1, "gone")]
    )
    month = NOON - 30 * DAY
    store.keep_pairs({(NAME, HOST): (1, month), (NAME, "192.0.2.8"): (1, month - 1)})
    line = Evidence(1, "sshd", "refused", LINE, doubtful=False)
    recent, forever = Ban("sshd", HOST, 1, NOON - 20, 5, "x"), Ban("gone", HOST, 2, None, 5, "x")
    for ban in (recent, forever, Ban("sshd", OTHER, 3, NOON - 21, 5, "x")):
        store.keep_ban(ban, [line])
    store.hold("sshd", "192.0.2.8", NOON - 20, "x")
    store.hold("sshd", "192.0.2.9", NOON - 21, "x")
    store.prune_rest(["sshd", "inetd"], NOON, NOON - 10, NOON - 20)
    assert store.hits_of(HOST) == [failure, login]
    assert store.pairs() == {NAME: {HOST: (1, month)}}
    assert store.bans_of(HOST) == [forever, recent]
    assert store.bans_of(OTHER) == []
    assert store.evidence("sshd", HOST) == [line]
    assert store.evidence("gone", HOST) == [line]
    assert store.evidence("sshd", OTHER) == []
    assert [host for _, host, _, _ in store.held()] == ["192.0.2.8"]


def fill(place: str) -> None:
    """Keep more within a part than the disk takes."""
    with Store(place) as store:
        store._db.execute("pragma max_page_count = 40")
        with store.all_or_nothing():
            store.add_hits(hit(line="x" * 1000) for _ in range(1000))


def test_a_disk_that_fills_within_a_part_is_called_full(place: str) -> None:
    with Store(place) as store:
        store.commit()
    with pytest.raises(StoreError, match="database or disk is full"):
        fill(place)
    with Store(place, reading=True) as store:
        assert store.hits("sshd", HOST) == []


def keep_in_vain(store: Store) -> None:
    """Keep hits within a part that fails."""
    with store.all_or_nothing():
        store.add_hits([hit(), hit()])
        raise KeyError


def test_a_part_that_fails_is_taken_back_and_the_rest_is_kept(place: str) -> None:
    with Store(place) as store:
        store.add_hits([hit()])
        with pytest.raises(KeyError):
            keep_in_vain(store)
        with store.all_or_nothing():
            store.add_hits([hit()])
        store.commit()
    with Store(place, reading=True) as store:
        assert len(store.hits("sshd", HOST)) == 2
