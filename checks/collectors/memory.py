"""Collectors for memory: what the kernel itself keeps, and who drops caches. No collector touches /proc/sys/vm/drop_caches."""

from __future__ import annotations

from checks.collectors.base import Collector

MEMINFO = Collector(
    "meminfo",
    "Memory in use, by kind",
    "cat /proc/meminfo",
    looks_like=r"^(?:MemTotal|SUnreclaim):\s+\d+ kB$",
)

VMSTAT = Collector(
    "vmstat",
    "Counters of dropped caches, out-of-memory kills and stalls",
    "grep -E '^(allocstall|compact_stall|drop_pagecache|drop_slab|oom_kill)' /proc/vmstat",
    sampled=True,
    looks_like=r"^drop_pagecache \d+$",
)

FS_OBJECTS = Collector(
    "fs_objects",
    "Directory entries, inodes and open files in the kernel",
    "files /proc/sys/fs/dentry-state /proc/sys/fs/inode-nr /proc/sys/fs/file-nr",
    looks_like=r"^== /proc/sys/fs/dentry-state$|\A\d+\t\d+\t\d+\t0\t\d+\t0\n\Z",
)

# Only root may read it; without it the report lacks the names of the largest caches, no verdict.
SLABINFO = Collector(
    "slabinfo",
    "Slab caches (root)",
    "if [ -r /proc/slabinfo ]; then cat /proc/slabinfo; else echo unreadable; fi",
    looks_like=r"\Aslabinfo - version: \d|\A\s*Active / Total Objects \(% used\)|^\s*OBJS ACTIVE +USE OBJ SIZE",
    optional=True,
)
