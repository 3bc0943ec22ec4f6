"""What is wrong in a file, said so that its owner can mend it.

A fault prints as

    filters/sshd.toml:3:39: no such type 'ipp'; expected one of addr, host, int
        3 | pattern = 'Failed {method} from {host:ipp} port {port}'
          |                                       ^
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from fw_guard.errors import GuardError
from fw_guard.text import printable, width

WIDEST = 160


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one file.

    ``line`` and ``column`` count from 1, in characters; a line of 0 means the file as a whole.
    ``source`` is the text of that line; ``detail`` is shown below it.
    """

    path: str
    line: int
    column: int
    message: str
    source: str = ""
    detail: str = ""

    def __str__(self) -> str:
        """Give the fault as it is shown: place and message, then the line with a caret."""
        below = f"\n{self.detail}" if self.detail else ""
        message = printable(self.message)
        if not self.line:
            return f"{printable(self.path)}: {message}{below}"
        head = f"{printable(self.path)}:{self.line}:{self.column}: {message}"
        if not self.source:
            return head + below
        number = f"{self.line:5}"
        caret = min(self.column - 1, len(self.source))
        start = max(0, caret - WIDEST // 2)
        shown = self.source[start : start + WIDEST]
        before = printable(shown[: caret - start].expandtabs(1))
        text = printable(shown.expandtabs(1))
        return f"{head}\n{number} | {text}\n{'':5} | {'':{width(before)}}^{below}"


class FaultsError(GuardError):
    """A file that cannot be used, with all its faults."""

    status = os.EX_DATAERR

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        """Keep ``faults``, at least one."""
        super().__init__(*faults)
        self.faults = faults

    def __str__(self) -> str:
        """Give every fault, one below the other."""
        return "\n".join(str(fault) for fault in self.faults)


def in_order(faults: list[Fault]) -> tuple[Fault, ...]:
    """Give ``faults`` in the order in which a reader meets them, each once."""
    return tuple(dict.fromkeys(sorted(faults, key=lambda f: (f.path, f.line, f.column))))
