"""``fw-guard check``: the configuration, every filter, every action, each on its own samples.

A filter is tried on the samples of the other filters of its service too: two that read one line
must agree on whose failure it is.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from fw_guard import actions, config, filterfiles, places
from fw_guard.faults import Fault, FaultsError, in_order
from fw_guard.logs import reader
from fw_guard.logs.reader import LogError
from fw_guard.samples import shown, untimed
from fw_guard.tomlfile import open_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fw_guard.config import Config, Jail
    from fw_guard.filters import Filter, Reading, Sample

# What only an action has.
ACTION_KEYS = {
    *("ban", "renew", "unban", "list", "glance", "check", "setup", "teardown", "hint", "option"),
    *("chunk", "most", "beyond", "max_seconds", "rewrite", "empties", "generation"),
}
OPPOSITES = {"failure", "success"}


class Checked(NamedTuple):
    """What was looked at (kind, path), every fault of it, and what else its owner should know.

    ``filters`` are given as far as they could be read; ``config`` when all of it was checked.
    """

    files: tuple[tuple[str, str], ...]
    filters: tuple[Filter, ...]
    faults: tuple[Fault, ...]
    config_faults: tuple[Fault, ...]
    notes: tuple[str, ...]
    config: Config | None = None

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


def check_all(directory: str, proved: set[str]) -> Checked:
    """Check the configuration in ``directory``, if there is one, and all filters and actions.

    ``proved`` is as in ``filterfiles.load``.
    """
    files: list[tuple[str, str]] = []
    filters: list[Filter] = []
    faults: list[Fault] = []
    config_faults: tuple[Fault, ...] = ()
    found: Config | None = None
    notes = [f"no configuration in {directory}: only what ships was checked"]
    main = os.path.join(directory, config.MAIN)
    if os.path.exists(main):
        files.append(("configuration", main))
        files += (("jails", path) for path in places.files(os.path.join(directory, "jails")))
        found = config.load(directory, proved)
        config_faults = found.faults
        notes = notes_on(found)
    for kind in ("filter", "action"):
        for name in places.names(f"{kind}s", directory):
            path, ships = path_of(kind, name, directory)
            files.append((kind, path))
            looked, wrong = check_file(kind, path, directory, proved, trusted=ships)
            filters += looked
            faults += wrong
    faults += (fault for each in filters for fault in disagreements(each, filters))
    notes += notes_on_time(filters)
    faults = [fault for fault in faults if fault not in config_faults]
    every = in_order(faults)
    return Checked(tuple(files), tuple(filters), every, config_faults, tuple(notes), found)


def path_of(kind: str, name: str, directory: str) -> tuple[str, bool]:
    """Give where a filter or action lies and whether it ships; also one that has no proper name."""
    try:
        return places.find(f"{kind}s", name, directory)
    except FileNotFoundError as error:
        return str(error.filename), False


def check_files(paths: list[str], proved: set[str]) -> Checked:
    """Check the files named: filters, actions, or a whole configuration by its fw-guard.toml.

    ``proved`` is as in ``filterfiles.load``.
    """
    files: list[tuple[str, str]] = []
    filters: dict[str, list[Filter]] = {}
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
                found = config.load(whole, proved)
            except (FaultsError, config.NoConfigError) as error:
                faults += error.faults if isinstance(error, FaultsError) else (lacks(path, error),)
                continue
            if whole not in loaded:
                loaded.add(whole)
                config_faults += found.faults
                faults.extend(found.filter_faults)
                notes += notes_on(found)
                used = (each for jail in found.jails for each in jail.filters)
                filters.setdefault(whole, []).extend(used)
            continue
        trusted = directory in (places.shipped("filters"), places.shipped("actions"))
        try:
            kind = kind_of(path)
        except FaultsError as error:
            faults.extend(error.faults)
            continue
        files.append((kind, path))
        whole = os.path.dirname(directory)
        looked, wrong = check_file(kind, path, whole, proved, trusted=trusted)
        filters.setdefault(whole, []).extend(looked)
        faults += wrong
    every = [each for looked in filters.values() for each in looked]
    notes += notes_on_time(every)
    for whole, looked in filters.items():
        others = [*every, *beside(every, whole, proved)]
        faults += (fault for each in looked for fault in disagreements(each, others))
        faults += (fault for each in others for fault in disagreements(each, looked))
    return Checked(tuple(files), tuple(every), in_order(faults), config_faults, tuple(notes))


def lacks(path: str, error: Exception) -> Fault:
    """Give the fault of a drop-in that lies beside no fw-guard.toml."""
    return Fault(path, 0, 0, str(error))


def kind_of(path: str) -> str:
    """Say whether a file is a filter or an action, by the keys that it has, or where it lies."""
    root = open_document(path, trusted=True).root
    if root.has("match") or root.has("log"):
        return "filter"
    lies_in = os.path.basename(os.path.dirname(os.path.abspath(path)))
    return "action" if lies_in == "actions" or ACTION_KEYS & root.values.keys() else "filter"


def check_file(
    kind: str, path: str, directory: str, proved: set[str], *, trusted: bool
) -> tuple[list[Filter], list[Fault]]:
    """Give the faults of one action, or of one filter with its ``[jail]`` table, and that filter.

    It is given as far as it could be read. ``proved`` is as in ``filterfiles.load``.
    """
    try:
        if kind == "action":
            return [], actions.check(path, trusted=trusted)
        document = open_document(path, trusted=trusted)
    except FaultsError as error:
        return [], list(error.faults)
    document.root.get("jail")
    found = filterfiles.read(document, proved)
    config.read_own_jail(document, config.DEFAULTS, directory)
    return [found], document.faults


def beside(found: Iterable[Filter], directory: str, proved: set[str]) -> Iterator[Filter]:
    """Give the other filters of the services of ``found``: the owner's and those that ship.

    One that has a fault is passed over; that is told where it is checked itself.
    """
    services = {each.service for each in found}
    names = {each.name for each in found}
    for name in places.names("filters", directory) if services else ():
        path, ships = path_of("filter", name, directory)
        try:
            service = open_document(path, trusted=ships).root.values.get("service")
            if name not in names and service in services:
                yield filterfiles.load(path, trusted=ships, proved=proved)
        except FaultsError:
            continue


def disagreements(found: Filter, others: Iterable[Filter]) -> Iterator[Fault]:
    """Give a fault at each sample of ``found`` that another filter of its service reads otherwise.

    What the other has among its own samples, it reads on purpose.
    """
    for other in others:
        if not found.service or other.service != found.service or other.path == found.path:
            continue
        known = {sample.line for sample in other.samples if sample.match is not False}
        for sample in found.samples:
            reading = other.read(sample.line.encode())
            if reading is not None and sample.line not in known:
                said = disagreement(found, sample, other, reading)
                if said:
                    document = open_document(found.path, trusted=True)
                    place = document.place(("sample", sample.index, "line"))
                    yield document.fault_at(place, said)


def disagreement(found: Filter, sample: Sample, other: Filter, reading: Reading) -> str:
    """Say in what the ``reading`` of another filter is not what a sample says, if it is not."""
    host = shown(reading.fields, "host")
    stated = dict(sample.fields).get("host")
    kind = reading.match.kind
    means = f"or this line among the samples of {other.path}"
    read = f"{other.name}/{reading.match.name} reads a {kind} of host {host!r} in it"
    if sample.match is False:
        return f"must not match, but {read}; expected none, {means}" if kind == "failure" else ""
    if host != stated:
        return f"{read}; expected host {stated!r}, {means}"
    mine = found.read(sample.line.encode())
    if mine is not None and {kind, mine.match.kind} == OPPOSITES:
        return f"{read}; expected a {mine.match.kind}, {means}"
    return ""


def notes_on_time(filters: Iterable[Filter]) -> Iterator[str]:
    """Name the samples of lines that count for nothing, for want of a time."""
    for each in {found.path: found for found in filters}.values():
        places_of = open_document(each.path, trusted=True).place
        for sample, wanted in untimed(each):
            line, column = places_of(("sample", sample.index, "line"))
            said = "has no time that can be read, and so no such line counts"
            yield f"{each.path}:{line}:{column}: {said}; expected {wanted}"


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
        reasons = reasons_of(jail)
        if reasons and not jail.count_doubtful:
            notes.append(
                f"{jail.name}: all that its filters read is doubtful, so that it bans nobody alone;"
                f" {'; '.join(reasons)}; `count_doubtful = true` in {jail.table} would count it"
            )
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
    notes += (
        f"{os.path.join(own, name)}: is not read, for its name does not end in `.toml`;"
        " expected a name of a-z 0-9 . _ - and `.toml`"
        for name in names
        if name.lower().endswith(".toml") and not name.endswith(".toml") and name[0] != "."
    )
    return notes


def reasons_of(jail: Jail) -> list[str]:
    """Give why the failures that a jail reads are doubtful, nothing unless all are."""
    failures = [match for each in jail.filters for match in each.matches if match.kind == "failure"]
    reasons = dict.fromkeys(match.reason for match in failures)
    return [] if "" in reasons else list(reasons)


def answer(checked: Checked) -> dict[str, object]:
    """Give what ``check --json`` says; of a filter also what it holds."""
    about = {each.path: filter_answer(each) for each in checked.filters}
    return {
        "files": [
            {"kind": kind, "path": path} | about.get(path, {}) for kind, path in checked.files
        ],
        "faults": [
            {
                "path": fault.path,
                "line": fault.line,
                "column": fault.column,
                "message": fault.message,
                "detail": fault.detail,
            }
            for fault in (*checked.config_faults, *checked.faults)
        ],
        "notes": list(checked.notes),
    }


def filter_answer(found: Filter) -> dict[str, object]:
    """Give what a filter holds; ``replaces`` is the shipped file that it stands for, or None."""
    shipped = os.path.join(places.shipped("filters"), f"{found.name}.toml")
    return {
        "title": found.title,
        "service": found.service,
        "patterns": sum(len(match.patterns) or 1 for match in found.matches),
        "samples": len(found.samples),
        "matches": len(found.matches),
        "doubtful": [match.name for match in found.matches if match.reason],
        "replaces": shipped if os.path.exists(shipped) and shipped != found.path else None,
    }
