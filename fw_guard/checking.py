"""``fw-guard check``: the configuration, every filter, every action, each on its own samples."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import actions, config, filterfiles, places
from fw_guard.faults import Fault, FaultsError, in_order
from fw_guard.logs import reader
from fw_guard.logs.reader import LogError
from fw_guard.tomlfile import open_document

if TYPE_CHECKING:
    from fw_guard.config import Config


class Checked(NamedTuple):
    """What was looked at (kind, path), every fault of it, and what else its owner should know."""

    files: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]
    config_faults: tuple[Fault, ...]
    notes: tuple[str, ...]

    @property
    def configured(self) -> bool:
        """Say whether there was a configuration."""
        return any(kind == "configuration" for kind, _ in self.files)

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
    notes = [f"no configuration in {directory}: only what ships was checked"]
    main = os.path.join(directory, config.MAIN)
    if os.path.exists(main):
        files.append(("configuration", main))
        files += (("jails", path) for path in places.files(os.path.join(directory, "jails")))
        found = config.load(directory)
        config_faults = found.faults
        notes = notes_on(found)
    for kind in ("filter", "action"):
        for name in places.names(f"{kind}s", directory):
            path, ships = path_of(kind, name, directory)
            files.append((kind, path))
            faults.extend(check_file(kind, path, directory, trusted=ships))
    faults = [fault for fault in faults if fault not in config_faults]
    return Checked(tuple(files), in_order(faults), config_faults, tuple(notes))


def path_of(kind: str, name: str, directory: str) -> tuple[str, bool]:
    """Give where a filter or action lies and whether it ships; also one that has no proper name."""
    try:
        return places.find(f"{kind}s", name, directory)
    except FileNotFoundError as error:
        return str(error.filename), False


def check_files(paths: list[str]) -> Checked:
    """Check the files named: filters, actions, or a whole configuration by its fw-guard.toml."""
    files: list[tuple[str, str]] = []
    faults: list[Fault] = []
    config_faults: tuple[Fault, ...] = ()
    notes: list[str] = []
    loaded: set[str] = set()
    for path in paths:
        directory = os.path.dirname(os.path.abspath(path))
        is_main = os.path.basename(path) == config.MAIN
        if is_main or os.path.basename(directory) == "jails":
            files.append(("configuration" if is_main else "jails", path))
            whole = directory if is_main else os.path.dirname(directory)
            try:
                open_document(path)
                found = config.load(whole)
            except (FaultsError, config.NoConfigError) as error:
                faults += error.faults if isinstance(error, FaultsError) else (lacks(path, error),)
                continue
            if whole not in loaded:
                loaded.add(whole)
                config_faults += found.faults
                faults.extend(found.filter_faults)
                notes += notes_on(found)
            continue
        trusted = directory in (places.shipped("filters"), places.shipped("actions"))
        try:
            kind = kind_of(path)
        except FaultsError as error:
            faults.extend(error.faults)
            continue
        files.append((kind, path))
        faults.extend(check_file(kind, path, os.path.dirname(directory), trusted=trusted))
    return Checked(tuple(files), in_order(faults), config_faults, tuple(notes))


def lacks(path: str, error: Exception) -> Fault:
    """Give the fault of a drop-in that lies beside no fw-guard.toml."""
    return Fault(path, 0, 0, str(error))


def kind_of(path: str) -> str:
    """Say whether a file is a filter or an action, by the tables that it has."""
    root = open_document(path, trusted=True).root
    return "filter" if root.has("match") or root.has("log") else "action"


def check_file(kind: str, path: str, directory: str, *, trusted: bool) -> tuple[Fault, ...]:
    """Give the faults of one filter, its ``[jail]`` table with it, or action file."""
    try:
        if kind == "action":
            actions.load(path, trusted=trusted)
            return ()
        filterfiles.load(path, trusted=trusted)
        document = open_document(path, trusted=trusted)
        config.read_own_jail(document, config.DEFAULTS, directory)
        document.check()
    except FaultsError as error:
        return error.faults
    return ()


def notes_on(found: Config) -> list[str]:
    """Say what is no fault of a configuration, and yet may be a mistake."""
    notes = [] if found.jails or found.faults or found.filter_faults else [config.NO_JAIL]
    for jail in found.jails:
        notes += (f"{jail.name}: no file matches {glob}" for glob in reader.unmatched(jail.logs))
        for path in reader.expand(jail.logs):
            try:
                reader.open_gain(path, None, 0).close()
            except LogError as error:
                notes.append(f"{jail.name}: {error}")
    own = os.path.join(found.directory, "filters")
    try:
        names = sorted(os.listdir(own))
    except OSError:
        names = []
    notes += (
        f"{os.path.join(own, name)}: filters of fail2ban are not read yet"
        for name in names
        if name.endswith(".conf")
    )
    return notes


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
        "notes": list(checked.notes),
    }
