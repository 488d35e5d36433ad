"""Everything that goes wrong with a real sshd, and the reason that says which it was."""

import asyncio
import os
import signal
import socket
from dataclasses import replace

import asyncssh
import pytest

from checks.results import Reason
from checks.transports.base import Command
from checks.transports.ssh import SshTransport

pytestmark = pytest.mark.needs("openssh-server")

HELLO = Command("hello", "echo hello")
LONG = Command("long", "echo part; sleep 60", timeout_s=60)


async def first_then(transport, refusal, act, *commands):
    async def later():
        await asyncio.sleep(0.5)
        act()

    acting = asyncio.ensure_future(later())
    error, sections = await refusal(transport, *commands)
    await acting
    return error, sections


async def test_it_notices_an_sshd_that_has_stopped(sshd, over_ssh, refusal, hurried):
    error, sections = await first_then(
        over_ssh(sshd), refusal, lambda: os.kill(sshd.sessions()[0], signal.SIGSTOP), HELLO, LONG, HELLO
    )
    assert error.reason is Reason.CONN_LOST
    assert [section.name for section in sections] == ["hello"]


async def test_it_blames_the_host_and_not_the_command_when_a_stopped_sshd_looks_slow(sshd, over_ssh, refusal, hurried):
    slow = Command("slow", "sleep 60", timeout_s=1)
    stop = Command("stop", "sleep 0.6")
    error, sections = await first_then(
        over_ssh(sshd, grace_s=0), refusal, lambda: os.kill(sshd.sessions()[0], signal.SIGSTOP), HELLO, stop, slow
    )
    assert error.reason is Reason.CONN_LOST
    assert [section.name for section in sections] == ["hello"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_it_notices_a_session_that_was_killed(sshd, over_ssh, refusal, number):
    error, sections = await first_then(over_ssh(sshd), refusal, lambda: os.kill(sshd.sessions()[0], number), HELLO, LONG, HELLO)
    assert error.reason is Reason.CONN_LOST
    assert [section.name for section in sections] == ["hello"]


async def test_it_says_when_a_host_goes_away_and_stays_away(sshd, over_ssh, refusal):
    transport = over_ssh(sshd)
    error, _ = await first_then(transport, refusal, sshd.stop, HELLO, LONG)
    assert error.reason is Reason.CONN_LOST
    error, _ = await refusal(transport)
    assert error.reason is Reason.CONNECT_REFUSED


@pytest.mark.parametrize("key_type", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
async def test_it_refuses_a_changed_host_key_before_any_login(start_sshd, over_ssh, refusal, key_type):
    before = start_sshd()
    before.stop()
    after = start_sshd(key_type=key_type, port=before.port)
    error, _ = await refusal(over_ssh(before))
    assert error.reason is Reason.HOSTKEY_CHANGED
    assert error.say.count("SHA256:") == 2
    assert "userauth" not in after.log
    assert "Accepted" not in after.log


async def test_it_refuses_a_revoked_host_key(sshd, over_ssh, refusal):
    both = f"{sshd.target.host_key}\n@revoked * {sshd.target.host_key}"
    error, _ = await refusal(over_ssh(sshd, host_key=both))
    assert error.reason is Reason.HOSTKEY_CHANGED


@pytest.mark.parametrize("pinned", ["", "# none yet\n", "ssh-ed25519", "no key at all"])
async def test_it_sends_nothing_without_a_pinned_key(sshd, over_ssh, refusal, pinned):
    connections = sshd.log.count("Connection from")
    error, _ = await refusal(over_ssh(sshd, host_key=pinned))
    assert error.reason is Reason.HOSTKEY_UNKNOWN
    assert sshd.log.count("Connection from") == connections


async def test_it_leaves_an_account_alone_that_refuses_us(sshd, over_ssh, refusal):
    other = asyncssh.generate_private_key("ssh-ed25519").export_private_key()
    transport = over_ssh(sshd, client_key=other)
    says = []
    for _ in range(4):
        error, _ = await refusal(transport)
        assert error.reason is Reason.AUTH_FAILED
        says.append(error.say)
    assert sshd.log.count("Connection from") == 3
    assert "left alone" in says[3]


async def test_it_says_who_was_refused(sshd, over_ssh, refusal):
    error, _ = await refusal(over_ssh(sshd, user="no-such-user"))
    assert error.reason is Reason.AUTH_FAILED
    assert "no-such-user@127.0.0.1" in error.say


@pytest.mark.parametrize(
    "key", [b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"]
)
async def test_it_says_when_our_own_key_is_no_key(sshd, over_ssh, refusal, key):
    error, _ = await refusal(over_ssh(sshd, client_key=key))
    assert error.reason is Reason.AUTH_FAILED
    assert "private key" in error.say


async def test_it_says_when_our_own_key_is_locked(sshd, over_ssh, refusal, client_key):
    locked = client_key.export_private_key("pkcs8-pem", passphrase="secret")
    error, _ = await refusal(over_ssh(sshd, client_key=locked))
    assert error.reason is Reason.AUTH_FAILED


async def test_it_passes_on_what_an_account_without_a_shell_says(start_sshd, over_ssh, refusal):
    sshd = start_sshd("ForceCommand echo 'This account is currently not available.'; exit 1")
    error, _ = await refusal(over_ssh(sshd))
    assert error.reason is Reason.REFUSED
    assert "currently not available" in error.say


async def test_it_does_not_wait_for_ever_for_a_login_script(start_sshd, over_ssh, refusal):
    error, _ = await refusal(over_ssh(start_sshd("ForceCommand echo please wait; sleep 60"), hello_s=1))
    assert error.reason is Reason.LOGIN_TIMEOUT
    assert "please wait" in error.say


async def test_it_survives_a_login_that_never_stops_talking(start_sshd, over_ssh, refusal):
    error, _ = await refusal(over_ssh(start_sshd("ForceCommand yes"), hello_s=1))
    assert error.reason is Reason.LOGIN_TIMEOUT


async def test_it_says_when_sshd_allows_no_session(start_sshd, over_ssh, refusal):
    error, _ = await refusal(over_ssh(start_sshd("MaxSessions 0")))
    assert error.reason is Reason.REFUSED
    assert "MaxSessions" in error.say


async def test_it_tries_again_when_sshd_has_too_many_logins_at_once(start_sshd, gather, refusal, pool_of):
    sshd = start_sshd("MaxStartups 1", "LoginGraceTime 30")
    transport = SshTransport(sshd.target, pool_of(dropped_retry_s=(0.5, 0.5)))
    with socket.create_connection(("127.0.0.1", sshd.port)) as waiting:
        assert waiting.recv(1) == b"S"
        error, _ = await refusal(transport)
        assert error.reason is Reason.CONN_LOST
        assert "MaxStartups" in error.say
        asyncio.get_running_loop().call_later(0.3, waiting.close)
        (section,) = await gather(transport, HELLO)
    assert section.stdout == b"hello\n"
    assert sshd.log.count("past MaxStartups") == 3


async def test_it_keeps_the_secrets_of_a_target_out_of_what_is_printed(sshd, over_ssh, refusal):
    target = replace(sshd.target, host_key="")
    error, _ = await refusal(over_ssh(sshd, host_key=""))
    assert "PRIVATE" not in repr(target) + repr(error) + error.say
