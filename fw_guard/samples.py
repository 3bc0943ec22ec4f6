"""The samples of a filter file: lines that it must read as they say, or must leave alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard.filters import Sample, host_of
from fw_guard.logs.clock import Clock
from fw_guard.nearest import furthest, messages, nearest, number_of
from fw_guard.text import decoded
from fw_guard.tomlfile import listed, meant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.faults import Fault
    from fw_guard.filters import Filter
    from fw_guard.tomlfile import Document, Table


# No sample is of the time after this, in epoch seconds: the year 2100.
LATE = 4_102_444_800


def read_samples(root: Table, known: set[str]) -> Iterator[Sample]:
    """Give the ``[[sample]]`` tables; every key beside ``line`` and ``match`` names a field.

    ``known`` are the fields that the patterns have; a pattern at fault may have had more.
    """
    whole = not root.document.faults
    for index, table in enumerate(root.tables("sample")):
        line = table.text("line", required=True)
        match = table.get("match")
        if match is not None and not isinstance(match, (bool, str)):
            table.fault("match", "`match` is neither false nor the name of a [[match]]")
        keys = [key for key in table.values if key not in ("line", "match")]
        unknown = [key for key in keys if whole and key not in known]
        for key in unknown:
            table.get(key)
            near = meant(key, ["line", "match", *sorted(known)])
            table.fault(key, f"no field `{key}` in the patterns{near}")
        fields = tuple((key, table.text(key)) for key in keys if key not in unknown)
        if unknown:
            continue
        if match is not False and "host" not in keys:
            table.fault(None, "a sample that matches says whom; expected `host`")
        if match is False and keys:
            table.fault(keys[0], f"a sample that must not match has no `{keys[0]}`")
        for key, value in fields:
            if key == "host" and value and host_of({key: value.encode()}) is None:
                said = f"{value!r} is no address and no name; expected the host of the line alone"
                table.fault(key, said)
        yield Sample(line, True if match is None else match, fields, index)


def check_samples(found: Filter, document: Document) -> list[Fault]:
    """Try the samples; give a fault for each that is not read as it says."""
    faults: list[Fault] = []

    def fault(sample: Sample | None, message: str, detail: str = "") -> None:
        place = document.place(("sample", sample.index, "line") if sample else ())
        faults.append(document.fault_at(place, message, detail))

    if not any(sample.match is not False for sample in found.samples):
        fault(None, "no sample that must match; expected a [[sample]] with `line` and `host`")
    if not any(sample.match is False for sample in found.samples):
        fault(None, "no sample that must not match; expected a [[sample]] with `match = false`")
    names = [match.name for match in found.matches]
    read: set[tuple[str, int]] = set()
    excused: set[str] = set()
    for sample in found.samples:
        reading = found.read(sample.line.encode())
        if reading is not None and sample.match is not False:
            read.add((reading.match.name, number_of(found, reading.match, sample.line.encode())))
        if isinstance(sample.match, str) and sample.match not in names:
            fault(sample, f"no match is named {sample.match!r}; expected {listed(names)}")
            excused.update(names if reading is None else ())
        elif sample.match is False and reading is not None:
            host = shown(reading.fields, "host")
            fault(sample, f"must not match, but {reading.match.name!r} reads host {host!r}")
        elif sample.match is not False and reading is None:
            fault(sample, "is not matched", nearest(found, sample.line.encode()))
            excused.update(meant_for(found, sample))
        elif reading is not None:
            if isinstance(sample.match, str) and reading.match.name != sample.match:
                excused.add(sample.match)
                fault(sample, f"is read by {reading.match.name!r}; expected {sample.match!r}")
            for key, value in sample.fields:
                got = shown(reading.fields, key)
                if got != value:
                    fault(sample, f"`{key}` is read as {got!r}; expected {value!r}")
    for index, table in enumerate(document.root.tables("match")):
        match = found.matches[index]
        numbers = range(len(match.labels))
        unread = [number for number in numbers if (match.name, number) not in read]
        if match.name in excused:
            continue
        if len(unread) == len(numbers):
            said = f"no sample is read by match {match.name!r}; expected one for every [[match]]"
            faults.append(document.fault_at(document.place(("match", index)), said))
            continue
        for number in unread:
            said = f"no sample is read by pattern {match.labels[number]}; expected one for each"
            table.fault("pattern", said, 0, number)
    return faults


def untimed(found: Filter) -> Iterator[tuple[Sample, str]]:
    """Give each sample that is read and has no time that can be, with where one is expected.

    Such a line counts for nothing.
    """
    wanted = "a stamp before the message, or a {time} field"
    if found.time:
        wanted = f"one at `{found.time}`, as `time` in [log] says"
    clock = Clock(LATE)
    for sample in found.samples:
        reading = found.read(sample.line.encode()) if sample.match is not False else None
        if reading is not None:
            stamp = reading.fields.get("time", reading.header.stamp)
            if clock.epoch(stamp) is None:
                yield sample, wanted


def meant_for(found: Filter, sample: Sample) -> set[str]:
    """Give the names of the matches that a sample which none reads may have been written for."""
    if isinstance(sample.match, str):
        return {sample.match}
    seen = messages(found, sample.line.encode()) or {}
    far = {
        match.name: furthest((match,), message)[0].offset
        for message, matches in seen.items()
        for match in matches
    }
    best = max(far.values(), default=0)
    return {name for name, offset in far.items() if offset == best} or {
        match.name for match in found.matches
    }


def shown(fields: dict[str, bytes], key: str) -> str | None:
    """Give a field as a sample states it; the host in its canonical form."""
    if key == "host":
        address, name = host_of(fields) or (None, None)
        return address or name
    return decoded(fields[key]) if key in fields else None
