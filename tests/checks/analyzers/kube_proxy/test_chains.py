"""kube-proxy's chains read as services, of every era."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_names import belongs, is_foreign, name_in, service_chain, service_hash
from checks.analyzers.kube_proxy_shares import chance, expected, furthest, leak, printed, shares
from checks.parsers.iptables_save import read, read_rule

WEB = "KUBE-SVC-I6F7J7E256H6PY43"


def by_name(model, name):
    return next(service for service in model.services if service.name == name)


def test_it_reads_a_service_with_its_endpoints(model):
    web = by_name(model(), "prod/web:http")
    assert (web.protocol, web.chains) == ("tcp", {"SVC": WEB, "EXT": "KUBE-EXT-I6F7J7E256H6PY43"})
    assert [(front.kind, front.ip, front.port) for front in web.fronts] == [
        ("cluster", "10.96.23.5", 80),
        ("nodeport", "", 30080),
    ]
    assert [(pick.ip, pick.port) for pick in web.picks] == [("172.19.1.10", 8080), ("172.19.2.10", 8080), ("172.19.2.10", 8081)]
    assert web.main.shares == pytest.approx([1 / 3] * 3)
    assert (web.main.leak, web.no_endpoints, web.main.readable) == (0.0, False, True)


def test_it_finds_a_refused_service(model):
    refusal = (
        '-A KUBE-SERVICES -d 10.96.40.1/32 -p tcp -m comment --comment "prod/db:sql has no endpoints" -m tcp --dport 5432 '
        "-j REJECT --reject-with icmp-port-unreachable"
    )
    invalid = "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP"
    found = by_name(model((invalid, f"{invalid}\n{refusal}")), "prod/db:sql")
    assert found.no_endpoints
    assert (found.suffix, found.refusals[0].ip) == (service_hash("prod/db:sql", "tcp"), "10.96.40.1")
    assert found.main is None


def test_it_needs_no_comments(rules):
    text = "\n".join(rule for rule in _without_comments())
    found = KubeProxy(read(text)[0])
    service = found.by_suffix["NPX46M4PTMTKRN6Y"]
    assert (service.name, service.protocol, [pick.ip for pick in service.picks]) == ("", "tcp", ["192.168.1.1"])
    assert belongs("default/kubernetes:https", "tcp", service.suffix)


def _without_comments():
    yield from ("*nat", ":KUBE-SERVICES - [0:0]", ":KUBE-SVC-NPX46M4PTMTKRN6Y - [0:0]", ":KUBE-SEP-A - [0:0]")
    yield "-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 443 -j KUBE-SVC-NPX46M4PTMTKRN6Y"
    yield "-A KUBE-SVC-NPX46M4PTMTKRN6Y -j KUBE-SEP-A"
    yield "-A KUBE-SEP-A -s 192.168.1.1/32 -j KUBE-MARK-MASQ"
    yield "-A KUBE-SEP-A -p tcp -m tcp -j DNAT --to-destination 192.168.1.1:6443"
    yield from ("COMMIT", "")


def test_it_sets_affinity_rules_apart(model):
    sticky = (
        f"-A {WEB} -m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-GTXJMMHUM6YBTSLA --mask 255.255.255.255 --rsource "
        f'-j KUBE-SEP-GTXJMMHUM6YBTSLA\n-A {WEB} -m comment --comment "prod/web:http -> 172.19.1.10:8080"'
    )
    web = by_name(model((f'-A {WEB} -m comment --comment "prod/web:http -> 172.19.1.10:8080"', sticky)), "prod/web:http")
    assert (len(web.main.affinity), len(web.picks), web.main.leak) == (1, 3, 0.0)


def test_it_says_when_shares_cannot_be_read(model):
    odd = (f'-A {WEB} -m comment --comment "prod/web:http -> 172.19.2.10:8081"', f"-A {WEB} -m time --timestart 08:00:00")
    assert not by_name(model(odd), "prod/web:http").main.readable


@pytest.mark.parametrize(
    ("name", "protocol", "suffix"),
    [
        ("default/kubernetes:https", "tcp", "NPX46M4PTMTKRN6Y"),
        ("kube-system/kube-dns:dns", "udp", "TCOU7JCQXEZGVUNU"),
        ("kube-system/kube-dns:dns-tcp", "tcp", "ERIFXISQEP7F7OF4"),
        ("kube-system/kube-dns:metrics", "TCP", "JD5MR3NA4I4DYORP"),
        ("default/nginx", "tcp", "4N57TFCL4MD7ZTDA"),
        ("default/nginx:", "tcp", "2CMXP7HKUVJN7L6M"),
    ],
)
def test_it_knows_a_service_by_its_suffix_in_both_eras(name, protocol, suffix):
    assert belongs(name, protocol, suffix)
    assert not belongs(name + "x", protocol, suffix)


def test_it_tells_its_own_chains_from_others():
    assert service_chain("KUBE-XLB-ABC") == ("XLB", "ABC")
    assert service_chain("KUBE-SEP-ABC") is None
    for chain in ("KUBE-ROUTER-INPUT", "KUBE-POD-FW-XYZ", "KUBE-NWPLCY-1", "KUBE-HP-1", "KUBE-LOAD-BALANCER", "KUBE-IPVS-FILTER"):
        assert is_foreign(chain)
    assert not any(map(is_foreign, ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-SVC-HP", "KUBE-FIREWALL")))
    assert name_in("Redirect pods trying to reach external loadbalancer VIP to clusterIP") == ""


@pytest.mark.parametrize("count", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("digits", [5, 10])
def test_it_finds_equal_shares_equal_in_both_printed_forms(count, digits):
    written = [float(printed(round(each, digits))) for each in expected(count)[:-1]] + [1.0]
    assert sum(shares(written)) == pytest.approx(1)
    assert leak(written) == 0
    assert furthest(written) < 1e-5
    assert max(shares(written)) / min(shares(written)) < 1.03


def test_it_measures_a_leak_and_a_skew():
    assert leak([1 / 3] * 3) == pytest.approx(8 / 27)
    assert shares([0.5, 1 / 3, 1.0]) == pytest.approx([1 / 2, 1 / 6, 1 / 3])
    assert furthest([0.5, 1 / 3, 1.0]) == pytest.approx(1 / 6)


def test_it_reads_the_chance_of_a_rule():
    def of(condition):
        return chance(read_rule(1, f"-A X {condition} -j Y", "nat"))

    assert of("-p tcp") == 1.0
    assert of("-m statistic --mode random --probability 0.25000000000") == 0.25
    assert of("-m statistic --mode random ! --probability 0.25000000000") == 0.75
    assert of("-m statistic --mode nth --every 3 --packet 0") == pytest.approx(1 / 3)
    assert of("-m statistic --mode random --probability many") is None


@pytest.mark.parametrize("count", [2, 3, 7, 40])
@pytest.mark.parametrize("digits", [5, 10])
def test_it_prints_shares_that_ten_thousand_picks_fit(count, digits):
    chances = [float(printed(round(each, digits))) for each in expected(count)[:-1]] + [1.0]
    dice = random.Random(count)
    picks = Counter(next(i for i, chance in enumerate(chances) if dice.getrandbits(31) < chance * 2**31) for _ in range(10_000))
    for index, share in enumerate(shares(chances)):
        assert abs(picks[index] - 10_000 * share) <= 4.5 * (10_000 * share * (1 - share)) ** 0.5
