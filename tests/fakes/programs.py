"""The seam between a firewall room and the system, with fakes behind it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .ipfw import FakeIpfw
    from .pf import FakePf
    from .result import Result


@dataclass
class FakePrograms:
    """Programs by name, and the record of every call: arguments and standard input."""

    programs: dict[str, FakePf | FakeIpfw]
    calls: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def run(self, argv: Sequence[str], stdin: str = "") -> Result:
        """Run the program that the last part of argv[0] names.

        Raises FileNotFoundError, as the system does, for a program that is not there.
        """
        self.calls.append((tuple(argv), stdin))
        program = self.programs.get(os.path.basename(argv[0]))
        if program is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), argv[0])
        return program.run(argv, stdin)
