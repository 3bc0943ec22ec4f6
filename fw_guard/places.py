"""Where things lie: the files that ship, the owner's own, the state."""

from __future__ import annotations

import os
import sys

FREEBSD = sys.platform.startswith(("freebsd", "dragonfly"))


def shipped(kind: str) -> str:
    """Give the directory of the shipped ``filters`` or ``actions``.

    An installed copy carries them inside the package; in a checkout and an editable install they
    lie beside it.
    """
    package = os.path.dirname(os.path.abspath(__file__))
    inside = os.path.join(package, kind)
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), kind)


def config_directory() -> str:
    """Give the directory of fw-guard.toml when ``--config`` does not."""
    given = os.environ.get("FW_GUARD_CONFIG") or os.environ.get("CONFIGURATION_DIRECTORY")
    return given or ("/usr/local/etc/fw-guard" if FREEBSD else "/etc/fw-guard")


def state_directory() -> str:
    """Give the directory of the state when ``--state`` does not."""
    given = os.environ.get("FW_GUARD_STATE") or os.environ.get("STATE_DIRECTORY")
    return given or ("/var/db/fw-guard" if FREEBSD else "/var/lib/fw-guard")
