"""Collectors for what systemd and pam_limits say of a process's limits. systemctl show only asks the manager."""

from __future__ import annotations

from checks.collectors.base import Collector
from checks.collectors.process import FIND_PROCESS

# LimitNOFILE is the hard limit, LimitNOFILESoft the soft one (systemd 231; before it both are one).
UNIT_LIMITS = Collector(
    "unit_limits",
    "Limits of the process's systemd unit, and those of pam_limits",
    FIND_PROCESS
    + r"""
if [ -z "$pid" ]; then files; exit 0; fi
unit=$(sed -n 's#^.*/\([^/]*[.]service\)\(/.*\)*$#\1#p' "/proc/$pid/cgroup" 2>/dev/null | head -n 1)
printf '== unit\n%s\n\n== show\n' "$unit"
if [ -n "$unit" ] && have systemctl; then
  systemctl show -p LimitNOFILE -p LimitNOFILESoft -p LimitNPROC -p TasksMax -- "$unit" 2>/dev/null
fi
printf '\n== pam_limits\n'
cat /etc/security/limits.conf /etc/security/limits.d/*.conf 2>/dev/null |
  grep -E '^[[:space:]]*[^#[:space:]].*[[:space:]]nofile[[:space:]]'
printf '\n== end\n'
""",
    args=("pid", "process"),
    looks_like=r"\A== pids$[\s\S]*^== unit$|^LimitNOFILE=",
    optional=True,
)
