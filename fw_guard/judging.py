"""Between the engine and the rest: a jail as a rule, kept hits as hits, a verdict in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fw_guard import engine
from fw_guard.durations import spell
from fw_guard.text import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fw_guard.config import Jail
    from fw_guard.hits import Hit


def rule_of(jail: Jail) -> engine.Rule:
    """Give what the engine needs of a jail."""
    limits = tuple((limit.count, limit.seconds) for limit in jail.limits)
    return engine.Rule(limits, jail.bantime, jail.logintime)


def engine_hits(hits: Iterable[Hit]) -> list[engine.Hit]:
    """Give what the engine needs of hits."""
    return [
        engine.Hit(
            hit.time,
            hit.weight,
            hit.times,
            f"{hit.filter}/{hit.match}",
            hit.pid,
            hit.doubtful,
        )
        for hit in hits
    ]


def reason_of(due: engine.Ban) -> str:
    """Say the sum that made a ban."""
    limit = f"limit {due.limit[0]} in {spell(due.limit[1])}"
    doubtful = f", {due.doubtful} of them doubtful" if due.doubtful else ""
    return f"{count(due.hits, 'hit')} in {spell(due.since - due.first)}{doubtful}, {limit}"
