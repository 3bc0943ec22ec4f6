"""``check``: samples tried across the filters of a service, patterns without a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fw_guard import checking, places, views
from fw_guard.faults import FaultsError
from fw_guard.filterfiles import read
from fw_guard.tomlfile import Document
from tests.directories import Directory

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """\
title = 'mine: failed logins'
service = 'mine'
log = { format = 'syslog', program = ['mine'] }
"""
BY = """\
[[match]]
name = 'by'
pattern = 'refused {host} for {*:addr}'
"""
FOR = """\
[[match]]
name = 'for'
pattern = 'refused {*:addr} for {host}'
"""
GONE = """\
[[match]]
name = 'gone'
pattern = 'gone is {host}'
"""
SUCCESS = "kind = 'success'\n"
LINE = "Mar  4 03:12:55 gw mine[8]: refused 192.0.2.7 for 198.51.100.9"
GONE_LINE = "Mar  4 03:12:55 gw mine[8]: gone is 192.0.2.7"


def positive(line: str, host: str) -> str:
    """Give a sample that must match."""
    return f"[[sample]]\nline = '{line}'\nhost = '{host}'\n"


def negative(line: str) -> str:
    """Give a sample that must not."""
    return f"[[sample]]\nline = '{line}'\nmatch = false\n"


OTHER = negative("Mar  4 03:12:55 gw mine[8]: something else")


class Filters(Directory):
    """A directory with filters of one service."""

    def checked(self, name: str = "one") -> list[str]:
        """Give the first line of each fault when one file is checked, the directory cut off."""
        found = checking.check_files([str(self.path / "filters" / f"{name}.toml")], set())
        return [str(f).splitlines()[0].replace(f"{self.path}/filters/", "") for f in found.faults]


@pytest.fixture
def filters(tmp_path: Path) -> Filters:
    """A directory with two sound filters of a service, which read different lines."""
    directory = Filters(tmp_path)
    directory.write("filters/one.toml", HEAD + BY + positive(LINE, "192.0.2.7") + OTHER)
    directory.write("filters/two.toml", HEAD + GONE + positive(GONE_LINE, "192.0.2.7") + OTHER)
    return directory


def test_two_filters_that_read_different_lines_agree(filters: Filters) -> None:
    assert filters.checked("one") == []
    assert filters.checked("two") == []


def test_a_sample_that_another_filter_of_the_service_reads_with_another_host_is_a_fault(
    filters: Filters,
) -> None:
    other = "Mar  4 03:12:55 gw mine[8]: refused 192.0.2.8 for 198.51.100.8"
    filters.write("filters/two.toml", HEAD + FOR + positive(other, "198.51.100.8") + OTHER)
    where = f"or this line among the samples of {filters.path}/filters"
    assert filters.checked() == [
        "one.toml:8:1: two/for reads a failure of host '198.51.100.9' in it;"
        f" expected host '192.0.2.7', {where}/two.toml".replace(f"{filters.path}/filters/", ""),
        "two.toml:8:1: one/by reads a failure of host '192.0.2.8' in it;"
        f" expected host '198.51.100.8', {where}/one.toml".replace(f"{filters.path}/filters/", ""),
    ]


def test_the_fault_of_a_sample_shows_its_line_with_a_caret(filters: Filters) -> None:
    line = GONE_LINE.replace("192.0.2.7", "192.0.2.8")
    filters.write("filters/one.toml", HEAD + BY + positive(LINE, "192.0.2.7") + negative(line))
    (fault,) = checking.check_files([f"{filters.path}/filters/one.toml"], set()).faults
    assert str(fault).splitlines()[1:] == [f"   11 | line = '{line}'", "      | ^"]


def test_what_must_not_match_is_no_failure_to_another_filter_of_the_service(
    filters: Filters,
) -> None:
    filters.write("filters/one.toml", HEAD + BY + positive(LINE, "192.0.2.7") + negative(GONE_LINE))
    said = "one.toml:11:1: must not match, but two/gone reads a failure of host '192.0.2.7' in it;"
    # The other filter has the line among its samples: it reads it on purpose.
    assert filters.checked() == []
    other = GONE_LINE.replace("192.0.2.7", "192.0.2.8")
    filters.write("filters/two.toml", HEAD + GONE + positive(other, "192.0.2.8") + OTHER)
    (fault,) = filters.checked()
    assert fault.startswith(said)


def test_what_must_not_match_may_be_a_good_login_to_another_filter(filters: Filters) -> None:
    other = GONE_LINE.replace("192.0.2.7", "192.0.2.8")
    filters.write("filters/two.toml", HEAD + GONE + SUCCESS + positive(other, "192.0.2.8") + OTHER)
    filters.write("filters/one.toml", HEAD + BY + positive(LINE, "192.0.2.7") + negative(GONE_LINE))
    assert filters.checked() == []


def test_one_line_is_not_a_failure_and_a_good_login(filters: Filters) -> None:
    other = LINE.replace("192.0.2.7", "192.0.2.8")
    filters.write("filters/two.toml", HEAD + BY + SUCCESS + positive(other, "192.0.2.8") + OTHER)
    first, second = filters.checked()
    assert first.startswith(
        "one.toml:8:1: two/by reads a success of host '192.0.2.7' in it; expected a failure, or"
    )
    assert second.startswith(
        "two.toml:9:1: one/by reads a failure of host '192.0.2.8' in it; expected a success, or"
    )


def test_filters_of_another_service_have_no_say(filters: Filters) -> None:
    other = "Mar  4 03:12:55 gw mine[8]: refused 192.0.2.8 for 198.51.100.8"
    head = HEAD.replace("service = 'mine'", "service = 'other'")
    filters.write("filters/two.toml", head + FOR + positive(other, "198.51.100.8") + OTHER)
    assert filters.checked() == []


def test_a_filter_with_faults_of_its_own_has_no_say(filters: Filters) -> None:
    filters.write("filters/two.toml", HEAD + FOR + OTHER)
    assert filters.checked() == []


def test_hosts_are_compared_as_addresses_and_not_as_they_are_written(filters: Filters) -> None:
    line = "Mar  4 03:12:55 gw mine[8]: refused ::ffff:192.0.2.7 for 198.51.100.9"
    filters.write("filters/one.toml", HEAD + BY + positive(line, "192.0.2.7") + OTHER)
    other = LINE.replace("192.0.2.7", "192.0.2.8")
    filters.write("filters/two.toml", HEAD + BY + positive(other, "192.0.2.8") + OTHER)
    assert filters.checked() == []


def test_all_is_told_at_once_in_the_order_of_the_file(filters: Filters) -> None:
    other = "Mar  4 03:12:55 gw mine[8]: refused 192.0.2.8 for 198.51.100.8"
    filters.write("filters/two.toml", HEAD + FOR + positive(other, "198.51.100.8") + OTHER)
    text = (
        HEAD
        + "[[match]]\nname = 'by'\npattern = [\n    'refused {host} for {*:addr}',\n"
        + "    'banned {host} for {*:addr}',\n]\n"
        + positive(LINE, "192.0.2.7")
        + positive(LINE, "192.0.2.9")
        + OTHER
        + "[jail]\nlogs = ['/x']\nmaxrety = 3\n"
    )
    filters.write("filters/one.toml", text)
    begun = [fault.partition("; expected")[0] for fault in filters.checked()]
    assert begun == [
        "one.toml:8:6: no sample is read by pattern by#2",
        "one.toml:11:1: two/for reads a failure of host '198.51.100.9' in it",
        "one.toml:14:1: `host` is read as '192.0.2.7'",
        "one.toml:14:1: two/for reads a failure of host '198.51.100.9' in it",
        "one.toml:21:1: unknown key `maxrety` (did you mean `maxretry`?)",
        "two.toml:8:1: one/by reads a failure of host '192.0.2.8' in it",
    ]


def test_check_all_tries_every_filter_on_every_other(filters: Filters) -> None:
    other = "Mar  4 03:12:55 gw mine[8]: refused 192.0.2.8 for 198.51.100.8"
    filters.write("filters/two.toml", HEAD + FOR + positive(other, "198.51.100.8") + OTHER)
    faults = checking.check_all(str(filters.path), set()).faults
    own = [fault for fault in faults if fault.path.startswith(str(filters.path))]
    assert [(fault.path[-8:], fault.line) for fault in own] == [("one.toml", 8), ("two.toml", 8)]


def test_files_named_together_are_tried_on_one_another_once(filters: Filters) -> None:
    other = "Mar  4 03:12:55 gw mine[8]: refused 192.0.2.8 for 198.51.100.8"
    filters.write("filters/two.toml", HEAD + FOR + positive(other, "198.51.100.8") + OTHER)
    paths = [f"{filters.path}/filters/{name}.toml" for name in ("one", "two")]
    assert len(checking.check_files(paths, set()).faults) == 2


def test_a_filter_that_replaces_a_shipped_one_is_not_tried_on_it(filters: Filters) -> None:
    line = "Mar  4 03:12:55 gw sshd[8]: Invalid user 192.0.2.7 from 198.51.100.9"
    text = (
        HEAD.replace("mine", "sshd")
        + "[[match]]\nname = 'odd'\npattern = 'Invalid user {host} from {*:addr}'\n"
        + positive(line, "192.0.2.7")
        + OTHER.replace("mine", "sshd")
    )
    filters.write("filters/sshd.toml", text)
    assert filters.checked("sshd") == []
    filters.write("filters/odd.toml", text)
    (filters.path / "filters" / "sshd.toml").unlink()
    assert any("sshd/invalid-user reads a failure" in fault for fault in filters.checked("odd"))


TWO = "[[match]]\nname = 'two'\npattern = ['bad {host}', 'worse {host}']\n"
BAD = "Mar  4 03:12:55 gw mine[8]: bad 192.0.2.7"
WORSE = "Mar  4 03:12:55 gw mine[8]: worse 192.0.2.7"


def faults(text: str) -> list[str]:
    """Give the first line of each fault of a filter text."""
    try:
        document = Document("mine.toml", HEAD + text + OTHER)
        read(document)
        document.check()
    except FaultsError as error:
        return [str(fault).splitlines()[0] for fault in error.faults]
    return []


def test_a_pattern_of_a_list_that_no_sample_is_read_by_is_a_fault_at_its_place() -> None:
    assert faults(TWO + positive(BAD, "192.0.2.7")) == [
        "mine.toml:6:27: no sample is read by pattern two#2; expected one for each"
    ]
    assert faults(TWO + positive(BAD, "192.0.2.7") + positive(WORSE, "192.0.2.7")) == []


def test_a_list_that_no_sample_is_read_by_is_one_fault() -> None:
    assert faults(TWO + GONE + positive(GONE_LINE, "192.0.2.7")) == [
        "mine.toml:4:3: no sample is read by match 'two'; expected one for every [[match]]"
    ]


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        # Nothing says which match it is for: the one that gets furthest.
        (positive(BAD + " x", "192.0.2.7"), ["is not matched"]),
        (positive(BAD + " x", "192.0.2.7") + "match = 'two'\n", ["is not matched"]),
        (positive(BAD, "192.0.2.7") + "match = 'to'\n", ["no match is named 'to'"]),
        (
            positive(GONE_LINE, "192.0.2.7") + "match = 'two'\n",
            ["is read by 'gone'"],
        ),
        # It is for another match: this one is told of too.
        (
            positive(GONE_LINE + " x", "192.0.2.7"),
            ["no sample is read by match 'two'", "is not matched"],
        ),
        # Nobody can tell what it is for.
        (positive(BAD.replace("mine", "yours"), "192.0.2.7"), ["is not matched"]),
    ],
)
def test_while_a_sample_fails_its_match_is_not_said_to_have_none(
    sample: str, said: list[str]
) -> None:
    one = "[[match]]\nname = 'two'\npattern = 'bad {host}'\n"
    found = faults(one + GONE + positive(GONE_LINE, "192.0.2.7") + sample)
    assert [fault.split(": ", 1)[1].split(";")[0] for fault in found] == said


def test_check_tells_what_each_filter_holds(filters: Filters) -> None:
    filters.write("filters/sshd.toml", HEAD + GONE + positive(GONE_LINE, "192.0.2.7") + OTHER)
    paths = [f"{filters.path}/filters/{name}.toml" for name in ("one", "sshd")]
    answer = checking.answer(checking.check_files(paths, set()))
    shipped = f"{places.shipped('filters')}/sshd.toml"
    what = {"title": "mine: failed logins", "service": "mine", "patterns": 1, "samples": 2}
    what |= {"matches": 1, "doubtful": []}
    assert answer["files"] == [
        {"kind": "filter", "path": paths[0], **what, "replaces": None},
        {"kind": "filter", "path": paths[1], **what, "replaces": shipped},
    ]
    assert list(views.check_view(answer, color=False)) == [
        "KIND    SERVICE  PATTERNS  SAMPLES  DOUBTFUL  TITLE                FILE",
        f"filter  mine     1         2                  mine: failed logins  {paths[0]}",
        f"filter  mine     1         2                  mine: failed logins  {paths[1]}"
        f" in place of {shipped}",
    ]


def test_a_fault_in_json_has_what_is_shown_below_it(filters: Filters) -> None:
    missed = GONE_LINE.replace("gone is", "gone was")
    text = HEAD + GONE + positive(GONE_LINE, "192.0.2.7") + positive(missed, "192.0.2.7")
    path = filters.write("filters/one.toml", text)
    told = checking.answer(checking.check_files([path], set()))["faults"]
    caret = f"      {'':{missed.index('was')}}^ gone matched up to here; expected 'is '"
    assert told == [
        {"path": path, "line": 1, "column": 1, "detail": ""}
        | {"message": "no sample that must not match; expected a [[sample]] with `match = false`"},
        {"path": path, "line": 11, "column": 1, "message": "is not matched"}
        | {"detail": f"      {missed}\n{caret}"},
    ]


@pytest.mark.parametrize(
    ("place", "text", "kind"),
    [
        ("mine.toml", "", "filter"),
        ("mine.toml", "title = 'x'\n", "filter"),
        ("mine.toml", "[[match]]\nname = 'x'\n", "filter"),
        ("mine.toml", "[[ban]]\nclasses = []\n", "action"),
        ("mine.toml", "title = 'x'\nchunk = 5\n", "action"),
        ("actions/mine.toml", "", "action"),
        ("filters/mine.toml", "", "filter"),
    ],
)
def test_a_file_is_judged_as_an_action_only_where_it_has_something_of_one(
    tmp_path: Path, place: str, text: str, kind: str
) -> None:
    path = Directory(tmp_path).write(place, text)
    found = checking.check_files([path], set())
    assert found.files == ((kind, path),)
    assert found.faults


def test_check_notes_a_filter_whose_name_is_not_read(filters: Filters) -> None:
    filters.main('action = "preview"\n')
    filters.write("filters/My_Daemon.TOML", HEAD)
    filters.write("filters/.hidden.TOML", HEAD)
    filters.write("filters/mine.toml~", HEAD)
    found = checking.check_files([str(filters.path / "fw-guard.toml")], set())
    assert [note for note in found.notes if "filters/" in note] == [
        f"{filters.path}/filters/My_Daemon.TOML: is not read, for its name does not end in `.toml`;"
        " expected a name of a-z 0-9 . _ - and `.toml`"
    ]
