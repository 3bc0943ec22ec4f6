"""A configuration directory that a test fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard import config

if TYPE_CHECKING:
    from pathlib import Path

    from fw_guard.config import Config, Jail

SSHD = '[jail.sshd]\nfilter = "sshd"\nlogs = "/var/log/auth.log"\n'


class Directory:
    """A configuration directory that a test fills."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str, mode: int = 0o600) -> str:
        path = self.path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return str(path)

    def main(self, text: str) -> str:
        return self.write("fw-guard.toml", text)

    def load(self) -> Config:
        return config.load(str(self.path))

    def faults(self) -> list[str]:
        """Give the first line of each fault, the directory cut off."""
        found = self.load()
        every = (*found.faults, *found.filter_faults)
        return [str(f).splitlines()[0].replace(f"{self.path}/", "") for f in every]

    def jail(self, text: str) -> Jail:
        """Give the one jail of a main file that has no fault."""
        self.main(text)
        found = self.load()
        assert (found.faults, found.filter_faults) == ((), ())
        (jail,) = found.jails
        return jail
