"""Reads a transcript: the record of commands that were run on a real system.

=== title of a section
--- $ the command, its words joined by blanks [<<EOF]
in | a line of its standard input
out| a line of its standard output, a tab written as ^I
err| a line of its standard error
rc=its exit code
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_HERE_DOCUMENT = " <<EOF"


@dataclass(frozen=True, slots=True)
class Command:
    """One recorded command. `line` is where it stands in the transcript, counted from 1."""

    line: int
    section: str
    text: str
    stdin: str
    out: str
    err: str
    code: int

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments, program first. A blank at the end was an empty last argument."""
        empty_last = ("",) if self.text.endswith(" ") else ()
        return (*self.text.split(), *empty_last)


@dataclass
class _Open:
    """A command whose exit code has not been read yet."""

    line: int
    section: str
    text: str
    reads: bool
    lines: dict[str, list[str]] = field(
        default_factory=lambda: {"in |": [], "out|": [], "err|": []}
    )

    def stream(self, prefix: str) -> str:
        return "".join(f"{line}\n" for line in self.lines[prefix])

    def close(self, code: int) -> Command:
        out = self.stream("out|").replace("^I", "\t")
        return Command(
            self.line, self.section, self.text, self.stream("in |"), out, self.stream("err|"), code
        )


def parse(text: str) -> tuple[Command, ...]:
    """Read all commands of a transcript, in order.

    Raises ValueError, naming the line, for a line that has no meaning where it stands.
    """
    commands: list[Command] = []
    section = ""
    current: _Open | None = None
    lines: Sequence[str] = text.split("\n")
    if lines[-1] == "":
        lines = lines[:-1]
    for number, line in enumerate(lines, start=1):
        if current is None:
            if line.startswith("=== "):
                section = line.removeprefix("=== ")
            elif line.startswith("--- $ "):
                current = _opened(number, section, line.removeprefix("--- $ "))
            else:
                raise ValueError(f"line {number}: expected `===` or `--- $`, found {line!r}")
        elif line.startswith("rc="):
            commands.append(current.close(_exit_code(number, line)))
            current = None
        else:
            _add_line(current, number, line)
    if current is not None:
        raise ValueError(f"line {current.line}: the command has no `rc=` line")
    return tuple(commands)


def _opened(number: int, section: str, text: str) -> _Open:
    reads = text.endswith(_HERE_DOCUMENT)
    return _Open(number, section, text.removesuffix(_HERE_DOCUMENT), reads)


def _exit_code(number: int, line: str) -> int:
    digits = line.removeprefix("rc=")
    if not digits.isdecimal():
        raise ValueError(f"line {number}: expected a number after `rc=`, found {digits!r}")
    return int(digits)


def _add_line(command: _Open, number: int, line: str) -> None:
    prefix, text = line[:4], line[4:]
    if prefix not in command.lines or text[:1] not in ("", " "):
        raise ValueError(f"line {number}: expected `in |`, `out|`, `err|` or `rc=`, found {line!r}")
    if prefix == "in |" and not command.reads:
        raise ValueError(f"line {number}: standard input for a command without `<<EOF`")
    command.lines[prefix].append(text[1:])
