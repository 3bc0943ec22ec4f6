"""What stops a command: every error for a person says its message and its exit code."""

from __future__ import annotations

import os


class GuardError(Exception):
    """Something that the person at the keyboard, or who reads cron's mail, has to know.

    ``status`` is the exit code, of sysexits(3).
    """

    status = os.EX_SOFTWARE
