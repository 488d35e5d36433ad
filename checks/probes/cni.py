"""cni.config: will the runtime find a CNI configuration that its plugins can serve?

Knowledge: CNI specification, containerd and CRI-O (first file in lexical order wins), CNI plugins 1.1.1 (VERSION answers whatever
is asked; a version that a plugin does not speak shows only when a pod is added).
"""

from __future__ import annotations

from checks.analyzers import cni_faults as faults
from checks.collectors.cni import CNI_AGENTS, CNI_BINS, CNI_CONF, CNI_VERSIONS
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.cni_config import CniConf, CniFiles, parse_binaries, parse_cni_files, parse_versions
from checks.parsers.ip_prefix import Prefix
from checks.parsers.reading import read
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_sections import find_all, lines
from checks.results import Reason, Section, Verdict


def judge(report: Report) -> None:
    files = read(report.need("cni_conf"), parse_cni_files)
    binaries = read(report.need("cni_bins"), parse_binaries) if "cni_bins" in report.sections else None
    versions = read(report.need("cni_versions"), parse_versions) if "cni_versions" in report.sections else {}
    agents = _agents(report.need("cni_agents", rc_ok=(0, 1))) if "cni_agents" in report.sections else None
    bin_dir = report.params.get("bin_dir") or "/opt/cni/bin"
    pod_cidr = report.params.get("pod_cidr")
    _facts(report, files, agents)
    bad = find_all(report, faults.file_faults(files, agents))
    if files.unreadable:
        report.unknown(Reason.NEED_PRIVILEGE, f"{len(files.unreadable)} CNI files may not be read by this user")
    if not files.confs:
        return
    active = files.confs[0]
    if active.stops_early and binaries is None:
        say = f"{active.file} stops before its end; this paste may have been cut"
        report.unknown(Reason.TRUNCATED, say, lines(report, faults.at(active)), "json")
        return
    bad = find_all(report, faults.key_faults(active)) or bad
    bad = bool(binaries and find_all(report, faults.binary_faults(active, binaries, bin_dir))) or bad
    bad = find_all(report, faults.version_faults(active, versions)) or bad
    wanted = Prefix.parse(pod_cidr) if pod_cidr else None
    bad = find_all(report, faults.address_faults(active, wanted, bool(report.params.get("host_ports")))) or bad
    report.fact("supported_versions", {name: list(known) for name, (known, _) in versions.items()})
    if binaries is None:
        report.unknown(Reason.MISSING, "whether the plugins are there cannot be told: cni_bins was not collected")
    elif not bad:
        names = ", ".join(faults.plugin_types(active))
        says = f"{active.file} ({active.name}, CNI {active.version}) is valid, and its plugins are there: {names}"
        report.find("binary", Verdict.OK, says, evidence=lines(report, faults.at(active)))


def _agents(section: Section) -> list[str]:
    if not section.text.rstrip("\n").endswith("== end"):
        raise EvidenceError("the list of agents was cut: its closing line is missing", Reason.TRUNCATED, section.name)
    agents = [line for line in section.lines if line and line != "== end"]
    if strange := set(agents) - faults.KNOWN_AGENTS:
        raise EvidenceError(f"{section.name} names no agent: {min(strange)[:60]!r}", Reason.UNPARSED, section.name, 1)
    return agents


def _facts(report: Report, files: CniFiles, agents: list[str] | None) -> None:
    active: CniConf | None = files.confs[0] if files.confs else None
    report.fact("files", [conf.path for conf in files.confs])
    report.fact("agents", agents)
    report.fact("active", active.path if active else None, "cni_conf", active.line if active else 0)
    report.fact("name", active.name if active else None)
    report.fact("cni_version", active.version if active else None)
    report.fact("plugins", [{"type": plugin.type, "ipam": plugin.ipam or None} for plugin in active.plugins] if active else [])
    report.fact("subnets", [str(net) for plugin in active.plugins for net in plugin.subnets] if active else [])


_SPEC = "CNI specification 0.3.1 to 1.1.0"

PROBES: tuple[Probe, ...] = (
    Probe(
        id="cni.config",
        title="CNI configuration",
        question="Will the runtime find a CNI configuration that its plugins can serve?",
        collectors=(CNI_CONF, CNI_BINS, CNI_VERSIONS, CNI_AGENTS),
        judge=judge,
        params=(
            Param("conf_dir", "path", "/etc/cni/net.d", "the runtime's conf_dir"),
            Param("bin_dir", "path", "/opt/cni/bin", "the runtime's bin_dir; Debian's package installs in /usr/lib/cni"),
            Param("run_plugins", "bool", default=True, help="ask each plugin in use for its versions (CNI_COMMAND=VERSION)"),
            Param("pod_cidr", "cidr", help="the node's spec.podCIDR, for the comparison with host-local"),
            Param("host_ports", "bool", default=False, help="pods of this node use hostPort"),
        ),
        facts=(
            FactSpec("files", "list", "the configuration files in the order they are tried"),
            FactSpec("active", "str", "the file that wins"),
            FactSpec("name", "str", "its network's name"),
            FactSpec("cni_version", "str", "its cniVersion"),
            FactSpec("plugins", "list", "its plugins: type and address manager"),
            FactSpec("subnets", "list", "the networks that host-local hands out; two hosts with one network collide"),
            FactSpec("supported_versions", "dict", "per plugin: the versions it speaks"),
            FactSpec("agents", "list", "agents of network plugins that run here; null when nobody looked"),
        ),
        rules=(
            Rule(
                "no_file",
                "there is no configuration",
                "kubelet: cni plugin not initialized",
                "install the network plugin, or wait for its agent",
            ),
            Rule(
                "many_files",
                "several files compete",
                "containerd and CRI-O take the first in lexical order; multus and istio chain on purpose",
                "move the stale file out of the directory and restart the runtime",
            ),
            Rule("bare_conf", "a single plugin instead of a list", f"{_SPEC}: dropped in 1.0.0", "write a .conflist"),
            Rule("json", "the file is not JSON", _SPEC, "correct the file at the line shown"),
            Rule(
                "keys",
                "a key that every configuration needs is missing",
                _SPEC,
                "add the key; the agent that wrote the file may be too old",
            ),
            Rule(
                "binary",
                "a plugin that the configuration names cannot be run",
                _SPEC,
                "install the plugin in bin_dir, or correct bin_dir",
            ),
            Rule(
                "version", "a plugin does not speak the configuration's version", _SPEC, "upgrade the plugin or lower cniVersion"
            ),
            Rule("ipam", "a plugin that makes devices has no address manager", _SPEC, "add an ipam section"),
            Rule(
                "subnet",
                "host-local hands out another network than the node's",
                "Kubernetes node spec.podCIDR",
                "correct the subnet, drain the node",
            ),
            Rule("portmap", "hostPort is used without portmap", "CNI plugins: portmap", "add portmap to the list"),
        ),
        sources=("containernetworking/cni SPEC.md", "containerd CRI plugin", "CNI plugins 1.1.1"),
    ),
)
