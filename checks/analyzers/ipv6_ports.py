"""Who is reached on a port, over IPv6 and over IPv4, by the sockets that listen there.

>>> from checks.parsers.ss_listeners import parse_listeners
>>> found = parse_listeners('''LISTEN 0 9 [::]:443 [::]:* v6only:1
... LISTEN 0 9 *:80 *:* v6only:0
... LISTEN 0 9 0.0.0.0:22 0.0.0.0:*
... ''')
>>> [(ports_of(found)[port].over6, ports_of(found)[port].over4) for port in (22, 80, 443)]
[(False, True), (True, True), (True, False)]
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from checks.parsers.ss_listeners import Listener


@dataclass(frozen=True)
class Port:
    """The sockets of one port. ``over6`` and ``over4``: others reach it so; None when the text cannot tell."""

    number: int
    sockets: tuple[Listener, ...]

    @property
    def over6(self) -> bool | None:
        """True when a socket takes IPv6 from other hosts."""
        reached = [s for s in self.sockets if s.kind != "v4" and not s.is_loopback and not s.is_link_local]
        if any(s.kind != "unknown" for s in reached):
            return True
        return None if reached else False

    @property
    def over4(self) -> bool | None:
        """True when a socket takes IPv4 from other hosts."""
        if any((s.kind == "v4" and not s.is_loopback) or (s.kind == "dual" and s.is_everywhere) for s in self.sockets):
            return True
        return None if any(s.kind in ("unknown", "v6_unknown") and s.is_everywhere for s in self.sockets) else False


def ports_of(listeners: Iterable[Listener]) -> dict[int, Port]:
    """The ports in order."""
    found: dict[int, list[Listener]] = {}
    for listener in listeners:
        found.setdefault(listener.port, []).append(listener)
    return {number: Port(number, tuple(found[number])) for number in sorted(found)}
