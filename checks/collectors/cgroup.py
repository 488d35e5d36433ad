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
    looks_like=r"^== /proc/self/mountinfo$|^\d+ \d+ \d+:\d+ \S+ \S+ \S+.* - cgroup2? \S+ "
    r"|^\S+ on /\S* type cgroup2? \(|^\S+ /\S* cgroup2? (rw|ro)\S* 0 0$",
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
    looks_like=r"^#subsys_name\s+hierarchy\s+num_cgroups\s+enabled|^memory\s+\d+\s+\d+\s+[01]\s*$",
)

_MOUNT_OF_V1_MEMORY = r"""awk '$0 ~ / - cgroup / && $NF ~ /(^|,)memory(,|$)/ { print $5, $4; exit }' /proc/self/mountinfo"""

# The count, the mount it was taken from, that mount's root, and the cgroup namespace: a container sees only its own subtree.
MEMCG_DIRS = Collector(
    "memcg_dirs",
    "Visible memory cgroups (v1)",
    rf"""
set -- $({_MOUNT_OF_V1_MEMORY})
if [ -z "$1" ]; then echo 'no v1 memory hierarchy'; exit 0; fi
count=$(find "$1" -xdev -type d 2>/dev/null | wc -l)
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
printf '== cgroup namespace\n%s\n\n' "$(readlink /proc/self/ns/cgroup)"
files "$v2/cgroup.stat" "$v2/cgroup.controllers"
""",
    shows=("*/cgroup.stat",),
    looks_like=r"\A== cgroup namespace$|^nr_descendants \d+\nnr_|^== \S+/cgroup\.stat$|\Ano cgroup2 mount$",
)

# Reading these files is the very load that stalls a bad host. So the host itself decides, before it reads: fewer than 10,000
# dying memory cgroups, or kernel 5.8 or newer. That bound is for safety: no runbook moves it. A slow first read stops the second.
TIMED = Collector(
    "timed",
    "How long memory.numa_stat and memory.stat take to read",
    rf"""
kernel=$(uname -r); major=${{kernel%%.*}}; minor=${{kernel#*.}}; minor=${{minor%%[!0-9]*}}
set -- $({_MOUNT_OF_V1_MEMORY}); root=$1
if [ -n "$root" ]; then
  total=$(awk '$1 == "memory" && $3 ~ /^[0-9]+$/ {{ print $3 }}' /proc/cgroups)
  visible=$(find "$root" -xdev -type d 2>/dev/null | wc -l)
  dying=$((${{total:-999999}} - visible))
else
  root=$({_MOUNT_OF_V2})
  dying=$(awk '$1 == "nr_dying_descendants" {{ print $2 }}' "$root/cgroup.stat")
fi
printf 'kernel %s\ndying %s\n' "$kernel" "$dying"
safe=no
case $dying$major$minor in *[!0-9]*) ;; *)
  if [ "${{major:-0}}" -gt 5 ] || {{ [ "${{major:-0}}" -eq 5 ] && [ "${{minor:-0}}" -ge 8 ]; }}; then safe=yes
  elif [ -n "$dying" ] && [ "$dying" -lt 10000 ]; then safe=yes; fi ;;
esac
for file in memory.numa_stat memory.stat; do
  if [ "$safe" = no ]; then printf '%s withheld\n' "$file"; continue; fi
  if [ ! -r "$root/$file" ]; then printf '%s absent\n' "$file"; continue; fi
  read -r from _ </proc/uptime; cat "$root/$file" >/dev/null; read -r to _ </proc/uptime
  printf '%s %s %s\n' "$file" "$from" "$to"
  if [ $((${{to%.*}} - ${{from%.*}})) -gt 1 ]; then safe=no; fi
done
echo end
""",
    looks_like=r"^memory\.numa_stat (withheld|absent|\d+\.\d+ \d+\.\d+)$",
    only_if="timed",
    timeout_s=30,
)
