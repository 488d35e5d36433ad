"""Devices, addresses, neighbours and switches in the forms of other tools and versions. ¬ marks a line that ends with a blank."""

from __future__ import annotations

import pytest

from checks.errors import ParseError
from checks.parsers.arp_cache import parse_arp_cache
from checks.parsers.ip_addr import parse_addresses
from checks.parsers.ip_conf import parse_conf
from checks.parsers.ip_link import parse_links
from checks.parsers.ip_neigh import parse_neighbours
from checks.parsers.rt_tables import parse_rt_tables
from checks.results import Reason

EL7_LINK = """1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00 promiscuity 0 addrgenmode eui64 numtxqueues 1 numrxqueues 1 ¬
    RX: bytes  packets  errors  dropped overrun mcast   ¬
    292596     1584     0       7       0       0       ¬
    TX: bytes  packets  errors  dropped carrier collsns ¬
    292596     1584     3       0       0       0       ¬
2: eth0: <NO-CARRIER,BROADCAST,MULTICAST,UP> mtu 1500 qdisc mq master bond0 state DOWN mode DEFAULT group default qlen 1000
    link/ether 02:00:5E:10:00:0a brd ff:ff:ff:ff:ff:ff promiscuity 1 ¬
    bond_slave state ACTIVE mii_status UP numtxqueues 16 numrxqueues 16 ¬
    vf 0 MAC 00:00:00:00:00:00, spoof checking on, link-state auto
5: tunl0@NONE: <NOARP,UP,LOWER_UP> mtu 1440 qdisc noqueue state UNKNOWN mode DEFAULT group default qlen 1000
    link/ipip 0.0.0.0 brd 0.0.0.0 promiscuity 0 ¬
    ipip remote any local any ttl inherit nopmtudisc numtxqueues 1 numrxqueues 1 ¬
7: eth0.10@eth0: <BROADCAST,MULTICAST,UP,LOWER_UP,M-DOWN> mtu 1500 qdisc noqueue state LOWERLAYERDOWN qlen 1000
    link/ether 02:00:5e:10:00:0a brd ff:ff:ff:ff:ff:ff promiscuity 0 ¬
    vlan protocol 802.1Q id 10 <REORDER_HDR> addrgenmode eui64
9: flannel.1: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1450 qdisc noqueue state UNKNOWN
    link/ether 02:00:5e:10:00:f1 brd ff:ff:ff:ff:ff:ff promiscuity 0 ¬
    vxlan id 1 local 192.0.2.10 dev eth0 srcport 0 0 dstport 8472 nolearning ageing 300 ¬
    altname flannelone
""".replace("¬", "")


def test_it_reads_devices_of_centos_7() -> None:
    links = {link.name: link for link in parse_links(EL7_LINK).links}
    assert list(links) == ["lo", "eth0", "tunl0", "eth0.10", "flannel.1"]
    assert (links["lo"].counters["rx_dropped"], links["lo"].counters["tx_errors"]) == (7, 3)
    assert (links["eth0"].state, links["eth0"].master, links["eth0"].address) == (
        "up but without carrier",
        "bond0",
        "02:00:5e:10:00:0a",
    )
    assert (links["tunl0"].kind, links["tunl0"].peer, links["tunl0"].info["remote"]) == ("ipip", "", "any")
    assert (links["eth0.10"].kind, links["eth0.10"].peer, links["eth0.10"].info["id"]) == ("vlan", "eth0", "10")
    assert links["flannel.1"].info == {"id": "1", "local": "192.0.2.10", "link": "eth0", "port": "8472"}
    assert [link.line for link in links.values()] == [1, 7, 11, 14, 17]


ADDR = """2: eth0@if3: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default qlen 1000
    link/ether 02:00:5e:10:00:0a brd ff:ff:ff:ff:ff:ff link-netnsid 0
    altname enp0s3
    inet 192.0.2.10/24 metric 100 brd 192.0.2.255 scope global dynamic noprefixroute eth0
       valid_lft 3000sec preferred_lft 3000sec
    inet 192.0.2.11/24 brd 192.0.2.255 scope global secondary eth0:1
       valid_lft forever preferred_lft forever
    inet 10.9.9.1 peer 10.9.9.2/32 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 2001:db8::a/64 scope global temporary deprecated dynamic ¬
       valid_lft 40sec preferred_lft 0sec
    inet6 fe80::1/64 scope link proto kernel_ll ¬
       valid_lft forever preferred_lft forever
""".replace("¬", "")


def test_it_reads_addresses_with_all_their_words() -> None:
    found = parse_addresses(ADDR)
    assert [(a.ip, a.plen, a.line, a.valid_s) for a in found.addresses] == [
        ("192.0.2.10", 24, 4, 3000), ("192.0.2.11", 24, 6, None), ("10.9.9.1", 32, 8, None),
        ("2001:db8::a", 64, 10, 40), ("fe80::1", 64, 12, None),
    ]  # fmt: skip
    assert {a.dev for a in found.addresses} == {"eth0"}
    assert [sorted(a.flags) for a in found.addresses] == [
        ["dynamic", "noprefixroute"], ["secondary"], [], ["deprecated", "dynamic", "temporary"], [],
    ]  # fmt: skip
    assert str(found.addresses[2].network) == "10.9.9.2/32"
    assert [(link.name, link.carrier) for link in found.links] == [("eth0", True)]


def test_it_reads_addresses_of_json_on_their_own_lines() -> None:
    text = (
        '[{"ifindex":2,"ifname":"eth0","flags":["UP","LOWER_UP"],"mtu":1500,"addr_info":[{"family":"inet","local":"192.0.2.10","prefixlen":24},\n'
        '{},{"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link","dadfailed":true,"valid_life_time":4294967295}]},\n{}]\n'
    )
    v4, v6 = parse_addresses(text).addresses
    assert (v4.line, v6.line, v6.flags, v6.valid_s) == (1, 2, {"dadfailed"}, None)


@pytest.mark.parametrize(("line", "state"), [
    ("192.0.2.1 dev eth0 lladdr 02:00:5e:10:00:01 ref 1 used 0/0/0 probes 1 REACHABLE", "REACHABLE"),
    ("192.0.2.1 dev eth0 lladdr 02:00:5e:10:00:01 used 1/1/1probes 0 STALE", "STALE"),
    ("192.0.2.1 dev eth0  FAILED", "FAILED"),
    ("192.0.2.1 dev eth0  used 8/68/5probes 6 FAILED", "FAILED"),
    ("192.0.2.1 dev eth0 INCOMPLETE", "INCOMPLETE"),
    ("192.0.2.1 lladdr 02:00:5e:10:00:01 DELAY", "DELAY"),
    ("10.244.2.0 dev flannel.1 lladdr 02:00:5e:10:00:f2 PERMANENT", "PERMANENT"),
    ("10.244.2.0 dev vxlan lladdr 02:00:5e:10:00:f2 extern_learn NOARP proto zebra", "NOARP"),
    ("fe80::1 dev eth0 lladdr 02:00:5e:10:00:01 router PROBE ", "PROBE"),
    ("192.0.2.60 dev eth0 proxy ", "NONE"),
])  # fmt: skip
def test_it_reads_every_state_of_a_neighbour(line: str, state: str) -> None:
    (entry,) = parse_neighbours(line + "\n").entries
    assert entry.state == state
    assert entry.unanswered == (state in ("FAILED", "INCOMPLETE"))


@pytest.mark.parametrize("text", [
    "Address    HWtype  HWaddress    Flags Mask    Iface\nnode-1 ether 02:00:5e:10:00:01 C eth0\n",
    "? (192.0.2.1) at 02:00:5e:10:00:01 [ether] on eth0\nno match found\n",
    "192.0.2.1 dev eth0 lladdr 02:00:5e:10:00:01\n",
    "192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.10\n",
    '[{"dst":"192.0.2.1","dev":"eth0","state":["SLEEPING"]}]\n',
])  # fmt: skip
def test_it_refuses_what_is_no_neighbour(text: str) -> None:
    with pytest.raises(ParseError):
        parse_neighbours(text)


def test_it_names_the_tool_to_use_instead() -> None:
    with pytest.raises(ParseError, match="not an entry with an address; run ip neigh, or arp -n"):
        parse_neighbours("? (192.0.2.7) at 02:00:5e:10:00:01 [ether] on eth0\n192.0.2.9 REACHABLE\n")
    with pytest.raises(ParseError, match="output of ifconfig; run ip link and ip addr"):
        parse_links("eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500\n")


def test_it_counts_the_entries_of_all_cpus_once() -> None:
    """A namespace that listed 4 neighbours had 0f in the rows of both CPUs: 15 entries, not 30 and not 4."""
    text = "entries  allocs destroys res_failed table_fulls\n" + "0000000f 00000010 00000001 00000003 ffffffff\n" * 2
    stat = parse_arp_cache(text)
    assert (stat.entries, stat.sums["res_failed"], stat.sums["table_fulls"]) == (15, 6, 0x1FFFFFFFE)


@pytest.mark.parametrize(
    "text", ["entries allocs\n", "entries allocs\n0000000f\n", "entries allocs\n0000000f 0000000g\n", "x\n", ""]
)
def test_it_refuses_a_broken_arp_cache(text: str) -> None:
    with pytest.raises(ParseError):
        parse_arp_cache(text)


CONF = """== /proc/sys/net/ipv4/conf
all forwarding=1 rp_filter=1 proxy_arp=0 accept_local=
eth0 forwarding=1 rp_filter=2 proxy_arp=0 accept_local=0
cali1 forwarding=0 rp_filter=0 proxy_arp=1 accept_local=1

== end
"""


@pytest.mark.parametrize(("dev", "name", "value"), [
    ("eth0", "rp_filter", 2), ("cali1", "rp_filter", 1), ("cali1", "proxy_arp", 1), ("eth0", "proxy_arp", 0),
    ("cali1", "forwarding", 0), ("eth0", "accept_local", None), ("cali1", "accept_local", 1), ("eth9", "rp_filter", None),
])  # fmt: skip
def test_it_combines_switches_as_the_kernel_does(dev: str, name: str, value: int | None) -> None:
    assert parse_conf(CONF).effective(dev, name) == value


def test_it_knows_a_cut_list_of_switches() -> None:
    with pytest.raises(ParseError) as caught:
        parse_conf(CONF.partition("\n\n== end")[0] + "\n")
    assert caught.value.reason == Reason.TRUNCATED


def test_it_reads_table_names() -> None:
    assert parse_rt_tables("# x\n255\tlocal\n 0x10 hex\nnonsense\n300 uplink#2\n") == {255: "local", 16: "hex", 300: "uplink"}
