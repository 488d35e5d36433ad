"""Listening sockets, as ``ss -ltnpe`` and ``ss -lunpe`` print them. Own reader: jc stops with an error on ``ss -ltn`` and ``ss -tin``.

>>> rows = parse_listeners('''LISTEN 3      128          0.0.0.0:80         0.0.0.0:*    users:(("nginx",pid=7,fd=6)) uid:33 ino:1457 sk:2 <->
... LISTEN 0      128             [::]:80            [::]:*    users:(("nginx",pid=7,fd=7)) ino:1458 sk:3 v6only:1 <->
... end
... ''').rows
>>> rows[0].address, rows[0].port, rows[0].queue, rows[0].limit, rows[0].uid, rows[0].inode, rows[0].pids
('0.0.0.0', 80, 3, 128, 33, 1457, (7,))
>>> row = parse_udp_listeners('''UNCONN 24960  0          127.0.0.1:5301      0.0.0.0:*    users:(("dns",pid=7,fd=5)) uid:53 ino:1461 sk:4 <->
... end
... ''').rows[0]
>>> row.address, row.port, row.queue, row.limit, row.uid, row.inode
('127.0.0.1', 5301, 24960, None, 53, 1461)
"""  # noqa: E501  (a row of ss is longer than a line of ours)

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from checks.errors import ParseError
from checks.parsers.reading import whole_lines
from checks.results import Reason

_ROW = re.compile(r"^(?:tcp +)?LISTEN +([0-9]+) +([0-9]+) +(\S+):([\w-]+) +\S+:(?:\*|[0-9]+)(?: *(.*))?$")
_UDP_ROW = re.compile(r"^(?:udp +)?UNCONN +([0-9]+) +([0-9]+) +(\S+):([\w-]+) +\S+:(?:\*|[0-9]+)(?: *(.*))?$")
_NETSTAT = re.compile(r"^tcp6? +([0-9]+) +[0-9]+ +(\S+):([\w-]+) +\S+:\* +LISTEN *(.*)$")
_UDP_NETSTAT = re.compile(r"^udp6? +([0-9]+) +[0-9]+ +(\S+):([\w-]+) +\S+:\*(?: .*)?$")
_FOREIGN = r"^(?:u_str|u_dgr|u_seq|nl|raw|raw6|p_raw|p_dgr|icmp6?|unix|sctp|v_str)[ \t]|^(?:State|Netid|Proto|Active) "
_OTHER = re.compile(rf"{_FOREIGN}|^(?:udp6?|tcp6? +(?!LISTEN)[A-Z])[ \t]")
# A UDP socket with a peer of its own (ESTAB) takes no part in a group: the kernel finds it by its peer first.
_UDP_OTHER = re.compile(rf"{_FOREIGN}|^tcp6?[ \t]|^(?:udp +)?ESTAB +[0-9]|^udp6? +[0-9]+ +[0-9]+ +\S+ +\S+ +ESTABLISHED\b")
# What ss without -n prints for the ports that people ask about (services(5)).
_SERVICES = {
    "ssh": 22, "smtp": 25, "domain": 53, "http": 80, "webcache": 8080, "http-alt": 8080, "https": 443, "mysql": 3306,
    "postgresql": 5432, "ldap": 389, "imap": 143, "imaps": 993, "pop3": 110, "submission": 587, "sunrpc": 111, "redis": 6379,
    "amqp": 5672, "rsync": 873, "ftp": 21, "telnet": 23, "ipp": 631, "epmd": 4369,
    "bootps": 67, "bootpc": 68, "tftp": 69, "ntp": 123, "snmp": 161, "syslog": 514, "mdns": 5353,
}  # fmt: skip


@dataclass(frozen=True)
class Listener:
    """One listening socket: its accept queue and that queue's limit, None where netstat printed it. Of UDP the queue is bytes.

    ss leaves uid 0 out; ``inode`` takes ``-e``. ``port`` is 0 for a service whose number is not known.
    """

    address: str
    port: int
    queue: int
    limit: int | None
    uid: int
    inode: int | None
    pids: tuple[int, ...]
    line: int


@dataclass
class Listeners:
    """The sockets. ``complete`` is False for a paste without the closing line: more rows may follow."""

    rows: list[Listener] = field(default_factory=list)
    complete: bool = False
    tool: bool = True


def parse_listeners(text: str) -> Listeners:
    """Read the section, or a raw paste of ss. Raises ParseError for a row that is not whole."""
    return _parse(text, _OTHER, _row)


def parse_udp_listeners(text: str) -> Listeners:
    """The same for UDP, of which ss -l lists the sockets without a peer as UNCONN."""
    return _parse(text, _UDP_OTHER, _udp_row)


def _parse(text: str, other: re.Pattern[str], row: Callable[[str, int], Listener]) -> Listeners:
    lines = whole_lines(text)
    if lines == ["ss absent"]:
        return Listeners(complete=True, tool=False)
    found = Listeners()
    for number, line in enumerate(lines, 1):
        if line == "end" and number == len(lines):
            found.complete = True
        elif not line.strip() or other.match(line):
            continue
        else:
            found.rows.append(row(line.rstrip(), number))
    return found


def _row(line: str, number: int) -> Listener:
    if match := _NETSTAT.match(line):
        return Listener(match[2].strip("[]"), _port(match[3]), int(match[1]), None, 0, None, (), number)
    match = _ROW.match(line)
    if not match:
        raise ParseError(f"line {number} is no listening socket of ss: {line[:80]!r}", Reason.UNPARSED, line=number)
    return _listener(match, int(match[2]), number)


def _udp_row(line: str, number: int) -> Listener:
    if match := _UDP_NETSTAT.match(line):
        return Listener(match[2].strip("[]"), _port(match[3]), int(match[1]), None, 0, None, (), number)
    match = _UDP_ROW.match(line)
    if not match:
        raise ParseError(f"line {number} is no UDP socket of ss -lu: {line[:80]!r}", Reason.UNPARSED, line=number)
    return _listener(match, None, number)


def _listener(match: re.Match[str], limit: int | None, number: int) -> Listener:
    extra = match[5] or ""
    uid, inode = re.search(r"(?:^| )uid:([0-9]+)", extra), re.search(r"(?:^| )ino:([0-9]+)", extra)
    pids = tuple(sorted({int(pid) for pid in re.findall(r"pid=([0-9]+)", extra)}))
    return Listener(
        address=match[3].strip("[]"),
        port=_port(match[4]),
        queue=int(match[1]),
        limit=limit,
        uid=int(uid[1]) if uid else 0,
        inode=int(inode[1]) if inode else None,
        pids=pids,
        line=number,
    )


def _port(word: str) -> int:
    return int(word) if word.isdigit() else _SERVICES.get(word, 0)
