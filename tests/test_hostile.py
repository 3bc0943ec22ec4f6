"""Hostile lines: what a peer plants in a log, against every filter that ships.

``hostile/NAME.txt`` holds lines that the service of the filter NAME would write about a peer at
192.0.2.7 or 2001:db8::7 who wants 203.0.113.66 banned, and puts that address into whatever he may
choose: user name, path, greeting, agent, reverse name.
"""

from __future__ import annotations

import contextlib
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import pytest

from fw_guard import addresses, filterfiles, places
from fw_guard.faults import FaultsError
from fw_guard.filters import host_of
from fw_guard.patterns.compile import compile_pattern
from fw_guard.patterns.grammar import parse
from tests.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fw_guard.filters import Filter

FILES = sorted((ROOT / "tests" / "hostile").glob("*.txt"))
NAMES = [path.stem for path in FILES]
PLANTED = "203.0.113.66"
TRUE = {"192.0.2.7", "2001:db8::7"}


class Line(NamedTuple):
    """A line and where it stands, for whoever has to look for it."""

    place: str
    text: bytes


def lines_of(name: str) -> Iterator[Line]:
    """Give the lines for the filter ``name``; a carriage return does not end one."""
    text = (ROOT / "tests" / "hostile" / f"{name}.txt").read_bytes()
    for number, line in enumerate(text.removesuffix(b"\n").split(b"\n"), 1):
        yield Line(f"{name}.txt:{number}", line)


@lru_cache(maxsize=1)
def shipped() -> dict[str, Filter]:
    """Give every sound filter that ships, by its name; of the others ``test_filters`` tells."""
    found: dict[str, Filter] = {}
    for path in places.files(places.shipped("filters")):
        with contextlib.suppress(FaultsError):
            each = filterfiles.load(path, trusted=True)
            found[each.name] = each
    return found


def plain(text: bytes) -> str:
    """Give a text as a person reads it: full-width digits are digits, one-dot leaders dots."""
    return unicodedata.normalize("NFKC", text.decode("utf-8", "replace"))


def is_planted(host: bytes) -> bool:
    """Say whether a host is the planted address, however it is spelled.

    An IPv6 address counts that carries it in its last four bytes, as mapped and translated ones do.
    """
    wanted = addresses.packed(PLANTED)
    packed = addresses.packed(plain(host).strip().rstrip(".") or "-")
    return wanted is not None and packed is not None and packed[-4:] == wanted


def planted_by(name: str, line: Line) -> str:
    """Say what is wrong when the filter ``name`` takes the planted address for the host."""
    reading = shipped()[name].read(line.text)
    if reading is None:
        return ""
    host = reading.fields.get("host", b"")
    known = PLANTED in (host_of(reading.fields) or ())
    return f"{line.place}: {name} reads {host!r}" if known or is_planted(host) else ""


def may_ban(name: str, line: Line) -> bool:
    """Say whether the filter ``name`` counts a line: in another's log it may see a good login."""
    reading = shipped()[name].read(line.text)
    return reading is not None and reading.match.kind == "failure" and not reading.doubtful


def reads_true_host(name: str, line: Line) -> bool:
    """Say whether the filter ``name`` names the peer."""
    reading = shipped()[name].read(line.text)
    address, _ = (host_of(reading.fields) if reading else None) or (None, None)
    return address in TRUE


@pytest.mark.parametrize("name", NAMES)
def test_no_line_has_its_own_filter_ban_the_planted_address(name: str) -> None:
    assert [wrong for line in lines_of(name) if (wrong := planted_by(name, line))] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_line_has_another_filter_of_its_format_ban_the_planted_address(name: str) -> None:
    formats = set(shipped()[name].formats)
    others = [each.name for each in shipped().values() if formats & set(each.formats)]
    assert name in others
    wrong = [
        planted_by(other, line)
        for other in others
        for line in lines_of(name)
        if other == name or may_ban(other, line)
    ]
    assert [each for each in wrong if each] == []


@pytest.mark.parametrize("name", NAMES)
def test_at_least_eight_lines_of_a_file_hold_the_planted_address(name: str) -> None:
    assert sum(PLANTED in plain(line.text) for line in lines_of(name)) >= 8


def test_every_file_is_for_a_filter_that_ships() -> None:
    assert set(NAMES) <= set(shipped())


def test_the_lines_are_many_and_of_many_services() -> None:
    assert sum(1 for name in NAMES for _ in lines_of(name)) >= 200
    assert len({shipped()[name].service for name in NAMES}) >= 12


def test_a_third_of_the_lines_are_read_with_their_true_host() -> None:
    """Filters that read nothing would pass all of the above."""
    read = [reads_true_host(name, line) for name in NAMES for line in lines_of(name)]
    assert sum(read) * 3 >= len(read)


@pytest.mark.parametrize(
    "host",
    [
        *(PLANTED, f"{PLANTED}.", f"::ffff:{PLANTED}", f"[::ffff:{PLANTED}]", f"::{PLANTED}"),
        *("::ffff:cb00:7142", f"64:ff9b::{PLANTED}", f"[::ffff:{PLANTED}%em0]"),
        *("２０３.０.１１３.６６", PLANTED.replace(".", "\N{ONE DOT LEADER}")),
    ],
)
def test_the_planted_address_is_known_in_every_spelling(host: str) -> None:
    assert is_planted(host.encode())


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7", "203.0.113.6", "x", "", "\xff"])
def test_another_host_is_not_the_planted_address(host: str) -> None:
    assert not is_planted(host.encode("latin-1"))


def test_a_careless_pattern_takes_the_planted_address_from_a_line() -> None:
    careless = compile_pattern(parse("Non-existent login as {user} from {host} {*}"))
    hosts = [
        found["host"]
        for line in lines_of("webmin")
        if (found := careless.match(line.text.partition(b"]: ")[2]))
    ]
    assert any(is_planted(host) for host in hosts)
