"""The host's own decision not to read memory statistics where that read is the harm. Its files and commands are replaced here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from checks.collectors.base import PRELUDE
from checks.collectors.cgroup import TIMED
from checks.parsers.memcg import parse_timed

SHELLS = [
    pytest.param(("dash",), marks=pytest.mark.needs("dash"), id="dash"),
    pytest.param(("busybox", "sh"), marks=pytest.mark.needs("busybox"), id="busybox"),
    pytest.param(("bash", "--posix"), marks=pytest.mark.needs("bash"), id="bash"),
]


class Host:
    """A host of files: its memory hierarchy has one visible directory, and every read of a statistics file is logged."""

    def __init__(self, folder: Path, kernel: str, cgroups: str, seconds_per_read: int = 0, fstype: str = "cgroup") -> None:
        self.root, self.log, self.uptime = folder / "memory", folder / "log", folder / "uptime"
        self.root.mkdir()
        for name in ("memory.numa_stat", "memory.stat"):
            (self.root / name).write_text("total=0\n")
        if fstype == "cgroup2":
            (self.root / "cgroup.stat").write_text(cgroups)
        (folder / "cgroups").write_text(cgroups)
        (folder / "mountinfo").write_text(f"35 31 0:32 / {self.root} rw,relatime - {fstype} {fstype} rw,memory\n")
        self.log.touch()
        self.uptime.write_text("100.00 0.00\n")
        fakes = f"""
uname() {{ echo '{kernel}'; }}
cat() {{ echo "$1" >>'{self.log}'; echo '{100 + seconds_per_read}.00 0.00' >'{self.uptime}'; }}
"""
        script = TIMED.script.replace("/proc/self/mountinfo", f"{folder}/mountinfo").replace("/proc/cgroups", f"{folder}/cgroups")
        self.script = PRELUDE + fakes + script.replace("/proc/uptime", str(self.uptime))

    def run(self, shell: tuple[str, ...]) -> str:
        ended = subprocess.run([*shell, "-c", self.script], capture_output=True, text=True, timeout=20, check=True)
        assert ended.stderr == ""
        return ended.stdout

    @property
    def reads(self) -> list[str]:
        return [Path(line).name for line in self.log.read_text().split()]


def rows(total: int) -> str:
    return f"#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t4\t{total}\t1\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("kernel", "total"),
    [("4.19.90-24.4.v2101.ky10.x86_64", 13001), ("5.7.19", 10001), ("3.10.0-1160.el7.x86_64", 60000), ("5.10-odd", 10001)],
)
def test_it_decides_by_dying_groups_and_kernel(tmp_path: Path, shell: tuple[str, ...], kernel: str, total: int) -> None:
    host = Host(tmp_path, kernel, rows(total))
    timed = parse_timed(host.run(shell))
    newer = kernel.startswith("5.10")
    assert timed.withheld is not newer
    assert timed.dying == total - 1
    assert host.reads == (["memory.numa_stat", "memory.stat"] if newer else [])


@pytest.mark.parametrize("shell", SHELLS)
def test_it_reads_where_few_are_dying(tmp_path: Path, shell: tuple[str, ...]) -> None:
    host = Host(tmp_path, "4.19.90", rows(10000))
    timed = parse_timed(host.run(shell))
    assert (timed.withheld, timed.dying) == (False, 9999)
    assert host.reads == ["memory.numa_stat", "memory.stat"]
    assert timed.milliseconds("memory.numa_stat") == 0


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("cgroups", ["", rows(5).replace("5", "many"), rows(0), "#subsys_name\thierarchy\n"])
def test_it_reads_nothing_when_it_cannot_count(tmp_path: Path, shell: tuple[str, ...], cgroups: str) -> None:
    host = Host(tmp_path, "4.19.90", cgroups)
    assert "withheld" in host.run(shell)
    assert host.reads == []


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("kernel", ["", "unknown", "4", "x.19.3"])
def test_it_reads_nothing_on_a_kernel_it_does_not_know(tmp_path: Path, shell: tuple[str, ...], kernel: str) -> None:
    host = Host(tmp_path, kernel, rows(20000))
    host.run(shell)
    assert host.reads == []


@pytest.mark.parametrize("shell", SHELLS)
def test_it_leaves_the_second_file_when_the_first_was_slow(tmp_path: Path, shell: tuple[str, ...]) -> None:
    host = Host(tmp_path, "4.19.90", rows(900), seconds_per_read=5)
    timed = parse_timed(host.run(shell))
    assert host.reads == ["memory.numa_stat"]
    assert timed.milliseconds("memory.numa_stat") == 5000
    assert timed.held == {"memory.stat"}


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("dying", "reads"), [(13000, 0), (40, 2)])
def test_it_counts_by_cgroup_stat_on_cgroup_v2(tmp_path: Path, shell: tuple[str, ...], dying: int, reads: int) -> None:
    host = Host(tmp_path, "5.4.0", f"nr_descendants 40\nnr_dying_descendants {dying}\n", fstype="cgroup2")
    assert parse_timed(host.run(shell)).dying == dying
    assert len(host.reads) == reads
