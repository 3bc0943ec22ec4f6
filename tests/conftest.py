"""What many tests share: a configuration and a state in a directory, the founding lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).parent.parent
FOUNDING = ROOT / "demo" / "logs"
NOW = "2017-02-07T04:42:00+09:00"


class Guard:
    """fw-guard as a person or cron runs it: a process with a configuration and a state."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.etc = place / "etc"
        self.state = place / "state"
        self.etc.mkdir()
        self.now = NOW
        self.prefix: tuple[str, ...] = ()
        self.environment: Mapping[str, str] = {
            "TZ": "Asia/Tokyo",
            "PYTHONPATH": str(ROOT),
            "PATH": "/nowhere",
        }

    def write(self, name: str, text: str) -> Path:
        """Write a file of the configuration."""
        path = self.etc / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        return path

    def log(self, name: str, text: str) -> Path:
        """Append to a log."""
        path = self.place / name
        with path.open("a") as file:
            file.write(text)
        return path

    def run(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run fw-guard and give its exit code and output."""
        options = ["-c", str(self.etc), "--state", str(self.state), "--now", self.now]
        return subprocess.run(
            [*self.prefix, sys.executable, "-m", "fw_guard", *options, *words],
            input=stdin,
            capture_output=True,
            text=True,
            env=dict(self.environment),
            check=False,
            timeout=60,
        )

    def json(self, *words: str) -> Any:
        """Run fw-guard with --json and give the document, or the list of them."""
        done = self.run(*words, "--json")
        documents = [json.loads(line) for line in done.stdout.splitlines()]
        return (
            documents[0] if len(documents) == 1 and words[0] not in ("try", "replay") else documents
        )

    def bans(self) -> dict[str, Any]:
        """Give the bans in force by address."""
        return {ban["address"]: ban for ban in self.json("list")["bans"]}


@pytest.fixture
def guard(tmp_path: Path) -> Guard:
    """A place for a configuration, logs and a state."""
    return Guard(tmp_path)


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Set the time zone of the process."""

    def set_zone(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def private_umask() -> Iterator[None]:
    """The umask that the command line sets."""
    before = os.umask(0o077)
    yield
    os.umask(before)
