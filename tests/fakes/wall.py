"""A firewall of the tests' own, as simple as one can be, with all that can befall a real one.

``wall`` has rooms, each with a rule and with members whose time the kernel keeps. It counts every
change, whoever made it. The action files here drive it in three ways: by that number, by counts of
members, and blindly.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fw_guard.processes import FirewallError, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

ASKING = ("show", "list", "count")
KINDS = ("numbered", "counted", "blind")
# Of the ways in which a command can end badly, those that leave its work undone, half done, done.
FAULTS = ("refuse", "hang", "half", "die", "die before")


class Killed(BaseException):
    """The pass is killed at this moment."""


@dataclass
class Room:
    """What one guard has put there: its rule, when it was made, who is in."""

    rule: str
    made: int
    members: dict[str, int | None] = field(default_factory=dict)  # till which uptime


@dataclass
class Wall:
    """The firewall. ``uptime`` is the kernel's clock, which nobody sets back."""

    uptime: int = 0
    boot: int = 1
    number: int = 1
    is_atomic: bool = True
    rooms: dict[str, Room] = field(default_factory=dict)
    calls: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    meanwhile: list[tuple[int, Callable[[], None]]] = field(default_factory=list)

    # what fw-guard sees

    def run(self, argv: Sequence[str], stdin: str) -> Result:
        """Run one command; a fault that waits befalls the first that would change something."""
        for at, meddle in self.meanwhile:
            if at == len(self.calls):
                meddle()
        self.calls.append((tuple(argv), stdin))
        _, verb, guard, *rest = argv
        self.forget_ended()
        if verb in ASKING:
            return self.answer(verb, guard)
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "hang":
            raise FirewallError(f"`{' '.join(argv)}` was not done after 30 seconds and was killed")
        if fault == "die before":
            raise Killed
        if fault == "refuse" or (fault == "half" and self.is_atomic):
            return Result(1, "", "wall: no\n")
        lines = stdin.splitlines()
        result = self.change(verb, guard, rest, lines[: len(lines) // 2] if fault else lines)
        if fault == "die":
            self.change(verb, guard, rest, lines)
            raise Killed
        return Result(1, "", "wall: no more\n") if fault else result

    def answer(self, verb: str, guard: str) -> Result:
        """Say what is there."""
        room = self.rooms.get(guard)
        if room is None:
            return Result(1, "", f"wall: no room {guard}\n")
        if verb == "show":
            return Result(0, f"room {guard}\nrule {guard} {room.rule}\n" if room.rule else "", "")
        if verb == "list":
            return Result(0, "".join(f"member {address}\n" for address in room.members), "")
        return Result(0, f"made {room.made}\nmembers {len(room.members)}\n", "")

    def change(self, verb: str, guard: str, rest: list[str], lines: list[str]) -> Result:
        """Do what a command says; each is one change."""
        if verb == "drop":
            self.number += bool(self.rooms.pop(guard, None))
            return Result(0, "", "")
        if verb == "make":
            room = self.rooms.setdefault(guard, Room("", self.number))
            room.rule = rest[0]
        elif verb == "put":
            self.rooms.setdefault(guard, Room("blind", 0))
        if guard not in self.rooms:
            return Result(1, "", f"wall: no room {guard}\n")
        self.number += 1
        for line in lines:
            word, address, *seconds = line.split()
            if word == "del":
                self.rooms[guard].members.pop(address, None)
            else:
                left = int(seconds[0])
                self.rooms[guard].members[address] = self.uptime + left if left else None
        return Result(0, "", "")

    def generation(self, kind: str) -> str | None:
        """Give the number of changes, as the kernel's place and number are given."""
        assert kind == "nf_tables"
        return f"boot{self.boot} {self.number}"

    # what others do to it

    def forget_ended(self) -> None:
        """Let go whoever's time is over; nobody counts that."""
        for room in self.rooms.values():
            room.members = {
                address: end
                for address, end in room.members.items()
                if end is None or end > self.uptime
            }

    def members(self, guard: str = "fw_guard") -> set[str]:
        """Give who is shut out."""
        self.forget_ended()
        return set(self.rooms[guard].members) if guard in self.rooms else set()

    def reboot(self) -> None:
        """Begin anew with nothing."""
        self.boot, self.number = self.boot + 1, 1
        self.rooms.clear()

    def flush(self, guard: str = "fw_guard") -> None:
        """Let everybody of a room out."""
        self.number += 1
        self.rooms[guard].members.clear()

    def remove(self, address: str, guard: str = "fw_guard") -> None:
        """Let one out."""
        self.number += 1
        del self.rooms[guard].members[address]

    def add(self, address: str, guard: str = "fw_guard") -> None:
        """Shut one out that nobody asked for."""
        self.number += 1
        self.rooms[guard].members[address] = None

    def unrule(self, guard: str = "fw_guard") -> None:
        """Take the rule away that makes the members count."""
        self.number += 1
        self.rooms[guard].rule = ""

    # the record

    def changes(self) -> list[str]:
        """Give the commands since the last question that were no mere questions."""
        calls, self.calls = self.calls, []
        return [" ".join(argv[1:]) for argv, _ in calls if argv[1] not in ASKING]


OPTIONS = """
[option.block.drop]
[option.block.reject]
[option.ports.none]
[option.ports.some]
"""
FURNITURE = """
[[check]]
argv   = ["{tool}", "show", "{guard}"]
has    = ['rule {guard} {choice}']
advice = "wake the wall"
[[setup]]
argv   = ["{tool}", "make", "{guard}", "{choice}"]
unless = ["{tool}", "show", "{guard}"]
shows  = ['rule {guard} {choice}']
[[list]]
argv    = ["{tool}", "list", "{guard}"]
pattern = 'member {address}'
[[sample]]
list = "member 192.0.2.7\\nmember 2001:db8::/64\\n"
addresses = ["192.0.2.7", "2001:db8::/64"]
"""
CHANGES = """
[[ban]]
argv = ["{tool}", "{verb}", "{guard}"]
[[ban.stdin]]
each = "add {address} {seconds}"
[[renew]]
argv = ["{tool}", "{verb}", "{guard}"]
[[renew.stdin]]
each = "set {address} {seconds}"
[[unban]]
argv = ["{tool}", "{verb}", "{guard}"]
[[unban.stdin]]
each = "del {address}"
[[teardown]]
argv = ["{tool}", "drop", "{guard}"]
"""
GLANCE = """
[[glance]]
argv    = ["{tool}", "count", "{guard}"]
pattern = '{members {count:int}|made {*:int}}'
[[sample]]
glance = "made 4\\nmembers 12\\n"
count  = 12
marks  = ["made 4"]
"""
CLASSES = ("192.0.2.7", "198.51.100.0/24", "2001:db8::7", "2001:db8:0:1::/64", "2001:db8::/48")


def action_text(kind: str, tool: str = "wall", *, max_seconds: int = 0, timed: bool = True) -> str:
    """Give an action file that drives a wall in one of the KINDS."""
    verb = "put" if kind == "blind" else "write"
    head = [f'title = "a {kind} wall"']
    head += [f"max_seconds = {max_seconds}"] if max_seconds else []
    head += ['generation = "nf_tables"'] if kind == "numbered" else []
    body = CHANGES + (FURNITURE if kind != "blind" else "") + (GLANCE if kind == "counted" else "")
    if not timed:
        body = body.replace("{seconds}", "0")
        start, end = body.index("[[renew]]"), body.index("[[unban]]")
        body = body[:start] + body[end:]
    samples = ""
    for word, left in (("add", "60"), ("set", "60"), ("del", "")):
        name = {"add": "ban", "set": "renew", "del": "unban"}[word]
        if name == "renew" and not timed:
            continue
        said = ", ".join(f'"{a}"' if word == "del" else f'["{a}", 60]' for a in CLASSES)
        seconds = left if timed or not left else "0"
        stdin = "".join(f"{word} {address} {seconds}".rstrip() + "\\n" for address in CLASSES)
        samples += f"[[sample]]\n{name} = [{said}]\n[[sample.commands]]\n"
        samples += f'argv = ["{tool}", "{verb}", "fw_guard"]\nstdin = "{stdin}"\n'
    filled = (OPTIONS + body).replace("{tool}", tool).replace("{verb}", verb)
    return "\n".join(head) + filled + samples


def write_action(
    directory: Path, kind: str, tool: str = "wall", *, max_seconds: int = 0, timed: bool = True
) -> Path:
    """Write such a file into a configuration's directory."""
    path = directory / "actions" / f"{tool}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(action_text(kind, tool, max_seconds=max_seconds, timed=timed))
    path.chmod(0o600)
    return path
