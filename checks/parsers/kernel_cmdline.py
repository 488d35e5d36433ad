"""``/proc/cmdline``: the parameters the kernel was booted with.

>>> flags = parse_cmdline("quiet cgroup_enable=cpuset cgroup_enable=memory systemd.unified_cgroup_hierarchy=1\\n")
>>> flags["cgroup_enable"], flags["quiet"]
('cpuset,memory', '')
"""

from __future__ import annotations

import shlex

from checks.parsers.reading import whole_lines


def parse_cmdline(text: str) -> dict[str, str]:
    """Values by parameter, empty for a bare word. Values of a parameter given more than once are joined by commas, in order."""
    line = " ".join(whole_lines(text))
    try:
        words = shlex.split(line)
    except ValueError:  # an odd quote is legal on a boot line
        words = line.split()
    flags: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        flags[name] = f"{flags[name]},{value}" if flags.get(name) else value
    return flags
