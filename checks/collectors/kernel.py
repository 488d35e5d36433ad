"""Collectors for the kernel itself: its release, its boot line, the distribution, the time since boot."""

from __future__ import annotations

from checks.collectors.base import Collector

KERNEL = Collector(
    "kernel",
    "Kernel release",
    "uname -r",
    looks_like=r"\A\d+\.\d+\.\d+[-+._0-9A-Za-z]*\s*\Z|\ALinux \S+ \d+\.\d+\.\d+\S* #\d+.* (?:GNU/)?Linux\s*\Z"
    r"|\ALinux version \d+\.\d+\.\d+\S* \(",
)

MACHINE = Collector(
    "machine",
    "Processor architecture",
    "uname -m",
    looks_like=r"\A(x86_64|aarch64|armv\w+|i[3-6]86|loongarch64|mips64\w*|ppc64le|riscv64|s390x|sw_64)\s*\Z",
    optional=True,
)

OS = Collector(
    "os",
    "Distribution, kernel build and boot line",
    "files /etc/os-release /proc/version /proc/cmdline",
    looks_like=r"^== /etc/os-release$|^!! /etc/os-release ",
    optional=True,
)

# Every two-sample probe takes these two readings: rates are per second of the host's own clock, not of the pause asked for.
UPTIME = Collector(
    "uptime",
    "Time since boot",
    "cat /proc/uptime",
    sampled=True,
    looks_like=r"\A\d+\.\d\d \d+\.\d\d\s*\Z",
)
