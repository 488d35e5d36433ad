"""What a collector is, and the few shell words every collector may use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PRELUDE = r"""
LC_ALL=C; LANG=C; PATH=/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin:/usr/local/bin; PAGER=cat; export LC_ALL LANG PATH PAGER
have() { command -v "$1" >/dev/null 2>&1; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }
files() {
  for _f in "$@"; do
    if [ ! -e "$_f" ]; then printf '!! %s missing\n' "$_f"
    elif [ ! -r "$_f" ]; then printf '!! %s unreadable\n' "$_f"
    else printf '== %s\n' "$_f"; cat "$_f" 2>/dev/null || printf '\n!! %s unreadable\n' "$_f"; printf '\n'; fi
  done
  printf '== end\n'
}
"""
"""Shell words sent once before the collectors of a host.

``files F…`` prints each readable file under a line ``== F`` (an empty line ends it), names each other file in a line
``!! F missing`` or ``!! F unreadable``, and closes with ``== end``: without that line the output was cut.
``checks.parsers.files`` reads it back.
``as_root CMD…`` runs as root or through ``sudo -n`` with that exact argv.
"""


class Privilege(StrEnum):
    """What a collector needs on the host."""

    USER = "user"  # any user
    ROOT = "root"  # root, or sudo -n on an allow-list
    NETNS = "netns"  # enters another namespace
    ACTIVE = "active"  # sends traffic


@dataclass(frozen=True)
class Collector:
    """One command whose framed output is a section.

    ``script`` is fixed text; ``args`` are names of the probe's parameters, passed as ``$1``, ``$2``… in that order.
    ``sampled`` collectors run twice, as sections ``NAME_a`` and ``NAME_b``, the probe's interval apart.
    ``only_if`` names a boolean parameter: the collector runs only when it is true.
    ``looks_like`` is a regular expression (multi-line) by which a text given without a section name is recognised as this one.
    ``also_like`` is one for another collector's output that holds what this one shows too, taken when nothing closer is given.
    ``shows`` are patterns of further files by which a paste is known, where the script makes their paths on the host.
    ``optional`` sections may be missing without the engine calling the evidence incomplete.
    """

    name: str
    title: str
    script: str
    args: tuple[str, ...] = ()
    sampled: bool = False
    only_if: str = ""
    looks_like: str = ""
    also_like: str = ""
    shows: tuple[str, ...] = ()
    optional: bool = False
    timeout_s: int = 10
    max_bytes: int = 1 << 20
    privilege: Privilege = Privilege.USER
