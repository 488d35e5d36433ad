"""What a cgroup path tells of a process: its pod, container, service class, runtime, systemd unit.

Layouts: the kubelet's with the cgroupfs and the systemd driver, docker's, CRI-O's, containerd's and podman's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_POD = re.compile(
    r"(?:^|[/-])pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})(?:\.slice)?(?=/|$)"
)
_SCOPE = re.compile(r"/(?:(cri-containerd|crio|docker|libpod|cri-dockerd)-)?([0-9a-f]{64})(?:\.scope)?(?=/|$)")
_UNIT = re.compile(r"/([^/]+\.(?:service|scope|slice))(?=/|$)")
_RUNTIMES = {"cri-containerd": "containerd", "crio": "cri-o", "libpod": "podman", "docker": "docker", "cri-dockerd": "docker"}


@dataclass(frozen=True)
class PathParts:
    """The parts found; None where the path has none. ``qos`` is guaranteed, burstable or besteffort for a pod."""

    pod_uid: str | None = None
    container_id: str | None = None
    qos: str | None = None
    runtime: str | None = None
    unit: str | None = None


def read_path(path: str) -> PathParts:
    """Read a cgroup path.

    >>> read_path("/kubepods/burstable/pod0fd6a37c-59c1-4a1c-a6f4-4c1b7e2a9d10/" + "ab" * 32).qos
    'burstable'
    >>> read_path("/kubepods.slice/kubepods-pod0fd6a37c_59c1_4a1c_a6f4_4c1b7e2a9d10.slice/crio-" + "ab" * 32 + ".scope").pod_uid
    '0fd6a37c-59c1-4a1c-a6f4-4c1b7e2a9d10'
    >>> read_path("/system.slice/kubelet.service").unit
    'kubelet.service'
    """
    pod, scope, units = _POD.search(path), _SCOPE.search(path), _UNIT.findall(path)
    runtime = None
    if scope:
        runtime = _RUNTIMES.get(scope[1] or "", "docker" if path.startswith("/docker/") else None)
    qos = None
    if "kubepods" in path:
        qos = next((word for word in ("burstable", "besteffort") if word in path), "guaranteed" if pod else None)
    services = [unit for unit in units if unit.endswith(".service")] or [unit for unit in units if unit.endswith(".scope")]
    return PathParts(
        pod_uid=pod[1].replace("_", "-") if pod else None,
        container_id=scope[2] if scope else None,
        qos=qos,
        runtime=runtime,
        unit=services[-1] if services else None,
    )
