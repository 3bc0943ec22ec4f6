"""The engine: windows, weights, attempts told on several lines, what holds a ban back."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fw_guard import engine
from fw_guard.engine import Attempt, Ban, Case, Held, Hit, Rule, Verdict

RULE = Rule(limits=((5, 600),), bantime=3600, logintime=86_400)


def hits(*times: int, weight: int = 1) -> list[Hit]:
    return [Hit(time, weight, 1, "inetd/refused", "", doubtful=False) for time in times]


def case(*times: int, after: int | None = None, logins: tuple[int, ...] = ()) -> Case:
    return Case(hits(*times), after, logins, "")


def test_the_fifth_hit_within_ten_minutes_bans_from_its_own_time() -> None:
    verdict = engine.judge(RULE, case(1000, 1003, 1006, 1006, 1009, 1016))
    assert verdict == Verdict((Ban(1009, 4609, 5, 1000, (5, 600)),), None)


def test_four_hits_ban_nobody() -> None:
    assert engine.judge(RULE, case(1000, 1001, 1002, 1003)) == Verdict((), None)


def test_a_window_holds_both_of_its_ends() -> None:
    assert engine.judge(RULE, case(0, 1, 2, 3, 600)).bans
    assert not engine.judge(RULE, case(0, 1, 2, 3, 601)).bans


def test_the_order_of_reading_does_not_matter() -> None:
    assert engine.judge(RULE, case(1009, 1006, 1000, 1003, 1006)).bans[0].since == 1009


def test_a_weight_counts_as_so_many_hits() -> None:
    assert engine.judge(RULE, Case(hits(7, weight=5), None, (), "")).bans[0].hits == 5


def test_a_line_that_stands_for_five_counts_five() -> None:
    told = [Hit(50, 1, 5, "sshd/password", "", doubtful=False)]
    assert engine.judge(RULE, Case(told, None, (), "")).bans[0].since == 50


def test_of_several_windows_any_bans() -> None:
    rule = Rule(((5, 600), (7, 86_400)), 3600, 0)
    slow = range(0, 7 * 3600, 3600)
    assert engine.judge(rule, case(*slow)).bans[0].limit == (7, 86_400)


def test_hits_during_a_ban_count_for_nothing_and_those_after_it_anew() -> None:
    during = range(1010, 4000, 10)
    verdict = engine.judge(RULE, case(1000, 1001, 1002, 1003, 1004, *during, 4605, 4606))
    assert [ban.since for ban in verdict.bans] == [1004]
    again = engine.judge(RULE, case(0, 0, 0, 0, 0, 3601, 3602, 3603, 3604, 3605))
    assert [ban.since for ban in again.bans] == [0, 3605]


def test_hits_up_to_the_end_of_an_earlier_ban_are_spent() -> None:
    assert not engine.judge(RULE, case(1, 2, 3, 4, 5, after=5)).bans
    assert not engine.judge(RULE, case(1, 2, 3, 4, 6, after=5)).bans


def test_a_ban_for_good_is_the_last() -> None:
    rule = Rule(((1, 60),), None, 0)
    assert engine.judge(rule, case(5, 500, 5000)).bans == (Ban(5, None, 1, 5, (1, 60)),)


def test_a_login_before_the_first_hit_holds_the_ban_back() -> None:
    verdict = engine.judge(RULE, case(1000, 1001, 1002, 1003, 1004, logins=(900,)))
    assert verdict == Verdict((), Held(1004, "it logged in before"))


def test_a_login_after_the_first_hit_may_be_the_right_guess_and_holds_nothing() -> None:
    assert engine.judge(RULE, case(1000, 1001, 1002, 1003, 1004, logins=(1001,))).bans


def test_a_login_long_ago_holds_nothing() -> None:
    times = [200_000, 200_001, 200_002, 200_003, 200_004]
    assert engine.judge(RULE, case(*times, logins=(200_000 - 86_401,))).bans


def test_a_protected_host_is_held_with_the_reason() -> None:
    verdict = engine.judge(RULE, Case(hits(1, 2, 3, 4, 5), None, (), "in ignoreip"))
    assert verdict == Verdict((), Held(5, "in ignoreip"))


def lines(pid: str, *told: tuple[int, str]) -> list[Hit]:
    return [Hit(time, 1, 1, match, pid, doubtful=False) for time, match in told]


def test_one_attempt_told_on_three_lines_counts_once() -> None:
    told = lines("812", (0, "sshd/invalid-user"), (0, "pam/failure"), (2, "sshd/password"))
    assert engine.attempts(told) == [Attempt(0, 1)]


def test_three_passwords_of_one_connection_count_three() -> None:
    told = lines(
        "812",
        (0, "sshd/invalid-user"),
        (0, "pam/failure"),
        (2, "sshd/password"),
        (5, "sshd/password"),
        (9, "sshd/password"),
        (9, "sshd/too-many"),
    )
    assert engine.attempts(told) == [Attempt(0, 1), Attempt(5, 1), Attempt(9, 1)]


def test_a_repeated_line_and_its_summary_count_the_larger() -> None:
    told = [
        Hit(0, 1, 1, "pam/failure", "9", doubtful=False),
        Hit(2, 1, 1, "sshd/password", "9", doubtful=False),
        Hit(20, 1, 5, "sshd/password", "9", doubtful=False),
        Hit(20, 1, 5, "pam/failure", "9", doubtful=False),
    ]
    assert sum(attempt.weight for attempt in engine.attempts(told)) == 6


def test_two_processes_count_apart() -> None:
    told = lines("1", (0, "sshd/password")) + lines("2", (0, "sshd/password"))
    assert len(engine.attempts(told)) == 2


def test_a_process_number_given_again_counts_again() -> None:
    assert len(engine.attempts(lines("1", (0, "a/b"), (121, "a/c")))) == 2
    assert len(engine.attempts(lines("1", (0, "a/b"), (120, "a/c")))) == 1


def test_lines_without_a_process_each_count() -> None:
    assert len(engine.attempts(lines("", (0, "a/b"), (0, "a/c")))) == 2


# The oracle: the definition, word by word, with no cleverness.


def naive(rule: Rule, made: list[Attempt], after: int | None) -> list[tuple[int, int | None]]:
    """Try every attempt in turn: is any limit met by those not spent, up to and including it?"""
    bans: list[tuple[int, int | None]] = []
    for index, attempt in enumerate(made):
        if any(until is None or attempt.time <= until for _, until in bans):
            continue
        spent_to = max(
            [u for _, u in bans if u is not None] + ([after] if after is not None else []),
            default=None,
        )
        if spent_to is not None and attempt.time <= spent_to:
            continue
        for count, seconds in rule.limits:
            inside = [
                other.weight
                for other in made[: index + 1]
                if attempt.time - seconds <= other.time
                and (spent_to is None or other.time > spent_to)
            ]
            if sum(inside) >= count:
                until = None if rule.bantime is None else attempt.time + rule.bantime
                bans.append((attempt.time, until))
                break
    return bans


attempt_lists = st.lists(
    st.builds(
        Hit,
        *(st.integers(0, 300), st.integers(1, 3), st.integers(1, 2), st.just("f/m"), st.just("")),
        doubtful=st.just(False),
    ),
    max_size=30,
)
rules = st.builds(
    Rule,
    st.lists(st.tuples(st.integers(1, 8), st.integers(1, 120)), min_size=1, max_size=3).map(tuple),
    st.one_of(st.none(), st.integers(1, 100)),
    st.just(0),
)


@given(rules, attempt_lists, st.one_of(st.none(), st.integers(0, 100)))
def test_the_engine_agrees_with_the_definition(
    rule: Rule, told: list[Hit], after: int | None
) -> None:
    made = engine.attempts(told)
    verdict = engine.judge(rule, Case(told, after, (), ""))
    assert [(ban.since, ban.until) for ban in verdict.bans] == naive(rule, made, after)


@given(rules, attempt_lists, st.integers(0, 30))
def test_judging_in_two_passes_gives_the_bans_of_one(rule: Rule, told: list[Hit], cut: int) -> None:
    told = sorted(told, key=lambda hit: hit.time)
    whole = engine.judge(rule, Case(told, None, (), "")).bans
    first = engine.judge(rule, Case(told[:cut], None, (), "")).bans
    if first and first[-1].until is None:
        assert whole == first
        return
    after = first[-1].until if first else None
    second = engine.judge(rule, Case(told, after, (), "")).bans
    assert whole == first + second


def oracle_attempts(told: list[Hit]) -> int:
    """Give the attempts of one process: the match that was told of most often."""
    return max(
        (sum(h.times for h in told if h.match == m) for m in {h.match for h in told}), default=0
    )


@given(
    st.lists(
        st.builds(
            Hit,
            st.integers(0, 100),
            st.just(1),
            st.integers(1, 4),
            st.sampled_from("abc"),
            st.just("7"),
            doubtful=st.just(False),
        )
    )
)
def test_a_process_made_as_many_attempts_as_its_most_frequent_line_says(told: list[Hit]) -> None:
    assert sum(a.weight for a in engine.attempts(told)) == oracle_attempts(told)
