"""Files that set sysctls at boot, in the order in which systemd and ``sysctl --system`` apply them.

The files of all directories are sorted by name; of one name only the file of the strongest directory counts (/etc over /run over
/usr/local/lib over /usr/lib), and /etc/sysctl.conf comes last (sysctl.d(5), sysctl(8)). A later line wins.

>>> settings = parse_sysctl_files('''== /usr/lib/sysctl.d/50-default.conf
... net.ipv6.conf.all.disable_ipv6 = 1
...
... == /etc/sysctl.d/50-default.conf
... -net/ipv6/conf/eth0.100/accept_ra=2
...
... == /etc/sysctl.conf
... # from the writeup
... net.ipv6.conf.all.disable_ipv6 = 0
...
... == end
... ''')
>>> [(s.key, s.value, s.where, s.line) for s in settings]
[('net/ipv6/conf/eth0.100/accept_ra', '2', '/etc/sysctl.d/50-default.conf:1', 5), \
('net/ipv6/conf/all/disable_ipv6', '0', '/etc/sysctl.conf:2', 9)]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.files import Files, split_files
from checks.results import Reason

_STRONGEST_FIRST = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
LAST = "/etc/sysctl.conf"
_SETTING = re.compile(r"^\s*(-?)\s*([A-Za-z0-9_.*?/@:\[\]!-]+)\s*=\s*(.*?)\s*$")
_EXCLUSION = re.compile(r"^\s*-\s*([A-Za-z0-9_./@:-]+)\s*$")


@dataclass(frozen=True)
class Setting:
    """One line ``key = value``. ``key`` has slashes between its parts; ``line`` is the section's, ``where`` the file's own.

    ``value`` None: the line only takes this key out of the patterns with stars (``-net.ipv6.conf.eth0.accept_ra``).
    """

    key: str
    value: str | None
    path: str
    number: int
    line: int

    @property
    def where(self) -> str:
        """File and line number as an editor takes them."""
        return f"{self.path}:{self.number}"

    @property
    def is_pattern(self) -> bool:
        """True when the key stands for several."""
        return any(sign in self.key for sign in "*?[")


def parse_sysctl_files(text: str) -> list[Setting]:
    """The settings in the order they are applied. Raises ParseError when the section was cut or holds no such file."""
    files = split_files(text)
    if not files.parts and not files.absent and _is_raw(text):  # one file without its name
        files = Files({LAST: (text, 1)}, complete=text.endswith("\n"))
    if not any(_rank(path) is not None for path in (*files.parts, *files.absent)):
        raise ParseError("this holds no file of sysctl.d and no sysctl.conf")
    if not files.complete:
        raise ParseError("the files were cut: the closing line is missing", Reason.TRUNCATED)
    return [setting for path in in_order(files) for setting in _read(path, files)]


def _is_raw(text: str) -> bool:
    words = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith(("#", ";"))]
    return bool(words) and all(_SETTING.match(line) or _EXCLUSION.match(line) for line in words)


def in_order(files: Files) -> list[str]:
    """The paths whose content counts, in the order they are applied."""
    strongest: dict[str, str] = {}
    for path in sorted((path for path in files if _rank(path) is not None and path != LAST), key=lambda path: _rank(path) or 0):
        strongest.setdefault(path.rpartition("/")[2], path)
    return [strongest[name] for name in sorted(strongest)] + [LAST] * (LAST in files)


def _rank(path: str) -> int | None:
    if path == LAST:
        return 0
    directory = path.rpartition("/")[0]
    return _STRONGEST_FIRST.index(directory) if directory in _STRONGEST_FIRST else None


def _read(path: str, files: Files) -> list[Setting]:
    found = []
    first = files.line_of(path)
    for number, text in enumerate(files.text(path).split("\n"), 1):
        if text.lstrip().startswith(("#", ";")):
            continue
        if match := _SETTING.match(text):
            found.append(Setting(slashed(match[2]), match[3], path, number, first + number - 1))
        elif match := _EXCLUSION.match(text):
            found.append(Setting(slashed(match[1]), None, path, number, first + number - 1))
    return found


def slashed(key: str) -> str:
    """A key with slashes between its parts. Whichever of . and / comes first separates; the other one is part of a name.

    >>> slashed("net.ipv6.conf.eth0/100.forwarding"), slashed("net/ipv6/conf/eth0.100/forwarding")
    ('net/ipv6/conf/eth0.100/forwarding', 'net/ipv6/conf/eth0.100/forwarding')
    """
    separator = next((char for char in key if char in "./"), "/")
    return key if separator == "/" else key.translate(str.maketrans("./", "/."))
