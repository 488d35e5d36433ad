"""Which files a collector shows, as its script says, and raw files in the form in which it would show them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache

from checks.collectors.base import Collector


def shows_files(collector: Collector) -> bool:
    """True when the collector prints files under ``== PATH`` lines."""
    return bool(file_patterns(collector))


def tables(collector: Collector) -> list[str]:
    """The folders of sysctls that the collector shows as a table: one device per line."""
    return re.findall(r"(?:^show |'== )(/proc/sys/net/ipv[46]/(?:conf|neigh))(?= |\\n)", collector.script, re.MULTILINE)


@cache
def file_patterns(collector: Collector) -> tuple[str, ...]:
    """The paths that the collector shows; what is only known on the host (a variable) is a ``*``."""
    script = _assigned(collector.script)
    said = re.findall(r"\w*files((?:\\\n|[^;\n&|])*)", script)
    headed = re.findall(r"'== (/[^\s'\\]+)\\n", script)
    words = [re.sub(r"\$\{[^}]*\}|\$\w+", "*", word.strip("\"'")) for text in said for word in text.split()] + headed
    shown = [word for word in words if re.fullmatch(r"[*/][\w.*/@:+-]*/[\w.*@:+-]+", word)]
    return tuple(dict.fromkeys((*shown, *collector.shows)))


def _assigned(script: str) -> str:
    """The script with its constant folders filled in: ``core=/proc/sys/net/core; files $core/somaxconn``."""
    for name, folder in re.findall(r"(?:^|[;\s])(\w+)=(/[\w/]+)(?=[;\s])", script):
        script = re.sub(rf"\${name}\b|\$\{{{name}\}}", folder, script)
    return script


_WHOLE_FILE = re.compile(
    r"(?:^|&& |then )(?:cat|grep(?: -E)? '[^'\n]*') (/proc/[^\s;|&]+)(?: && printf '== end.*)?(?=;|\s*$)", re.MULTILINE
)


def whole_file(collector: Collector, path: str) -> str:
    """The path of the one file that the collector prints as it is, when this is that file; else empty."""
    match = _WHOLE_FILE.search(collector.script)
    if not match:
        return ""
    pattern = re.sub(r"\$\{[^}]*\}|\$\w+", "*", match[1])
    tails = (*_tails(path), *_tails(path.replace("/proc/net/", "/proc/self/net/")))
    whole = next((tail for tail in tails if fnmatchcase(tail, pattern)), "")
    return whole or (pattern if path == pattern.rpartition("/")[2] else "")


def file_of(collector: Collector, path: str) -> str:
    """The path under which the collector would show this file, also from a copied tree or by its bare name; else empty."""
    for pattern in file_patterns(collector):
        for tail in _tails(path):
            if fnmatchcase(tail, pattern):
                return tail
    names = [pattern for pattern in file_patterns(collector) if pattern.rpartition("/")[2] == path.rpartition("/")[2]]
    return names[0].replace("*", "") if len(names) == 1 and "/" not in path.strip("/") else ""


def _tails(path: str) -> list[str]:
    """The path itself and what is left of it from each of its roots: /tmp/report/proc/uptime is /proc/uptime in a copied tree."""
    roots = [
        match.start() for match in re.finditer(r"/(?=(?:proc|sys|etc|run|usr|var|lib|boot|opt|root)/)", "/" + path.lstrip("./"))
    ]
    whole = "/" + path.lstrip("./")
    return [path, *(whole[start:] for start in roots)]


_DENIED = ("Permission denied", "权限不够")
_REFUSED = re.compile(
    r"(?:\w+: )?(?:cannot access |can't open )?\S+: "
    r"(No such file or directory|Permission denied|Operation not supported|没有那个文件或目录|权限不够)\s*"
)


def wrap(files: Iterable[tuple[str, str]]) -> str:
    """Raw files in the form that the collectors' ``files`` word prints. A file whose last line has no end may have been cut:
    it comes last, and nothing says that it is whole."""
    ordered = sorted(files, key=lambda file: bool(file[1]) and not file[1].endswith("\n"))
    text = ""
    for path, body in ordered:
        if refused := _REFUSED.fullmatch(body):
            text += f"!! {path} {'unreadable' if refused[1] in _DENIED else 'missing'}\n"
            continue
        if body.endswith("\n\n"):  # blank lines stand between files, not in them
            body = body.rstrip("\n") + "\n"
        text += f"== {path}\n{body}"
        if body and not body.endswith("\n"):
            return text
        text += "\n"
    return text + "== end\n"
