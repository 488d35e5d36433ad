"""cgroup.mode: which cgroup layout is in force, and does it serve what runs here?

Knowledge: cgroups(7), the Kubernetes page "About cgroup v2", systemd issue 19760, NVIDIA/OpenShell issue 360 (failCgroupV1).
"""

from __future__ import annotations

from checks.analyzers.cgroup_mode import ROOT, SYSTEMD_V2_MOUNTS, V1_NAMES, Seen, see
from checks.collectors.cgroup import DRIVERS, KUBELET, MODE, RUNTIME, SYSTEMD
from checks.collectors.kernel import KERNEL
from checks.params import Param
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Evidence, Reason, Verdict

FLAGS = (
    "systemd.unified_cgroup_hierarchy",
    "systemd.legacy_systemd_cgroup_controller",
    "cgroup_no_v1",
    "cgroup_enable",
    "cgroup_disable",
    "cgroup.memory",
    "swapaccount",
)
_UNIFIED = "systemd.unified_cgroup_hierarchy"
_RUNTIME_NEEDS = {"containerd": (1, 4), "crio": (1, 20), "dockerd": (20, 10)}


def judge(report: Report) -> None:
    seen = see(report.sections, report.need)
    _facts(report, seen)
    _judge_asked(report, seen)
    _judge_no_v1(report, seen)
    if seen.whole or _tells_controller(report, seen):
        _judge_controller(report, seen)
    else:
        say = f"the mounts show {seen.layout.mode}; which controllers are in force takes cgroup.controllers and /proc/cgroups"
        report.unknown(Reason.MISSING, say, _mount_lines(report, seen))
    managed = seen.layout.v2 and seen.layout.v2.point in SYSTEMD_V2_MOUNTS  # then nothing on the boot line changes the verdict
    if "flags" not in seen.parts and not (managed and seen.layout.mode == "unified"):
        said = report.findings[-1].say
        say = f"{said}; whether the boot line asks for another layout takes /proc/cmdline"
        report.unknown(Reason.MISSING, say, _mount_lines(report, seen), rule="unified_ignored")
    if seen.layout.mode == "unified":
        _judge_kernel(report, seen)
        _judge_runtimes(report, seen)
    else:
        _judge_kubelet(report, seen)
    _judge_drivers(report, seen)


def _facts(report: Report, seen: Seen) -> None:
    found = seen.layout
    first = found.v2 or (found.v1_mounts[0] if found.v1_mounts else None)
    report.fact("mode", found.mode, "mode", first.line + seen.mounts_at if first else 0)
    report.fact("v1_mounts", {name: mount.point for name, mount in found.v1.items()})
    report.fact("v2_mount", found.v2.point if found.v2 else None)
    report.fact("v2_controllers", seen.v2_controllers)
    if seen.kernel:
        report.fact("kernel", list(seen.kernel.version), "kernel", 1)
    report.fact("systemd_version", seen.systemd, "systemd", 1 if seen.systemd else 0)
    if "flags" in seen.parts:
        report.fact("cmdline", {name: value for name, value in seen.flags.items() if name in FLAGS}, "mode", seen.flags_at + 1)
    report.fact("kubelet_version", ".".join(map(str, seen.kubelet)) if seen.kubelet else None)


def _mount_lines(report: Report, seen: Seen) -> list[Evidence]:
    mounts = [seen.layout.v2] if seen.layout.v2 else seen.layout.v1_mounts[:1]
    return [report.evidence("mode", mount.line + seen.mounts_at, mount.fstype) for mount in mounts]


def _tells_controller(report: Report, seen: Seen) -> bool:
    """True when this part of the evidence shows the controller in force, or off."""
    wanted = report.params.get("controller") or "memory"
    row = seen.rows.get(V1_NAMES.get(wanted, wanted))
    off = row is not None and not row.enabled
    return off or "controllers" in seen.parts or V1_NAMES.get(wanted, wanted) in seen.layout.v1


def _judge_controller(report: Report, seen: Seen) -> None:
    wanted = report.params.get("controller") or "memory"
    v1_name = V1_NAMES.get(wanted, wanted)
    row = seen.rows.get(v1_name)
    evidence = [report.evidence("mode", row.line + seen.rows_at, v1_name)] if row else _mount_lines(report, seen)
    if row and not row.enabled:
        off = seen.flags.get("cgroup_disable", "")
        why = f" (boot line: cgroup_disable={off})" if v1_name in off.split(",") else ""
        report.find("controller", Verdict.CRIT, f"the {wanted} controller is switched off in the kernel{why}", evidence=evidence)
    elif wanted in seen.v2_controllers and seen.layout.v2:
        say = f"{seen.layout.mode}: the {wanted} controller is in force on cgroup v2 at {seen.layout.v2.point}"
        report.find("controller", Verdict.OK, say, evidence=_mount_lines(report, seen))
    elif v1_name in seen.layout.v1:
        mount = seen.layout.v1[v1_name]
        say = f"{seen.layout.mode}: the {wanted} controller is in force on cgroup v1 at {mount.point}"
        line = report.evidence("mode", mount.line + seen.mounts_at, v1_name)
        report.find("controller", Verdict.OK, say, evidence=[line])
    else:
        say = f"{seen.layout.mode}: no hierarchy carries the {wanted} controller, so its limits and accounting are not in force"
        report.find("controller", Verdict.CRIT, say, evidence=evidence)


def _judge_asked(report: Report, seen: Seen) -> None:
    value = seen.flags.get(_UNIFIED)
    asked = value is not None and value.rpartition(",")[2].lower() in ("", "1", "yes", "y", "true", "t", "on")
    if asked and seen.layout.mode != "unified":
        version = f"systemd {seen.systemd}" if seen.systemd else "systemd"
        say = f"the boot line asks for cgroup v2 alone, but the host runs {seen.layout.mode}: {version} did not follow it"
        evidence = [report.evidence("mode", seen.flags_at + 1, _UNIFIED), *_mount_lines(report, seen)]
        report.find("unified_ignored", Verdict.CRIT, say, value=seen.systemd, evidence=evidence)


def _judge_no_v1(report: Report, seen: Seen) -> None:
    if "all" not in seen.flags.get("cgroup_no_v1", "").split(","):
        return
    flag = report.evidence("mode", seen.flags_at + 1, "cgroup_no_v1")
    if not seen.layout.v2:
        say = "cgroup_no_v1=all keeps every controller off v1, and no cgroup2 is mounted: no limit of a unit or pod is in force"
        report.find("no_controllers", Verdict.CRIT, say, evidence=[flag])
    elif seen.layout.v2.point not in SYSTEMD_V2_MOUNTS:
        say = f"cgroup2 was mounted by hand at {seen.layout.v2.point}: its files work, but systemd does not manage it"
        report.find("no_controllers", Verdict.WARN, say, evidence=[flag, *_mount_lines(report, seen)])


def _judge_kernel(report: Report, seen: Seen) -> None:
    if seen.kernel is None:
        report.unknown(Reason.MISSING, "cgroup v2 wants kernel 5.8 or newer, but uname -r was not collected", rule="old_kernel")
    elif seen.kernel.below((5, 8, 0)):
        say = f"cgroup v2 runs on kernel {seen.kernel.text}; Kubernetes asks for 5.8 or newer"
        report.find("old_kernel", Verdict.WARN, say, evidence=[report.evidence("kernel", 1, seen.kernel.text)])


def _judge_runtimes(report: Report, seen: Seen) -> None:
    for line, (name, version) in enumerate(seen.runtimes.items(), 1):
        least = _RUNTIME_NEEDS.get(name, (0, 0))
        if version < least:
            say = f"{name} {version[0]}.{version[1]} cannot use cgroup v2; it needs {least[0]}.{least[1]} or newer"
            report.find("old_runtime", Verdict.CRIT, say, evidence=[report.evidence("runtime", line, name)])


def _judge_kubelet(report: Report, seen: Seen) -> None:
    if not seen.kubelet or seen.kubelet < (1, 31):
        return
    version = f"{seen.kubelet[0]}.{seen.kubelet[1]}"
    evidence = [report.evidence("kubelet", 1, version), *_mount_lines(report, seen)]
    if seen.kubelet >= (1, 35):
        say = f"kubelet {version} refuses to start on {seen.layout.mode} unless failCgroupV1 is set to false"
        report.find("kubelet_refuses", Verdict.CRIT, say, evidence=evidence)
    else:
        say = f"kubelet {version} keeps cgroup v1 in maintenance mode only, and this host runs {seen.layout.mode}"
        report.find("kubelet_refuses", Verdict.INFO, say, evidence=evidence)


def _judge_drivers(report: Report, seen: Seen) -> None:
    kubelet = next((driver for driver in seen.drivers if driver.of_kubelet), None)
    runtimes = [driver for driver in seen.drivers if not driver.of_kubelet]
    if kubelet and runtimes and all(runtime.driver != kubelet.driver for runtime in runtimes):
        say = f"the kubelet uses the {kubelet.driver} cgroup driver, the runtime uses {runtimes[0].driver} ({runtimes[0].path})"
        lines = [report.evidence("drivers", driver.line, driver.path) for driver in (kubelet, *runtimes)]
        report.find("driver_mismatch", Verdict.CRIT, say, evidence=lines)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.mode",
        title="Cgroup layout",
        question="Which cgroup version and which controllers are in force on this host?",
        collectors=(MODE, KERNEL, SYSTEMD, KUBELET, RUNTIME, DRIVERS),
        judge=judge,
        params=(
            Param(
                "controller",
                "enum",
                "memory",
                "the controller that must be in force",
                choices=("cpu", "cpuset", "memory", "pids", "io", "hugetlb"),
            ),
        ),
        facts=(
            FactSpec("mode", "str", "v1, hybrid (v1 controllers and a cgroup2 mount), unified (v2 alone) or none"),
            FactSpec("v1_mounts", "dict", "mount of each v1 controller"),
            FactSpec("v2_mount", "str", f"mount of cgroup2; {ROOT} when unified"),
            FactSpec("v2_controllers", "list", "controllers that cgroup v2 has at its root"),
            FactSpec("systemd_version", "int", "systemd's version"),
            FactSpec("cmdline", "dict", "boot parameters that concern cgroups"),
            FactSpec("kernel", "list", "version numbers, as [4, 19, 90]"),
            FactSpec("kubelet_version", "str", "the kubelet's version, when there is one"),
        ),
        rules=(
            Rule(
                "controller",
                "the wanted controller is switched off or on no hierarchy",
                "cgroups(7); cgroup_disable in the kernel's parameter list",
                "take it out of cgroup_disable on the boot line (Raspberry kernels also want cgroup_enable=memory) and reboot",
            ),
            Rule(
                "unified_ignored",
                "the boot line asks for cgroup v2 alone and the host runs something else",
                "systemd issue 19760; systemd 219 of CentOS 7 does not know the parameter",
                "use a distribution with systemd 226 or newer (244 for all controllers), or drop the parameter",
            ),
            Rule(
                "no_controllers",
                "cgroup_no_v1=all without a cgroup2 that systemd manages",
                "kernel parameter list; measured in the writeup on cgroup v2",
                "drop cgroup_no_v1=all, or boot a systemd that mounts cgroup2 itself",
            ),
            Rule("old_kernel", "cgroup v2 on a kernel below 5.8", "Kubernetes, About cgroup v2", "move to kernel 5.8 or newer"),
            Rule(
                "old_runtime",
                "cgroup v2 with containerd below 1.4, CRI-O below 1.20 or Docker below 20.10",
                "Kubernetes, About cgroup v2",
                "upgrade the runtime before the node runs on cgroup v2",
            ),
            Rule(
                "kubelet_refuses",
                "kubelet 1.35 or newer on a host that is not unified",
                "kubelet failCgroupV1; NVIDIA/OpenShell issue 360",
                "move the host to cgroup v2, or set failCgroupV1: false for the time being",
            ),
            Rule(
                "driver_mismatch",
                "kubelet and runtime use different cgroup drivers",
                "Kubernetes, configuring a cgroup driver",
                "set both to systemd on a systemd host, then drain the node and restart both",
            ),
        ),
        sources=("cgroups(7)", "Kubernetes documentation, About cgroup v2", "systemd issue 19760", "kernel parameter list"),
    ),
)
