# ruff: noqa: E501 - rows are as the tool prints them
"""Grepped rules, ``iptables -S`` and ``iptables -nvL``: read, never complete, each rule in the right table."""

from __future__ import annotations

import pytest

from checks.parsers import iptables_loose, iptables_nvl
from checks.parsers.iptables_text import read_rules

GREPPED = """$ sudo iptables-save | grep -e web -e MASQ
-A KUBE-SERVICES -d 10.96.23.5/32 -p tcp -m comment --comment "prod/web:http cluster IP" -m tcp --dport 80 -j KUBE-SVC-A
-A KUBE-SVC-A -m comment --comment "prod/web:http" -m statistic --mode random --probability 0.50000000000 -j KUBE-SEP-A
12:-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 10.244.1.5:80
-A KUBE-SERVICES -d 10.96.23.6/32 -p tcp -m comment --comment "prod/db has no endpoints" -m tcp --dport 80 -j REJECT
-A KUBE-POSTROUTING -m mark --mark 0x4000/0x4000 -j MASQUERADE
"""

LISTED = """-P PREROUTING ACCEPT
-P INPUT ACCEPT
-P OUTPUT ACCEPT
-P POSTROUTING ACCEPT
-N KUBE-SERVICES
-N cali-PREROUTING
-A PREROUTING -j cali-PREROUTING
-A PREROUTING -m comment --comment "kubernetes service portals" -c 7 420 -j KUBE-SERVICES
"""

NVL = """Chain PREROUTING (policy ACCEPT 34 packets, 2040 bytes)
num   pkts bytes target     prot opt in     out     source               destination
1     153M   12G KUBE-SERVICES  all  --  *      *       0.0.0.0/0            0.0.0.0/0            /* kubernetes service portals */

Chain POSTROUTING (policy ACCEPT 0 packets, 0 bytes)
num   pkts bytes target     prot opt in     out     source               destination
1        0     0 MASQUERADE  0    --  *      !docker0  172.17.0.0/16        0.0.0.0/0

Chain KUBE-SEP-A (1 references)
num   pkts bytes target     prot opt in     out     source               destination
1        0     0 KUBE-MARK-MASQ  0    --  *      *       10.244.1.5           0.0.0.0/0            /* prod/web:http */
2        3   180 DNAT       6    --  *      *       0.0.0.0/0            0.0.0.0/0            /* a */ recent: SET name: KUBE-SEP-A side: source mask: 255.255.255.255 tcp to:10.244.1.5:80

Chain KUBE-SERVICES (1 references)
num   pkts bytes target     prot opt in     out     source               destination
1        3   180 KUBE-SVC-A  6    --  *      *       0.0.0.0/0            10.96.23.5           /* prod/web:http cluster IP */ tcp dpt:80
2        0     0 KUBE-NODEPORTS  0    --  *      *       0.0.0.0/0            0.0.0.0/0            /* last */ ADDRTYPE match dst-type LOCAL

Chain KUBE-SVC-A (1 references)
num   pkts bytes target     prot opt in     out     source               destination
1        0     0 KUBE-MARK-MASQ  6    --  *      *      !10.244.0.0/16        10.96.23.5           tcp dpt:80
2        3   180 KUBE-SEP-A  0    --  *      *       0.0.0.0/0            0.0.0.0/0            recent: CHECK seconds: 10800 reap name: KUBE-SEP-A side: source mask: 255.255.255.255
3        3   180 KUBE-SEP-A  0    --  *      *       0.0.0.0/0            0.0.0.0/0            statistic mode random probability 0.33333333349
4        0     0            0    --  *      *       0.0.0.0/0            0.0.0.0/0            /* other traffic is dropped later */

Chain INPUT (policy DROP 0 packets, 0 bytes)
num   pkts bytes target     prot opt in     out     source               destination
1        0     0 ACCEPT     6    --  *      *       0.0.0.0/0            0.0.0.0/0            multiport dports 80,443 ctstate NEW limit: avg 5/min burst 5

Chain FORWARD (policy ACCEPT 0 packets, 0 bytes)
num   pkts bytes target     prot opt in     out     source               destination

Chain KUBE-FORWARD (1 references)
num   pkts bytes target     prot opt in     out     source               destination
1        0     0 ACCEPT     0    --  *      *       0.0.0.0/0            0.0.0.0/0            mark match 0x4000/0x4000

Chain KUBE-SERVICES (2 references)
num   pkts bytes target     prot opt in     out     source               destination
1        0     0 REJECT     6    --  *      *       0.0.0.0/0            10.96.23.6           /* prod/db has no endpoints */ tcp dpt:80 reject-with icmp-port-unreachable

"""


def test_it_puts_grepped_rules_into_their_tables():
    (found,) = iptables_loose.read(GREPPED)
    assert not found.complete
    assert [rule.target for rule in found.rules_of("nat", "KUBE-SERVICES")] == ["KUBE-SVC-A"]
    assert [rule.target for rule in found.rules_of("filter", "KUBE-SERVICES")] == ["REJECT"]
    assert found.rules_of("nat", "KUBE-SEP-A")[0].line == 4


def test_it_reads_a_listing_of_one_table():
    (found,) = iptables_loose.read(LISTED)
    assert list(found.tables) == ["nat"]
    assert found.chain("nat", "PREROUTING").policy == "ACCEPT"
    rules = found.rules_of("nat", "PREROUTING")
    assert [(rule.target, rule.packets) for rule in rules] == [("cali-PREROUTING", None), ("KUBE-SERVICES", 7)]


def test_it_reads_the_tables_of_a_verbose_listing():
    (found,) = iptables_nvl.read(NVL)
    assert (list(found.tables), found.complete, found.family, found.gaps) == (["nat", "filter"], False, 4, [])
    assert found.rules_of("nat", "PREROUTING")[0].packets == 153_000_000
    assert found.chain("nat", "KUBE-SERVICES").references == 1
    assert found.rules_of("filter", "KUBE-SERVICES")[0].option("reject-with") == "icmp-port-unreachable"


def test_it_turns_rows_back_into_conditions():
    (found,) = iptables_nvl.read(NVL)

    def said(table, chain, number):
        rule = found.rules_of(table, chain)[number]
        return rule.target, [(m.option, m.value, m.negated) for m in rule.conditions]

    assert said("nat", "KUBE-SVC-A", 0) == (
        "KUBE-MARK-MASQ",
        [("s", "10.244.0.0/16", True), ("d", "10.96.23.5", False), ("p", "tcp", False), ("dport", "80", False)],
    )
    assert said("nat", "KUBE-SVC-A", 1)[1][0] == ("rcheck", "", False)
    assert said("nat", "KUBE-SVC-A", 2)[1] == [("mode", "random", False), ("probability", "0.33333333349", False)]
    assert said("nat", "KUBE-SVC-A", 3) == ("", [])
    assert said("nat", "POSTROUTING", 0)[1] == [("s", "172.17.0.0/16", False), ("o", "docker0", True)]
    assert said("nat", "KUBE-SERVICES", 1)[1] == [("dst-type", "LOCAL", False)]
    assert found.rules_of("nat", "KUBE-SEP-A")[1].option("to-destination") == "10.244.1.5:80"
    assert found.rules_of("filter", "INPUT")[0].opaque


def test_it_reads_a_listing_without_counters_and_with_names():
    text = """Chain FORWARD (policy DROP)
target     prot opt source               destination
KUBE-FORWARD  all  --  anywhere             anywhere             /* kubernetes forwarding rules */
ACCEPT     tcp  --  10.244.0.0/16        anywhere             tcp dpt:https
ACCEPT     tcp  --  node-7.example       anywhere

"""
    (found,) = iptables_nvl.read(text)
    first, second, third = found.rules_of("filter", "FORWARD")
    assert first.unconditional
    assert second.value("dport") == "443"
    assert second.opaque, "without -v an interface may be hidden"
    assert third.opaque


def test_it_reads_a_v6_listing_without_the_opt_column():
    text = """Chain KUBE-SERVICES (2 references)
 pkts bytes target     prot opt in     out     source               destination
    0     0 KUBE-SVC-A  tcp      *      *       ::/0                 fd00:96::5           tcp dpt:80

"""
    (found,) = iptables_nvl.read(text)
    rule = found.rules_of("nat", "KUBE-SERVICES")[0]
    assert (found.family, rule.value("d"), rule.value("dport")) == (6, "fd00:96::5", "80")


@pytest.mark.parametrize("text", [GREPPED, LISTED, NVL])
def test_it_chooses_the_reader_by_the_text(text):
    assert all(found.section == "paste" and not found.complete for found in read_rules(text, "paste"))
