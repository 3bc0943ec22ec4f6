"""The fakes are held to the transcripts: each command of them, its output and its exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.fakes.ipfw import FakeIpfw
from tests.fakes.pf import FakePf
from tests.fakes.programs import FakePrograms
from tests.fakes.result import NotModelledError, Result
from tests.fakes.transcript import Command, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TRANSCRIPTS = Path(__file__).with_name("transcripts")
Fake = FakePf | FakeIpfw


class Replay(NamedTuple):
    """A transcript, the fake on the morning of the record, and how many commands there are.

    `not_held` gives for the line of a command the reason why the fake cannot say the same.
    """

    name: str
    fake: Callable[[], Fake]
    commands: int
    not_held: Mapping[int, str]


def recorded_pf() -> FakePf:
    """The recorded machine: its kernel's clock stood at one second after the epoch."""
    return FakePf(
        interfaces={"em0": ("10.99.0.2", "fd99::2")},
        hosts={"localhost": ("127.0.0.1",)},
        kernel_clock=1,
    )


def recorded_ipfw() -> FakeIpfw:
    """The recorded machine: five packets of 452 octets had gone by before the first `show`."""
    fake = FakeIpfw()
    fake.count(65535, packets=5, octets=452)
    return fake


REPLAYS = (
    Replay("pfctl13", recorded_pf, 108, {}),
    Replay("ipfw13", recorded_ipfw, 123, {}),
    Replay("ipfw13-setup", FakeIpfw, 27, {}),
)


def read(name: str) -> tuple[Command, ...]:
    text = (TRANSCRIPTS / f"{name}.transcript").read_text(encoding="ascii")
    return parse(text)


def answer(fake: Fake, command: Command) -> Result | str:
    try:
        return fake.run(command.words, command.stdin)
    except NotModelledError as error:
        return f"not modelled: {error}"


@pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay.name)
def test_the_fake_says_what_the_real_program_said(replay: Replay) -> None:
    fake = replay.fake()
    held, different = 0, {}
    for command in read(replay.name):
        recorded = Result(command.code, command.out, command.err)
        given = answer(fake, command)
        if given == recorded:
            held += 1
        else:
            different[command.line] = (command.text, recorded, given)
    unexpected = {line: told for line, told in different.items() if line not in replay.not_held}
    assert not unexpected
    # An exception that is no exception any more has to go.
    assert different.keys() == replay.not_held.keys()
    assert held == replay.commands - len(replay.not_held)


def test_every_transcript_is_held() -> None:
    told = {"pfctl13-packets", "ipfw13-packets"}  # see test_fakes_packets
    names = {replay.name for replay in REPLAYS}
    assert {path.stem for path in TRANSCRIPTS.glob("*.transcript")} == names | told


@pytest.mark.parametrize("replay", REPLAYS, ids=lambda replay: replay.name)
def test_a_transcript_runs_one_program_only(replay: Replay) -> None:
    program = "pfctl" if replay.fake is recorded_pf else "ipfw"
    assert {command.words[0] for command in read(replay.name)} == {program}


def test_programs_are_found_by_the_last_part_of_their_path() -> None:
    programs = FakePrograms({"pfctl": FakePf(), "ipfw": FakeIpfw()})
    assert programs.run(["/sbin/pfctl", "-s", "Running"]) == Result(1, "Disabled\n")
    assert programs.run(["ipfw", "list"]) == Result(0, "65535 allow ip from any to any\n")


def test_a_program_that_is_not_there_is_an_error_of_the_system() -> None:
    programs = FakePrograms({"pfctl": FakePf()})
    with pytest.raises(FileNotFoundError, match="nft"):
        programs.run(["/usr/sbin/nft", "-f", "-"], "flush ruleset\n")


def test_every_call_is_on_record_in_order_also_one_that_found_no_program() -> None:
    programs = FakePrograms({"ipfw": FakeIpfw()})
    programs.run(["ipfw", "-q", "/dev/stdin"], "table fw_guard create\n")
    with pytest.raises(FileNotFoundError):
        programs.run(["pfctl", "-e"])
    assert programs.calls == [
        (("ipfw", "-q", "/dev/stdin"), "table fw_guard create\n"),
        (("pfctl", "-e"), ""),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "pfctl -s nat",
        "pfctl -F states",
        "pfctl -z",
        "pfctl -n -e",
        "pfctl -t banned -T zero",
        "pfctl -v -t banned -T delete 192.0.2.1",
        "pfctl -f /etc/pf.conf",
        "ipfw",
        "ipfw set 29 flush",
        "ipfw set enable 31",
        "ipfw set 5 delete set 5",
        "ipfw zero",
        "ipfw table flows create type flow",
        "ipfw add 100 skipto 200 ip from any to any",
        "ipfw add 100 deny ip from any to any frag",
        "ipfw add 100 deny ip from any to 192.0.2.1",
        "ipfw -q -p /usr/bin/m4 /dev/stdin",
    ],
)
def test_what_no_record_covers_is_refused(line: str) -> None:
    programs = FakePrograms({"pfctl": FakePf(), "ipfw": FakeIpfw()})
    with pytest.raises(NotModelledError):
        programs.run(line.split())


@pytest.mark.parametrize(
    "rule",
    [
        "block drop log quick from <banned> to any",
        "block drop quick on em0 from <banned> to any",
        "pass in from any port 22 to any",
        "pass in keep state",
        "block drop from any to 192.0.2.1",
        'ext_if = "em0"',
        "block drop in on $ext_if",
        "table <banned> persist {}",
        "table <banned> const",
    ],
)
def test_a_good_rule_that_the_fake_does_not_know_is_not_called_a_mistake(rule: str) -> None:
    with pytest.raises(NotModelledError):
        FakePf().run(["pfctl", "-a", "fw_guard", "-f", "-"], f"{rule}\n")
