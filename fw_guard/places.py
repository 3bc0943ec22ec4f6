"""Where things lie: the files that ship, the owner's own, the state."""

from __future__ import annotations

import errno
import os
import re
import sys

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
FREEBSD = sys.platform.startswith(("freebsd", "dragonfly"))


def shipped(kind: str) -> str:
    """Give the directory of the shipped ``filters`` or ``actions``.

    An installed copy carries them inside the package; in a checkout and an editable install they
    lie beside it.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(package, kind)
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), kind)


def find(kind: str, name: str, directory: str) -> tuple[str, bool]:
    """Give the path of the ``filters`` or ``actions`` file called ``name``, and whether it ships.

    The owner's, in the configuration's ``directory``, goes before the shipped one. Raises
    FileNotFoundError, whose ``filename`` is where the owner's would lie.
    """
    own = os.path.join(directory, kind, f"{name}.toml")
    if not NAME.fullmatch(name):
        raise FileNotFoundError(errno.ENOENT, "no such name", own)
    if os.path.exists(own):
        return own, False
    path = os.path.join(shipped(kind), f"{name}.toml")
    if os.path.exists(path):
        return path, True
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), own)


def names(kind: str, directory: str) -> list[str]:
    """Give the names of all ``filters`` or ``actions``, the owner's and the shipped."""
    found = (*files(os.path.join(directory, kind)), *files(shipped(kind)))
    return sorted({os.path.basename(path).removesuffix(".toml") for path in found})


def files(directory: str) -> list[str]:
    """Give the paths of the ``*.toml`` of a directory in the order of their names."""
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [os.path.join(directory, n) for n in names if n.endswith(".toml") and n[0] != "."]


def config_directory() -> str:
    """Give the directory of fw-guard.toml when ``--config`` does not."""
    given = os.environ.get("FW_GUARD_CONFIG") or os.environ.get("CONFIGURATION_DIRECTORY")
    return given or ("/usr/local/etc/fw-guard" if FREEBSD else "/etc/fw-guard")


def state_directory() -> str:
    """Give the directory of the state when ``--state`` does not."""
    given = os.environ.get("FW_GUARD_STATE") or os.environ.get("STATE_DIRECTORY")
    return given or ("/var/db/fw-guard" if FREEBSD else "/var/lib/fw-guard")
