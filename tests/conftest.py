"""The ``needs`` marker: a test of what a Debian package brings is left out, by name, where that package is not installed.

Nothing is left out silently: the session ends with one list and the one command that brings the rest. With
``SIDENOTE_NOTHING_LEFT_OUT=1`` (set where everything must be there) a test that would be left out fails instead.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections import Counter

import pytest

SERVER_PATHS = os.pathsep.join(
    [os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", *sorted(glob.glob("/usr/lib/postgresql/*/bin"))]
)

# For each Debian package the programs that must all be found; a tuple names alternatives.
PACKAGES: dict[str, tuple[str | tuple[str, ...], ...]] = {
    "bash": ("bash",),
    "busybox": ("busybox",),
    "chromium": (("chromium", "chromium-browser", "google-chrome"),),
    "conntrack": ("conntrack",),
    "dash": ("dash",),
    "ethtool": ("ethtool",),
    "iproute2": ("ip", "ss"),
    "iptables": ("iptables", "iptables-save"),
    "nftables": ("nft",),
    "nginx": ("nginx",),
    "openssh-client": ("ssh", "ssh-keygen"),
    "openssh-server": ("sshd",),
    "openssl": ("openssl",),
    "postgresql": ("initdb", "postgres"),
    "redis-server": (("redis-server", "valkey-server"),),
    "rpm": ("rpm",),
    "strace": ("strace",),
    "sudo": ("sudo",),
    "valkey-server": (("valkey-server", "redis-server"),),
}


def _installed(package: str) -> bool:
    if package not in PACKAGES:
        raise pytest.UsageError(f"needs({package!r}): tests/conftest.py knows no such package; known: {', '.join(PACKAGES)}")
    for programs in PACKAGES[package]:
        names = (programs,) if isinstance(programs, str) else programs
        if not any(shutil.which(name, path=SERVER_PATHS) for name in names):
            return False
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    wanted = [package for marker in item.iter_markers("needs") for package in marker.args]
    missing = sorted({package for package in wanted if not _installed(package)})
    if not missing:
        return
    item.user_properties.append(("left_out", " ".join(missing)))  # reports carry it to the session that prints the summary
    if os.environ.get("SIDENOTE_NOTHING_LEFT_OUT") == "1":
        pytest.fail(f"nothing may be left out here, but this needs: apt-get install {' '.join(missing)}", pytrace=False)
    pytest.skip(f"needs {' '.join(missing)}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    left_out: Counter[str] = Counter()
    for outcome in ("skipped", "error", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            left_out.update(value for name, value in getattr(report, "user_properties", []) if name == "left_out")
    if not left_out:
        return
    terminalreporter.section("left out")
    for packages, count in sorted(left_out.items()):
        terminalreporter.line(f"{count} {'test needs' if count == 1 else 'tests need'} {packages}")
    everything = sorted({package for packages in left_out for package in packages.split()})
    terminalreporter.line(f"apt-get install {' '.join(everything)}")
