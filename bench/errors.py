"""What can keep a measurement from being made."""

from __future__ import annotations


class BenchError(Exception):
    """A figure cannot be had, or would be that of work not done; the message says what to do."""
