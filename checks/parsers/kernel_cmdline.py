"""``/proc/cmdline``: the parameters the kernel was booted with. The last of equal names wins, as in the kernel.

>>> flags = parse_cmdline("BOOT_IMAGE=/vmlinuz quiet cgroup_disable=memory systemd.unified_cgroup_hierarchy=1\\n")
>>> flags["cgroup_disable"], flags["quiet"]
('memory', '')
"""

from __future__ import annotations

import shlex

from checks.parsers.reading import whole_lines


def parse_cmdline(text: str) -> dict[str, str]:
    """Values by parameter; a parameter without ``=`` has an empty value."""
    line = " ".join(whole_lines(text))
    try:
        words = shlex.split(line)
    except ValueError:  # an odd quote is legal on a boot line
        words = line.split()
    flags: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        flags[name] = value
    return flags
