"""Every fault of a pattern, as its author sees it."""

# ruff: noqa: E501 - an error stands here as it is shown, in one line
from __future__ import annotations

import pytest

from fw_guard.faults import FaultsError
from fw_guard.patterns.fields import TYPES
from fw_guard.patterns.grammar import DEEPEST, PatternError, parse
from fw_guard.tomlfile import Document

EVERY_TYPE = "addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime"
EVERY_HOLE = "a field {name}, an optional {?...} or a choice {a|b}"

# Each case: a pattern as it stands in a filter file, and all that its author gets to read.
FAULTS = {
    "unknown type": r"""
pattern = 'from {host:ipp} port {port}'
x.toml:2:23: no such type 'ipp'; expected one of addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime
    2 | pattern = 'from {host:ipp} port {port}'
      |                       ^
""",
    "unknown type, nearly": r"""
pattern = 'client {agent:quote}'
x.toml:2:26: no such type 'quote' (did you mean `quoted`?); expected one of addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime
    2 | pattern = 'client {agent:quote}'
      |                          ^
""",
    "unknown type without a name": r"""
pattern = 'client {*:ip}'
x.toml:2:22: no such type 'ip' (did you mean `ipv6`?); expected one of addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime
    2 | pattern = 'client {*:ip}'
      |                      ^
""",
    "no type": r"""
pattern = 'from {host:}'
x.toml:2:23: no type after the colon; expected one of addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime
    2 | pattern = 'from {host:}'
      |                       ^
""",
    "several unknown types": r"""
pattern = '{host:ip} {port:integer}'
x.toml:2:18: no such type 'ip' (did you mean `ipv6`?); expected one of addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime
    2 | pattern = '{host:ip} {port:integer}'
      |                  ^
x.toml:2:28: no such type 'integer' (did you mean `int`?); expected one of addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime
    2 | pattern = '{host:ip} {port:integer}'
      |                            ^
""",
    "unclosed hole": r"""
pattern = 'from {host port 22'
x.toml:2:17: a hole that is never closed; expected }, or {{} for a literal brace
    2 | pattern = 'from {host port 22'
      |                 ^
""",
    "unclosed optional around a good hole": r"""
pattern = 'from {host}{? port {port}'
x.toml:2:23: a hole that is never closed; expected }, or {{} for a literal brace
    2 | pattern = 'from {host}{? port {port}'
      |                       ^
""",
    "two unclosed holes": r"""
pattern = 'a {?b {c|'
x.toml:2:14: a hole that is never closed; expected }, or {{} for a literal brace
    2 | pattern = 'a {?b {c|'
      |              ^
x.toml:2:18: a hole that is never closed; expected }, or {{} for a literal brace
    2 | pattern = 'a {?b {c|'
      |                  ^
""",
    "unclosed hole swallows the next": r"""
pattern = 'user {user from {host}'
x.toml:2:17: a hole that is never closed; expected }, or {{} for a literal brace
    2 | pattern = 'user {user from {host}'
      |                 ^
""",
    "unclosed hole in a closed one": r"""
pattern = 'from {host}{? port {port ssh2}'
x.toml:2:23: a hole that is never closed; expected }, or {{} for a literal brace
    2 | pattern = 'from {host}{? port {port ssh2}'
      |                       ^
x.toml:2:32: no field name 'port ssh2'; expected a field {name}, an optional {?...} or a choice {a|b}
    2 | pattern = 'from {host}{? port {port ssh2}'
      |                                ^
""",
    "stray brace": r"""
pattern = 'from {host}}'
x.toml:2:23: a } that closes nothing; expected {}} for a literal brace
    2 | pattern = 'from {host}}'
      |                       ^
""",
    "doubled braces": r"""
pattern = 'json {{a}}'
x.toml:2:17: a hole that is no field and no choice; expected a field {name}, an optional {?...} or a choice {a|b}
    2 | pattern = 'json {{a}}'
      |                 ^
""",
    "stray content after a field": r"""
pattern = 'from {host{port}}'
x.toml:2:22: stray content after the field 'host'; expected }
    2 | pattern = 'from {host{port}}'
      |                      ^
""",
    "stray content after a type": r"""
pattern = 'from {host:addr or name}'
x.toml:2:27: stray ' or name' after the type 'addr'; expected }
    2 | pattern = 'from {host:addr or name}'
      |                           ^
""",
    "empty hole": r"""
pattern = 'from {} port'
x.toml:2:17: an empty hole; expected a field {name}, an optional {?...} or a choice {a|b}
    2 | pattern = 'from {} port'
      |                 ^
""",
    "capital letters in a name": r"""
pattern = 'from {Host}'
x.toml:2:18: no field name 'Host' (did you mean `host`?); expected a letter from a to z, then letters, digits and _
    2 | pattern = 'from {Host}'
      |                  ^
""",
    "a hyphen in a name": r"""
pattern = 'from {user-name:word}'
x.toml:2:18: no field name 'user-name' (did you mean `user_name`?); expected a letter from a to z, then letters, digits and _
    2 | pattern = 'from {user-name:word}'
      |                  ^
""",
    "a name that starts with a digit": r"""
pattern = 'from {2nd}'
x.toml:2:18: no field name '2nd'; expected a letter from a to z, then letters, digits and _
    2 | pattern = 'from {2nd}'
      |                  ^
""",
    "blanks around a name": r"""
pattern = 'from { host }'
x.toml:2:18: no field name ' host ' (did you mean `host`?); expected a letter from a to z, then letters, digits and _
    2 | pattern = 'from { host }'
      |                  ^
""",
    "an optional without its question mark": r"""
pattern = 'for {invalid user }{user}'
x.toml:2:17: no field name 'invalid user '; expected a field {name}, an optional {?...} or a choice {a|b}
    2 | pattern = 'for {invalid user }{user}'
      |                 ^
""",
    "a type without a name": r"""
pattern = 'from {:host}'
x.toml:2:18: a field without a name; expected a name or * before the colon
    2 | pattern = 'from {:host}'
      |                  ^
""",
    "a choice of one": r"""
pattern = 'for { user {user}} from'
x.toml:2:16: a hole that is no field and no choice; expected a field {name}, an optional {?...} or a choice {a|b}
    2 | pattern = 'for { user {user}} from'
      |                ^
""",
    "an empty branch at a choice's end": r"""
pattern = 'for {invalid |}{user}'
x.toml:2:26: an empty branch; expected text or a hole, and {?...} around what may be absent
    2 | pattern = 'for {invalid |}{user}'
      |                          ^
""",
    "empty branches at a choice's beginning and middle": r"""
pattern = '{|a||b}'
x.toml:2:13: an empty branch; expected text or a hole, and {?...} around what may be absent
    2 | pattern = '{|a||b}'
      |             ^
x.toml:2:16: an empty branch; expected text or a hole, and {?...} around what may be absent
    2 | pattern = '{|a||b}'
      |                ^
""",
    "an empty branch of an optional": r"""
pattern = 'for {?a|}'
x.toml:2:20: an empty branch; expected text or a hole
    2 | pattern = 'for {?a|}'
      |                    ^
""",
    "an empty optional": r"""
pattern = 'for {?}'
x.toml:2:18: an empty optional; expected text or a hole
    2 | pattern = 'for {?}'
      |                  ^
""",
    "a field twice": r"""
pattern = '{user} from {host}, {user}'
x.toml:2:33: 'user' stands twice on one way; expected it once, or once in each branch
    2 | pattern = '{user} from {host}, {user}'
      |                                 ^
""",
    "a field before a hole and in it": r"""
pattern = '{host}{? or {net}|, {host:addr}} {net}'
x.toml:2:33: 'host' stands twice on one way; expected it once, or once in each branch
    2 | pattern = '{host}{? or {net}|, {host:addr}} {net}'
      |                                 ^
x.toml:2:46: 'net' stands twice on one way; expected it once, or once in each branch
    2 | pattern = '{host}{? or {net}|, {host:addr}} {net}'
      |                                              ^
""",
    "a bar in a field": r"""
pattern = 'from {host:addr|name}'
x.toml:2:18: 'host:addr' is text here; expected braces of its own, {host:addr}, for a field
    2 | pattern = 'from {host:addr|name}'
      |                  ^
""",
    "an optional field without its braces": r"""
pattern = 'from {?user:word}@{host}'
x.toml:2:19: 'user:word' is text here; expected braces of its own, {user:word}, for a field
    2 | pattern = 'from {?user:word}@{host}'
      |                   ^
""",
    "an empty pattern": r"""
pattern = ''
x.toml:2:12: the pattern is empty; expected a log line's text, with holes such as {host}
    2 | pattern = ''
      |            ^
""",
    "a pattern of blanks": r"""
pattern = '  '
x.toml:2:12: the pattern is empty; expected a log line's text, with holes such as {host}
    2 | pattern = '  '
      |            ^
""",
    "a tab": """
pattern = 'from\t{host}'
x.toml:2:16: a tab in a pattern; expected a blank, which covers tabs too
    2 | pattern = 'from {host}'
      |                ^
""",
    "a newline": r"""
pattern = '''from {host}
'''
x.toml:2:25: a newline in a pattern; expected one line
    2 | pattern = '''from {host}
      |                         ^
""",
    "a fault behind wide letters": r"""
pattern = '失敗 für {user:wort}'
x.toml:2:25: no such type 'wort' (did you mean `word`?); expected one of addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime
    2 | pattern = '失敗 für {user:wort}'
      |                           ^
""",
    "one fault hides no other": r"""
pattern = '{Host} {a|} } {x:y} {} {?b'
x.toml:2:13: no field name 'Host' (did you mean `host`?); expected a letter from a to z, then letters, digits and _
    2 | pattern = '{Host} {a|} } {x:y} {} {?b'
      |             ^
x.toml:2:22: an empty branch; expected text or a hole, and {?...} around what may be absent
    2 | pattern = '{Host} {a|} } {x:y} {} {?b'
      |                      ^
x.toml:2:24: a } that closes nothing; expected {}} for a literal brace
    2 | pattern = '{Host} {a|} } {x:y} {} {?b'
      |                        ^
x.toml:2:29: no such type 'y'; expected one of addr, ipv4, ipv6, host, name, net, int, word, text, quoted, httpdate or isotime
    2 | pattern = '{Host} {a|} } {x:y} {} {?b'
      |                             ^
x.toml:2:32: an empty hole; expected a field {name}, an optional {?...} or a choice {a|b}
    2 | pattern = '{Host} {a|} } {x:y} {} {?b'
      |                                ^
x.toml:2:35: a hole that is never closed; expected }, or {{} for a literal brace
    2 | pattern = '{Host} {a|} } {x:y} {} {?b'
      |                                   ^
""",
}  # fmt: skip


def shown(toml: str) -> str:
    """Read the pattern of a filter file and give its faults as they are shown."""
    document = Document("x.toml", toml)
    with pytest.raises(PatternError) as raised:
        parse(document.root.text("pattern"))
    for offset, message in raised.value.faults:
        document.root.fault("pattern", message, offset)
    with pytest.raises(FaultsError) as faults:
        document.check()
    return str(faults.value)


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_shown_with_its_place(case: str) -> None:
    toml, _, expected = case.strip("\n").partition("\nx.toml:")
    assert shown(f"title = 'x'\n{toml}\n") == f"x.toml:{expected}"


def test_a_control_character_is_a_fault_of_its_own() -> None:
    with pytest.raises(PatternError) as raised:
        parse("a\x1b{host}\x00\x9d")
    assert raised.value.faults == (
        (1, r"the control character \x1b in a pattern; expected printable text"),
        (8, r"the control character \x00 in a pattern; expected printable text"),
        (9, r"the control character \x9d in a pattern; expected printable text"),
    )


def test_a_tab_does_not_move_the_faults_behind_it() -> None:
    with pytest.raises(PatternError) as raised:
        parse("a\tb {}")
    assert [offset for offset, _ in raised.value.faults] == [1, 4]


def test_half_a_character_is_a_fault_and_no_crash_later() -> None:
    with pytest.raises(PatternError) as raised:
        parse("a\udc80")
    assert raised.value.faults == (
        (1, r"the control character \udc80 in a pattern; expected printable text"),
    )


def test_holes_that_lie_too_deep_are_refused_before_the_stack_is_full() -> None:
    with pytest.raises(PatternError) as raised:
        parse("{?" * 5000)
    assert raised.value.faults == ((2 * DEEPEST, "holes 17 deep; expected no more than 16"),)


def test_an_error_says_all_its_faults() -> None:
    with pytest.raises(PatternError) as raised:
        parse("{}}{}x}")
    assert str(raised.value) == (
        f"at character 4: an empty hole; expected {EVERY_HOLE}\n"
        "at character 7: a } that closes nothing; expected {}} for a literal brace"
    )


def test_the_types_named_in_errors_are_the_types_there_are() -> None:
    assert EVERY_TYPE.replace(" or ", ", ").split(", ") == list(TYPES)
