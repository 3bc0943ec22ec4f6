"""Doubt: text before the host holds an address that is not the host's.

    Failed password for x from 198.51.100.9 port 22 ssh2: y from 192.0.2.7 port 4711 ssh2
                               the host that a pattern without a tail would find   ^

What a service writes is proved to be read rightly; what it will write after its next update, with a
stranger's text in a place where there was none, is not. So when something that a stranger may have
written stands before the host and names another address, the host may be his invention. And so it
may when that text is very long: a logger that cuts its lines may have cut the true host off, right
behind one that was planted. Neither is any loss: nobody logs in under such a name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fw_guard import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Within a host name, as 7.2.0.192.dynamic.example.net, digits are no address; a port may follow.
IPV4 = re.compile(
    rb"(?<![0-9A-Za-z_.-])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:\.[0-9]{1,5})?"
    rb"(?![0-9A-Za-z_-])(?!\.[0-9A-Za-z_-])"
)
# What may be an IPv6 address, perhaps with a colon before it or behind.
IPV6 = re.compile(
    rb"(?<![0-9A-Za-z_.-])[0-9A-Fa-f:.]*:[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?![0-9A-Za-z_])"
)
LONGEST = 255


def cast_doubt(texts: Iterable[bytes], host: bytes) -> bool:
    """Say whether ``texts``, which stand before ``host`` as a log has it, cast doubt on it.

    They do when they hold an address other than the host's, or are longer than LONGEST bytes.
    """
    mine = None
    for text in texts:
        if len(text) > LONGEST:
            return True
        for address in addresses_in(text):
            if mine is None:
                mine = addresses.host(host.decode("ascii", "replace")) or ""
            if address != mine:
                return True
    return False


def addresses_in(text: bytes) -> Iterator[str]:
    """Give the addresses that stand in ``text``, in their canonical form.

    A version such as 120.0.0.0 is none.
    """
    for word in IPV4.findall(text):
        address = addresses.host(b".".join(word.split(b".")[:4]).decode("ascii"))
        if address is not None and not address.endswith(".0.0"):
            yield address
    for word in IPV6.findall(text):
        for part in (word, word[:-1], word.strip(b".:"), word.rstrip(b".:"), word[1:]):
            address = addresses.host(part.decode("ascii"))
            if address is not None:
                yield address
                break
