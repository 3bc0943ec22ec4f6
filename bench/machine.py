"""What the figures were made on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def need(tools: Iterable[str], packages: Sequence[str]) -> None:
    """See that all is there that a run needs. Raises BenchError with what to install."""
    if not hasattr(os, "wait4") or platform.system() != "Linux" or os.geteuid() != 0:
        raise BenchError("network namespaces are made by root on Linux; expected to be run so")
    lacking = [tool for tool in tools if shutil.which(tool) is None]
    if lacking:
        said = f"{', '.join(lacking)} not installed"
        raise BenchError(
            f"{said}; expected `apt-get install {' '.join(packages)}` to have been run"
        )


def described(versions: Iterable[str]) -> str:
    """Give the machine as a Markdown list, with the versions of what was measured."""
    cores = len(os.sched_getaffinity(0))
    lines = [
        f"processor: {processor()}, {cores} of them for us",
        f"system: {platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        *versions,
        f"load before the run: {os.getloadavg()[0]:.2f}",
    ]
    return "\n".join(f"* {line}" for line in lines)


def processor() -> str:
    """Give the name of the processor."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def told(argv: Sequence[str]) -> str:
    """Give the first line of what a command says of its version."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).strip().partition("\n")[0]
