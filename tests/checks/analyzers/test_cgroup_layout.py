import pytest

from checks.analyzers.cgroup_mode import layout
from checks.analyzers.cgroup_path import read_path
from checks.parsers.mountinfo import parse_mountinfo

V1 = "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
NAMED = "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
ROOT_V2 = "35 24 0:30 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
SIDE_V2 = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
FAR_V2 = "61 1 0:50 / /run/cilium/cgroupv2 rw - cgroup2 none rw\n"
POD = "0fd6a37c-59c1-4a1c-a6f4-4c1b7e2a9d10"
SLICED = POD.replace("-", "_")
CONTAINER = "6f2d9a4e" * 8


@pytest.mark.parametrize(
    ("mounts", "mode"),
    [
        (V1, "v1"),
        (V1 + SIDE_V2, "hybrid"),
        (SIDE_V2 + V1, "hybrid"),
        (V1 + FAR_V2, "hybrid"),
        (NAMED + FAR_V2, "hybrid"),
        (ROOT_V2, "unified"),
        (FAR_V2 + ROOT_V2, "unified"),
        (FAR_V2, "unified"),
        ("", "none"),
        ("22 27 0:21 / /proc rw,relatime - proc proc rw\n", "none"),
    ],
)
def test_it_tells_the_layout_from_the_mounts(mounts: str, mode: str) -> None:
    assert layout(parse_mountinfo(mounts)).mode == mode


def test_it_takes_each_controller_from_its_own_mount() -> None:
    both = "28 24 0:24 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpuacct,cpu\n"
    found = layout(parse_mountinfo(both + NAMED + V1)).v1
    assert {name: mount.point for name, mount in found.items()} == {
        "cpuacct": "/sys/fs/cgroup/cpu,cpuacct",
        "cpu": "/sys/fs/cgroup/cpu,cpuacct",
        "memory": "/sys/fs/cgroup/memory",
    }


@pytest.mark.parametrize(
    ("path", "pod", "container", "qos", "runtime"),
    [
        (f"/kubepods/burstable/pod{POD}/{CONTAINER}", POD, CONTAINER, "burstable", None),
        (f"/kubepods/besteffort/pod{POD}", POD, None, "besteffort", None),
        (f"/kubepods/pod{POD}/{CONTAINER}", POD, CONTAINER, "guaranteed", None),
        (
            f"/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICED}.slice/cri-containerd-{CONTAINER}.scope",
            POD,
            CONTAINER,
            "burstable",
            "containerd",
        ),
        (f"/kubepods.slice/kubepods-pod{SLICED}.slice/crio-{CONTAINER}.scope/container", POD, CONTAINER, "guaranteed", "cri-o"),
        (f"/docker/{CONTAINER}", None, CONTAINER, None, "docker"),
        (f"/system.slice/docker-{CONTAINER}.scope", None, CONTAINER, None, "docker"),
        (f"/machine.slice/libpod-{CONTAINER}.scope", None, CONTAINER, None, "podman"),
        ("/system.slice/kubelet.service", None, None, None, None),
        ("/", None, None, None, None),
    ],
)
def test_it_reads_a_path(path: str, pod: str | None, container: str | None, qos: str | None, runtime: str | None) -> None:
    found = read_path(path)
    assert (found.pod_uid, found.container_id, found.qos, found.runtime) == (pod, container, qos, runtime)
