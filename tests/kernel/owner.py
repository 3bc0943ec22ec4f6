"""The rules of somebody who has many: other tools' chains, names like ours, several tables.

None of it is ours, however much like ours it looks.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .machine import Machine

RULES = 150  # of each kind: several hundred in all

# fail2ban's chain stands first in INPUT, then ufw's; Docker's stand in FORWARD and in nat.
IPTABLES = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:f2b-sshd - [0:0]
:fw_guard2 - [0:0]
:my_fw_guard - [0:0]
:ufw-before-input - [0:0]
:ufw-user-input - [0:0]
:IN_public - [0:0]
-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd
-A INPUT -j ufw-before-input
-A INPUT -j ufw-user-input
-A INPUT -m comment --comment "not a jump: -j fw_guard" -j IN_public
-A INPUT -m comment --comment fw_guard -j fw_guard2
-A INPUT -j my_fw_guard
-A INPUT -m set --match-set fw_guard2-{v} src -j DROP
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A DOCKER -d {guest} ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-USER -j RETURN
-A f2b-sshd -s {other} -j REJECT
-A f2b-sshd -j RETURN
-A fw_guard2 -s {other} -j DROP
-A my_fw_guard -j RETURN
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A IN_public -p tcp -m tcp --dport 22 -j ACCEPT
{rules}
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 8080 -j DNAT --to-destination {target}:80
-A POSTROUTING -s {guest} -j MASQUERADE
COMMIT
*mangle
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A FORWARD -p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
"""
RULE = "-A ufw-user-input -s {} -p tcp -m tcp --dport {} -j ACCEPT"
IPSET = """create fw_guard2-4 hash:ip family inet hashsize 1024 maxelem 65536
create fw_guard2-6 hash:ip family inet6 hashsize 1024 maxelem 65536
create my_fw_guard4 hash:net family inet hashsize 1024 maxelem 65536 timeout 600
create f2b-sshd hash:ip family inet hashsize 1024 maxelem 65536
add f2b-sshd 203.0.113.66
add fw_guard2-4 203.0.113.67
add fw_guard2-6 2001:db8:77::67
"""
# Tables of our very name in other families; fail2ban's own; firewalld's.
NFT = """
table ip fw_guard {{
    set host4 {{ type ipv4_addr; flags timeout; elements = {{ 203.0.113.68 }} }}
    chain input {{ type filter hook input priority -10; ip saddr @host4 counter drop; }}
}}
table arp fw_guard {{
    chain input {{ type filter hook input priority 0; arp operation request accept; }}
}}
table inet fw_guard2 {{
    set host4 {{ type ipv4_addr; flags interval; elements = {{ 203.0.113.0/26 }} }}
    chain fw_guard {{ comment "of the owner's"; ip saddr @host4 drop; }}
    chain input {{ type filter hook input priority -10; jump fw_guard; }}
}}
table inet f2b-table {{
    set addr-set-sshd {{ type ipv4_addr; elements = {{ 203.0.113.69 }} }}
    chain f2b-chain {{
        type filter hook input priority -1; policy accept;
        tcp dport 22 ip saddr @addr-set-sshd reject
    }}
}}
table inet firewalld {{
    chain filter_INPUT {{
        type filter hook input priority 10; policy accept;
        ct state established,related accept
        ip saddr 203.0.113.70 drop comment "add table inet fw_guard"
        {rules}
    }}
}}
"""
NFT_RULE = "ip saddr 198.18.{}.{} tcp dport {} accept"


def move_in(machine: Machine) -> None:
    """Put the owner's rules on a machine, of every kind that its tools know."""
    for tool, given in (("iptables-restore", OF_IPV4), ("ip6tables-restore", OF_IPV6)):
        rules = "\n".join(RULE.format(given["rule"].format(n), 1000 + n) for n in range(RULES))
        if tool == "iptables-restore":
            machine.given("ipset restore", IPSET)
        machine.given(tool, IPTABLES.format(**given, rules=rules))
    rules = "\n".join(NFT_RULE.format(n // 100, n % 100, 1000 + n) for n in range(RULES))
    machine.given("nft -f -", NFT.format(rules=rules))


OF_IPV4 = {
    "v": "4",
    "other": "203.0.113.66/32",
    "guest": "172.17.0.2/32",
    "target": "172.17.0.2",
    "rule": "198.19.0.{}/32",
}
OF_IPV6 = {
    "v": "6",
    "other": "2001:db8:77::66/128",
    "guest": "2001:db8:17::2/128",
    "target": "[2001:db8:17::2]",
    "rule": "2001:db8:19::{}/128",
}
# The lines of ours: in iptables those of our chains and sets, in nft those of our own table.
OURS = re.compile(
    r"(:|-A )fw_guard(_22)?(-ban|-set)? .*"  # our chains and their rules
    r"|-A (INPUT|FORWARD|DOCKER-USER) (-m set --match-set fw_guard(_22)?[46] src )?"
    r"-j fw_guard(_22)?(-set)?"  # and the jumps there
    r"|(create|add) fw_guard(_22)?[46] .*"
)
OUR_TABLE = re.compile(r"^table inet fw_guard(_22)? {\n.*?^}\n", re.DOTALL | re.MULTILINE)
ACCIDENTS = re.compile(r"\[\d+:\d+\]| initval 0x\w+| (timeout|expires) \w+")


def everything(machine: Machine) -> str:
    """Give all that stands in the kernel, counters and such aside."""
    tables = machine.says("nft -s list ruleset")
    texts = [machine.says(f"{tool}-save") for tool in ("iptables", "ip6tables")]
    lines = [line for text in texts for line in text.splitlines() if line[:1] != "#"]
    sets = machine.says("ipset save")
    return ACCIDENTS.sub("", "\n".join([own_of_nft(tables), *lines, sets]))


def own_of_nft(tables: str) -> str:
    """Give what nft lists but for what iptables keeps in it, and lists itself."""
    return re.sub(
        r"^(# Warning: table ip6? .*\n)?table ip6? (filter|nat|mangle) {\n.*?^}\n",
        "",
        tables,
        flags=re.DOTALL | re.MULTILINE,
    )


def theirs(machine: Machine) -> str:
    """Give all of it that is not ours, line by line and in its order."""
    lines = OUR_TABLE.sub("", everything(machine)).splitlines(keepends=True)
    return "".join(line for line in lines if not OURS.fullmatch(line.rstrip("\n")))
