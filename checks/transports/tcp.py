"""A TCP connection, and what to say when there is none. Finding the address and reaching it have their own limits."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from checks.errors import TransportError
from checks.results import Reason

CONNECT_S = 5

# Of its own, so that names that do not resolve cannot hold up anything else that uses the loop's threads.
_resolvers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")


async def reach(address: str, port: int, say: str, seconds: float = CONNECT_S) -> socket.socket:
    """A connected socket. ``say`` is the host's name for a sentence. Raises TransportError."""
    failed: Exception = OSError("it has no address")
    places = _literal(address, port) or await _resolve(address, port, seconds)
    for family, place in places:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003
        try:
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(sock, place), seconds / len(places))
            return sock
        except OSError as error:
            sock.close()
            failed = error
        except BaseException:
            sock.close()
            raise
    raise _unreached(failed, say, seconds) from failed


def _literal(address: str, port: int) -> list[tuple[int, Any]]:
    """An address that needs no look-up. One with a zone does: the zone has a name too."""
    try:
        version = ipaddress.ip_address(address).version
    except ValueError:
        return []
    if "%" in address:
        return []
    return [(socket.AF_INET, (address, port)) if version == 4 else (socket.AF_INET6, (address, port, 0, 0))]


async def _resolve(address: str, port: int, seconds: float) -> list[tuple[int, Any]]:
    look_up = asyncio.get_running_loop().run_in_executor(_resolvers, _addresses, address, port)
    try:
        return await asyncio.wait_for(look_up, seconds)
    except TimeoutError as error:
        say = f"the name {address} was not resolved within {seconds:g} s; see whether the resolver answers"
        raise TransportError(say, Reason.DNS_FAILED) from error
    except (OSError, UnicodeError) as error:
        detail = getattr(error, "strerror", None) or "it is no host name"
        say = f"the name {address} does not resolve ({detail}); check its spelling and DNS"
        raise TransportError(say, Reason.DNS_FAILED) from error


def _addresses(address: str, port: int) -> list[tuple[int, Any]]:
    return [(family, place) for family, _, _, _, place in socket.getaddrinfo(address, port, type=socket.SOCK_STREAM)]


def _unreached(error: Exception, say: str, seconds: float) -> TransportError:
    if isinstance(error, ConnectionRefusedError):
        told = f"{say} refuses connections; nothing listens on that port, or a firewall rejects it"
        return TransportError(told, Reason.CONNECT_REFUSED)
    if isinstance(error, TimeoutError) or getattr(error, "errno", None) == errno.ETIMEDOUT:
        told = f"{say} did not answer within {seconds:g} s; the host is down or a firewall drops the packets"
        return TransportError(told, Reason.CONNECT_TIMEOUT)
    detail = getattr(error, "strerror", None) or str(error)
    return TransportError(f"{say} cannot be reached ({detail}); check the address and the route to it", Reason.HOST_UNREACHABLE)
