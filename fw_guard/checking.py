"""``fw-guard check``: the configuration, every filter, every action, each on its own samples."""

from __future__ import annotations

import os
from typing import NamedTuple

from fw_guard import actions, config, filters, places
from fw_guard.faults import Fault, FaultsError, in_order
from fw_guard.tomlfile import open_document


class Checked(NamedTuple):
    """What was looked at (kind, path), and every fault of it."""

    files: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]
    config_faults: tuple[Fault, ...]

    @property
    def status(self) -> int:
        """Give the exit code: configuration before filters and actions."""
        if self.config_faults:
            return os.EX_CONFIG
        return os.EX_DATAERR if self.faults else os.EX_OK


def check_all(directory: str) -> Checked:
    """Check the configuration in ``directory``, if there is one, and all filters and actions."""
    files: list[tuple[str, str]] = []
    faults: list[Fault] = []
    config_faults: tuple[Fault, ...] = ()
    if os.path.exists(os.path.join(directory, config.MAIN)):
        files.append(("configuration", os.path.join(directory, config.MAIN)))
        config_faults = config.load(directory).faults
    for kind in ("filter", "action"):
        own = config.file_names(os.path.join(directory, f"{kind}s"))
        replaced = {os.path.basename(path) for path in own}
        shipped = config.file_names(places.shipped(f"{kind}s"))
        for path in (*own, *(p for p in shipped if os.path.basename(p) not in replaced)):
            files.append((kind, path))
            faults.extend(check_file(kind, path, trusted=path not in own))
    return Checked(tuple(files), in_order(faults), config_faults)


def check_files(paths: list[str]) -> Checked:
    """Check the files named: filters, actions, or a whole configuration by its fw-guard.toml."""
    files: list[tuple[str, str]] = []
    faults: list[Fault] = []
    config_faults: tuple[Fault, ...] = ()
    for path in paths:
        if os.path.basename(path) == config.MAIN:
            files.append(("configuration", path))
            loaded = config.load(os.path.dirname(path) or ".")
            config_faults += loaded.faults
            faults.extend(loaded.filter_faults)
            continue
        try:
            kind = kind_of(path)
        except FaultsError as error:
            faults.extend(error.faults)
            continue
        files.append((kind, path))
        faults.extend(check_file(kind, path, trusted=True))
    return Checked(tuple(files), in_order(faults), config_faults)


def kind_of(path: str) -> str:
    """Say whether a file is a filter or an action, by the tables that it has."""
    root = open_document(path, trusted=True).root
    return "filter" if root.has("match") or root.has("log") else "action"


def check_file(kind: str, path: str, *, trusted: bool) -> tuple[Fault, ...]:
    """Give the faults of one filter or action file."""
    try:
        if kind == "filter":
            filters.load(path, trusted=trusted)
        else:
            actions.load(path, trusted=trusted)
    except FaultsError as error:
        return error.faults
    return ()


def answer(checked: Checked) -> dict[str, object]:
    """Give what ``check --json`` says."""
    return {
        "files": [{"kind": kind, "path": path} for kind, path in checked.files],
        "faults": [
            {
                "path": fault.path,
                "line": fault.line,
                "column": fault.column,
                "message": fault.message,
            }
            for fault in (*checked.config_faults, *checked.faults)
        ],
    }
