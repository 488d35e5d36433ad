"""What people paste: several dumps in one text, prompts, listings, grepped lines, other tools' text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checks.offline import Given, gather
from checks.probes.iptables import SAVE
from checks.probes.iptables_trace import TRACE
from checks.results import Reason, Verdict

CASES = Path(__file__).parents[3] / "cases" / "probes" / "iptables.save"
NFT = (CASES / "healthy" / "iptables-nft-save").read_text("utf-8")
LEGACY = re.sub(r"iptables-nft-save v1.8.9 \(nf_tables\)", "iptables-save v1.8.9", NFT)


def crits(result):
    return [finding.rule for finding in result.findings if finding.verdict is Verdict.CRIT]


def pasted(text, probe=SAVE, **params):
    found = gather(probe, [Given("", "paste.txt", text.encode())])
    return probe.evaluate(found.sections, {**params})


@pytest.mark.parametrize(
    "text",
    [
        NFT,
        LEGACY,
        LEGACY.replace("v1.8.9", "v1.4.21"),
        "\n".join(line for line in NFT.split("\n") if not line.startswith("#")),
        "[root@node-1 ~]# iptables-save\n" + NFT + "[root@node-1 ~]# \n",
        "$ sudo iptables-save\n" + LEGACY,
        "\n".join("\t" + line for line in LEGACY.split("\n")),
        NFT.replace("\n", "\r\n"),
        "# Warning: iptables-legacy tables present, use iptables-legacy-save to see them\n" + NFT,
        NFT + NFT.replace("iptables-nft-save", "ip6tables-nft-save"),
    ],
)
def test_it_reads_a_whole_dump_however_it_was_pasted(text):
    result = pasted(text)
    assert (result.verdict, crits(result)) == (Verdict.OK, []), result.finding


def test_it_finds_two_backends_in_one_paste():
    result = pasted(NFT + LEGACY.replace("172.19.2.10:8081", "172.19.2.99:8081"))
    assert crits(result) == ["K01"]
    lines = {line.text for finding in result.findings if finding.rule == "K01" for line in finding.evidence}
    assert any("172.19.2.99:8081" in line for line in lines)


def test_it_says_what_a_paste_of_one_table_leaves_open():
    nat = NFT[NFT.rindex("*nat") :]
    result = pasted(nat)
    assert (result.verdict, result.reason) == (Verdict.UNKNOWN, Reason.TRUNCATED)
    assert "filter" in result.finding


def test_it_still_finds_a_fault_in_one_table():
    nat = NFT[NFT.rindex("*nat") :].replace(" -m statistic --mode random --probability 0.50000000000", "")
    result = pasted(nat)
    assert [finding.verdict for finding in result.findings if finding.rule == "K09"] == [Verdict.CRIT]


def test_it_takes_grepped_rules_for_what_they_are():
    result = pasted("\n".join(line for line in NFT.split("\n") if "prod/web" in line) + "\n")
    assert (result.verdict, crits(result)) == (Verdict.UNKNOWN, [])
    rules = "\n".join(line for line in NFT.split("\n") if "KUBE" in line and line.startswith("-A")) + "\n"
    trace = pasted(rules, TRACE, src="172.19.1.10", dst="10.96.23.5", dport=80, proto="tcp", origin="pod")
    assert trace.verdict is Verdict.UNKNOWN
    assert trace.facts["branch_count"] == 3


def test_it_judges_what_a_listing_shows():
    result = pasted((CASES / "listing" / "iptables-save").read_text("utf-8"))
    assert crits(result) == ["K08"]


@pytest.mark.parametrize("text", ["default via 192.0.2.1 dev eth0\n", '{"nftables": []}\n', "table ip nat {\n}\n", "all fine\n"])
def test_it_refuses_other_texts(text):
    result = SAVE.evaluate(gather(SAVE, [Given("iptables-save", "x", text.encode())]).sections)
    assert result.verdict is Verdict.UNKNOWN
    assert result.reason is Reason.UNPARSED
