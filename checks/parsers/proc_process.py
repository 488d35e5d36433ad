"""One process in /proc: ``stat``, ``status`` and ``cgroup`` (proc(5)).

>>> parse_stat("966 (tmux: (a) b) S 965 966 966 0 -1 4194560 30440 1995229 0 2064 15 25 8515 2127 20 0 3 0 3444 5595136 1077\\n")
ProcStat(pid=966, comm='tmux: (a) b', state='S', ppid=965, utime=15, stime=25, threads=3, start=3444)
>>> parse_process_cgroup("4:memory:/kubepods/burstable/pod1\\n1:cpu,cpuacct:/a\\n0::/init.scope\\n")
{'memory': '/kubepods/burstable/pod1', 'cpu': '/a', 'cpuacct': '/a', '': '/init.scope'}
>>> status = parse_status("Name:\\tsh\\nState:\\tS (sleeping)\\nPid:\\t13899\\nPPid:\\t1\\nNSpid:\\t13899\\t1\\nThreads:\\t1\\n"
...     "SigBlk:\\t0000000000000000\\nSigIgn:\\t0000000000000004\\nSigCgt:\\t0000000000010000\\n")
>>> status.ns_pids, status.caught, status.state
((13899, 1), 65536, 'S')
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.keyed import Field, parse_colon_keyed
from checks.parsers.reading import whole_lines
from checks.results import Reason

_STAT = re.compile(r"^(\d+) \((.*)\) (\S) ((?:-?\d+ )*-?\d+)$")
_ALWAYS = ("Name", "State", "Pid", "PPid", "Threads", "SigBlk", "SigIgn", "SigCgt")
_CGROUP = re.compile(r"^(\d+):([^:]*):(/.*)$")


@dataclass(frozen=True)
class ProcStat:
    """The numbers of /proc/PID/stat that are used. Times are in ticks of 1/100 s, for all threads together."""

    pid: int
    comm: str
    state: str
    ppid: int
    utime: int
    stime: int
    threads: int
    start: int


@dataclass(frozen=True)
class ProcStatus:
    """What /proc/PID/status says. Masks have signal n at bit n-1; ``ns_pids`` is one pid per nested namespace."""

    name: str
    state: str
    pid: int
    ppid: int
    threads: int
    ns_pids: tuple[int, ...]
    blocked: int
    ignored: int
    caught: int
    rss_bytes: int | None
    uid: int | None
    fields: dict[str, Field]


def parse_stat(text: str) -> ProcStat:
    """Read /proc/PID/stat. The name stands in parentheses and may hold any character, so the last parenthesis ends it."""
    lines = whole_lines(text)
    match = _STAT.match(lines[0]) if len(lines) == 1 else None
    numbers = match[4].split() if match else []
    if not match or len(numbers) < 19:
        raise ParseError("this is not one whole line of /proc/PID/stat", line=1)
    values = [int(number) for number in numbers]
    return ProcStat(int(match[1]), match[2], match[3], values[0], values[10], values[11], values[16], values[18])


def parse_picked_status(text: str) -> ProcStatus:
    """Read the rows of /proc/PID/status that tell of signals; the others may have been left out by grep."""
    return parse_status(text, ("SigIgn", "SigCgt"))


def parse_status(text: str, needed: tuple[str, ...] = _ALWAYS) -> ProcStatus:
    """Read /proc/PID/status. Raises ParseError when a row that is always there is missing: the text was cut."""
    fields = parse_colon_keyed(text)
    for name in needed:
        if name not in fields:
            raise ParseError(f"/proc/PID/status has no row {name}; it was cut", Reason.TRUNCATED, line=len(fields))
    uid = fields["Uid"].number() if "Uid" in fields else None
    return ProcStatus(
        name=fields["Name"].value if "Name" in fields else "the process",
        state=fields["State"].value[:1] if "State" in fields else "",
        pid=_number(fields, "Pid"),
        ppid=_number(fields, "PPid"),
        threads=_number(fields, "Threads"),
        ns_pids=tuple(int(word) for word in fields["NSpid"].value.split()) if "NSpid" in fields else (),
        blocked=_mask(fields["SigBlk"]) if "SigBlk" in fields else 0,
        ignored=_mask(fields["SigIgn"]),
        caught=_mask(fields["SigCgt"]),
        rss_bytes=fields["VmRSS"].number() * 1024 if "VmRSS" in fields else None,
        uid=uid,
        fields=fields,
    )


def parse_process_cgroup(text: str) -> dict[str, str]:
    """Path by controller; cgroup v2's path is under the empty name. Named hierarchies are left out."""
    paths: dict[str, str] = {}
    for number, line in enumerate(whole_lines(text), 1):
        match = _CGROUP.match(line)
        if not match:
            raise ParseError(f"line {number} is no row of /proc/PID/cgroup: {line[:80]!r}", line=number)
        for name in match[2].split(","):
            if not name.startswith("name="):
                paths[name] = match[3]
    return paths


def _number(fields: dict[str, Field], name: str) -> int:
    return fields[name].number() if name in fields else 0


def _mask(field: Field) -> int:
    if not re.fullmatch(r"[0-9a-f]{16}", field.value):
        raise ParseError(f"line {field.line} holds no mask of 64 signals", line=field.line)
    return int(field.value, 16)
