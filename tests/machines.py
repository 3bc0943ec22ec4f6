"""A configuration without files, a protection without a machine, a wall with its state."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fw_guard import addresses, applying, passes
from fw_guard.config import Config, General, Jail
from fw_guard.folding import parse
from fw_guard.safety import Protection
from fw_guard.settings import DEFAULTS
from fw_guard.store import Ban, Store
from tests.fakes.wall import Wall, write_action

if TYPE_CHECKING:
    from pathlib import Path

    from fw_guard.addresses import Network
    from fw_guard.passes import Figures

NOW = 1_700_000_000
HOUR = 3_600


def networks(*texts: str) -> tuple[Network, ...]:
    """Give networks as a configuration holds them."""
    return tuple(addresses.split(text) for text in texts)


def jail(name: str, action: str = "wall", **more: Any) -> Jail:
    """Give a jail that reads nothing."""
    return replace(DEFAULTS, name=name, action=action, **more)


def configuration(
    *jails: Jail, directory: str = "/nowhere", folds: tuple[str, ...] = (), **more: Any
) -> Config:
    """Give a configuration whose default is the action wall."""
    general = more.pop("general", General(networks=tuple(map(parse, folds))))
    given = {"action": "wall", "bantime": HOUR, "ignoreip": (), "general": general} | more
    return Config(directory=directory, jails=jails, **given)


def protection(config: Config, *near: str) -> Protection:
    """Guard whom the configuration ignores, and who is near."""
    return Protection(lambda: [(each, "near") for each in networks(*near)], config.ignoreip)


def ban(host: str, jail: str = "ssh", until: int | None = NOW + HOUR, **more: Any) -> Ban:
    """Give a ban that began now."""
    return Ban(jail, host, NOW, until, 5, "5 hits")._replace(**more)


class Place:
    """A machine with a wall: its state, its passes."""

    def __init__(self, path: Path, kind: str = "counted", *, max_seconds: int = 0) -> None:
        write_action(path, kind, max_seconds=max_seconds)
        self.path = path
        self.wall = Wall(is_atomic=kind == "numbered")
        self.now = NOW
        self.near: tuple[str, ...] = ()
        self.configure(jail("ssh"))

    def configure(self, *jails: Jail, **more: Any) -> None:
        """Take another configuration."""
        self.config = configuration(*jails, directory=str(self.path), **more)

    def later(self, seconds: int) -> None:
        """Let time pass for all clocks."""
        self.now += seconds
        self.wall.uptime += seconds

    def store(self) -> Store:
        """Open the state."""
        return Store(str(self.path / "state"))

    def keep(self, *bans: Ban) -> None:
        """Keep bans that a pass has made before it was killed."""
        with self.store() as store:
            for each in bans:
                store.keep_ban(each)
            store.commit()

    def end(self, host: str) -> None:
        """End the bans of a host."""
        with self.store() as store:
            assert store.end_bans(host, self.now)
            store.commit()

    def run(self) -> Figures:
        """Do one pass, but for its lock; what the firewall says is among the troubles."""
        guarded = protection(self.config, *self.near)
        with self.store() as store:
            figures = passes.learn(self.config, store, guarded, self.now)
            store.commit()
            figures.troubles += applying.apply(
                *(self.config, store, guarded, self.now),
                dry_run=False,
                say=lambda _: None,
                run=self.wall.run,
                generation=self.wall.generation,
            )
        return figures

    def would(self) -> list[str]:
        """Give what a dry run says that it would do, a command a line."""
        said: list[str] = []
        with self.store() as store:
            applying.apply(
                *(self.config, store, protection(self.config, *self.near), self.now),
                dry_run=True,
                say=said.append,
                run=self.wall.run,
                generation=self.wall.generation,
            )
        return said

    def bans(self) -> set[str]:
        """Give who is banned, as far as the state says."""
        with self.store() as store:
            return {each.host for each in store.bans(self.now)}
