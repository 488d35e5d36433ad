"""A host over SSH, with a real sshd: what arrives, what is shared, what is left behind."""

import asyncio
import os
import resource
import signal
import uuid
from asyncio.subprocess import PIPE

import asyncssh
import pytest

from checks.results import Reason
from checks.transports import ssh_settings
from checks.transports.base import Command
from checks.transports.ssh import fingerprint, scan_host_key

pytestmark = pytest.mark.needs("openssh-server")

HELLO = Command("hello", "echo hello")
NOISE = 'echo noise; echo noise >&2; eval "$SSH_ORIGINAL_COMMAND"'


async def test_it_shares_one_connection_between_batches(sshd, over_ssh, pool, gather):
    await asyncio.gather(*(gather(over_ssh(sshd), HELLO) for _ in range(3)))
    await gather(over_ssh(sshd), HELLO)
    assert len(pool) == 1
    assert sshd.log.count("Accepted publickey") == 1


@pytest.mark.parametrize("extra", [(f"ForceCommand {NOISE}",), ("Banner /etc/hosts",), ("SetEnv LANG=zh_CN.GB18030",)])
async def test_it_reads_the_same_past_what_a_login_prints(start_sshd, over_ssh, gather, extra):
    (section,) = await gather(over_ssh(start_sshd(*extra)), Command("both", "echo out; echo err >&2; ls /none"))
    assert section.stdout == b"out\n"
    assert section.stderr.startswith(b"err\n")
    assert b"No such file" in section.stderr


async def test_it_bounds_what_it_holds_of_a_huge_output(sshd, over_ssh, gather):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge, after = await gather(over_ssh(sshd), Command("huge", "head -c 300000000 /dev/zero"), HELLO)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (huge.rc, len(huge.stdout)) == (None, 1 << 20)
    assert huge.dropped_bytes > 7 << 20
    assert after.stdout == b"hello\n"
    assert grown < 20 << 10


async def test_it_holds_the_host_back_while_nobody_reads(sshd, over_ssh):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    batch = over_ssh(sshd).collect([HELLO, Command("large", "head -c 60000000 /dev/zero", max_bytes=30 << 20)])
    await anext(batch)
    await asyncio.sleep(1)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10
    large = await anext(batch)
    assert (large.rc, len(large.stdout) + large.dropped_bytes) == (0, 60000000)
    await batch.aclose()


@pytest.mark.parametrize("data", [b"\0\0\0", b"\xff\xfe\xed\xa0\x80", b"a\r\nb\r", b"\xef\xbb\xbfx", bytes(range(256))])
async def test_it_keeps_bytes_that_are_no_text(sshd, over_ssh, gather, data):
    octal = "".join(f"\\{byte:03o}" for byte in data)
    (section,) = await gather(over_ssh(sshd), Command("raw", 'printf "$1"', (octal,)))
    assert section.stdout == data


async def test_it_ends_a_command_on_the_host_when_the_batch_is_given_up(sshd, over_ssh, pool, running, gone):
    mark = uuid.uuid4().hex
    batch = over_ssh(sshd).collect([Command("long", f"sh -c 'sleep 60; sleep 60' {mark}; :", timeout_s=60)])
    waiting = asyncio.ensure_future(anext(batch))
    await running(mark)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert pool._sessions._open == {}
    await gone(mark)


STUCK = Command("stuck", "echo $PPID; kill -STOP $PPID; sleep 60", timeout_s=1)
"""Stops the shell that runs the batch, after its number has been told: nothing on the host can end this command's time."""


async def test_it_goes_on_after_a_command_that_cannot_be_ended(sshd, over_ssh, gather):
    sections = await gather(over_ssh(sshd, grace_s=0.5), HELLO, STUCK, HELLO)
    os.kill(int(sections[1].stdout), signal.SIGKILL)
    assert [(section.rc, section.timed_out) for section in sections] == [(0, False), (None, True), (0, False)]


async def test_it_calls_the_last_command_late_only_when_the_host_is_still_there(sshd, over_ssh, gather):
    (section,) = await gather(over_ssh(sshd, grace_s=0.5), STUCK)
    os.kill(int(section.stdout), signal.SIGKILL)
    assert (section.rc, section.timed_out) == (None, True)


async def test_it_does_not_mind_a_child_that_escaped_and_goes_on_printing(sshd, over_ssh, gather, gone):
    mark = uuid.uuid4().hex
    escape = f"setsid sh -c 'while sleep 0.05; do echo noise; done' {mark} & sleep 0.2; echo out"
    batch = over_ssh(sshd).collect([Command("escape", escape), HELLO, Command("last", "sleep 0.3; echo last")])
    sections = [section async for section in batch]
    assert [section.rc for section in sections] == [0, 0, 0]
    assert sections[-1].stdout.endswith(b"last\n")
    await gone(mark)  # its next word finds the stream closed


async def test_it_ends_only_its_own_under_a_forced_command(start_sshd, over_ssh, gather, gone):
    """There another process leads the session, and others live in it."""
    mark, other = uuid.uuid4().hex, uuid.uuid4().hex
    sshd = start_sshd(f"ForceCommand sh -c 'sleep 30; :' {other} & (eval \"$SSH_ORIGINAL_COMMAND\"); kill $!")
    stay = Command("late", f"sh -c 'sleep 40; sleep 40' {mark} & sleep 40", timeout_s=1)
    look = Command("look", f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -cx '{other[:-1]}[{other[-1]}]'")
    hello, late, looked = await gather(over_ssh(sshd), HELLO, stay, look)
    assert (hello.rc, late.timed_out) == (0, True)
    assert looked.stdout == b"1\n"
    await gone(mark)


async def test_it_goes_on_when_the_shell_itself_is_killed(sshd, over_ssh, gather):
    sections = await gather(over_ssh(sshd), HELLO, Command("kill", "kill -KILL $PPID; sleep 1"), HELLO)
    assert [(section.rc, section.timed_out) for section in sections] == [(0, False), (None, False), (0, False)]


async def test_it_tries_once_more_when_a_pooled_connection_has_died(sshd, over_ssh, gather):
    transport = over_ssh(sshd)
    await gather(transport, HELLO)
    os.kill(sshd.sessions()[0], signal.SIGKILL)
    (section,) = await gather(transport, HELLO)
    assert section.stdout == b"hello\n"
    assert sshd.log.count("Accepted publickey") == 2


async def test_it_opens_no_agent_no_forwarding_and_no_terminal(sshd, over_ssh, gather, monkeypatch):
    monkeypatch.setenv("SSH_AUTH_SOCK", "/nonexistent/agent")
    (section,) = await gather(over_ssh(sshd), Command("env", "env; tty"))
    assert b"SSH_AUTH_SOCK" not in section.stdout
    assert b"not a tty" in section.stdout
    assert "auth-agent" not in sshd.log
    assert "pty-req" not in sshd.log


async def test_it_reads_no_configuration_of_this_account(sshd, over_ssh, gather, refusal, monkeypatch, tmp_path):
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "config").write_text(
        "Host *\n  UserKnownHostsFile none\n  User nobody\n  Port 1\n  ProxyCommand false\n"
    )
    monkeypatch.setenv("HOME", str(tmp_path))
    assert (await gather(over_ssh(sshd), HELLO))[0].stdout == b"hello\n"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    error, _ = await refusal(over_ssh(sshd, host_key=other))
    assert error.reason is Reason.HOSTKEY_CHANGED


async def test_it_goes_through_another_host(start_sshd, over_ssh, gather, pool):
    bastion, inner = start_sshd(), start_sshd()
    transport = over_ssh(inner, via=bastion.target)
    for _ in range(2):
        assert (await gather(transport, HELLO))[0].stdout == b"hello\n"
    assert len(pool) == 2
    assert "direct-tcpip" in bastion.log
    assert (await gather(over_ssh(bastion), HELLO))[0].stdout == b"hello\n"
    assert len(pool) == 2


async def test_it_takes_certificates_on_both_sides(start_sshd, over_ssh, gather, tmp_path):
    authority = asyncssh.generate_private_key("ssh-ed25519")
    authority.write_public_key(tmp_path / "authority.pub")
    sshd = start_sshd(f"TrustedUserCAKeys {tmp_path}/authority.pub", "AuthorizedKeysFile none")
    user = asyncssh.generate_private_key("ssh-ed25519")
    certificate = authority.generate_user_certificate(user, "run-1", principals=[sshd.target.user], valid_before="+5m")
    login = {"client_key": user.export_private_key(), "client_cert": certificate.export_certificate()}
    assert (await gather(over_ssh(sshd, **login), HELLO))[0].stdout == b"hello\n"
    assert "ID run-1" in sshd.log


async def test_it_trusts_a_host_that_an_authority_signed(start_sshd, over_ssh, gather, refusal, tmp_path):
    authority = asyncssh.generate_private_key("ssh-ed25519")
    host = asyncssh.generate_private_key("ssh-ed25519")
    host.write_private_key(tmp_path / "signed")
    (tmp_path / "signed").chmod(0o600)
    authority.generate_host_certificate(host, "box", principals=["127.0.0.1"]).write_certificate(tmp_path / "signed-cert.pub")
    sshd = start_sshd(f"HostKey {tmp_path}/signed", f"HostCertificate {tmp_path}/signed-cert.pub")
    line = f"@cert-authority * {authority.export_public_key().decode()}"
    assert (await gather(over_ssh(sshd, host_key=line), HELLO))[0].stdout == b"hello\n"
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    error, _ = await refusal(over_ssh(sshd, host_key=f"@cert-authority * {other}"))
    assert error.reason is Reason.HOSTKEY_CHANGED


@pytest.mark.needs("openssh-client")
async def test_it_scans_the_host_keys_without_a_login(start_sshd, tmp_path):
    asyncssh.generate_private_key("ssh-rsa", key_size=2048).write_private_key(tmp_path / "rsa")
    (tmp_path / "rsa").chmod(0o600)
    sshd = start_sshd(f"HostKey {tmp_path}/rsa")
    found = await scan_host_key("127.0.0.1", sshd.port)
    assert [line.split()[0] for line in found] == ["ssh-ed25519", "ssh-rsa"]
    assert found[0].split()[1] == sshd.target.host_key.split()[1]
    listing = await asyncio.create_subprocess_exec("ssh-keygen", "-l", "-f", str(sshd.directory / "host_key"), stdout=PIPE)
    listed, _ = await listing.communicate()
    assert fingerprint(found[0]) == listed.decode().split()[1]
    assert "userauth" not in sshd.log


def test_it_keeps_the_settings_that_notice_a_dead_peer():
    settings = ssh_settings.options(known_hosts=([], [], []))
    assert (settings.login_timeout, settings.keepalive_interval, settings.keepalive_count_max) == (10, 5, 2)
    assert (settings.preferred_auth, settings.agent_path, settings.encoding) == (["publickey"], "", None)


async def test_it_stays_within_the_sessions_a_host_allows(start_sshd, over_ssh, gather):
    sshd = start_sshd("MaxSessions 4")
    batches = [gather(over_ssh(sshd), Command("wait", "sleep 0.1; echo done")) for _ in range(12)]
    assert [section.stdout for (section,) in await asyncio.gather(*batches)] == [b"done\n"] * 12
