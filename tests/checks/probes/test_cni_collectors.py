"""The CNI collectors on directories made for them, in three shells: only configurations are read, never what lies beside them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from checks.collectors import cni
from checks.collectors.base import PRELUDE, Collector
from checks.parsers.cni_config import parse_binaries, parse_cni_files, parse_versions

SHELLS = [
    pytest.param("dash", marks=pytest.mark.needs("dash")),
    pytest.param("bash", marks=pytest.mark.needs("bash")),
    pytest.param("busybox sh", marks=pytest.mark.needs("busybox")),
]
pytestmark = pytest.mark.parametrize("shell", SHELLS)

CONF = {"cniVersion": "0.4.0", "name": "mynet", "plugins": [{"type": "bridge", "ipam": {"type": "host-local"}}]}


def collect(collector: Collector, shell: str, *arguments: Path | str) -> str:
    command = [*shell.split(), "-c", PRELUDE + collector.script, "x", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for name in ("bridge", "host-local", "loopback", "never-asked"):
        text = f"#!/bin/sh\n[ \"$CNI_COMMAND\" = VERSION ] && echo '{json.dumps({'supportedVersions': ['0.4.0', name]})}'\n"
        (bin_dir / name).write_text(text)
        (bin_dir / name).chmod(0o755)
    (bin_dir / "README.md").write_text("text\n")
    (bin_dir / "README.md").chmod(0o644)
    (bin_dir / "subdir").mkdir()
    return bin_dir


@pytest.fixture
def conf_dir(tmp_path: Path) -> Path:
    found = tmp_path / "net d"
    found.mkdir()
    (found / "20-second.conf").write_text('{"name": "second"')
    (found / "10-first.conflist").write_text(json.dumps(CONF))
    (found / "calico-kubeconfig").write_text("token: s3cr3t\n")
    (found / "multus.d").mkdir()
    (found / "multus.d/multus.kubeconfig").write_text("token: s3cr3t\n")
    return found


def test_it_reads_configurations_in_the_order_runtimes_try_them(shell: str, conf_dir: Path) -> None:
    text = collect(cni.CNI_CONF, shell, conf_dir)
    found = parse_cni_files(text)
    assert [conf.file for conf in found.confs] == ["10-first.conflist", "20-second.conf"]
    assert (found.confs[0].name, found.confs[0].version) == ("mynet", "0.4.0")
    assert found.confs[1].error
    assert "s3cr3t" not in text


def test_it_tells_an_empty_directory_from_a_missing_one(shell: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert collect(cni.CNI_CONF, shell, tmp_path / "empty") == "== end\n"
    assert parse_cni_files(collect(cni.CNI_CONF, shell, tmp_path / "no")).missing_dir.endswith("/no")


def test_it_lists_plugins_and_whether_they_can_be_run(shell: str, plugin: Path) -> None:
    found = parse_binaries(collect(cni.CNI_BINS, shell, plugin))
    assert found.dirs[str(plugin)] == {
        "README.md": False,
        "bridge": True,
        "host-local": True,
        "loopback": True,
        "never-asked": True,
    }


def test_it_asks_only_the_plugins_in_use_for_their_versions(shell: str, plugin: Path, conf_dir: Path) -> None:
    found = parse_versions(collect(cni.CNI_VERSIONS, shell, conf_dir, plugin))
    assert set(found) == {"bridge", "host-local", "loopback"}
    assert found["bridge"][0] == ("0.4.0", "bridge")


def test_it_passes_over_a_plugin_that_answers_nonsense(shell: str, plugin: Path, conf_dir: Path) -> None:
    (plugin / "bridge").write_text("#!/bin/sh\necho 'not json'; exit 1\n")
    assert set(parse_versions(collect(cni.CNI_VERSIONS, shell, conf_dir, plugin))) == {"host-local", "loopback"}


def test_it_lists_agents_or_none(shell: str) -> None:
    assert collect(cni.CNI_AGENTS, shell).endswith("== end\n")
