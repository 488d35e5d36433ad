"""Servers that are no sshd, or a hostile one: each ends in its own reason, in bounded time and memory. No sshd is needed."""

import asyncio
import os
import resource
import socket
import struct
import time

import asyncssh
import pytest

from checks.errors import TransportError
from checks.results import Reason
from checks.transports import tcp
from checks.transports.ssh import SshTarget, SshTransport, scan_host_key

KEY = asyncssh.generate_private_key("ssh-ed25519")
VERSION = b"SSH-2.0-OpenSSH_9.9\r\n"


async def silent(reader, writer):
    await reader.read()


async def drip(reader, writer):
    while True:
        writer.write(b"S")
        await asyncio.sleep(0.2)


async def reset(reader, writer):
    plain_socket = writer.get_extra_info("socket")
    plain_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.close()


async def close(reader, writer):
    writer.close()


def endless(*first, again):
    async def serve(reader, writer):
        for data in first:
            writer.write(data)
        while not writer.is_closing():
            writer.write(again() if callable(again) else again)
            await writer.drain()

    return serve


def answer(data):
    async def serve(reader, writer):
        writer.write(data)
        await reader.read()

    return serve


def answer_and_close(data):
    async def serve(reader, writer):
        writer.write(data)
        await writer.drain()
        writer.close()

    return serve


def packet(payload):
    padding = 8 - (len(payload) + 5) % 8 + 8
    return struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)


def text(data):
    return struct.pack(">I", len(data)) + data


SERVERS = {
    "silent": (silent, Reason.LOGIN_TIMEOUT),
    "drip": (drip, Reason.LOGIN_TIMEOUT),
    "reset": (reset, Reason.CONN_LOST),
    "close": (close, Reason.CONN_LOST),
    "busy sshd": (answer_and_close(b"Exceeded MaxStartups\r\n"), Reason.CONN_LOST),
    "endless lines": (endless(again=b"welcome\r\n" * 100), Reason.SSH_PROTOCOL),
    "endless line": (endless(again=b"w" * 4096), Reason.SSH_PROTOCOL),
    "noise": (endless(again=lambda: os.urandom(4096)), Reason.SSH_PROTOCOL),
    "noise after the version": (endless(VERSION, again=lambda: os.urandom(4096)), Reason.SSH_PROTOCOL),
    "web server": (answer_and_close(b"HTTP/1.1 400 Bad Request\r\n\r\n"), Reason.CONN_LOST),
    "old version": (answer(b"SSH-1.5-old\r\n"), Reason.SSH_PROTOCOL),
    "version that is no text": (answer(b"SSH-2.0-\xff\xfe\r\n"), Reason.SSH_PROTOCOL),
    "endless version": (answer(b"SSH-2.0-" + b"x" * 1000 + b"\r\n"), Reason.SSH_PROTOCOL),
    "version and silence": (answer(VERSION), Reason.LOGIN_TIMEOUT),
    "version and close": (answer_and_close(VERSION), Reason.CONN_LOST),
    "huge packet": (answer(VERSION + b"\x7f\xff\xff\xff" + b"x" * 64), Reason.SSH_PROTOCOL),
    "empty packet": (answer(VERSION + bytes(64)), Reason.SSH_PROTOCOL),
    "short key exchange": (answer(VERSION + packet(b"\x14" + bytes(10))), Reason.SSH_PROTOCOL),
    "goodbye": (answer(VERSION + packet(b"\1\0\0\0\x0c" + text(b"go \x1b[31maway\n") + text(b""))), Reason.SSH_PROTOCOL),
}


@pytest.fixture
async def serve():
    """The port of a server that does this to everyone."""
    servers = []
    tasks = set()

    async def start(behave):
        async def keep(reader, writer):
            tasks.add(asyncio.current_task())
            try:
                await behave(reader, writer)
            except (ConnectionError, asyncio.CancelledError):
                pass
            finally:
                writer.transport.abort()

        server = await asyncio.start_server(keep, "127.0.0.1", 0)
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    yield start
    for task in tasks:
        task.cancel()
    for server in servers:
        server.close()
        await server.wait_closed()


def target(port, address="127.0.0.1"):
    return SshTarget(address, port, "someone", KEY.export_public_key().decode(), KEY.export_private_key(), name="odd")


@pytest.mark.parametrize("kind", SERVERS)
async def test_it_names_what_a_strange_server_does(kind, serve, pool_of, refusal, hurried):
    behave, reason = SERVERS[kind]
    port = await serve(behave)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    error, sections = await refusal(SshTransport(target(port), pool_of(dropped_retry_s=(0, 0))))
    assert (error.reason, sections) == (reason, [])
    assert "odd (someone@127.0.0.1" in error.say
    assert len(error.say) < 500
    assert error.say.isprintable()
    assert time.monotonic() - began < 15
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10


@pytest.mark.parametrize("kind", ["silent", "reset", "endless lines", "noise", "web server"])
async def test_it_scans_no_key_from_a_strange_server(kind, serve, hurried):
    behave, reason = SERVERS[kind]
    port = await serve(behave)
    with pytest.raises(TransportError) as caught:
        await scan_host_key("127.0.0.1", port)
    assert caught.value.reason is reason


async def test_it_says_when_nothing_listens(pool_of, refusal):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    error, _ = await refusal(SshTransport(target(port), pool_of()))
    assert error.reason is Reason.CONNECT_REFUSED


async def test_it_says_when_packets_are_dropped(pool_of, refusal, monkeypatch):
    monkeypatch.setattr(tcp.reach, "__defaults__", (0.3,))
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        with socket.create_connection(place):  # fills the queue: the kernel drops what comes after
            error, _ = await refusal(SshTransport(target(place[1]), pool_of()))
    assert error.reason is Reason.CONNECT_TIMEOUT


async def test_it_says_when_there_is_no_route(pool_of, refusal):
    error, _ = await refusal(SshTransport(target(22, "255.255.255.255"), pool_of()))
    assert error.reason is Reason.HOST_UNREACHABLE


@pytest.mark.parametrize(
    "problem", [socket.gaierror(socket.EAI_NONAME, "Name or service not known"), UnicodeError("label too long")]
)
async def test_it_says_when_a_name_does_not_resolve(pool_of, refusal, monkeypatch, problem):
    def fail(address, port):
        raise problem

    monkeypatch.setattr(tcp, "_addresses", fail)
    error, _ = await refusal(SshTransport(target(22, "nowhere.invalid"), pool_of()))
    assert error.reason is Reason.DNS_FAILED
    assert "nowhere.invalid" in error.say


async def test_it_does_not_wait_for_a_resolver_that_is_silent(pool_of, refusal, monkeypatch):
    monkeypatch.setattr(tcp.reach, "__defaults__", (0.1,))
    monkeypatch.setattr(tcp, "_addresses", lambda address, port: time.sleep(0.5))
    error, _ = await refusal(SshTransport(target(22, "slow.invalid"), pool_of()))
    assert error.reason is Reason.DNS_FAILED


async def test_it_tries_every_address_of_a_name(serve, pool_of, refusal, monkeypatch):
    port = await serve(SERVERS["old version"][0])
    places = [(socket.AF_INET6, ("::1", port, 0, 0)), (socket.AF_INET, ("127.0.0.1", port))]
    monkeypatch.setattr(tcp, "_addresses", lambda address, port: places)
    error, _ = await refusal(SshTransport(target(port, "both.invalid"), pool_of()))
    assert error.reason is Reason.SSH_PROTOCOL
