"""Network namespaces for tests that ask a real kernel. Each is named after the test run and deleted with it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator

import pytest


def leave_out(say: str) -> None:
    """Leave the test out aloud; where nothing may be left out, let it fail."""
    if os.environ.get("SIDENOTE_NOTHING_LEFT_OUT") == "1":
        pytest.fail(f"nothing may be left out, but {say}", pytrace=False)
    pytest.skip(say)


@pytest.fixture
def left_out() -> Callable[[str], None]:
    """The function that leaves a test out aloud."""
    return leave_out


@pytest.fixture(scope="session")
def root() -> None:
    """For tests that make namespaces of every kind, which takes root."""
    if os.geteuid() != 0:
        leave_out("namespaces need root")


@pytest.fixture(scope="module")
def make_namespace() -> Iterator[Callable[[str], str]]:
    """Makes a namespace and tells its name. Where nobody may make one (a bare container) the tests are left out aloud."""
    made: list[str] = []

    def make(purpose: str) -> str:
        name = f"sn-ip-{os.getpid()}-{purpose}"
        done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
        if done.returncode:
            leave_out(f"network namespaces cannot be made here: {done.stderr.strip()}")
        made.append(name)
        return name

    try:
        yield make
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "del", name], check=True)
