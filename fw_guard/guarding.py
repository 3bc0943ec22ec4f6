"""A firewall in use, and what the store keeps of it between two passes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import firewall, places
from fw_guard.firewall import FirewallError, Sight
from fw_guard.schema import UNSURE
from fw_guard.settings import parted
from fw_guard.templates import Choice
from fw_guard.wanting import Labels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fw_guard.config import Config
    from fw_guard.firewall import Generation, Outcome
    from fw_guard.planning import Plan
    from fw_guard.processes import Run
    from fw_guard.schema import Told
    from fw_guard.store import Store
    from fw_guard.templates import Action
    from fw_guard.wanting import Wanting


class Known(NamedTuple):
    """What is kept of a firewall that was made right.

    ``sight`` is how it looked then; ``compared`` when the whole was last compared; ``means`` what
    its members and its furniture follow from.
    """

    sight: Sight
    compared: int
    means: str


class Guarded:
    """One firewall in use, and what is kept of it."""

    def __init__(
        self,
        config: Config,
        store: Store,
        label: str,
        now: int,
        run: Run,
        generation: Generation,
        moved: dict[str, str] | None = None,
    ) -> None:
        """Work on the firewall of a label; its action is read when it is asked for.

        ``moved`` is what this pass itself made of how a firewall looked: several may share one
        kernel's count.
        """
        self.label = label
        self.now = now
        self.store = store
        self.run = run
        self.generation = generation
        self._moved = {} if moved is None else moved
        self._config = config
        self._name, self._ports = parted(label)
        self.refused = False
        self._action: Action | None = None
        self._believed: Action | None = None

    @property
    def action(self) -> Action:
        """Read the action: the owner's, else the shipped one of that name."""
        if self._action is None:
            self._action = load(self._config.directory, self.label, self.options)
        return self._action

    @property
    def believed(self) -> Action:
        """Read the action as one that was tried as it is, and that need not look for itself."""
        if self._action is not None:
            return self._action
        if self._believed is None:
            self._believed = load(self._config.directory, self.label, self.options, believed=True)
        return self._believed

    @property
    def options(self) -> str:
        """Give the options that are chosen for it, as they are kept.

        One that no jail uses any more has those that it was set up with: it may not know others.
        """
        if self.label not in Labels(self._config).used:
            return self.store.note(f"options {self.label}")
        return " ".join(f"{name}={value}" for name, value in self._config.general.options)

    @property
    def is_changed(self) -> bool:
        """Say whether other options are chosen than those that it was set up with."""
        return self.options != self.store.note(f"options {self.label}")

    def known(self) -> Known | None:
        """Give what is kept of it; None when there is nothing, or nothing of use any more."""
        kept = self.store.note(f"sight {self.label}").split("\n", 3)
        if len(kept) < 4:
            return None
        members, compared, means, text = kept
        while text in self._moved:
            text = self._moved[text]
        return Known(Sight(text, int(members) if members else None), int(compared), means)

    def learn(self, sight: Sight | None, compared: int, means: str) -> None:
        """Keep how it looks now; None: nobody can tell, so the next pass compares the whole."""
        if sight is None:
            self.forget()
            return
        members = "" if sight.members is None else sight.members
        self.store.set_note(f"sight {self.label}", f"{members}\n{compared}\n{means}\n{sight.text}")

    @property
    def is_suspect(self) -> bool:
        """Say whether somebody has changed something that was not looked into yet."""
        return bool(self.store.note(f"suspect {self.label}"))

    def suspect(self, *, is_suspect: bool) -> None:
        """Keep whether something was changed that is still to be looked into."""
        self.store.set_note(f"suspect {self.label}", "1" if is_suspect else "")

    def refuse(self) -> None:
        """Keep that it does not hold what it should: nothing of it is trusted."""
        self.refused = True
        self.forget()

    def forget(self) -> None:
        """Trust nothing of it: the next pass compares the whole."""
        self.store.set_note(f"sight {self.label}", "")

    def move(self, outcome: Outcome) -> None:
        """Keep what this pass alone has made of what the kernel counts."""
        seen = outcome.sight
        if self.believed.generation and seen is not None and seen.text != outcome.began:
            self._moved[outcome.began] = seen.text

    def told(self, hosts: Iterable[str] | None = None) -> dict[str, Told]:
        """Give what it was told: of all hosts, or of some; what is unsure if it cannot be asked."""
        told = self.store.told(self.label, hosts)
        if not self.believed.listings:
            return told
        return {host: each for host, each in told.items() if each != UNSURE}

    def brace(self, plan: Plan) -> None:
        """Keep that it is about to be changed, for a pass that is killed on the way.

        Where the kernel counts, that is seen anyway.
        """
        if self.believed.generation:
            return
        self.forget()
        if not self.believed.listings:
            unsure = dict.fromkeys((*plan.ban, *plan.renew, *plan.unban), UNSURE)
            self.store.tell(self.label, unsure)
        self.store.commit()

    def take_away(self) -> None:
        """Take its furniture away, with all that it holds; that may be cut short."""
        self.forget()
        self.store.doubt(self.label)
        self.store.commit()
        firewall.teardown(self.action, self.run)
        self.store.untell(self.label)

    def means(self, wanting: Wanting) -> str:
        """Give what its members and its furniture follow from, beside the bans.

        Raises FirewallError when its action is gone.
        """
        path, _ = find(self._config.directory, self._name)
        status = os.stat(path)
        return f"{wanting.means} {self.options} {path} {status.st_mtime_ns} {status.st_size}"


def find(directory: str, name: str) -> tuple[str, bool]:
    """Give where an action lies, and whether it ships; raise FirewallError when there is none."""
    try:
        return places.find("actions", name, directory)
    except FileNotFoundError as error:
        said = f"{error.filename} is gone; put it back until it has taken its furniture away"
        raise FirewallError(f"there is no action {name!r}: {said}") from None


def load(directory: str, label: str, options: str, *, believed: bool = False) -> Action:
    """Read the action of a label; raise FaultsError, or FirewallError when there is none.

    ``believed`` is as in ``actions.load``.
    """
    from fw_guard import actions  # a pass that changes nothing needs none

    name, ports = parted(label)
    path, ships = find(directory, name)
    chosen = tuple((key, value) for key, _, value in (o.partition("=") for o in options.split()))
    choice = Choice(chosen, ports)
    return actions.load(path, trusted=ships, choice=choice, believed=believed)
