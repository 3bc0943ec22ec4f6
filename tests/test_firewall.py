"""The wanted set against the actual set: what is run, and what is said when it cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from fw_guard import firewall
from fw_guard.actions import load
from fw_guard.firewall import Sight, adjust, intended, sight, teardown
from fw_guard.processes import FirewallError, Result
from fw_guard.schema import UNSURE, Told
from fw_guard.templates import Choice
from tests.fakes.wall import Wall, write_action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fw_guard.firewall import Outcome
    from fw_guard.processes import Run
    from fw_guard.templates import Action

ACTIONS = Path(__file__).parents[1] / "actions"
NOW = 1_700_000_000
LATER = NOW + 3600


def shipped(name: str) -> Action:
    return load(str(ACTIONS / f"{name}.toml"), trusted=True)


def reconcile(
    action: Action,
    wanted: Mapping[str, int | None],
    now: int,
    *,
    told: Mapping[str, Told] | None = None,
    run: Run,
    **more: Any,
) -> Outcome:
    """Make a firewall right of which nobody remembers anything, unless it is said."""
    return firewall.reconcile(action, wanted, now, told=told or {}, run=run, **more)


def done(outcome: Outcome) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """Give who was banned, who was let in, whether the furniture was set up."""
    assert outcome.plan.left_out == ()
    return outcome.plan.ban, outcome.plan.unban, outcome.was_set_up


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def numbered(tmp_path: Path) -> Action:
    """A wall whose kernel counts the changes."""
    return load(str(write_action(tmp_path, "numbered")))


@pytest.fixture
def counted(tmp_path: Path) -> Action:
    """A wall that tells how many it shuts out."""
    return load(str(write_action(tmp_path, "counted")))


class TestReconcile:
    """The order of things, whatever the firewall."""

    def test_nothing_to_do_asks_each_question_once(self, wall: Wall, counted: Action) -> None:
        wanted = {"192.0.2.7": LATER, "2001:db8:1:2::/64": None}
        told = reconcile(counted, wanted, NOW, run=wall.run).plan.tell
        wall.calls.clear()
        assert done(reconcile(counted, wanted, NOW, told=told, run=wall.run)) == ((), (), False)
        # The check and the list, then a look at how it has been left: the check and the count.
        asked = [argv[1] for argv, _ in wall.calls]
        assert asked == ["show", "list", "show", "count"]

    def test_bans_come_before_unbans(self, wall: Wall, counted: Action) -> None:
        reconcile(counted, {"192.0.2.7": LATER, "2001:db8:1:2::/64": None}, NOW, run=wall.run)
        wall.calls.clear()
        outcome = reconcile(counted, {"192.0.2.8": NOW + 60}, NOW, run=wall.run)
        assert done(outcome) == (("192.0.2.8",), ("192.0.2.7", "2001:db8:1:2::/64"), False)
        assert [stdin for _, stdin in wall.calls if stdin] == [
            "add 192.0.2.8 60\n",
            "del 192.0.2.7\ndel 2001:db8:1:2::/64\n",
        ]

    def test_missing_furniture_is_set_up_looked_for_and_filled(
        self, wall: Wall, counted: Action
    ) -> None:
        outcome = reconcile(counted, {"192.0.2.7": None}, NOW, run=wall.run)
        assert done(outcome) == (("192.0.2.7",), (), True)
        asked = [argv[1] for argv, _ in wall.calls]
        # Asked whether it is there, once more by the step itself, made, seen, listed, filled.
        assert asked[:6] == ["show", "show", "make", "show", "list", "write"]
        assert wall.members() == {"192.0.2.7"}

    def test_furniture_that_is_still_missing_after_the_set_up_is_an_error(
        self, wall: Wall, counted: Action
    ) -> None:
        def forgets(argv: Sequence[str], stdin: str) -> Result:
            return Result(0, "", "") if argv[1] == "make" else wall.run(argv, stdin)

        with pytest.raises(FirewallError) as caught:
            reconcile(counted, {}, NOW, run=forgets)
        assert str(caught.value) == (
            "`wall show fw_guard` failed with exit code 1: wall: no room fw_guard"
        )

        def unruled(argv: Sequence[str], stdin: str) -> Result:
            done = wall.run(argv, stdin)
            if argv[1] == "make":
                wall.rooms["fw_guard"].rule = "another"
            return done

        with pytest.raises(FirewallError) as caught:
            reconcile(counted, {}, NOW, run=unruled)
        assert str(caught.value) == (
            "`wall show fw_guard` shows no line `rule fw_guard block=drop ports=none`, even after "
            "the set-up of 'a counted wall'; wake the wall"
        )

    def test_a_refused_batch_is_an_error_with_the_tools_own_words(
        self, wall: Wall, counted: Action
    ) -> None:
        reconcile(counted, {}, NOW, run=wall.run)

        def refuses(argv: Sequence[str], stdin: str) -> Result:
            said = "\x1b[31mError: no\n\nmore\nstill more\nand more\n"
            return Result(1, "", said) if argv[1] == "write" else wall.run(argv, stdin)

        with pytest.raises(FirewallError) as caught:
            reconcile(counted, {"192.0.2.7": None}, NOW, run=refuses)
        assert str(caught.value) == (
            "`wall write fw_guard` failed with exit code 1: \\x1b[31mError: no; more; still more"
        )

    def test_a_tool_that_was_killed_is_said_so(self, wall: Wall, counted: Action) -> None:
        reconcile(counted, {}, NOW, run=wall.run)

        def dies(argv: Sequence[str], stdin: str) -> Result:
            return Result(-9, "", "") if argv[1] == "write" else wall.run(argv, stdin)

        with pytest.raises(FirewallError, match=r"^`wall write fw_guard` failed with signal 9$"):
            reconcile(counted, {"192.0.2.7": None}, NOW, run=dies)

    def test_a_list_that_fails_is_empty_only_if_the_action_says_so(
        self, wall: Wall, counted: Action
    ) -> None:
        def cannot_list(argv: Sequence[str], stdin: str) -> Result:
            return (
                Result(71, "", "No such process\n") if argv[1] == "list" else wall.run(argv, stdin)
            )

        with pytest.raises(FirewallError, match=r"`wall list fw_guard` .* No such process"):
            reconcile(counted, {"192.0.2.7": None}, NOW, run=cannot_list)
        assert wall.changes() == ["make fw_guard block=drop ports=none"]
        lenient = counted._replace(listings=(counted.listings[0]._replace(ok=(0, 71)),))
        outcome = reconcile(lenient, {"192.0.2.7": None}, NOW, run=cannot_list)
        assert done(outcome) == (("192.0.2.7",), (), False)

    def test_a_step_is_skipped_unless_it_is_called_for(self, wall: Wall, counted: Action) -> None:
        firewall.set_up(counted, wall.run)
        firewall.set_up(counted, wall.run)
        assert wall.changes() == ["make fw_guard block=drop ports=none"]
        wall.rooms["fw_guard"].rule = "block=reject ports=none"  # there, but not as chosen
        firewall.set_up(counted, wall.run)
        assert wall.changes() == ["make fw_guard block=drop ports=none"]
        step = counted.teardown[0]._replace(when=("wall", "show", "fw_guard"))
        careful = counted._replace(teardown=(step,))
        teardown(careful, wall.run)
        teardown(careful, wall.run)
        assert wall.changes() == ["drop fw_guard"]

    def test_a_changed_time_is_told_to_a_firewall_that_keeps_it(
        self, wall: Wall, counted: Action
    ) -> None:
        wanted = {"192.0.2.7": LATER, "2001:db8:1:2::/64": None}
        told = reconcile(counted, wanted, NOW, run=wall.run).plan.tell
        wanted["192.0.2.7"] = LATER + 60
        outcome = reconcile(counted, wanted, NOW, told=told, run=wall.run)
        assert outcome.plan.renew == ("192.0.2.7",)
        assert done(outcome) == ((), (), False)
        wall.uptime = 3600
        assert wall.members() == {"192.0.2.7", "2001:db8:1:2::/64"}
        wall.uptime = 3660
        assert wall.members() == {"2001:db8:1:2::/64"}

    def test_an_action_that_cannot_list_holds_what_it_was_told(self) -> None:
        said: list[str] = []

        def say(argv: Sequence[str], stdin: str) -> Result:
            assert argv == ()
            said.append(stdin)
            return Result(0, "", "")

        good = Told(None, None)
        wanted = {"192.0.2.7": LATER, "192.0.2.8": None, "192.0.2.6": None}
        told = {"192.0.2.8": good, "192.0.2.9": good, "192.0.2.6": UNSURE, "192.0.2.5": UNSURE}
        outcome = reconcile(shipped("preview"), wanted, NOW, told=told, run=say)
        ban, unban = ("192.0.2.6", "192.0.2.7"), ("192.0.2.5", "192.0.2.9")
        assert done(outcome) == (ban, unban, False)
        assert "".join(said) == (
            "ban 192.0.2.6 for 0s\nban 192.0.2.7 for 3600s\nunban 192.0.2.5\nunban 192.0.2.9\n"
        )
        assert outcome.sight == Sight("", None)

    def test_a_dry_run_asks_and_does_nothing(self, wall: Wall, counted: Action) -> None:
        commands = intended(counted, {"192.0.2.7": None}, NOW, told={}, run=wall.run)
        assert [command.argv[1] for command in commands] == ["make", "write"]
        assert commands[1].stdin == "add 192.0.2.7 0\n"
        assert wall.changes() == []

    def test_a_rewriting_action_writes_all_or_nothing(self, wall: Wall, counted: Action) -> None:
        rewriting = counted._replace(rewrite=True, renew=(), unban=())
        wanted: dict[str, int | None] = {"192.0.2.7": LATER}
        told = reconcile(rewriting, wanted, NOW, run=wall.run).plan.tell
        wall.calls.clear()
        assert reconcile(rewriting, wanted, NOW, told=told, run=wall.run).plan.ban == ()
        assert wall.changes() == []
        wanted["192.0.2.6"] = None
        outcome = reconcile(rewriting, wanted, NOW, told=told, run=wall.run)
        assert done(outcome) == (("192.0.2.6",), (), False)
        inputs = [stdin for _, stdin in wall.calls if stdin]
        assert inputs == ["add 192.0.2.6 0\nadd 192.0.2.7 3600\n"]

    @pytest.mark.parametrize("at", range(1, 8))
    def test_what_others_do_meanwhile_leaves_no_trust(
        self, wall: Wall, numbered: Action, at: int
    ) -> None:
        """Wherever it happens: the room is made, looked at, listed and filled."""
        wall.meanwhile = [(at, lambda: setattr(wall, "number", wall.number + 1))]
        wanted = {"192.0.2.7": None}
        outcome = reconcile(numbered, wanted, NOW, run=wall.run, generation=wall.generation)
        ran = len(wall.calls)
        trusted = at < 3 or at >= ran  # before the set-up was done, or never
        assert (outcome.sight is not None) == trusted
        wall.meanwhile.clear()
        outcome = reconcile(numbered, wanted, NOW, run=wall.run, generation=wall.generation)
        assert outcome.sight == Sight(f"nf_tables boot1 {wall.number}", None)


class TestSight:
    """Cheap evidence that nobody has changed a firewall."""

    def test_what_the_kernel_counts_starts_no_process(self, wall: Wall, numbered: Action) -> None:
        assert sight(numbered, wall.run, wall.generation) == Sight("nf_tables boot1 1", None)
        assert wall.calls == []
        assert sight(numbered, wall.run, lambda _: None) is None

    def test_a_glance_gives_the_marks_and_the_count(self, wall: Wall, counted: Action) -> None:
        assert sight(counted, wall.run) is None  # the room is missing
        wanted = dict.fromkeys(["192.0.2.7", "192.0.2.8"])
        reconcile(counted, wanted, NOW, run=wall.run)
        assert sight(counted, wall.run) == Sight("made 1", 2)
        wall.unrule()
        assert sight(counted, wall.run) is None

    def test_one_that_cannot_be_glanced_at_is_never_trusted(
        self, wall: Wall, counted: Action
    ) -> None:
        plain = counted._replace(glances=())
        assert reconcile(plain, {}, NOW, run=wall.run).sight is None


class TestAdjust:
    """A firewall that is as it was left is told only what changed."""

    def test_nothing_is_asked_and_the_next_sight_is_foreseen(
        self, wall: Wall, numbered: Action
    ) -> None:
        first = reconcile(
            numbered, {"192.0.2.7": None}, NOW, run=wall.run, generation=wall.generation
        )
        assert first.sight is not None
        wall.calls.clear()
        outcome = adjust(
            *(numbered, {"192.0.2.8": None}, first.plan.tell, NOW, first.sight),
            run=wall.run,
            generation=wall.generation,
        )
        assert [argv[1] for argv, _ in wall.calls] == ["write", "write"]
        assert outcome.sight == Sight(f"nf_tables boot1 {wall.number}", None)
        assert wall.members() == {"192.0.2.8"}

    def test_what_others_do_meanwhile_leaves_no_trust(self, wall: Wall, numbered: Action) -> None:
        first = reconcile(numbered, {}, NOW, run=wall.run, generation=wall.generation)
        assert first.sight is not None
        wall.number += 1
        outcome = adjust(
            *(numbered, {"192.0.2.8": None}, {}, NOW, first.sight),
            run=wall.run,
            generation=wall.generation,
        )
        assert outcome.sight is None

    def test_whoever_must_know_is_told_before_anything_is_done(
        self, wall: Wall, counted: Action
    ) -> None:
        first = reconcile(counted, {}, NOW, run=wall.run)
        assert first.sight is not None
        wall.calls.clear()
        told: list[tuple[tuple[str, ...], int]] = []
        for wanted in ({"192.0.2.8": None}, {}):
            adjust(
                *(counted, wanted, {}, NOW, first.sight),
                brace=lambda plan: told.append((plan.ban, len(wall.calls))),
                run=wall.run,
            )
        assert told == [(("192.0.2.8",), 0)]


def test_ports_have_a_room_of_their_own(wall: Wall, tmp_path: Path) -> None:
    path = str(write_action(tmp_path, "counted"))
    for ports, host in (((), "192.0.2.7"), (((22, 22), (80, 90)), "192.0.2.8")):
        action = load(path, choice=Choice((("block", "reject"),), ports))
        reconcile(action, {host: None}, NOW, run=wall.run)
    assert wall.members("fw_guard") == {"192.0.2.7"}
    assert wall.members("fw_guard_22_80to90") == {"192.0.2.8"}
    assert wall.rooms["fw_guard"].rule == "block=reject ports=none"
