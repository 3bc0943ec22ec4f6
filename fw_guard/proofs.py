"""What was proved, remembered beside the state: derived, safe to delete, worth seconds.

A file of digests, one a line. Whoever cannot read or write it proves once more and says nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile

NAME = "proofs"
MOST = 2000
LARGEST = 1 << 20
DIGEST = re.compile(r"[0-9a-f]{64}")


def recall(state: str) -> set[str]:
    """Give the digests of the proofs that are remembered in the directory ``state``.

    A file that somebody else owns or may write is no memory of ours.
    """
    path = os.path.join(state, NAME)
    try:
        with open(path, encoding="ascii", opener=without_following) as file:
            status = os.fstat(file.fileno())
            if status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
                return set()
            return set(DIGEST.findall(file.read(LARGEST)))
    except (OSError, UnicodeDecodeError):
        return set()


def without_following(path: str, flags: int) -> int:
    """Open a file that must be no symbolic link and no pipe to wait for."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def remember(state: str, digests: set[str]) -> None:
    """Keep ``digests`` in the directory ``state``, which is left alone when it is not there.

    Above MOST, of which most must be of filters that are no more, all are forgotten.
    """
    if len(digests) > MOST:
        digests = set()
    try:
        descriptor, path = tempfile.mkstemp(prefix=f".{NAME}-", dir=state)
    except OSError:
        return
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.writelines(f"{digest}\n" for digest in sorted(digests))
        os.replace(path, os.path.join(state, NAME))
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(path)
