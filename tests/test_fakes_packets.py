"""The fakes judge packets as the recorded machines did.

The packet transcripts are told by a script: a title, what its clients saw, what some commands
printed. The script's commands are not in the record; each scenario here does what its title says
and has to see the same. A fake lives through all sections of its transcript in order.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.fakes.ipfw import FakeIpfw
from tests.fakes.pf import FakePf

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TRANSCRIPTS = Path(__file__).with_name("transcripts")
HOST, SERVER, SERVER_PORT = "10.99.0.11", "10.99.0.2", 7
RULES = "table <banned> persist\nblock drop quick from <banned> to any\n"
RETURN = "table <banned> persist\nblock return quick from <banned> to any\n"
CALLED = 'anchor "fw_guard"\npass all\n'
NO_ANCHOR = "pfctl: Anchor or Ruleset does not exist."


class NotHeld(NamedTuple):
    """A recorded line that the fake does not say: what it says instead, if anything, and why."""

    instead: str | None
    reason: str


PF_NOT_HELD = {
    ("0", NO_ANCHOR): NotHeld(None, "the command is not in the record"),
    ("11", "connect ConnectionRefusedError: [Errno 111] Connection refused after 0.82s"): NotHeld(
        None, "which host asked, and whether pf let it, is not in the record"
    ),
    ("13", NO_ANCHOR): NotHeld(None, "the command is not in the record"),
    ("14", "-pa-r--\tfw_guard"): NotHeld(
        "-pa----\tfw_guard", "the kernel frees the rules of an old ruleset a while later"
    ),
    ("16", NO_ANCHOR): NotHeld(None, "the command is not in the record"),
}
IPFW_NOT_HELD: dict[tuple[str, str], NotHeld] = {}

# What the script's clients print, as what it means; empty is what means nothing here.
MEANINGS = (
    (r"connect TimeoutError: .*", "no answer"),
    (r"connect ConnectionRefusedError: .*", "refused"),
    (r"connect OSError: .* No route to host .*", "unreachable"),
    (r"\d+ b'm\d+\\n'", "echo"),
    (r"\d+ TimeoutError .*", "no echo"),
    (r"\d+ (ConnectionReset|BrokenPipe)Error .*", "reset"),
    (r"1 packets transmitted, 0 received, .*", "no ping"),
    (r"From .* Packet filtered", "filtered"),
    (r"PING .*|--- .* ping statistics ---|", ""),
    (r" other host:|\.1\d|-- .*", ""),
)
SEVERAL = ("echo", "no echo", "reset")
# What the first rule of ipfw that fits makes of a connection, of an open one, and of a ping.
CONNECTED = {"allow": ["connected", "echo"], "deny": ["no answer"], "reset": ["refused"]}
CONNECTED["unreach filter-prohib"] = ["unreachable"]
OPEN = {"allow": [], "deny": ["no echo"], "reset": ["reset"]}
PINGED = {"allow": ["ping"], "deny": ["no ping"], "unreach filter-prohib": ["filtered", "no ping"]}


def sections(name: str, not_held: Mapping[tuple[str, str], NotHeld]) -> dict[str, list[str]]:
    """Read a packet transcript: what was seen by the first word of each title."""
    seen: dict[str, list[str]] = {}
    text = (TRANSCRIPTS / f"{name}.transcript").read_text(encoding="ascii")
    unused = set(not_held)
    for line in text.splitlines():
        if line.startswith("== "):
            title = line.removeprefix("== ").split(" ")[0]
            assert title not in seen
            seen[title] = []
            continue
        told = line
        if (title, line) in not_held:
            unused.discard((title, line))
            told = not_held[title, line].instead or ""
        else:
            for pattern, meaning in MEANINGS:
                if re.fullmatch(pattern, line):
                    told = meaning
        if told and not (told in SEVERAL and seen[title][-1:] == [told]):
            seen[title].append(told)
    assert not unused
    return seen


class PfScript:
    """The script's means, on a fake."""

    def __init__(self) -> None:
        self.fake = FakePf()
        self.quietly("-a", "fw_guard", "-f", "-", stdin=RULES)
        self.fill(HOST)

    def tell(self, *arguments: str, stdin: str = "") -> list[str]:
        result = self.fake.run(["pfctl", *arguments], stdin)
        return (result.out + result.err).splitlines()

    def quietly(self, *arguments: str, stdin: str = "") -> None:
        assert self.tell("-q", *arguments, stdin=stdin) == []

    def fill(self, *addresses: str) -> None:
        self.quietly(
            "-a", "fw_guard", "-t", "banned", "-T", "replace", "-f", "-", stdin=" ".join(addresses)
        )

    def load(self, ruleset: str) -> list[str]:
        result = self.fake.run(["pfctl", "-f", "-"], ruleset)
        shown = ruleset.replace("\n", "\\n")
        messages = (result.out + result.err).splitlines()
        return [f"   main ruleset: {shown};", *messages, f"   load rc={result.code}"]

    def connect(self, address: str = HOST) -> list[str]:
        """Connect; on the recorded machine `block return` was not answered either."""
        blocked = self.fake.blocks(address, port=SERVER_PORT)
        return ["no answer"] if blocked else ["connected", "echo"]


def pf_story(script: PfScript) -> Iterator[tuple[str, list[str]]]:
    """What is seen in each section of pfctl13-packets."""
    tell, load, connect = script.tell, script.load, script.connect
    table = ("-a", "fw_guard", "-t", "banned", "-T")
    yield "0", load(CALLED) + connect()
    script.quietly("-e")
    yield "1", connect() + connect("10.99.0.12")
    below = 'anchor "fw_guard/*"\npass all\n'
    yield "2", load(below) + connect()
    script.quietly("-a", "fw_guard/ban", "-f", "-", stdin=RULES)
    script.quietly("-a", "fw_guard/ban", "-t", "banned", "-T", "add", HOST)
    yield "3", connect()
    yield "4", load("pass all\n") + connect()
    yield "5", load(CALLED) + tell("-a", "fw_guard", "-s", "rules") + tell(*table, "show")
    quick = 'pass in quick proto tcp to port 7\nanchor "fw_guard"\n'
    yield "6", load(quick) + connect()
    yield "7", load('pass all\nanchor "fw_guard"\n') + connect()
    yield "8", pf_established(script)
    yield "9", connect() + tell(*table, "delete", HOST) + connect()
    script.quietly("-a", "fw_guard", "-f", "-", stdin=RETURN)
    script.fill(HOST)
    yield "10", connect() + (["no ping"] if script.fake.blocks(HOST, protocol="icmp") else [])
    seen = tell(*table, "replace", "-f", "-", stdin="10.99.0.12/31\nfd99::11\n")
    seen += connect("fd99::11")
    yield "11", seen + [line for last in (11, 12, 13, 14) for line in connect(f"10.99.0.{last}")]
    seen = tell(*table, "replace", "-f", "-", stdin="10.99.0.0/24\n!10.99.0.13\n")
    yield "12", seen + connect("10.99.0.12") + connect("10.99.0.13")
    in_main = "table <fw_guard> persist\nblock in quick from <fw_guard>\npass all\n"
    seen = load(in_main) + tell("-t", "fw_guard", "-T", "add", HOST) + load(in_main)
    yield "13", seen + tell("-t", "fw_guard", "-T", "show") + connect()
    seen = load("pass all\n")
    seen += script.fake.run(["pfctl", "-vs", "Tables"]).out.splitlines()
    yield "14", seen + tell("-t", "fw_guard", "-T", "show")
    script.quietly("-a", "fw_guard", "-f", "-", stdin=RULES)
    script.fill(HOST)
    seen = load(CALLED) + tell("-F", "all") + tell("-a", "fw_guard", "-s", "rules")
    yield "15", seen + tell(*table, "show")
    seen = load(f"table <banned> persist\n{CALLED}") + tell("-t", "banned", "-T", "add", HOST)
    yield "16", seen + tell(*table, "add", "10.99.0.12")


def pf_established(script: PfScript) -> list[str]:
    """A connection is open when its host is banned, and then its state is killed."""
    seen = script.load(CALLED)
    script.fill()
    assert script.fake.connect(HOST, SERVER, source_port=59455, port=SERVER_PORT)
    seen += ["connected", "echo"]
    seen += script.tell("-a", "fw_guard", "-t", "banned", "-T", "add", HOST)
    seen += script.tell("-s", "states")
    seen += ["echo" if script.fake.carries(HOST, port=SERVER_PORT) else "no echo"]
    seen += script.tell("-k", HOST)
    return [*seen, "echo" if script.fake.carries(HOST, port=SERVER_PORT) else "no echo"]


def test_pf_passes_and_stops_the_packets_it_passed_and_stopped() -> None:
    recorded = sections("pfctl13-packets", PF_NOT_HELD)
    assert len(recorded) == 17
    assert dict(pf_story(PfScript())) == recorded


class IpfwScript:
    """The script's means, on a fake."""

    def __init__(self) -> None:
        self.fake = FakeIpfw()
        self.quietly("table fw_guard create")

    def quietly(self, *lines: str) -> None:
        result = self.fake.run(["ipfw", "-q", "/dev/stdin"], "".join(f"{line}\n" for line in lines))
        assert (result.code, result.out, result.err) == (0, "", "")

    def connect(self) -> list[str]:
        self.fake.connect(HOST, 49187, SERVER, SERVER_PORT)
        return CONNECTED[self.fake.verdict(HOST, port=SERVER_PORT)]

    def ping(self, address: str = HOST) -> list[str]:
        return PINGED[self.fake.verdict(address, protocol="icmp")]

    def ban_while_open(self, *rules: str) -> list[str]:
        """Connect, ban, and see whether the open connection still echoes."""
        self.quietly("-f flush", "table fw_guard flush", *rules)
        seen = self.connect()
        self.quietly(f"table fw_guard add {HOST}")
        verdict = self.fake.verdict(HOST, port=SERVER_PORT, established=True)
        return seen + OPEN["allow" if verdict == "check-state" else verdict]


def ipfw_story(script: IpfwScript) -> Iterator[tuple[str, list[str]]]:
    """What is seen in each section of ipfw13-packets."""
    deny = "add 500 deny ip from table(fw_guard) to any"
    yield "baseline", script.connect()
    script.quietly(deny, f"table fw_guard add {HOST}", "table fw_guard add fd99::11")
    yield "deny", script.connect() + script.ping() + script.ping("fd99::11")
    yield "established", script.ban_while_open(deny)
    established = "add 400 allow tcp from any to any established"
    yield "same", script.ban_while_open(deny, established) + script.connect()
    keep = "add 600 allow tcp from any to any setup keep-state"
    seen = script.ban_while_open("add 300 check-state", deny, keep)
    # The script printed the end of this list.
    yield "keep-state", seen + script.fake.run(["ipfw", "-d", "list"]).out.splitlines()[-3:]
    script.quietly("-f flush", "add 499 reset tcp from table(fw_guard) to any")
    seen = script.connect()
    yield "reset", seen + script.ban_while_open("add 499 reset tcp from table(fw_guard) to any")
    script.quietly("-f flush", deny, "add 498 unreach filter-prohib ip from table(fw_guard) to any")
    for number, packets, octets in ((498, 2, 144), (500, 10, 594), (65535, 52, 3530)):
        script.fake.count(number, packets=packets, octets=octets)
    shown = script.fake.run(["ipfw", "show"]).out.splitlines()
    yield "unreach", script.ping() + script.connect() + shown


def test_ipfw_passes_and_stops_the_packets_it_passed_and_stopped() -> None:
    recorded = sections("ipfw13-packets", IPFW_NOT_HELD)
    assert len(recorded) == 7
    assert dict(ipfw_story(IpfwScript())) == recorded
