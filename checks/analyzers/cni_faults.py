"""Faults of a CNI configuration: the file that wins, its keys, its plugins' binaries and versions, its addresses.

Knowledge: the CNI specification (0.3.1 to 1.1.0; 1.0.0 dropped the bare .conf form), containerd and CRI-O, which take the first
file in lexical order, and the messages they log.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from checks.analyzers.ip_fault import Fault, Place
from checks.parsers.cni_config import CniBinaries, CniConf, CniFiles
from checks.parsers.ip_prefix import Prefix
from checks.results import Verdict

AGENTS = {
    "calico": "calico-node",
    "flannel": "flanneld",
    "cilium-cni": "cilium-agent",
    "weave-net": "weaver",
    "antrea": "antrea-agent",
    "ovn-k8s-cni-overlay": "ovnkube",
    "aws-cni": "aws-k8s-agent",
    "kindnet": "kindnetd",
}
KNOWN_AGENTS = frozenset(AGENTS.values()) | {"kube-router", "azure-npm"}
_CHAINING = frozenset({"multus", "istio-cni", "linkerd-cni", "cilium-cni"})


def at(conf: CniConf, mark: str = "") -> Place:
    """Where the file's text begins."""
    return ("cni_conf", conf.error_line or conf.line, mark)


def file_faults(files: CniFiles, agents: Collection[str] | None) -> list[Fault]:
    """No file, more than one, the wrong one first, the old form."""
    if not files.confs:
        where = f": {files.missing_dir} does not exist" if files.missing_dir else ""
        return [Fault("no_file", Verdict.CRIT, f"no CNI configuration{where}: the runtime reports 'cni plugin not initialized'")]
    first, faults = files.confs[0], []
    if len(files.confs) > 1:
        names = ", ".join(conf.file for conf in files.confs[:4])
        wrong = _wrong_agent(first, agents)
        says = f"{len(files.confs)} files ({names}): the runtime takes {first.file}"
        says += f", but {' and '.join(wrong)} runs and no agent of its plugin does" if wrong else ""
        lines = tuple(at(conf) for conf in files.confs[:4])
        faults.append(Fault("many_files", Verdict.CRIT if wrong else Verdict.WARN, says, lines, len(files.confs)))
    if not first.is_list and not first.error and len(first.plugins) == 1 and "plugins" not in first.plugins[0].keys:
        if first.version and _number(first.version) >= (1, 0, 0):
            says = f"{first.file} is a single plugin with cniVersion {first.version}; since 1.0.0 only lists are valid"
            faults.append(Fault("bare_conf", Verdict.CRIT, says, (at(first),), first.version))
        else:
            says = f"{first.file} has the form of a single plugin, which CNI 1.0.0 dropped"
            faults.append(Fault("bare_conf", Verdict.WARN, says, (at(first),), first.version))
    return faults


def _wrong_agent(first: CniConf, agents: Collection[str] | None) -> list[str]:
    """The agents that run although none of them belongs to the file that wins; empty when that cannot be said."""
    mine = {AGENTS[plugin.type] for plugin in first.plugins if plugin.type in AGENTS}
    chained = any(plugin.type in _CHAINING for plugin in first.plugins)
    return sorted(agents) if agents and mine and not chained and not mine & set(agents) else []


def key_faults(conf: CniConf) -> list[Fault]:
    """What the specification wants in every configuration."""
    if conf.error:
        says = f"{conf.file} is not valid JSON ({conf.error})"
        return [Fault("json", Verdict.CRIT, says, (at(conf),))]
    missing = [
        key for key, found in (("name", conf.name), ("cniVersion", conf.version), ("plugins", conf.has_plugins)) if not found
    ]
    faults = []
    if conf.is_misnamed:
        says = f"{conf.file} holds a list of plugins, which only a .conflist may: the runtime looks for a type, and there is none"
        faults.append(Fault("keys", Verdict.CRIT, says, (at(conf),), "type"))
    if missing:
        says = f"{conf.file} lacks {' and '.join(missing)}"
        faults.append(Fault("keys", Verdict.CRIT, says, (at(conf),), missing[0]))
    nameless = sum(not plugin.type for plugin in conf.plugins)
    if nameless and conf.has_plugins:
        faults.append(
            Fault("keys", Verdict.CRIT, f"{conf.file}: {nameless} of {len(conf.plugins)} plugins have no type", (at(conf),))
        )
    return faults


def plugin_types(conf: CniConf) -> list[str]:
    """The binaries it needs: its plugins' and their address managers'."""
    names = [name for plugin in conf.plugins for name in (plugin.type, plugin.ipam) if name]
    return list(dict.fromkeys(names))


def binary_faults(conf: CniConf, binaries: CniBinaries, wanted_dir: str) -> list[Fault]:
    """A plugin that is missing, not executable, or only in another directory."""
    faults = []
    for name in plugin_types(conf):
        elsewhere = [directory for directory in binaries.where(name) if directory != wanted_dir]
        if wanted_dir in binaries.where(name):
            continue
        here = name in binaries.dirs.get(wanted_dir, {})
        says = f"{conf.file} needs {name}, which is {'not executable' if here else 'not'} in {wanted_dir}"
        says += f"; it is in {elsewhere[0]}" if elsewhere else ""
        lines = (at(conf), ("cni_bins", binaries.lines.get(f"{wanted_dir}/{name}", 0), name))
        faults.append(Fault("binary", Verdict.CRIT, says, lines, name))
    return faults


def version_faults(conf: CniConf, versions: Mapping[str, tuple[tuple[str, ...], int]]) -> list[Fault]:
    """A plugin that does not speak the configuration's version: it answers VERSION, and fails only when a pod is added."""
    faults = []
    for name in [*plugin_types(conf), "loopback"]:
        known, line = versions.get(name, ((), 0))
        if known and conf.version and conf.version not in known:
            says = f"{conf.file} asks for CNI {conf.version}, and {name} speaks only {', '.join(known)}"
            faults.append(Fault("version", Verdict.CRIT, says, (at(conf), ("cni_versions", line, "")), conf.version))
    return faults


def address_faults(conf: CniConf, pod_cidr: Prefix | None, host_ports: bool) -> list[Fault]:
    """No address manager, another network than the node's, no portmap where host ports are used."""
    faults = []
    for plugin in conf.plugins:
        if plugin.type in ("bridge", "ptp", "macvlan", "ipvlan", "vlan") and not plugin.ipam and "ipam" not in plugin.keys:
            faults.append(
                Fault(
                    "ipam", Verdict.WARN, f"{conf.file}: {plugin.type} has no ipam: pods get no address", (at(conf),), plugin.type
                )
            )
        wrong = [net for net in plugin.subnets if pod_cidr and net.family == pod_cidr.family and net != pod_cidr]
        if wrong and plugin.ipam == "host-local":
            says = f"{conf.file}: host-local hands out {wrong[0]}, the node's pod network is {pod_cidr}"
            faults.append(Fault("subnet", Verdict.CRIT, says, (at(conf),), str(wrong[0])))
    if host_ports and not any(plugin.type == "portmap" for plugin in conf.plugins):
        faults.append(Fault("portmap", Verdict.WARN, f"{conf.file} has no portmap plugin: hostPort does nothing", (at(conf),)))
    return faults


def _number(version: str) -> tuple[int, ...]:
    parts = version.split(".")
    return (
        tuple(int(part) for part in parts) if all(part.isascii() and part.isdecimal() and len(part) < 6 for part in parts) else ()
    )
