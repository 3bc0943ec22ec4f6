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
    from collections.abc import Iterable

# Within a host name, as 7.2.0.192.dynamic.example.net, digits are no address.
BEFORE = rb"(?<![0-9A-Za-z_.:-])"
AFTER = rb"(?![0-9A-Za-z_-])(?!\.[0-9A-Za-z_-])"
IPV4 = re.compile(BEFORE + rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}" + AFTER)
IPV6 = re.compile(BEFORE + rb"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]*")


LONGEST = 255


def cast_doubt(texts: Iterable[bytes], host: bytes) -> bool:
    """Say whether ``texts``, which stand before ``host`` as a log has it, cast doubt on it.

    They do when they hold an address other than the host's, or are longer than LONGEST bytes.
    """
    mine = None
    for text in texts:
        if len(text) > LONGEST:
            return True
        for found in (*IPV4.findall(text), *IPV6.findall(text)):
            address = addresses.host(found.rstrip(b".").decode("ascii"))
            if address is None:
                continue
            if mine is None:
                mine = addresses.host(host.decode("ascii", "replace")) or ""
            if address != mine:
                return True
    return False
