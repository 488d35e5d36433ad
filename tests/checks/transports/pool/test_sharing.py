"""Who shares a connection, how long it lives, and who is told when it cannot be made."""

import asyncio
from dataclasses import replace

import pytest

from checks.errors import TransportError
from checks.results import Reason
from checks.transports.ssh_target import SshTarget


async def test_it_connects_once_for_all_who_ask_at_once(pool_of, connect, use, host):
    pool = pool_of(connect)
    leases = await asyncio.gather(*(use(pool, host, 0.01) for _ in range(8)))
    assert len(connect.made) == 1
    assert {lease.connection for lease in leases} == set(connect.made)
    assert (await use(pool, host)).fresh is False


@pytest.mark.parametrize(
    "change",
    [
        {"port": 23},
        {"user": "two"},
        {"client_key": b"other"},
        {"client_cert": b"c"},
        {"host_key": "ssh-rsa B"},
        {"via": SshTarget("10.0.0.9")},
    ],
)
async def test_it_shares_nothing_between_targets_that_differ(pool_of, connect, change, use, host):
    pool = pool_of(connect, connections_per_host=9)
    await use(pool, host)
    other = replace(host, **change)
    lease = await use(pool, other)
    assert lease.connection.target == other
    assert lease.fresh


async def test_it_shares_between_names_of_the_same_target(pool_of, connect, use, host):
    pool = pool_of(connect)
    await use(pool, host)
    await use(pool, replace(host, name="box"))
    assert len(connect.made) == 1


async def test_it_closes_what_nobody_used_for_a_while(pool_of, connect, use, host):
    pool = pool_of(connect, idle_s=0.02)
    await use(pool, host)
    assert len(pool) == 1
    await asyncio.sleep(0.1)
    assert len(pool) == 0
    assert connect.made[0].closed


async def test_it_keeps_what_is_used_again_in_time(pool_of, connect, use, host):
    pool = pool_of(connect, idle_s=0.05)
    for _ in range(5):
        await use(pool, host, 0.03)
    assert len(connect.made) == 1
    assert not connect.made[0].closed


async def test_it_never_closes_a_connection_in_use(pool_of, connect, use, host, hosts):
    pool = pool_of(connect, idle_s=0, connections=1)
    async with pool.lease(host) as lease:
        await asyncio.gather(*(use(pool, host, 0.01) for host in hosts(3)))
        assert not lease.connection.closed


async def test_it_opens_the_way_once_and_keeps_it_while_it_is_needed(pool_of, connect, use, host, hosts):
    pool = pool_of(connect, idle_s=0.03)
    bastion = replace(host, address="10.0.0.9")
    leases = await asyncio.gather(*(use(pool, replace(each, via=bastion)) for each in hosts(5)))
    assert len(connect.made) == 6
    (way,) = {lease.connection.way for lease in leases}
    assert way.target == bastion
    async with pool.lease(replace(host, via=bastion)) as lease:
        await asyncio.sleep(0.1)
        assert lease.connection.way is way
        assert not way.closed
    await asyncio.sleep(0.15)
    assert way.closed


async def test_it_replaces_a_connection_that_has_closed(pool_of, connect, use, host):
    pool = pool_of(connect)
    await use(pool, host)
    connect.made[0].closed = True
    assert (await use(pool, host)).fresh
    assert len(connect.made) == 2


async def test_it_gives_a_discarded_connection_to_nobody_and_closes_it_last(pool_of, connect, use, host):
    pool = pool_of(connect)
    async with pool.lease(host) as other:
        async with pool.lease(host) as lease:
            lease.discard()
        assert (await use(pool, host)).connection is not lease.connection
        assert not other.connection.closed
    assert other.connection.closed


async def test_it_tells_everyone_of_a_failure_and_forgets_it(pool_of, connect, use, host):
    pool = pool_of(connect)
    connect.failures = [TransportError("no", Reason.CONNECT_REFUSED)]
    results = await asyncio.gather(*(use(pool, host) for _ in range(3)), return_exceptions=True)
    assert [result.reason for result in results] == [Reason.CONNECT_REFUSED] * 3
    assert len(pool) == 0
    assert (await use(pool, host)).fresh


async def test_it_goes_on_connecting_when_one_of_those_who_wait_gives_up(pool_of, connect, use, host, settle):
    pool = pool_of(connect)
    connect.gate.clear()
    first, second = (asyncio.ensure_future(use(pool, host)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    connect.gate.set()
    assert (await second).connection is connect.made[0]
    assert first.cancelled()


async def test_it_keeps_a_connection_whose_only_asker_gave_up(pool_of, connect, use, host, settle):
    pool = pool_of(connect)
    connect.gate.clear()
    asker = asyncio.ensure_future(use(pool, host))
    await settle()
    asker.cancel()
    connect.gate.set()
    await settle()
    assert len(connect.made) == 1
    assert (await use(pool, host)).connection is connect.made[0]
