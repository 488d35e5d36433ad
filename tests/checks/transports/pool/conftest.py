"""Connections that only count, and what makes them."""

import asyncio
from dataclasses import replace

import pytest

from checks.transports.ssh_target import SshTarget

HOST = SshTarget("10.0.0.1", user="one", host_key="ssh-ed25519 AAAA", client_key=b"key")


class Connection:
    def __init__(self, target, way):
        self.target, self.way, self.closed = target, way, False

    def is_closed(self):
        return self.closed

    def close(self):
        self.closed = True

    async def wait_closed(self):
        assert self.closed


class Connector:
    """Makes connections, counts them, and fails as it is told."""

    def __init__(self):
        self.made = []
        self.failures = []
        self.now = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, target, way):
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0)
            await self.gate.wait()
            if self.failures:
                raise self.failures.pop(0)
            self.made.append(Connection(target, way))
            return self.made[-1]
        finally:
            self.now -= 1


@pytest.fixture
async def connect():
    return Connector()


@pytest.fixture
def use():
    """Lease a connection for some seconds."""

    async def lease_for(pool, target, seconds=0.0):
        async with pool.lease(target) as lease:
            await asyncio.sleep(seconds)
            return lease

    return lease_for


@pytest.fixture
def host():
    return HOST


@pytest.fixture
def hosts():
    return lambda count: [replace(HOST, address=f"10.0.1.{number}") for number in range(count)]


@pytest.fixture
def settle():
    """Let everything run that can."""

    async def turns():
        for _ in range(10):
            await asyncio.sleep(0)

    return turns
