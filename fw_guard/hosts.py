"""Names become addresses, from evidence that the peer cannot give about somebody else.

A name in a log is the peer's own claim. The evidence known here is a line of some service that
pairs the name with a socket address, as ``refused connect from NAME (ADDRESS)`` does. A name that
was seen with several addresses within PAIR_AGE of a hit leads to none of them: who of them it was
cannot be said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

PAIR_AGE = 30 * 86_400

Span = tuple[int, int]


class Names:
    """What is known of names: name -> {address -> (first, last) time seen together}.

    Times are epoch seconds. ``learnt`` is what was added here, (name, address) -> (first, last).
    """

    def __init__(self, known: Mapping[str, Mapping[str, Span]] | None = None) -> None:
        """Start with what earlier passes learnt."""
        self._known = {name: dict(pairs) for name, pairs in (known or {}).items()}
        self.learnt: dict[tuple[str, str], Span] = {}

    def learn(self, name: str, address: str, time: int) -> None:
        """Note that a service saw ``name`` and the socket address ``address`` together."""
        pairs = self._known.setdefault(name, {})
        first, last = pairs.get(address, (time, time))
        pairs[address] = self.learnt[name, address] = min(first, time), max(last, time)

    def address(self, name: str, time: int) -> str | None:
        """Give the address that ``name`` stood for around ``time``, None when that is not known."""
        near = [
            address
            for address, (first, last) in self._known.get(name, {}).items()
            if first - PAIR_AGE <= time <= last + PAIR_AGE
        ]
        return near[0] if len(near) == 1 else None
