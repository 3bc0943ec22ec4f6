"""Does an action take what the owner has chosen of it: the options, and the ports of a jail?

Only the options of an action file are read for that, and only when something is chosen: a pass of
a machine where nothing is pays nothing. An action that cannot be read says so where it is used.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from fw_guard import choices, places
from fw_guard.faults import FaultsError
from fw_guard.templates import Choice
from fw_guard.tomlfile import open_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fw_guard.choices import Option
    from fw_guard.settings import Jail
    from fw_guard.tomlfile import Table


class Fitting:
    """The actions of a configuration, each read once, and the options chosen of all of them."""

    def __init__(self, directory: str) -> None:
        """Look for the actions of the configuration in ``directory``; nothing is chosen yet."""
        self.options: tuple[tuple[str, str], ...] = ()
        self._directory = directory
        self._offered: dict[str, Mapping[str, Option] | None] = {}

    def refuse(self, table: Table, jail: Jail) -> None:
        """Note a fault for each option that the action of a jail does not take, and for ports.

        ``table`` is where the jail was read from; what it has inherited whole is told elsewhere.
        """
        if not self.options and not jail.ports:
            return
        offered = self._of(jail.action)
        if offered is None:
            return
        for name, said in choices.misfits(offered, Choice(self.options, jail.ports)):
            for key in (name, "action"):
                if table.has(key):
                    table.fault(key, f"action {jail.action!r}: {said}")
                    break

    def _of(self, action: str) -> Mapping[str, Option] | None:
        """Give the options of an action, None when it cannot be read."""
        if action not in self._offered:
            self._offered[action] = None
            with contextlib.suppress(FileNotFoundError, FaultsError):
                path, ships = places.find("actions", action, self._directory)
                document = open_document(path, trusted=ships)
                offered = choices.offered(document)
                self._offered[action] = None if document.faults else offered
        return self._offered[action]
