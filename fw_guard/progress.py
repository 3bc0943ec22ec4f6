"""How far long work has come: one line on a terminal, drawn over again and wiped at the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fw_guard.text import printable, width

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

QUIET = 1.0  # seconds: what is done sooner needs no bar
PAUSE = 0.1  # seconds from one drawing to the next
CELLS = 30
LONGEST_NAME = 40


class Progress:
    """Draws a bar for each log through ``write``; leaving the ``with`` block wipes it.

    Nothing is drawn in the first second, nor at all without ``write``. ``clock`` gives seconds that
    never run backwards.
    """

    def __init__(
        self,
        write: Callable[[str], object] | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin now."""
        self._write = write
        self._clock = clock
        self._next = clock() + QUIET
        self._drawn = 0

    def __enter__(self) -> Progress:
        """Give itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wipe the bar."""
        self.wipe()

    def tell(self, log: str, done: int, size: int) -> None:
        """Say that ``done`` of the ``size`` bytes of ``log`` are read."""
        if self._write is None or self._clock() < self._next:
            return
        self._next = self._clock() + PAUSE
        drawn = bar(log, done, size)
        self._write(f"\r{drawn}{' ' * (self._drawn - width(drawn))}")
        self._drawn = width(drawn)

    def wipe(self) -> None:
        """Leave the line as empty as it was."""
        if self._write is not None and self._drawn:
            self._write(f"\r{' ' * self._drawn}\r")
            self._drawn = 0


def bar(log: str, done: int, size: int) -> str:
    """Give ``auth.log [#####     ]  50%``; the end of a name that is long."""
    share = min(done, size) / size if size else 1.0
    cells = int(share * CELLS)
    name = printable(log)
    name = name if len(name) <= LONGEST_NAME else f"...{name[3 - LONGEST_NAME :]}"
    return f"{name} [{'#' * cells:{CELLS}}] {int(share * 100):3}%"
