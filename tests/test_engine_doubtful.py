"""The engine and doubtful hits: reported, never enough for a ban, no shelter for what is sure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fw_guard import engine
from fw_guard.engine import Attempt, Ban, Case, Held, Hit, Rule, Verdict

RULE = Rule(limits=((5, 600),), bantime=3600, logintime=86_400)


def sure(*times: int, match: str = "sshd/password", pid: str = "") -> list[Hit]:
    return [Hit(time, 1, 1, match, pid, doubtful=False) for time in times]


def doubtful(*times: int, match: str = "sshd/password", pid: str = "") -> list[Hit]:
    return [Hit(time, 1, 1, match, pid, doubtful=True) for time in times]


def judged(hits: list[Hit], rule: Rule = RULE, logins: tuple[int, ...] = ()) -> Verdict:
    return engine.judge(rule, Case(hits, None, logins, ""))


def test_doubtful_hits_alone_ban_nobody_and_the_verdict_says_so() -> None:
    assert judged(doubtful(*range(99))) == Verdict((), Held(98, "only doubtful hits"))


def test_fewer_doubtful_hits_than_the_limit_are_not_worth_a_word() -> None:
    assert judged(doubtful(1, 2, 3, 4)) == Verdict((), None)


def test_where_one_attempt_bans_a_doubtful_one_does_not_and_a_sure_one_does() -> None:
    rule = Rule(((1, 60),), 3600, 0)
    assert judged(doubtful(5), rule) == Verdict((), Held(5, "only doubtful hits"))
    assert judged(doubtful(5) + sure(6), rule).bans == (Ban(6, 3606, 2, 5, (1, 60), 1),)


def test_who_mistypes_twice_cannot_be_pushed_over_a_limit_of_five() -> None:
    verdict = judged(sure(0, 50) + doubtful(*range(1, 41)))
    assert verdict == Verdict((), Held(50, "40 of 42 hits are doubtful"))


@pytest.mark.parametrize(
    ("count", "needed"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (6, 3), (20, 10)]
)
def test_doubtful_hits_fill_half_of_a_limit_rounded_down(count: int, needed: int) -> None:
    rule = Rule(((count, 600),), 3600, 0)
    flood = doubtful(*[0] * 100)
    assert not judged(flood + sure(*range(1, needed)), rule).bans
    assert judged(flood + sure(*range(1, needed + 1)), rule).bans


def test_a_ban_says_how_many_of_all_its_hits_are_doubtful() -> None:
    verdict = judged(doubtful(*range(7)) + sure(7, 8, 9))
    assert verdict.bans == (Ban(9, 3609, 10, 0, (5, 600), 7),)


def test_doubtful_hits_leave_the_window_with_their_time() -> None:
    assert judged(doubtful(0, 1) + sure(300, 301, 600)).bans
    assert not judged(doubtful(0, 1) + sure(300, 301, 601)).bans


def test_doubtful_hits_that_fell_into_a_ban_count_for_nothing_after_it() -> None:
    first = sure(0, 0, 0, 0, 0)
    assert len(judged([*first, *doubtful(3599, 3600), *sure(3601, 3602, 3603)]).bans) == 1
    assert len(judged([*first, *doubtful(3601, 3601), *sure(3601, 3602, 3603)]).bans) == 2


def test_a_doubtful_hit_before_a_login_does_not_undo_what_that_holds_back() -> None:
    hits = doubtful(50) + sure(101, 102, 103, 104, 105)
    assert judged(hits, logins=(100,)) == Verdict((), Held(105, "it logged in before"))


def test_of_two_limits_the_one_that_sure_hits_meet_is_named() -> None:
    rule = Rule(((4, 600), (2, 60)), 3600, 0)
    verdict = judged(doubtful(0, 1) + sure(100, 101), rule)
    assert verdict.bans == (Ban(101, 3701, 2, 100, (2, 60), 0),)


def test_a_login_counts_from_the_first_sure_hit_that_is_still_in_the_window() -> None:
    hits = sure(0) + doubtful(1000) + sure(1001, 1002, 1003, 1004, 1005)
    assert judged(hits, logins=(500,)) == Verdict((), Held(1005, "it logged in before"))


def test_a_ban_after_a_limit_of_doubtful_hits_is_a_ban() -> None:
    verdict = judged(doubtful(0, 1, 2, 3, 4) + sure(10, 11, 12))
    assert [ban.since for ban in verdict.bans] == [12]


# Several lines about one attempt.


def test_doubtful_lines_about_one_attempt_count_once() -> None:
    told = doubtful(0, match="sshd/invalid-user", pid="8") + doubtful(2, pid="8")
    assert engine.attempts(told) == [Attempt(0, 1, doubtful=True)]


def test_a_doubtful_line_about_a_sure_attempt_adds_none() -> None:
    told = sure(0, match="pam/failure", pid="8") + doubtful(2, pid="8")
    assert engine.attempts(told) == [Attempt(0, 1)]


def test_a_sure_line_about_a_doubtful_attempt_makes_it_sure() -> None:
    told = doubtful(0, pid="8") + sure(2, match="sshd/gave-up", pid="8")
    assert engine.attempts(told) == [
        Attempt(0, 1, doubtful=True),
        Attempt(2, 1, confirms=((0, 1),)),
    ]


def test_a_confirmed_attempt_counts_once() -> None:
    rule = Rule(((2, 600),), 3600, 0)
    one = doubtful(0, pid="8") + sure(2, match="sshd/gave-up", pid="8")
    two = doubtful(0, pid="8") + sure(2, match="sshd/gave-up", pid="9")
    assert judged(one, rule) == Verdict((), None)
    assert judged(two, rule).bans == (Ban(2, 3602, 2, 0, (2, 600), 1),)


def test_of_three_doubtful_attempts_a_sure_line_about_one_confirms_one() -> None:
    three = doubtful(0, 5, 9, pid="8") + sure(9, match="sshd/gave-up", pid="8")
    made = engine.attempts(three)
    assert made[-1] == Attempt(9, 1, confirms=((2, 1),))
    assert engine.standing((5, 600), made, None, 9) == (3, 2)


def test_a_line_that_stands_for_many_doubtful_attempts_is_confirmed_in_part() -> None:
    many = [Hit(0, 3, 5, "sshd/password", "8", doubtful=True)]
    made = engine.attempts([*many, *sure(1, 2, match="pam/failure", pid="8")])
    assert made == [
        Attempt(0, 15, doubtful=True),
        Attempt(1, 1, confirms=((0, 3),)),
        Attempt(2, 1, confirms=((0, 3),)),
    ]
    assert engine.standing((100, 600), made, None, 2) == (11, 9)


def test_a_confirmed_attempt_is_gone_from_the_doubtful_ones_once() -> None:
    rule = Rule(((4, 60),), 3600, 0)
    confirmed = doubtful(0, pid="8") + sure(1, match="sshd/gave-up", pid="8")
    assert judged([*confirmed, *sure(70, 71), *doubtful(72, 73)], rule).bans


def test_a_line_that_tells_of_a_sure_attempt_and_a_doubtful_one_tells_of_both() -> None:
    told = [
        *sure(0, match="f/b", pid="8"),
        *doubtful(1, match="f/a", pid="8"),
        Hit(2, 1, 2, "f/a", "8", doubtful=False),  # three by f/a, two of them surely
        Hit(3, 1, 3, "f/c", "8", doubtful=False),  # three, surely
    ]
    assert engine.attempts(told) == [
        Attempt(0, 1),
        Attempt(2, 1),
        Attempt(2, 1, doubtful=True),
        Attempt(3, 1, confirms=((2, 1),)),
    ]


def test_doubtful_lines_do_not_join_what_sure_lines_keep_apart() -> None:
    apart = sure(0, match="a/b", pid="8") + sure(121, match="a/c", pid="8")
    assert len(engine.attempts(apart)) == 2
    assert engine.attempts([*apart, *doubtful(60, match="a/d", pid="8")]) == [
        Attempt(0, 1),
        Attempt(121, 1),
    ]


def test_a_process_number_given_again_confirms_nothing() -> None:
    again = doubtful(0, pid="8") + sure(121, match="sshd/gave-up", pid="8")
    assert engine.attempts(again) == [Attempt(0, 1, doubtful=True), Attempt(121, 1)]
    more = doubtful(221, match="f/x", pid="8") + sure(321, match="f/y", pid="8")
    assert engine.attempts([*again, *more])[2:] == [Attempt(321, 1)]


def test_what_stands_now_is_without_what_is_spent_or_too_old() -> None:
    made = engine.attempts(sure(0, 10) + doubtful(0, 10, 11, 12, 700))
    assert engine.standing((4, 600), made, None, 12) == (4, 5)
    assert engine.standing((4, 600), made, 0, 610) == (3, 4)
    assert engine.standing((4, 600), made, 10, 12) == (2, 3)
    assert engine.standing((4, 600), made, None, 1300) == (1, 1)
    assert engine.standing((4, 600), made, None, 1301) == (0, 0)


# The rules, for all there is.

processes = st.sampled_from(["", "7", "8"])
matches = st.sampled_from(["f/a", "f/b"])


def lines(*, is_doubtful: st.SearchStrategy[bool]) -> st.SearchStrategy[list[Hit]]:
    """Lines of one address, in the order of reading, which is that of time or not."""
    return st.lists(
        st.builds(
            Hit,
            *(st.integers(0, 400), st.integers(1, 3), st.integers(1, 3), matches, processes),
            doubtful=is_doubtful,
        ),
        max_size=30,
    )


mixed = lines(is_doubtful=st.booleans())
rules = st.builds(
    Rule,
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 200)), min_size=1, max_size=3).map(tuple),
    st.one_of(st.none(), st.integers(1, 100)),
    st.integers(0, 100),
)
all_logins = st.lists(st.integers(0, 400), max_size=3).map(tuple)


@given(rules, lines(is_doubtful=st.just(True)), all_logins)
def test_doubtful_hits_alone_never_ban(
    rule: Rule, told: list[Hit], logins: tuple[int, ...]
) -> None:
    assert judged(told, rule, logins).bans == ()


@given(mixed)
def test_sure_attempts_are_what_they_were_without_doubtful_lines(told: list[Hit]) -> None:
    alone = engine.attempts([hit for hit in told if not hit.doubtful])
    made = [(each.time, each.weight) for each in engine.attempts(told) if not each.doubtful]
    assert made == [(each.time, each.weight) for each in alone]


@given(rules, mixed, all_logins)
def test_doubtful_hits_put_off_no_ban_that_the_sure_ones_make(
    rule: Rule, told: list[Hit], logins: tuple[int, ...]
) -> None:
    alone = judged([hit for hit in told if not hit.doubtful], rule, logins)
    together = judged(told, rule, logins)
    assert not alone.bans or together.bans[0].since <= alone.bans[0].since


@given(rules, mixed, all_logins)
def test_at_least_half_of_every_ban_is_sure(
    rule: Rule, told: list[Hit], logins: tuple[int, ...]
) -> None:
    for ban in judged(told, rule, logins).bans:
        assert ban.hits - ban.doubtful >= ban.limit[0] - ban.limit[0] // 2
        assert ban.hits >= ban.limit[0]


@given(rules, mixed, st.integers(0, 30))
def test_judging_in_two_passes_gives_the_bans_of_one(rule: Rule, told: list[Hit], cut: int) -> None:
    told = sorted(told, key=lambda hit: hit.time)
    whole = judged(told, rule).bans
    first = judged(told[:cut], rule).bans
    if first and first[-1].until is None:
        assert whole == first
        return
    after = first[-1].until if first else None
    assert whole == first + engine.judge(rule, Case(told, after, (), "")).bans


# The oracle: the definition, word by word, with no cleverness.


def naive(rule: Rule, made: list[Attempt]) -> list[tuple[int, int | None]]:
    """Try every attempt in turn: is any limit met by those not spent, up to and including it?"""
    bans: list[tuple[int, int | None]] = []
    for last, attempt in enumerate(made):
        spent = [-1, *(until for _, until in bans if until is not None)][-1]
        if attempt.time <= spent or (bans and bans[-1][1] is None):
            continue
        shown = [pair for each in made[: last + 1] for pair in each.confirms]
        for count, seconds in rule.limits:
            inside = [
                number
                for number in range(last + 1)
                if made[number].time > spent and attempt.time - made[number].time <= seconds
            ]
            certain = sum(made[n].weight for n in inside if not made[n].doubtful)
            doubted = sum(made[n].weight for n in inside if made[n].doubtful)
            doubted -= sum(weight for number, weight in shown if number in inside)
            if certain + min(doubted, count // 2) >= count:
                until = None if rule.bantime is None else attempt.time + rule.bantime
                bans.append((attempt.time, until))
                break
    return bans


@given(rules, mixed)
def test_the_engine_agrees_with_the_definition(rule: Rule, told: list[Hit]) -> None:
    bans = judged(told, rule).bans
    assert [(ban.since, ban.until) for ban in bans] == naive(rule, engine.attempts(told))


def most(told: list[Hit]) -> int:
    """Give how often the match was told of that was told of most often."""
    return max((sum(h.times for h in told if h.match == m) for m in ("f/a", "f/b")), default=0)


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 4), matches, st.booleans())))
def test_a_process_made_as_many_attempts_as_its_lines_say_sure_ones_as_the_sure_say(
    said: list[tuple[int, int, str, bool]],
) -> None:
    told = [Hit(time, 1, times, match, "7", doubt) for time, times, match, doubt in said]
    made = engine.attempts(told)
    confirmed = sum(weight for each in made for _, weight in each.confirms)
    assert sum(each.weight for each in made) - confirmed == most(told)
    certain = sum(each.weight for each in made if not each.doubtful)
    assert certain == most([hit for hit in told if not hit.doubtful])
