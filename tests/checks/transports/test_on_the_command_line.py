"""``run --on ssh://…`` against a real sshd, with this account's files or with given ones; and what is no place to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from checks.__main__ import main
from checks.errors import CheckError
from checks.where import ssh_target

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKNcKhTkTgPM0vyVMqWmEwmKHoNhXjaNb0S0nd6l2bLz"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "home" / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home" / ".ssh"


def ran(where: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = main(["run", "kernel.gate", "--json", "--on", where])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.needs("openssh-server")
def test_it_runs_over_ssh_with_given_files(sshd: Any, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, known = tmp_path / "key", tmp_path / "known_hosts"
    key.write_bytes(sshd.target.client_key)
    known.write_text(f"other {OTHER}\n[127.0.0.1]:{sshd.port} {sshd.target.host_key}")
    there = f"ssh://{sshd.target.user}@127.0.0.1:{sshd.port}?key={key}"
    status, found = ran(f"{there}&hostkey={known}", capsys)
    assert status == main(["run", "kernel.gate", "--json"])
    assert json.loads(capsys.readouterr().out)["facts"] == found["facts"]
    status, found = ran(f"{there}&hostkey={quote(sshd.target.host_key.strip())}", capsys)
    assert found["facts"]["kernel"]


@pytest.mark.needs("openssh-server")
def test_it_takes_the_key_and_known_hosts_of_this_account(sshd: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "id_ed25519").write_bytes(sshd.target.client_key)
    (home / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {sshd.target.host_key}")
    assert ran(f"ssh://{sshd.target.user}@127.0.0.1:{sshd.port}", capsys)[1]["facts"]["kernel"]


@pytest.mark.needs("openssh-server")
def test_it_trusts_no_host_that_it_does_not_know(sshd: Any, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = f"ssh://{sshd.target.user}@127.0.0.1:{sshd.port}"
    (home / "id_ecdsa").write_bytes(sshd.target.client_key)
    status, found = ran(there, capsys)
    assert (status, found["verdict"], found["reason"]) == (3, "unknown", "hostkey_unknown")
    (home / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {OTHER}\n")
    status, found = ran(there, capsys)
    assert (status, found["verdict"], found["reason"]) == (3, "unknown", "hostkey_changed")


def test_it_reads_where_to_run(home: Path) -> None:
    (home / "known_hosts").write_text(
        f"node-1 {KEY}\n[node-1]:2222 {OTHER}\n@cert-authority *.example.org {KEY}\n@revoked bad {OTHER}\n"
    )
    (home / "id_rsa").write_bytes(b"key")
    target = ssh_target("ssh://ops@node-1")
    assert (target.address, target.port, target.user, target.host_key, target.client_key) == (
        "node-1",
        22,
        "ops",
        f"{KEY}\n",
        b"key",
    )
    assert ssh_target("ssh://node-1:2222").host_key == f"{OTHER}\n"
    assert ssh_target("ssh://node-1").user == "root"
    assert ssh_target("ssh://a.example.org").host_key == f"@cert-authority {KEY}\n"
    assert ssh_target("ssh://bad").host_key == f"@revoked {OTHER}\n"
    assert ssh_target("ssh://[2001:db8::1]:22").address == "2001:db8::1"
    assert ssh_target("ssh://unknown").host_key == ""


@pytest.mark.parametrize("where", [
    "", "node-1", "ssh://", "ssh:///x", "ssh://a:b@node-1", "ssh://node-1:99999", "ssh://node-1:x", "ssh://node-1/path", "http://node-1",
    "ssh://node-1?password=x", "ssh://node-1?key=/nowhere", "ssh://[::1", "Local",
])  # fmt: skip
def test_it_refuses_what_is_no_place(home: Path, where: str) -> None:
    with pytest.raises(CheckError):
        ssh_target(where)


def test_it_says_that_there_is_no_key(home: Path) -> None:
    with pytest.raises(CheckError, match="there is no private key for node-1"):
        ssh_target("ssh://node-1")
