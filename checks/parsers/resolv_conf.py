"""``resolv.conf`` with line numbers (values by jc), and what else decides which name servers are asked.

>>> found = parse_resolv_conf('''# by hand
... nameserver fe80::1%eth0
... nameserver 192.0.2.53 ; ours
... options timeout:2 rotate
... ''')
>>> [(server.address, server.zone, server.line) for server in found.servers], found.timeout_s
([('fe80::1', 'eth0', 2), ('192.0.2.53', '', 3)], 2)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from jc.parsers import resolve_conf

from checks.errors import ParseError
from checks.parsers.ip_prefix import Address
from checks.parsers.reading import whole_lines

USED = 3
"""glibc asks the first three name servers only (MAXNS)."""

_WORDS = re.compile(r"(?:nameserver|search|domain|options|sortlist|lookup|family)\b|[#;]")


@dataclass(frozen=True)
class NameServer:
    """One name server. ``zone`` is the device of a link-local address."""

    address: str
    zone: str = ""
    line: int = 0

    @property
    def family(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    @property
    def is_local(self) -> bool:
        """True for a resolver on this host."""
        return Address.parse(self.address).within("127.0.0.0/8", "::1/128")

    @property
    def is_link_local(self) -> bool:
        """True for an address that means nothing without its device."""
        return Address.parse(self.address).within("fe80::/10")


@dataclass(frozen=True)
class ResolvConf:
    """The name servers in order, and the options."""

    servers: tuple[NameServer, ...]
    options: tuple[str, ...] = ()

    @property
    def timeout_s(self) -> int:
        """How long an answer is waited for."""
        found = [option.partition(":")[2] for option in self.options if option.startswith("timeout:")]
        return int(found[-1]) if found and re.fullmatch("[0-9]{1,4}", found[-1]) else 5


def parse_resolv_conf(text: str) -> ResolvConf:
    """Read the file. Raises ParseError for text that is no resolv.conf. A word counts only at the beginning of its line."""
    servers, options = list[NameServer](), list[str]()
    for number, line in enumerate(whole_lines(text), 1):
        if not line.strip():
            continue
        if not _WORDS.match(line.lstrip()):
            raise ParseError(f"line {number} is not of resolv.conf: {line[:60]!r}", line=number)
        if line[0].isspace() or line[0] in "#;":
            continue
        try:
            found = resolve_conf.parse(line, quiet=True)
        except (IndexError, ValueError):  # jc stumbles over a keyword without a value, which resolvers pass over
            continue
        options += found.get("options", [])
        for name in found.get("nameservers", []):
            address, _, zone = name.partition("%")
            servers.append(NameServer(str(Address.parse(address)), zone, number))
    return ResolvConf(tuple(servers), tuple(options))
