"""The bounds of the pool: what it never exceeds, and whom it leaves alone."""

import asyncio
from dataclasses import replace

import pytest

from checks.errors import TransportError
from checks.results import Reason
from checks.transports.ssh_connect import DroppedError


async def test_it_closes_the_least_recently_used_above_its_size(pool_of, connect, use, host, hosts):
    pool = pool_of(connect, connections=3)
    first, second, third, fourth = hosts(4)
    for host in (first, second, third, first, fourth):
        await use(pool, host)
    assert [connection.closed for connection in connect.made] == [False, True, False, False]


@pytest.mark.parametrize(("users", "expected"), [(1, 4), (6, 2)])
async def test_it_bounds_connections_and_sessions_of_one_host(pool_of, connect, users, expected, host):
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

    await asyncio.gather(*(work(replace(host, user=f"user{number % users}")) for number in range(30)))
    assert most == expected
    assert len(pool) <= 2


async def test_it_bounds_connecting_in_all_and_to_one_server(pool_of, connect, use, host, hosts):
    pool = pool_of(connect, connecting=5)
    await asyncio.gather(*(use(pool, each) for each in hosts(30)))
    assert connect.most == 5
    bastion = replace(host, address="10.0.0.9")
    behind = type(connect)()
    pool = pool_of(behind)
    await asyncio.gather(*(use(pool, replace(each, via=bastion)) for each in hosts(30)))
    assert behind.most == 8


async def test_it_waits_in_vain_for_nobody_when_it_is_closed(pool_of, connect, use, host, settle):
    pool = pool_of(connect)
    connect.gate.clear()
    asker = asyncio.ensure_future(use(pool, host))
    await settle()
    await pool.close()
    with pytest.raises(TransportError) as caught:
        await asker
    assert caught.value.reason is Reason.CANCELLED


async def test_it_tries_a_dropped_connection_once_more(pool_of, connect, use, host, hosts):
    pool = pool_of(connect, dropped_retry_s=(0, 0))
    connect.failures = [DroppedError("dropped")]
    assert (await use(pool, host)).fresh
    connect.failures = [DroppedError("dropped")] * 2
    with pytest.raises(DroppedError):
        await use(pool, hosts(1)[0])
    assert connect.failures == []


async def test_it_leaves_an_account_alone_for_a_while_after_refusals(pool_of, connect, use, host):
    pool = pool_of(connect, refused_s=0.1)
    connect.failures = [TransportError("no", Reason.AUTH_FAILED)] * 4
    for _ in range(3):
        with pytest.raises(TransportError):
            await use(pool, host)
    with pytest.raises(TransportError) as caught:
        await use(pool, host)
    assert caught.value.reason is Reason.AUTH_FAILED
    assert "left alone" in caught.value.say
    assert len(connect.failures) == 1
    assert (await asyncio.gather(use(pool, replace(host, client_key=b"new")), return_exceptions=True))[0].reason
    await asyncio.sleep(0.15)
    assert (await use(pool, host)).fresh


async def test_it_counts_refusals_only_in_a_row(pool_of, connect, use, host):
    pool = pool_of(connect)
    for _ in range(4):
        connect.failures = [TransportError("no", Reason.AUTH_FAILED)]
        with pytest.raises(TransportError):
            await use(pool, host)
        lease = await use(pool, host)
        lease.discard()


async def test_it_keeps_nothing_of_hosts_it_has_let_go(pool_of, connect, use, hosts):
    pool = pool_of(connect, idle_s=0)
    await asyncio.gather(*(use(pool, each) for each in hosts(20)))
    await asyncio.sleep(0.05)
    assert len(pool) == 0
    assert pool._sessions._open == {}
    assert pool._handshakes._open == {}
    assert pool._closing == set()
