"""cgroup.path: in which cgroups does that process sit? And what the probes of one cgroup share: its samples, or why none.

Knowledge: cgroups(7); path layouts of the kubelet's two cgroup drivers, docker, containerd, CRI-O and podman.
"""

from __future__ import annotations

from checks.analyzers.cgroup_mode import layout
from checks.analyzers.cgroup_path import read_path
from checks.collectors.cgroup_target import CGROUP_PATH, POD_PARAM, TARGET_PARAMS
from checks.errors import EvidenceError
from checks.parsers.cgroup_pasted import parse_pasted
from checks.parsers.cgroup_tree import Tree, parse_tree
from checks.parsers.mountinfo import parse_mountinfo
from checks.parsers.proc_process import parse_process_cgroup
from checks.parsers.reading import is_files, read, read_file, whole_numbers
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.results import Reason, Verdict

TARGET_FACTS = (
    FactSpec("path", "str", "the cgroup's path below its mount"),
    FactSpec("cgroup_version", "str", "v1 or v2: the hierarchy that carries the controller"),
    FactSpec("pid", "int", "the process by which the cgroup was found"),
)


def samples(report: Report, name: str) -> tuple[Tree, Tree] | None:
    """Both samples of one cgroup and its ancestors; None when the target is not there, which the report then says.

    Of files that were pasted once, both samples are one and the same tree.
    """
    before = tree(report, f"{name}_a")
    after = before if before.pasted and f"{name}_b" not in report.sections else tree(report, f"{name}_b")
    if not before.levels and not after.levels:
        absent(report, hidden=after.hidden)
        return None
    if [level.path for level in before.levels] != [level.path for level in after.levels]:
        raise EvidenceError(
            "the cgroup or its process came, went or moved between the samples", Reason.COUNTER_RESET, f"{name}_b"
        )
    if [list(level.files) for level in before.levels] != [list(level.files) for level in after.levels]:
        raise EvidenceError("the samples do not hold the same files", Reason.TRUNCATED, f"{name}_b")
    report.fact("path", after.leaf.path, after.leaf.section, next(iter(after.leaf.lines.values()), 0))
    report.fact("cgroup_version", after.version)
    report.fact("pid", after.pid)
    return before, after


def tree(report: Report, name: str) -> Tree:
    """One section of a cgroup and its ancestors, whose levels know the section that they are of."""
    section = report.need(name)
    collected = not section.text.strip() or "== pids\n".startswith(section.text[:8])
    found = read(section, parse_tree if collected else parse_pasted)
    for level in found.levels:
        level.section = name
    return found


def unseen(report: Report, found: Tree, what: str, rule: str) -> None:
    """Say that the limits of the cgroups above, which count as well, were not pasted."""
    if found.pasted and found.levels[-1].path != "/":
        say = f"only {' and '.join(level.path for level in found.levels)} was pasted; {what} of the cgroups above count as well"
        report.unknown(Reason.MISSING, say, rule=rule)
    elif found.pasted:
        say = f"what was pasted may lack cgroups, or be seen from inside a container; {what} of those above count as well"
        report.unknown(Reason.MISSING, say, rule=rule)


def absent(report: Report, *, hidden: bool) -> None:
    """Say why nothing was found: hidden, not running, no such process, or nothing asked for."""
    asked = {name: report.params[name] for name in ("pid", "process", "container", "path", "pod") if report.params.get(name)}
    if not asked:
        report.unknown(Reason.PARAM_INVALID, "give a pid, the name of a process, a container id or the path of a cgroup")
    elif hidden:
        report.unknown(Reason.NEED_PRIVILEGE, "/proc hides the processes of other users from this one (hidepid)")
    elif list(asked) == ["process"]:
        report.skip(f"no process is called {asked['process']} on this host")
    else:
        name, value = next(iter(asked.items()))
        what = {"pid": "no process", "container": "no process of container", "pod": "no process of pod"}.get(name, "no cgroup at")
        report.unknown(Reason.MISSING, f"there is {what} {value} on this host")


def judge_path(report: Report) -> None:
    section = report.need("cgroup_path")
    if is_files(section):
        mounts, _ = read_file(section, "/proc/self/mountinfo", parse_mountinfo)
        pids, _ = read_file(section, "pids", whole_numbers)
        if not pids:
            absent(report, hidden="hidepid=" in read_file(section, "proc mount", str)[0])
            return
    else:
        mounts, pids = [], []
    paths, shift = read_file(section, "/cgroup", parse_process_cgroup)
    main = paths.get("memory", paths.get(""))
    if main is None:
        raise EvidenceError(
            "/proc/PID/cgroup has neither a memory row nor that of cgroup v2; it was cut", Reason.TRUNCATED, "cgroup_path"
        )
    line = next(
        (number for number, text in enumerate(section.lines, 1) if number > shift and text.endswith(f":{main}")), shift + 1
    )
    parts = read_path(main)
    report.fact("path", main, "cgroup_path", line)
    report.fact("paths", paths)
    report.fact("pids", pids)
    found = layout(mounts)
    report.fact("directories", {name: found.v1[name].point + path for name, path in paths.items() if name in found.v1})
    report.fact("v2_directory", found.v2.point + paths[""] if found.v2 and "" in paths else None)
    for name in ("pod_uid", "container_id", "qos", "runtime", "unit"):
        report.fact(name, getattr(parts, name), "cgroup_path", line)
    _judge_main(report, main, line)


def _judge_main(report: Report, main: str, line: int) -> None:
    evidence = [report.evidence("cgroup_path", line, main)]
    if f"{main}/".startswith("/../"):
        say = f"the path {main} is seen from inside another cgroup namespace: collect on the host itself"
        report.unknown(Reason.MISSING, say, evidence, rule="namespace")
    elif main == "/":
        say = "the process sits in the root cgroup: no limit but the host's applies (or /proc was read inside a container)"
        report.find("root_cgroup", Verdict.INFO, say, evidence=evidence)
    else:
        report.find("namespace", Verdict.OK, f"the process sits in {main}", evidence=evidence)


PROBES: tuple[Probe, ...] = (
    Probe(
        id="cgroup.path",
        title="Cgroup of a process",
        question="In which cgroups does that process, container or pod sit?",
        collectors=(CGROUP_PATH,),
        judge=judge_path,
        params=(*TARGET_PARAMS[:3], POD_PARAM),
        facts=(
            FactSpec("path", "str", "its memory cgroup, or its cgroup v2"),
            FactSpec("paths", "dict", "its path in each hierarchy; v2 under the empty name"),
            FactSpec("directories", "dict", "its directory in each v1 hierarchy"),
            FactSpec("v2_directory", "str", "its directory in cgroup v2"),
            FactSpec("pids", "list", "all processes that match"),
            FactSpec("pod_uid", "str", "its pod"),
            FactSpec("container_id", "str", "its container"),
            FactSpec("qos", "str", "its pod's class: guaranteed, burstable or besteffort"),
            FactSpec("runtime", "str", "its container runtime, where the path names one"),
            FactSpec("unit", "str", "its systemd unit"),
        ),
        rules=(
            Rule("root_cgroup", "the process sits in the root cgroup", "cgroups(7)"),
            Rule("namespace", "the path is seen from inside another cgroup namespace", "cgroup_namespaces(7)"),
        ),
        sources=("cgroups(7)", "cgroup_namespaces(7)", "Kubernetes documentation, node allocatable and cgroup drivers"),
    ),
)
