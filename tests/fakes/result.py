"""What a run of a program leaves behind, and the two ways in which a fake gives up."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Result:
    """A finished process: exit code, standard output, standard error."""

    code: int
    out: str = ""
    err: str = ""


class NotModelledError(Exception):
    """The fake was asked for something that no record of the real program covers.

    A fake that guesses would make a test pass for nothing: record the real program first.
    """


class CommandError(Exception):
    """The program ends here with an exit code and, unless empty, a last line on stderr."""

    def __init__(self, code: int, text: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass
class Talk:
    """What the program has printed so far, in whole lines without their newline."""

    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    def result(self, code: int) -> Result:
        """Close both streams."""
        return Result(
            code,
            "".join(f"{line}\n" for line in self.out),
            "".join(f"{line}\n" for line in self.err),
        )
