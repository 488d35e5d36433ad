"""Control groups as people paste them: prompts, several commands, single files, one sample. No damage of the paste gives ok."""

from __future__ import annotations

from typing import Any

import pytest

from checks.catalog import get
from checks.offline import Given, gather
from checks.params import read_all
from checks.results import ProbeResult, Reason, Verdict

CGROUPS = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t3\t301\t1\nmemory\t7\t13302\t1\npids\t6\t302\t1\n"
DYING = f"""root@node-7:~# uname -r
4.15.0-112-generic
root@node-7:~# cat /proc/cgroups
{CGROUPS}root@node-7:~# find /sys/fs/cgroup/memory -type d | wc -l
301
"""
HYBRID = """tmpfs on /sys/fs/cgroup type tmpfs (ro,nosuid,nodev,noexec,mode=755)
cgroup2 on /sys/fs/cgroup/unified type cgroup2 (rw,nosuid,nodev,noexec,relatime)
cgroup on /sys/fs/cgroup/systemd type cgroup (rw,nosuid,nodev,noexec,relatime,xattr,name=systemd)
cgroup on /sys/fs/cgroup/memory type cgroup (rw,nosuid,nodev,noexec,relatime,memory)
cgroup on /sys/fs/cgroup/cpu,cpuacct type cgroup (rw,nosuid,nodev,noexec,relatime,cpu,cpuacct)
"""
BOOT = "BOOT_IMAGE=/vmlinuz-4.19.0 root=UUID=1 ro quiet\n"


def judge(probe_id: str, *texts: str, **params: Any) -> ProbeResult:
    probe = get(probe_id)
    given = gather(probe, [Given("", f"paste-{n}", text.encode()) for n, text in enumerate(texts)])
    return probe.evaluate(given.sections, read_all(probe.params, params))


def told(result: ProbeResult) -> tuple[str, str]:
    return str(result.verdict), next(found.rule for found in result.findings if found.verdict == result.verdict)


@pytest.mark.parametrize("change", [
    lambda text: text,
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("root@node-7:~#", "$"),
    lambda text: text.replace("root@node-7:~#", "#"),
    lambda text: text.replace("root@node-7:~#", "[root@node-7 ~]#"),
    lambda text: text.replace("\t", "      "),
    lambda text: "```console\n" + text + "```\n",
    lambda text: "".join(f"    {line}" for line in text.splitlines(keepends=True)),
    lambda text: text.replace("cat /proc/cgroups", "cat /proc/cgroups | grep memory").replace("cpu\t3\t301\t1\n", ""),
])  # fmt: skip
def test_it_counts_dying_memory_cgroups_in_a_session(change: Any) -> None:
    result = judge("cgroup.memcg_dying", change(DYING))
    assert told(result) == ("crit", "dying")
    assert result.facts["memcg_dying"] == 13001


def test_it_does_not_count_a_branch_for_the_tree() -> None:
    branch = DYING.replace("cgroup/memory -type", "cgroup/memory/kubepods -type")
    assert told(judge("cgroup.memcg_dying", branch)) == ("unknown", "dying")
    stat = "$ cat /sys/fs/cgroup/kubepods.slice/cgroup.stat\nnr_descendants 9\nnr_dying_descendants 0\n"
    assert judge("cgroup.memcg_dying", stat).reason == Reason.MISSING


def test_it_tells_every_damage_of_the_session_from_health() -> None:
    for end in range(len(DYING)):
        assert judge("cgroup.memcg_dying", DYING[:end]).verdict in (Verdict.CRIT, Verdict.UNKNOWN), DYING[:end]


@pytest.mark.parametrize("text", [
    f"# mount | grep cgroup\n{HYBRID}# cat /proc/cmdline\n{BOOT}",
    f"$ cat /proc/cmdline\n{BOOT}$ mount | grep cgroup\n{HYBRID}",
    HYBRID + CGROUPS + "0::/init.scope\n" + BOOT,
    "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,nosuid 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n" + BOOT,
    "31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 c rw\n42 30 0:38 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    + BOOT,
])  # fmt: skip
def test_it_tells_the_layout_from_mounts_in_any_form(text: str) -> None:
    result = judge("cgroup.mode", text)
    assert told(result) == ("ok", "controller")
    assert result.facts["mode"] == "hybrid"


def test_it_names_what_the_mounts_alone_do_not_tell() -> None:
    result = judge("cgroup.mode", HYBRID)
    assert told(result) == ("unknown", "unified_ignored")
    assert "hybrid: the memory controller is in force on cgroup v1 at /sys/fs/cgroup/memory" in result.finding
    asked = judge(
        "cgroup.mode", f"# mount | grep cgroup\n{HYBRID}# cat /proc/cmdline\n{BOOT[:-1]} systemd.unified_cgroup_hierarchy=1\n"
    )
    assert told(asked) == ("crit", "unified_ignored")


def test_it_wants_the_controllers_of_cgroup_v2() -> None:
    mount = "$ mount -t cgroup2\ncgroup2 on /sys/fs/cgroup type cgroup2 (rw,nsdelegate)\n$ uname -r\n6.1.0-18-amd64\n"
    assert told(judge("cgroup.mode", mount)) == ("unknown", "evidence")
    controllers = "$ cat /sys/fs/cgroup/cgroup.controllers\ncpuset cpu io {}pids\n"
    assert told(judge("cgroup.mode", mount + controllers.format("memory "))) == ("ok", "controller")
    assert told(judge("cgroup.mode", mount + controllers.format(""))) == ("crit", "controller")


CPU = "/sys/fs/cgroup/cpu/kubepods/pod1/c1"
STAT = "nr_periods {}\nnr_throttled {}\nthrottled_time {}\n"
BEFORE, AFTER = STAT.format(15563, 12337, 1130943209218), STAT.format(15663, 12427, 1138943209218)


def test_it_compares_two_pasted_samples_of_cpu_stat() -> None:
    text = f"# cat {CPU}/cpu.stat\n{BEFORE}# sleep 10\n# cat {CPU}/cpu.stat\n{AFTER}"
    result = judge("cgroup.cpu", text)
    assert told(result) == ("crit", "throttled")
    assert "/kubepods/pod1/c1 was throttled in 90 of 100 periods (90%), each time for 89 ms" in result.finding
    assert told(judge("cgroup.cpu", f"$ cat cpu.stat; sleep 10; cat cpu.stat\n{BEFORE}{AFTER}")) == ("crit", "throttled")


@pytest.mark.parametrize("text", [BEFORE, f"/ # cat cpu.stat\n{BEFORE}", f"$ kubectl exec web-0 -- cat {CPU}/cpu.stat\n{BEFORE}"])
def test_it_tells_what_one_sample_of_a_counter_tells(text: str) -> None:
    result = judge("cgroup.cpu", text)
    assert (told(result), result.reason) == (("unknown", "throttled"), Reason.MISSING)
    assert "12337 of 15563 periods (79%)" in result.finding
    assert [line.text for line in result.findings[0].evidence] == ["nr_throttled 12337"]


def test_it_never_calls_a_pasted_cgroup_ok_without_those_above_it() -> None:
    calm = f"# cat {CPU}/cpu.stat\n{BEFORE}# cat {CPU}/cpu.stat\n{STAT.format(15663, 12337, 1130943209218)}"
    assert told(judge("cgroup.cpu", calm)) == ("unknown", "tighter_above")
    assert (
        judge("cgroup.pids", "# cat /sys/fs/cgroup/pids/a/pids.current /sys/fs/cgroup/pids/a/pids.max\n5\n900\n").verdict
        == "unknown"
    )
    room = "# cat /sys/fs/cgroup/a/memory.current\n5000\n# cat /sys/fs/cgroup/a/memory.max\n900000\n"
    assert told(judge("cgroup.memory", room)) == ("unknown", "working_set")


@pytest.mark.parametrize(("probe_id", "text", "rule", "line"), [
    ("cgroup.pids", "/ # cat pids.current pids.max\n1024\n1024\n", "limit", "1024"),
    ("cgroup.pids", "$ cat /sys/fs/cgroup/user.slice/pids.{current,max,events}\n10813\n10813\nmax 44\n", "limit", "10813"),
    ("cgroup.memory", "# cat /sys/fs/cgroup/memory/a/memory.oom_control\noom_kill_disable 1\nunder_oom 1\n", "oom_stuck",
     "oom_kill_disable 1"),
    ("cgroup.memory", ("$ cat memory.usage_in_bytes memory.limit_in_bytes\n530000000\n536870912\n"
     "$ grep inactive_file memory.stat\ninactive_file 0\ntotal_inactive_file 540672\n"), "working_set", "530000000"),
    ("cgroup.freezer", "# cat /sys/fs/cgroup/freezer/docker/a/freezer.state\nFROZEN\n", "frozen", "FROZEN"),
    ("cgroup.freezer", "# cat /sys/fs/cgroup/a/cgroup.freeze\n1\n# cat /sys/fs/cgroup/a/cgroup.events\npopulated 1\nfrozen 1\n",
     "frozen", "frozen 1"),
    ("cgroup.psi", ("$ cat /proc/pressure/memory\nsome avg10=70.24 avg60=68.52 avg300=69.91 total=9\n"
     "full avg10=57.59 avg60=58.06 avg300=60.38 total=9\n"), "memory", "full avg10=57.59 avg60=58.06 avg300=60.38 total=9"),
])  # fmt: skip
def test_it_judges_what_one_look_shows(probe_id: str, text: str, rule: str, line: str) -> None:
    result = judge(probe_id, text)
    assert told(result) == ("crit", rule)
    found = next(found for found in result.findings if found.rule == rule and found.verdict == Verdict.CRIT)
    assert line in [evidence.text for evidence in found.evidence]


def test_it_tells_kills_of_the_past_from_kills_of_now() -> None:
    events = "low 0\nhigh 0\nmax {}\noom 31\noom_kill {}\n"
    once = judge("cgroup.memory", "# cat /sys/fs/cgroup/a/memory.events\n" + events.format(90, 31))
    assert told(once) == ("unknown", "oom_kill")
    assert "31 processes of /a were killed for want of memory since it was made" in once.finding
    twice = events.format(90, 31) + "# cat /sys/fs/cgroup/a/memory.events\n" + events.format(99, 33)
    assert told(judge("cgroup.memory", "# cat /sys/fs/cgroup/a/memory.events\n" + twice)) == ("crit", "oom_kill")


def test_it_leaves_out_what_a_person_wrote_below_a_file() -> None:
    text = f"We see this inside the pod:\n\ncat /sys/fs/cgroup/cpu/cpu.stat\n{BEFORE}\nThe limit is 200m. Kernel is 4.14.\n"
    assert "12337 of 15563 periods" in judge("cgroup.cpu", text).finding
    watched = f"Every 2.0s: cat /sys/fs/cgroup/cpu/a/cpu.stat      node-1: Tue Mar  1 10:00:00 2022\n\n{BEFORE}"
    assert "/a was throttled in 12337 of 15563 periods" in judge("cgroup.cpu", watched).finding


def test_it_knows_two_cgroups_by_the_folders_of_their_prompts() -> None:
    slice_ = "/sys/fs/cgroup/kubepods.slice"
    text = f"{slice_}$ cat cpu.stat\n{AFTER}\n{slice_}/a.scope$ cat cpu.stat\n{BEFORE}"
    result = judge("cgroup.cpu", text)
    assert told(result) == ("unknown", "throttled")
    assert "/kubepods.slice was throttled in 12427 of 15663 periods" in result.finding


def test_it_takes_no_two_cgroups_for_one() -> None:
    text = f"# cat {CPU}/cpu.stat\n{BEFORE}# cat /sys/fs/cgroup/cpu/other/cpu.cfs_quota_us\n5000\n"
    assert judge("cgroup.cpu", text).reason == Reason.UNPARSED


def test_it_finds_the_place_where_a_controller_stops() -> None:
    root = "# cat /sys/fs/cgroup/cgroup.controllers\ncpuset cpu io memory pids\n# cat /sys/fs/cgroup/cgroup.subtree_control\n{}\n"
    child = "# cat /sys/fs/cgroup/test/cgroup.controllers\n{}\n"
    stopped = judge("cgroup.delegation", root.format("memory pids") + child.format("memory pids"))
    assert told(stopped) == ("warn", "handed_down")
    assert told(judge("cgroup.delegation", root.format("memory pids"))) == ("warn", "handed_down")
    assert told(judge("cgroup.delegation", child.format("cpu memory"))) == ("ok", "handed_down")
    assert told(judge("cgroup.delegation", root.format("cpu memory"))) == ("unknown", "handed_down")
    assert told(judge("cgroup.delegation", child.format("memory"))) == ("unknown", "handed_down")
    below = "# cat /sys/fs/cgroup/test/app.slice/cgroup.controllers\nmemory\n"
    assert told(judge("cgroup.delegation", child.format("cpu memory") + below)) == ("warn", "handed_down")


@pytest.mark.parametrize("why", ["No such file or directory", "Operation not supported"])
def test_it_reads_the_complaint_of_cat(why: str) -> None:
    result = judge("cgroup.psi", f"$ cat /proc/pressure/cpu\ncat: /proc/pressure/cpu: {why}\n")
    assert result.reason == Reason.MISSING
    assert "keeps no pressure information" in result.finding
    assert (
        judge("cgroup.delegation", f"$ cat /sys/fs/cgroup/a/cgroup.type\ncat: /sys/fs/cgroup/a/cgroup.type: {why}\n").reason
        == Reason.MISSING
    )


WALK = f"""== {CPU}/cpu.cfs_quota_us
20000
== {CPU}/cpu.cfs_period_us
100000
== {CPU}/cpu.stat
{{}}== /sys/fs/cgroup/cpu/cpu.stat
nr_periods 0
nr_throttled 0
throttled_time 0
"""


def test_it_reads_a_loop_over_files_and_names_before_lines() -> None:
    both = judge("cgroup.cpu", WALK.format(BEFORE), WALK.format(AFTER))
    assert told(both) == ("crit", "throttled")
    assert "at 0.2 CPUs" in both.finding
    short = judge("cgroup.cpu", "=== cpu.cfs_quota_us ===\n5000\n=== cpu.cfs_period_us ===\n100000\n=== cpu.stat ===\n" + BEFORE)
    assert told(short) == ("warn", "tiny_quota")
    picked = "# grep . /sys/fs/cgroup/pids/a/pids.*\n/sys/fs/cgroup/pids/a/pids.current:90\n/sys/fs/cgroup/pids/a/pids.max:90\n"
    assert told(judge("cgroup.pids", picked)) == ("crit", "limit")


def test_it_reads_files_of_a_layout_under_their_names() -> None:
    mounts = "".join(f"{n} 1 0:{n} / {line.split(' ')[2]} rw - {line.split(' ')[4]} x rw,{line.rstrip(')').rpartition(',')[2]}\n"
                     for n, line in enumerate(HYBRID.splitlines()[1:], 30))  # fmt: skip
    files = {"self/mountinfo": mounts, "cgroups": CGROUPS, "1/cgroup": "0::/init.scope\n", "cmdline": BOOT}
    text = "".join(f"== /proc/{name}\n{body}\n" for name, body in files.items())
    result = judge("cgroup.mode", text)
    assert (told(result), result.facts["mode"]) == (("ok", "controller"), "hybrid")
    for end in range(len(text)):
        assert judge("cgroup.mode", text[:end]).verdict in ("ok", "unknown"), text[:end]
