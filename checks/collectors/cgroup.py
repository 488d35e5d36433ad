"""Collectors for control groups: the layout, and the state of the memory controller."""

from __future__ import annotations

from checks.collectors.base import Collector

_MOUNT_OF_V2 = r"""awk '$0 ~ / - cgroup2 / { print $5; exit }' /proc/self/mountinfo"""

# Of mountinfo only the cgroup rows: a node with many containers mounts thousands of file systems.
MODE = Collector(
    "mode",
    "Cgroup mounts, controllers and boot line",
    rf"""
v2=$({_MOUNT_OF_V2}); v2=${{v2:-/sys/fs/cgroup}}
printf '== /proc/self/mountinfo\n'; grep -E ' - cgroup2? ' /proc/self/mountinfo; printf '\n'
files /proc/cgroups /proc/1/cgroup /proc/cmdline "$v2/cgroup.controllers" "$v2/cgroup.subtree_control"
""",
    looks_like=r"^== /proc/self/mountinfo$|^\d+ \d+ \d+:\d+ \S+ \S+ \S+.* - cgroup2? \S+ ",
)

SYSTEMD = Collector(
    "systemd",
    "systemd's version",
    "if have systemctl; then systemctl --version; else echo absent; fi",
    looks_like=r"\Asystemd \d+\b",
    optional=True,
)

KUBELET = Collector(
    "kubelet",
    "The kubelet's version",
    "if have kubelet; then kubelet --version; else echo absent; fi",
    looks_like=r"\AKubernetes v\d+\.\d+",
    optional=True,
)

RUNTIME = Collector(
    "runtime",
    "Versions of the container runtimes",
    """
for tool in containerd crio dockerd; do
  if have "$tool"; then printf '%s: ' "$tool"; "$tool" --version 2>/dev/null | head -n 1; fi
done
echo end
""",
    looks_like=r"^(containerd|crio|dockerd): \S",
    optional=True,
)

DRIVERS = Collector(
    "drivers",
    "Cgroup drivers of the kubelet and the runtimes",
    """
for f in /var/lib/kubelet/config.yaml /var/lib/kubelet/kubeadm-flags.env /etc/containerd/config.toml /etc/crio/crio.conf \
    /etc/crio/crio.conf.d/*.conf /etc/docker/daemon.json; do
  [ ! -r "$f" ] || grep -nE 'cgroupDriver|cgroup-driver|SystemdCgroup|cgroup_manager|native[.]cgroupdriver' "$f" /dev/null
done
echo end
""",
    looks_like=r"^/\S+:\d+:.*(cgroupDriver|cgroup-driver|SystemdCgroup|cgroup_manager|native\.cgroupdriver)",
    optional=True,
)

CGROUPS = Collector(
    "cgroups",
    "Controllers and their number of cgroups",
    "cat /proc/cgroups",
    looks_like=r"\A#subsys_name\s+hierarchy\s+num_cgroups\s+enabled",
)

# The count, the mount it was taken from, that mount's root, and the cgroup namespace: a container sees only its own subtree.
MEMCG_DIRS = Collector(
    "memcg_dirs",
    "Visible memory cgroups (v1)",
    r"""
set -- $(awk '$0 ~ / - cgroup / && $NF ~ /(^|,)memory(,|$)/ { print $5, $4; exit }' /proc/self/mountinfo)
if [ -z "$1" ]; then echo 'no v1 memory hierarchy'; exit 0; fi
count=$(find "$1" -xdev -type d | wc -l)
printf '%d %s %s %s\n' "$count" "$1" "$2" "$(readlink /proc/self/ns/cgroup)"
""",
    looks_like=r"\A\d+ /\S+ /|\Ano v1 memory hierarchy$",
    timeout_s=20,
)

CGSTAT = Collector(
    "cgstat",
    "Live and dying cgroups (v2)",
    rf"""
v2=$({_MOUNT_OF_V2})
if [ -z "$v2" ]; then echo 'no cgroup2 mount'; exit 0; fi
files "$v2/cgroup.stat" "$v2/cgroup.controllers"
""",
    looks_like=r"^nr_descendants \d+\nnr_|^== \S+/cgroup\.stat$|\Ano cgroup2 mount$",
)
