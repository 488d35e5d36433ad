"""The pool's bounds, with connections that only count."""

import asyncio
from dataclasses import replace

import pytest

from checks.errors import TransportError
from checks.results import Reason
from checks.transports.ssh_connect import DroppedError
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


async def use(pool, target, seconds=0.0):
    async with pool.lease(target) as lease:
        await asyncio.sleep(seconds)
        return lease


def hosts(count):
    return [replace(HOST, address=f"10.0.1.{number}") for number in range(count)]


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_it_connects_once_for_all_who_ask_at_once(pool_of, connect):
    pool = pool_of(connect)
    leases = await asyncio.gather(*(use(pool, HOST, 0.01) for _ in range(8)))
    assert len(connect.made) == 1
    assert {lease.connection for lease in leases} == set(connect.made)
    assert (await use(pool, HOST)).fresh is False


@pytest.mark.parametrize(
    "change",
    [{"port": 23}, {"user": "two"}, {"client_key": b"other"}, {"client_cert": b"c"}, {"host_key": "ssh-rsa B"}, {"via": HOST}],
)
async def test_it_shares_nothing_between_targets_that_differ(pool_of, connect, change):
    pool = pool_of(connect, connections_per_host=9)
    await use(pool, HOST)
    other = replace(HOST, **change)
    lease = await use(pool, other)
    assert lease.connection.target == other
    assert lease.fresh


async def test_it_shares_between_names_of_the_same_target(pool_of, connect):
    pool = pool_of(connect)
    await use(pool, HOST)
    await use(pool, replace(HOST, name="box"))
    assert len(connect.made) == 1


async def test_it_closes_what_nobody_used_for_a_while(pool_of, connect):
    pool = pool_of(connect, idle_s=0.02)
    await use(pool, HOST)
    assert len(pool) == 1
    await asyncio.sleep(0.1)
    assert len(pool) == 0
    assert connect.made[0].closed


async def test_it_keeps_what_is_used_again_in_time(pool_of, connect):
    pool = pool_of(connect, idle_s=0.05)
    for _ in range(5):
        await use(pool, HOST, 0.03)
    assert len(connect.made) == 1
    assert not connect.made[0].closed


async def test_it_never_closes_a_connection_in_use(pool_of, connect):
    pool = pool_of(connect, idle_s=0, connections=1)
    async with pool.lease(HOST) as lease:
        await asyncio.gather(*(use(pool, host, 0.01) for host in hosts(3)))
        assert not lease.connection.closed


async def test_it_closes_the_least_recently_used_above_its_size(pool_of, connect):
    pool = pool_of(connect, connections=3)
    first, second, third, fourth = hosts(4)
    for host in (first, second, third, first, fourth):
        await use(pool, host)
    assert [connection.closed for connection in connect.made] == [False, True, False, False]


@pytest.mark.parametrize(("users", "expected"), [(1, 4), (6, 2)])
async def test_it_bounds_connections_and_sessions_of_one_host(pool_of, connect, users, expected):
    pool = pool_of(connect)
    sessions = most = 0

    async def work(target):
        nonlocal sessions, most
        async with pool.lease(target):
            sessions += 1
            most = max(most, sessions)
            assert sum(not connection.closed for connection in connect.made) <= 2
            await asyncio.sleep(0.005)
            sessions -= 1

    await asyncio.gather(*(work(replace(HOST, user=f"user{number % users}")) for number in range(30)))
    assert most == expected
    assert len(pool) <= 2


async def test_it_bounds_connecting_in_all_and_to_one_server(pool_of, connect):
    pool = pool_of(connect, connecting=5)
    await asyncio.gather(*(use(pool, host) for host in hosts(30)))
    assert connect.most == 5
    bastion = replace(HOST, address="10.0.0.9")
    behind = Connector()
    pool = pool_of(behind)
    await asyncio.gather(*(use(pool, replace(host, via=bastion)) for host in hosts(30)))
    assert behind.most == 8


async def test_it_opens_the_way_once_and_keeps_it_while_it_is_needed(pool_of, connect):
    pool = pool_of(connect, idle_s=0.03)
    bastion = replace(HOST, address="10.0.0.9")
    leases = await asyncio.gather(*(use(pool, replace(host, via=bastion)) for host in hosts(5)))
    assert len(connect.made) == 6
    (way,) = {lease.connection.way for lease in leases}
    assert way.target == bastion
    async with pool.lease(replace(HOST, via=bastion)) as lease:
        await asyncio.sleep(0.1)
        assert lease.connection.way is way
        assert not way.closed
    await asyncio.sleep(0.15)
    assert way.closed


async def test_it_replaces_a_connection_that_has_closed(pool_of, connect):
    pool = pool_of(connect)
    await use(pool, HOST)
    connect.made[0].closed = True
    assert (await use(pool, HOST)).fresh
    assert len(connect.made) == 2


async def test_it_gives_a_discarded_connection_to_nobody_and_closes_it_last(pool_of, connect):
    pool = pool_of(connect)
    async with pool.lease(HOST) as other:
        async with pool.lease(HOST) as lease:
            lease.discard()
        assert (await use(pool, HOST)).connection is not lease.connection
        assert not other.connection.closed
    assert other.connection.closed


async def test_it_tells_everyone_of_a_failure_and_forgets_it(pool_of, connect):
    pool = pool_of(connect)
    connect.failures = [TransportError("no", Reason.CONNECT_REFUSED)]
    results = await asyncio.gather(*(use(pool, HOST) for _ in range(3)), return_exceptions=True)
    assert [result.reason for result in results] == [Reason.CONNECT_REFUSED] * 3
    assert len(pool) == 0
    assert (await use(pool, HOST)).fresh


async def test_it_goes_on_connecting_when_one_of_those_who_wait_gives_up(pool_of, connect):
    pool = pool_of(connect)
    connect.gate.clear()
    first, second = (asyncio.ensure_future(use(pool, HOST)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    connect.gate.set()
    assert (await second).connection is connect.made[0]
    assert first.cancelled()


async def test_it_keeps_a_connection_whose_only_asker_gave_up(pool_of, connect):
    pool = pool_of(connect)
    connect.gate.clear()
    asker = asyncio.ensure_future(use(pool, HOST))
    await settle()
    asker.cancel()
    connect.gate.set()
    await settle()
    assert len(connect.made) == 1
    assert (await use(pool, HOST)).connection is connect.made[0]


async def test_it_waits_in_vain_for_nobody_when_it_is_closed(pool_of, connect):
    pool = pool_of(connect)
    connect.gate.clear()
    asker = asyncio.ensure_future(use(pool, HOST))
    await settle()
    await pool.close()
    with pytest.raises(TransportError) as caught:
        await asker
    assert caught.value.reason is Reason.CANCELLED


async def test_it_tries_a_dropped_connection_once_more(pool_of, connect):
    pool = pool_of(connect, dropped_retry_s=(0, 0))
    connect.failures = [DroppedError("dropped")]
    assert (await use(pool, HOST)).fresh
    connect.failures = [DroppedError("dropped")] * 2
    with pytest.raises(DroppedError):
        await use(pool, hosts(1)[0])
    assert connect.failures == []


async def test_it_leaves_an_account_alone_for_a_while_after_refusals(pool_of, connect):
    pool = pool_of(connect, refused_s=0.1)
    connect.failures = [TransportError("no", Reason.AUTH_FAILED)] * 4
    for _ in range(3):
        with pytest.raises(TransportError):
            await use(pool, HOST)
    with pytest.raises(TransportError) as caught:
        await use(pool, HOST)
    assert caught.value.reason is Reason.AUTH_FAILED
    assert "left alone" in caught.value.say
    assert len(connect.failures) == 1
    assert (await asyncio.gather(use(pool, replace(HOST, client_key=b"new")), return_exceptions=True))[0].reason
    await asyncio.sleep(0.15)
    assert (await use(pool, HOST)).fresh


async def test_it_counts_refusals_only_in_a_row(pool_of, connect):
    pool = pool_of(connect)
    for _ in range(4):
        connect.failures = [TransportError("no", Reason.AUTH_FAILED)]
        with pytest.raises(TransportError):
            await use(pool, HOST)
        lease = await use(pool, HOST)
        lease.discard()


async def test_it_keeps_nothing_of_hosts_it_has_let_go(pool_of, connect):
    pool = pool_of(connect, idle_s=0)
    await asyncio.gather(*(use(pool, host) for host in hosts(20)))
    await asyncio.sleep(0.05)
    assert len(pool) == 0
    assert pool._sessions._open == {}
    assert pool._handshakes._open == {}
    assert pool._closing == set()
