"""What may not be written in a transport: a host key that does not count, an unbounded read, a helper that trusts everyone."""

import ast
from pathlib import Path

import pytest

import checks.transports

FILES = sorted(Path(checks.transports.__file__).parent.glob("*.py"))
BANNED_CALLS = {
    "run",
    "scp",
    "start_sftp_client",
    "get_server_host_key",
    "get_server_auth_methods",
    "listen",
    "forward_local_port",
}
BANNED_NAMES = {"AutoAddPolicy", "WarningPolicy", "MissingHostKeyPolicy", "paramiko", "os.system", "shell=True"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_holds_no_banned_call(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                assert node.func.attr not in BANNED_CALLS, f"{path.name}:{node.lineno} calls .{node.func.attr}()"
            for keyword in node.keywords:
                nothing = isinstance(keyword.value, ast.Constant) and keyword.value.value is None
                # no known hosts would mean any host; no configuration and no encoding are what is wanted
                assert not (keyword.arg == "known_hosts" and nothing), f"{path.name}:{node.lineno} trusts any host"
                assert keyword.arg not in ("config", "encoding") or nothing, f"{path.name}:{node.lineno} sets {keyword.arg}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_holds_no_banned_name(path):
    text = path.read_text()
    assert not [name for name in BANNED_NAMES if name in text]


def test_it_connects_in_one_place_only():
    calls = [path.name for path in FILES for line in path.read_text().splitlines() if "asyncssh.connect(" in line]
    assert calls == ["ssh_connect.py"]


def test_it_keeps_the_ssh_library_to_the_ssh_files():
    users = {path.name for path in FILES if "import asyncssh" in path.read_text()}
    assert users == {"ssh.py", "ssh_connect.py", "ssh_settings.py"}
