"""The source check in the cases that calico and asymmetric hosts meet."""

from __future__ import annotations

import pytest

from checks.analyzers.route_lookup import Fib
from checks.analyzers.route_tables import Flow
from checks.analyzers.rp_filter import Incoming, own_devices
from checks.parsers.ip_conf import parse_conf
from checks.parsers.ip_prefix import Address
from checks.parsers.ip_route import parse_routes
from checks.parsers.ip_rule import plain_rules

ROUTES = """default via 192.0.2.1 dev eth0
192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10
198.51.100.0/24 dev eth1 proto kernel scope link src 198.51.100.10
10.244.1.10 dev cali1 scope link
local 192.0.2.10 dev eth0 table local proto kernel scope host
local 198.51.100.10 dev eth1 table local proto kernel scope host
broadcast 192.0.2.255 dev eth0 table local proto kernel scope link
local 127.0.0.0/8 dev lo table local proto kernel scope host
"""


def incoming(rp: dict[str, int], **switches: int) -> Incoming:
    lines = []
    for dev in ("all", "default", "lo", "eth0", "eth1", "cali1"):
        values = {
            "forwarding": 1,
            "rp_filter": rp.get(dev, 0),
            "accept_local": 0,
            "src_valid_mark": 0,
            "route_localnet": 0,
            **switches,
        }
        lines.append(f"{dev} " + " ".join(f"{name}={value}" for name, value in values.items()))
    conf = parse_conf("== /proc/sys/net/ipv4/conf\n" + "\n".join(lines) + "\n\n== end\n")
    fib = Fib(parse_routes(ROUTES), plain_rules(4))
    return Incoming(fib, conf, own_devices(fib))


def fate(found: Incoming, src: str, dst: str, iif: str) -> str:
    return found.fate(Flow(Address.parse(dst), Address.parse(src), iif)).result


@pytest.mark.parametrize(("src", "iif", "rp", "result"), [
    ("203.0.113.9", "eth1", {}, "unicast"),
    ("203.0.113.9", "eth1", {"eth1": 1}, "source_check"),
    ("203.0.113.9", "eth1", {"all": 1}, "source_check"),
    ("203.0.113.9", "eth1", {"eth1": 2, "all": 1}, "unicast"),
    ("198.51.100.9", "eth1", {"eth1": 1}, "unicast"),
    ("10.244.1.10", "cali1", {"all": 1}, "unicast"),
    ("10.244.1.11", "cali1", {"all": 1}, "source_check"),
    ("10.244.1.11", "cali1", {"all": 2}, "source_check"),  # cali1 has no address: loose is strict there
    ("192.0.2.10", "eth1", {}, "source_check"),  # our own address from outside
    ("192.0.2.255", "eth1", {}, "source_check"),
    ("224.0.0.1", "eth1", {}, "martian"),
    ("127.0.0.1", "eth1", {}, "martian"),
])  # fmt: skip
def test_it_accepts_and_refuses_sources(src: str, iif: str, rp: dict[str, int], result: str) -> None:
    assert fate(incoming(rp), src, "192.0.2.77", iif) == result


def test_it_accepts_own_addresses_where_that_is_switched_on() -> None:
    assert fate(incoming({}, accept_local=1), "192.0.2.10", "192.0.2.77", "eth1") == "unicast"


def test_it_forwards_nothing_where_forwarding_is_off() -> None:
    found = incoming({}, forwarding=0)
    assert fate(found, "198.51.100.9", "192.0.2.77", "eth1") == "not_forwarded"
    assert fate(found, "198.51.100.9", "198.51.100.10", "eth1") == "local"


def test_it_says_unknown_for_a_device_nobody_looked_at() -> None:
    assert fate(incoming({}), "198.51.100.9", "192.0.2.77", "eth9") == "unknown"


def test_it_knows_which_devices_have_an_address() -> None:
    assert incoming({}).addressed == {"eth0", "eth1", "lo"}
