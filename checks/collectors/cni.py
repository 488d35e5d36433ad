"""Collectors of the CNI family: configuration files, plugin binaries, the versions they speak, running agents.

Only *.conf, *.conflist and *.json of the directory are read: kubeconfig files beside them hold tokens.
"""

from __future__ import annotations

from checks.collectors.base import Collector

CNI_CONF = Collector(
    "cni_conf",
    "CNI configuration files",
    r"""
# In the usual folder: files /etc/cni/net.d/*.conf /etc/cni/net.d/*.conflist /etc/cni/net.d/*.json
if [ -d "$1" ] && { [ ! -r "$1" ] || [ ! -x "$1" ]; }; then printf '!! %s unreadable\n== end\n' "$1"; exit 0; fi
if [ ! -d "$1" ]; then printf '!! %s missing\n== end\n' "$1"; exit 0; fi
cd "$1" || exit 1
set --
for _c in *.conf *.conflist *.json; do [ -e "$_c" ] && set -- "$@" "$PWD/$_c"; done
files "$@"
""",
    args=("conf_dir",),
    looks_like=r"^== /\S+/net\.d/\S+\.(?:conf|conflist|json)$|^!! /\S+/net\.d (?:missing|unreadable)$",
)

CNI_BINS = Collector(
    "cni_bins",
    "CNI plugin binaries",
    r"""
list() { # $1: a directory of plugins
  printf '== %s\n' "$1"
  for _b in "$1"/*; do
    if [ -d "$_b" ] || [ ! -e "$_b" ]; then continue; fi
    if [ -x "$_b" ]; then printf 'x %s\n' "${_b##*/}"; else printf -- '- %s\n' "${_b##*/}"; fi
  done
  printf '\n'
}
_seen=" "
for _d in "$1" /opt/cni/bin /usr/lib/cni /usr/libexec/cni /usr/local/lib/cni; do
  case $_seen in *" $_d "*) continue;; esac
  _seen="$_seen$_d "
  if [ -d "$_d" ]; then list "$_d"; else printf '!! %s missing\n' "$_d"; fi
done
printf '== end\n'
""",
    args=("bin_dir",),
    looks_like=r"^== /\S*/cni(?:/bin)?\n[x-] ",
)

CNI_VERSIONS = Collector(
    "cni_versions",
    "CNI versions that the plugins in use speak",
    r"""
cd "$1" 2>/dev/null || { printf '== end\n'; exit 0; }
_types=$(cat *.conf *.conflist *.json 2>/dev/null | tr ',{}' '\n\n\n' |
  sed -n 's/.*"type"[[:space:]]*:[[:space:]]*"\([A-Za-z0-9_.-]*\)".*/\1/p' | sort -u)
for _t in $_types loopback; do
  [ -x "$2/$_t" ] && [ -f "$2/$_t" ] || continue
  printf '== %s/%s\n' "$2" "$_t"
  printf '{"cniVersion":"1.0.0"}\n' | CNI_COMMAND=VERSION "$2/$_t" 2>/dev/null
  printf '\n\n'
done
printf '== end\n'
""",
    args=("conf_dir", "bin_dir"),
    only_if="run_plugins",
    looks_like=r'"supportedVersions"\s*:',
    optional=True,
)

_AGENTS = "calico-node|flanneld|cilium-agent|weaver|kube-router|antrea-agent|ovnkube|aws-k8s-agent|azure-npm|kindnetd"

CNI_AGENTS = Collector(
    "cni_agents",
    "Running agents of network plugins",
    f"""for _p in /proc/[0-9]*/comm; do cat "$_p" 2>/dev/null; done | grep -Ex '{_AGENTS}' | sort -u
printf '== end\\n'""",
    looks_like=rf"\A(?:(?:{_AGENTS})\n)+== end$",
    optional=True,
)
