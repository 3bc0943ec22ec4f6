"""What a person reads: tables that align, colour when asked for, nothing hostile."""

from __future__ import annotations

import time
import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import views

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fw_guard.answers import Answer

SURE, NONE_DOUBTFUL = {"doubtful": False}, {"doubtful": 0}
NOON = 1_486_436_400  # 2017-02-07 03:00 UTC, noon in Japan
HOSTILE = "\x1b[2J\x1b]0;x\x07\u202egnp\u2066\r\n\x9b31m\0"


@pytest.fixture(autouse=True)
def japan(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the machine stand in Japan."""
    monkeypatch.setenv("TZ", "JST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def is_harmless(lines: Iterable[str]) -> bool:
    return all(
        char == " " or unicodedata.category(char)[0] not in "CZ" for line in lines for char in line
    )


def ban(**more: object) -> Answer:
    return {
        "address": "192.0.2.7",
        "jail": "sshd",
        "since": NOON,
        "until": NOON + 3600,
        "hits": 5,
        "reason": "5 hits in 9s, limit 5 in 10m",
        **more,
    }


def status(**more: object) -> Answer:
    log = {
        "path": "/var/log/auth.log",
        "size": 700,
        "behind": 77,
        "last_hit": NOON,
        "read_at": NOON + 60,
    }
    gone = {"path": "/var/log/a", "size": None, "behind": None, "last_hit": None, "read_at": None}
    return {
        "jails": [
            {
                "jail": "sshd",
                "action": "pf",
                "limits": ["5 in 10m", "20 in 1d"],
                "hits": 12,
                "doubtful": 0,
                "waiting_names": 0,
                "banned": 3,
                "held": [],
                "logs": [log, gone],
                **more,
            }
        ],
        "by_hand": 0,
        "networks": 0,
        "other_jails": 0,
        "firewalls": [],
        "last_pass": NOON + 60,
        "now": NOON + 180,
    }


def why(**more: object) -> Answer:
    return {
        "asked": "2001:db8:1:2::7",
        "stands_for": None,
        "hosts": ["2001:db8:1:2::7", "2001:db8:1:2::/64"],
        "protected": "",
        "bans": [],
        "wider": [],
        "held": [],
        "sums": [],
        "hits": [],
        "doubts": [],
        **more,
    }


def a_run(**more: object) -> Answer:
    counts = {"lines": 1, "logs": 2, "hits": 1, "doubtful": 0, "undated": 0, "long": 0}
    return {**counts, "banned": [], "unbanned": [], "held": [], **more}


def test_a_moment_carries_its_offset() -> None:
    assert views.moment(NOON) == "2017-02-07 12:00:00 +0900"


def test_a_moment_elsewhere_has_another_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "EST5")
    time.tzset()
    assert views.moment(NOON) == "2017-02-06 22:00:00 -0500"


def test_no_moment_is_a_dash() -> None:
    assert views.moment(None) == "-"
    assert views.moment(0) == "1970-01-01 09:00:00 +0900"


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (None, "for good"),
        (NOON + 3601, "until 2017-02-07 13:00:01 +0900 (in 1h1s)"),
        (NOON + 1, "until 2017-02-07 12:00:01 +0900 (in 1s)"),
        (NOON, "until 2017-02-07 12:00:00 +0900 (over)"),
        (NOON - 60, "until 2017-02-07 11:59:00 +0900 (over)"),
    ],
)
def test_an_ending_says_when_and_in_how_long(until: int | None, expected: str) -> None:
    assert views.ending(until, NOON) == expected


def test_the_columns_of_a_table_align() -> None:
    rows = [("192.0.2.7", 5), ("2001:db8:1:2::/64", 12_345)]
    assert list(views.table(("ADDRESS", "HITS"), rows, color=False)) == [
        "ADDRESS            HITS",
        "192.0.2.7          5",
        "2001:db8:1:2::/64  12345",
    ]


def test_wide_characters_do_not_push_the_columns_apart() -> None:
    rows = [("日本語", "x"), ("abcd", "y"), ("\x1b", "z")]
    assert list(views.table(("A", "B"), rows, color=False)) == [
        "A       B",
        "日本語  x",
        "abcd    y",
        "\\x1b    z",
    ]


def test_a_table_without_rows_is_its_head() -> None:
    assert list(views.table(("A", "B"), [], color=False)) == ["A  B"]


def test_colour_is_in_the_head_alone_and_only_when_asked_for() -> None:
    head, row = views.table(("A", "B"), [("c", "d")], color=True)
    assert head == "\x1b[1mA  B\x1b[0m"
    assert row == "c  d"
    assert "\x1b" not in "".join(views.table(("A", "B"), [("c", "d")], color=False))


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5))
def test_nothing_hostile_gets_through_a_table(rows: list[tuple[str, str]]) -> None:
    lines = list(views.table(("ONE", "TWO"), rows, color=False))
    assert len(lines) == len(rows) + 1
    assert is_harmless(lines)


def test_the_list_shows_the_bans() -> None:
    answer = {
        "bans": [ban(), ban(address="2001:db8::/64", jail="manual", until=None, reason="by hand")]
    }
    assert list(views.list_view(answer, NOON + 3000, color=False)) == [
        "ADDRESS        JAIL    SINCE             UNTIL             LEFT  WHY",
        "192.0.2.7      sshd    2017-02-07 12:00  2017-02-07 13:00  10m"
        "   5 hits in 9s, limit 5 in 10m",
        "2001:db8::/64  manual  2017-02-07 12:00  for good          -     by hand",
    ]


def test_the_status_shows_jails_logs_and_the_last_pass() -> None:
    assert list(views.status_view(status(), color=False)) == [
        "JAIL  ACTION  LIMITS              LINES KEPT  NO ADDRESS YET  BANNED",
        "sshd  pf      5 in 10m, 20 in 1d  12          0               3",
        "",
        "LOG                READ              BEHIND    LAST HIT",
        "/var/log/a         never             missing   -",
        "/var/log/auth.log  2017-02-07 12:01  77 bytes  2017-02-07 12:00",
        "",
        "last pass: 2017-02-07 12:01:00 +0900 (2m ago)",
    ]


def test_the_status_shows_what_is_held_back_and_what_no_jail_bans() -> None:
    held = {"address": "192.0.2.9", "time": NOON, "reason": "it logged in before"}
    answer = status(held=[held]) | {"by_hand": 2, "other_jails": 1, "last_pass": None}
    assert list(views.status_view(answer, color=False))[-4:] == [
        "not banned by sshd: 192.0.2.9, due 2017-02-07 12:00:00 +0900: it logged in before",
        "banned by hand: 2",
        "banned by jails that are gone: 1",
        "last pass: -",
    ]


def test_why_shows_bans_lines_sums_and_hits() -> None:
    line = {"time": NOON, "filter": "sshd", "match": "refused", "line": "refused connect", **SURE}
    hit = {"jail": "sshd", "address": "2001:db8:1:2::7", **line}
    again, waiting = hit | {"line": "again"}, hit | {"line": "waiting", "address": None}
    limit = {"weight": 2, **NONE_DOUBTFUL, "count": 5, "seconds": 600, "limit": "5 in 10m"}
    answer = why(
        protected="in ignoreip",
        bans=[
            ban(in_force=True, lines=[line]),
            ban(jail="inetd", until=NOON, in_force=False, lines=[]),
        ],
        wider=[ban(address="2001:db8::/32", jail="manual", reason="by hand")],
        held=[{"jail": "pam", "time": NOON, "reason": "it logged in before"}],
        sums=[{"jail": "sshd", "limits": [limit]}],
        hits=[hit, again, waiting],
    )
    assert list(views.why_view(answer, NOON + 3000, color=False, whole=False)) == [
        "2001:db8:1:2::7 (counted as 2001:db8:1:2::/64)",
        "  is never banned: in ignoreip",
        "  banned by sshd: 5 hits in 9s, limit 5 in 10m",
        "    from 2017-02-07 12:00:00 +0900 until 2017-02-07 13:00:00 +0900 (in 10m)",
        "    sshd/refused: refused connect",
        "  was banned by inetd: 5 hits in 9s, limit 5 in 10m",
        "    from 2017-02-07 12:00:00 +0900 until 2017-02-07 12:00:00 +0900 (over)",
        "  shut out with 2001:db8::/32 (manual: by hand)",
        "  not banned by pam, due 2017-02-07 12:00:00 +0900: it logged in before",
        "  sshd: 2 hits counting now, limit 5 in 10m",
        "  2 more lines kept:",
        "    sshd sshd/refused: again",
        "    sshd sshd/refused (waits for the address of the name): waiting",
    ]


def test_why_shows_the_lines_of_an_address_that_is_not_banned() -> None:
    hit = {"time": NOON, "filter": "sshd", "match": "refused", "line": "refused connect", **SURE}
    answer = why(hits=[hit | {"jail": "sshd", "address": "2001:db8:1:2::7"}])
    assert list(views.why_view(answer, NOON, color=False, whole=False)) == [
        "2001:db8:1:2::7 (counted as 2001:db8:1:2::/64)",
        "  1 line kept:",
        "    sshd sshd/refused: refused connect",
    ]


def test_why_marks_doubtful_lines_and_says_what_that_is() -> None:
    line = {"time": NOON, "filter": "sshd", "match": "password", "line": "a", "doubtful": True}
    limit = {"weight": 3, "doubtful": 7, "count": 5, "seconds": 600, "limit": "5 in 10m"}
    sure = {"jail": "sshd", "address": "2001:db8:1:2::7", **line, "line": "b", **SURE}
    answer = why(
        bans=[ban(in_force=True, lines=[line])],
        sums=[{"jail": "sshd", "limits": [limit]}],
        hits=[sure, sure | {"line": "c", "doubtful": True}],
    )
    explained = [
        "  doubtful (at most half of a limit may be such hits):",
        "    another address, or a very long text, stands before the host",
    ]
    assert list(views.why_view(answer, NOON, color=False, whole=False))[3:] == [
        "    sshd/password, doubtful: a",
        "  sshd: 3 hits counting now, limit 5 in 10m; of 7 doubtful at most 2 count",
        "  2 more lines kept:",
        "    sshd sshd/password: b",
        "    sshd sshd/password, doubtful: c",
        *explained,
    ]
    for alone in (why(bans=answer["bans"]), why(hits=answer["hits"])):
        assert list(views.why_view(alone, NOON, color=False, whole=False))[-2:] == explained


def test_why_quotes_a_filter_s_own_doubt_and_names_the_setting_that_overrules_it() -> None:
    line = {"time": NOON, "filter": "mine", "match": "failed", "line": "a", "doubtful": True}
    hit = {"jail": "mine", "address": "2001:db8:1:2::7", **line}
    doubt: Answer = {"jail": "mine", "filter": "mine", "match": "failed", "kind": "failure"}
    doubt |= {"reason": "names may hold line breaks", "table": "[jail.mine]", "counted": False}
    would = (
        "    `count_doubtful = true` in [jail.mine] would count what the filter doubts, in lines"
        " read from then on; kept hits stay as they were judged"
    )
    head = "  doubtful (at most half of a limit may be such hits):"
    own = "    mine/failed: names may hold line breaks"
    cast = "    another address, or a very long text, stands before the host"

    def told(*doubts: Answer, hits: tuple[Answer, ...] = (hit,)) -> list[str]:
        answer = why(hits=list(hits), doubts=list(doubts))
        return list(views.why_view(answer, NOON, color=False, whole=True))[2 + len(hits) :]

    assert told(doubt) == [head, own, would]
    # Another hit is doubtful for what stands in it: the setting is no help there.
    assert told(doubt, hits=(hit, hit | {"match": "other"})) == [head, own, cast, would]
    # It is set: either the hit was judged before, or it is doubtful for what stands in it.
    is_set = would.replace("would count", "is set, and counts")
    assert told(doubt | {"counted": True}) == [head, own, cast, is_set]
    # No setting makes a doubtful login free anybody.
    assert told(doubt | {"kind": "success"}) == [head, own]


def test_status_and_a_pass_say_how_many_hits_are_doubtful() -> None:
    row = list(views.status_view(status(doubtful=3), color=False))[1]
    assert "  5 in 10m, 20 in 1d  12 (3 doubtful)  0 " in row
    said = list(views.run_view(a_run(hits=4, doubtful=3)))
    assert said == ["1 new line in 2 logs, 4 hits (3 doubtful) kept"]


def test_why_is_coloured_in_its_title_alone() -> None:
    title, *rest = views.why_view(why(protected="loopback"), NOON, color=True, whole=True)
    assert title == "\x1b[1m2001:db8:1:2::7 (counted as 2001:db8:1:2::/64)\x1b[0m"
    assert rest == ["  is never banned: loopback"]


def test_a_pass_says_what_it_did() -> None:
    answer = a_run(
        lines=2,
        logs=1,
        undated=1,
        long=3,
        banned=[ban(), ban(address="192.0.2.8", until=None)],
        unbanned=[ban(address="192.0.2.9", reason="its time is over")],
        held=[{"jail": "sshd", "address": "192.0.2.10", "reason": "it logged in before"}],
    )
    assert list(views.run_view(answer)) == [
        "2 new lines in 1 log, 1 hit kept",
        "1 matched line with no valid time, or one more than a day ahead: is the clock right?",
        "3 lines too long to be read",
        "ban 192.0.2.7 by sshd until 2017-02-07 13:00:00 +0900: 5 hits in 9s, limit 5 in 10m",
        "ban 192.0.2.8 by sshd for good: 5 hits in 9s, limit 5 in 10m",
        "unban 192.0.2.9, banned by sshd: its time is over",
        "not banned by sshd: 192.0.2.10: it logged in before",
    ]


def test_an_event_and_a_matched_line_are_one_line_each() -> None:
    event = {
        "time": NOON,
        "event": "ban",
        "address": "192.0.2.7",
        "jail": "sshd",
        "reason": "5 hits",
    }
    expected = "2017-02-07 12:00:00 +0900  ban    192.0.2.7  sshd  5 hits"
    assert views.event_view(event) == expected
    found = {
        "line": 12,
        "match": "refused",
        "kind": "failure",
        "host": "192.0.2.7",
        "user": "root",
        "time": None,
        "text": "the line",
        "doubtful": False,
    }
    shown = "12: refused (failure) host 192.0.2.7 user root at -: the line"
    assert views.try_view(found) == shown
    assert views.try_view(found | {"log": "/a/b"}, named=True) == f"/a/b:{shown}"
    assert views.try_view(found | {"log": "-"}, named=True) == f"standard input:{shown}"
    assert views.try_view(found | {"user": None}) == shown.replace(" user root", "")
    doubtful = shown.replace("(failure)", "(failure, doubtful)")
    assert views.try_view(found | {"doubtful": True}) == doubtful


def test_nothing_hostile_gets_through_any_view() -> None:
    bad = HOSTILE
    line = {"time": NOON, "filter": bad, "match": bad, "line": bad, **SURE}
    hit = {"jail": bad, "address": None, **line, "time": NOON + 1}
    held = {"jail": bad, "address": bad, "time": NOON, "reason": bad}
    evil = ban(reason=bad, jail=bad, address=bad, in_force=True, lines=[line])
    reason = why(asked=bad, bans=[evil], wider=[evil], hits=[hit], held=[held])
    shown = [
        *views.list_view({"bans": [evil]}, NOON, color=False),
        *views.status_view(status(jail=bad, held=[held]), color=False),
        *views.why_view(reason, NOON, color=False, whole=True),
        *views.run_view(a_run(banned=[evil], unbanned=[evil], held=[held])),
        views.event_view({"time": NOON, "event": "ban", **evil}),
        views.try_view(
            {"line": 1, "match": bad, "kind": "failure", "host": bad, "user": bad, "time": NOON}
            | {"text": bad, **SURE}
        ),
    ]
    assert is_harmless(shown)
    assert sum(r"\x1b[2J" in each for each in shown) >= 12


def test_why_shows_the_newest_lines_and_counts_the_rest() -> None:
    hit = {"time": NOON, "filter": "f", "match": "m", "jail": "j", **SURE}
    hit["address"] = "2001:db8:1:2::7"
    answer = why(hits=[hit | {"line": f"line {number}"} for number in range(13)])
    shown = list(views.why_view(answer, NOON, color=False, whole=False))
    assert shown[1:4] == ["  13 lines kept:", "    (3 older; -v shows all)", "    j f/m: line 3"]
    assert shown[-1] == "    j f/m: line 12"
    assert len(list(views.why_view(answer, NOON, color=False, whole=True))) == 2 + 13


def test_a_change_by_hand_says_what_came_of_each_address() -> None:
    answer = {
        "banned": [ban(jail="manual", reason="x")],
        "unbanned": ["192.0.2.8"],
        "still": [{"address": "192.0.2.9", "with": ["192.0.2.0/24"]}],
        "not_banned": ["192.0.2.10"],
        "refused": [],
    }
    assert list(views.change_view(answer, NOON + 3000, "would be")) == [
        "192.0.2.7 would be banned until 2017-02-07 13:00:00 +0900 (in 10m)",
        "192.0.2.8 would be unbanned",
        "192.0.2.9 stays shut out with 192.0.2.0/24; unban that",
        "192.0.2.10 is not banned",
    ]
    nothing: dict[str, list[str]] = {key: [] for key in answer}
    assert list(views.change_view(nothing, NOON, "is")) == ["nobody is banned"]
