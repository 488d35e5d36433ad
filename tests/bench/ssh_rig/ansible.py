"""The same ten commands by ansible, in the ways its users run it. One play, ten tasks, no facts, no shared connections."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from ssh_rig.servers import Server

PLAY = "- hosts: all\n  gather_facts: false\n  tasks:\n"
WAYS = {"raw": ("raw", {}), "default": ("shell", {}), "pipelining": ("shell", {"ANSIBLE_PIPELINING": "True"})}
TARGETS = {(1, "raw"): 8, (1, "default"): 25, (1, "pipelining"): 20, (50, "default"): 25, (50, "pipelining"): 20, (50, "raw"): 3}


def ansible_rows(
    program: str, sshd: Server, directory: Path, commands: dict[str, str], ours: dict[int, float]
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for way, (module, environment) in WAYS.items():
        play = directory / f"{way}.yml"
        play.write_text(PLAY + "".join(f"    - {module}: |\n        {text}\n" for text in commands.values()))
        for count, own in ours.items():
            took = _run(program, sshd, directory, play, count, environment)
            ratio, target = took / own, TARGETS[count, way]
            rows.append(
                {"what": f"ansible {way}, {count} cold / ours", "value": round(took, 2), "limit": round(own, 2), "unit": "s"}
                | {"ratio": round(ratio, 2), "target": f">={target}", "verdict": "ok" if ratio >= target else "under", "note": ""}
            )
    return rows


def _run(program: str, sshd: Server, directory: Path, play: Path, count: int, environment: dict[str, str]) -> float:
    inventory = directory / f"hosts-{count}"
    target = sshd.target
    inventory.write_text("".join(f"127.1.{number // 250}.{number % 250 + 1}\n" for number in range(count)))
    known = directory / "known_hosts"
    known.write_text(f"* {target.host_key}")
    settings = {
        "ANSIBLE_FORKS": "50",
        "ANSIBLE_SSH_ARGS": f"-F none -o ControlMaster=no -o UserKnownHostsFile={known}",
        "ANSIBLE_STDOUT_CALLBACK": "minimal",
        "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3",
        "ANSIBLE_LOCAL_TEMP": str(directory / "ansible"),
    }
    login = ["-u", target.user, "--private-key", str(directory / "sshd" / "client_key"), "-e", f"ansible_port={target.port}"]
    began = time.perf_counter()
    done = subprocess.run(
        [program, "-i", str(inventory), *login, str(play)],
        env=os.environ | settings | environment,
        capture_output=True,
        check=False,
    )
    took = time.perf_counter() - began
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return took
