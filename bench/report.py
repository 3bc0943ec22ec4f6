"""The figures of a run become tables, and the tables a page. Nothing in it is written by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.measure import Figure

PAGE = """\
# What bans cost

`{command}` wrote this page on {date}; nothing in it was written by hand. All figures are of that
one run.

## What was measured

CPU, user and system, of whole process trees: of a command with all its children as the kernel
tells it when they end, of fail2ban's server and its children from what the kernel tells of them
before and after. Every figure is the median of its runs; beside it stand the least and the most.
What the kernel does on nobody's account, such as freeing a set afterwards, is in no figure.

Everything ran in network namespaces and directories of its own, made for one run and gone with
it. After each piece of work the firewall was asked how many it holds, and a figure stands here
only where that was right. Addresses are of 198.18.0.0/15, in no order.

* **fw-guard**: this checkout as pip installs it, its normal console script, every shipped setting
  but `bantime`, `maxretry` and `brake`. *By hand* is one `fw-guard ban A B C ...`, the first that
  this firewall ever saw, so that its set-up is in it. *By a pass* is one `fw-guard run` over
  three new lines of sshd's for each address, read, counted, stored and banned. *Restored* is the
  next pass after `nft flush ruleset`.
* **fail2ban**: Debian's package with its own filter for sshd and its own actions, one jail, the
  quieter log (`NOTICE`). *By hand* is one call of `fail2ban-client set JAIL banip A B C ...`. *By
  a pass* is its server reading the same lines. *Restored* is a new server on the database of the
  last, from its start. Of its actions, that which took the least to ban by hand, restore and unban
  in this run is compared: **{cheapest}**.

## Where

{machine}

## Bans

{bans}

## Nothing to do

A pass that finds nothing new, with so many bans standing. The states were taken in random order,
over and over. *Compared whole* is a pass one hour later by its clock, when all that the firewall
holds is compared. fail2ban needs no pass; its line is a minute of its server.

{idle}

## Ratios

{ratios}

{aim_of_bans} times less CPU a ban than fail2ban's {single} is {goal} for {common} bans by hand,
Python's start and all.

## To repeat it

As root on Linux, on Debian or its like, with Python 3.11 or newer and its pip:

    apt-get install {packages}
    {command}

Debian starts fail2ban when it is installed; the benchmark neither needs that server nor touches
it. `--help` tells of shorter runs.
"""


class Ratio(NamedTuple):
    """One figure against another: ``aim`` says in words what is wanted of it, if anything."""

    what: str
    ratio: float
    aim: str = ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a Markdown table; a column of numbers goes right."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    right = [
        all(not cell or cell[0].isdigit() for cell in (line[column] for line in lines[1:]))
        for column in range(len(head))
    ]

    def laid(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(cells, widths, right, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    rule = "|".join(
        "-" * (width + 1) + (":" if to_right else "-")
        for width, to_right in zip(widths, right, strict=True)
    )
    return "\n".join([laid(lines[0]), f"|{rule}|", *(laid(line) for line in lines[1:])])


def milliseconds(seconds: float) -> str:
    """Give three digits that count, or all of a whole number."""
    value = seconds * 1000
    digits = max(0, 3 - len(str(int(value)))) if value >= 1 else 2
    return f"{value:,.{digits}f}"


def times(ratio: float) -> str:
    """Give a ratio: two decimals while it is small, none when it is large."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def span(figure: Figure) -> str:
    """Give the least and the most of the samples."""
    return f"{milliseconds(min(figure.samples))}–{milliseconds(max(figure.samples))}"


def bans_table(figures: Iterable[Figure]) -> str:
    """Lay out the work that can be shared out among bans."""
    rows = [
        (
            *(figure.what, f"{figure.bans:,}", figure.who, milliseconds(figure.middle)),
            *(span(figure), milliseconds(figure.per_ban * 1000), str(len(figure.samples))),
        )
        for figure in sorted(figures, key=lambda each: (each.what, each.bans, each.who))
        if figure.each
    ]
    head = ("work", "bans", "who", "CPU, ms", "least–most", "µs a ban", "runs")
    return table(head, rows)


def idle_table(figures: Iterable[Figure], bare: Figure | None) -> str:
    """Lay out what standing bans cost, beside a Python that does nothing at all."""
    rows = [
        (
            *(figure.who, figure.what, f"{figure.bans:,}", milliseconds(figure.middle)),
            *(
                span(figure),
                times(figure.middle / bare.middle) if bare else "",
                str(len(figure.samples)),
            ),
        )
        for figure in sorted(figures, key=lambda each: each.key)
        if not figure.each
    ]
    head = ("who", "what", "standing bans", "CPU, ms", "least–most", "× bare Python", "runs")
    return table(head, rows)


def ratios_table(ratios: Iterable[Ratio]) -> str:
    """Lay out the ratios beside what was aimed at."""
    rows = [(each.what, times(each.ratio), each.aim) for each in ratios]
    return table(("what", "ratio", "aim"), rows)


def tables(figures: Iterable[Figure], bare: Figure | None) -> str:
    """Give the tables alone, of a run that measured a part."""
    listed = list(figures)
    told = bans_table(listed) if any(each.each for each in listed) else ""
    idle = idle_table(listed, bare) if any(not each.each for each in listed) else ""
    return "\n\n".join(part for part in (told, idle) if part) + "\n"
