"""ipv6.addr: does this host have an IPv6 address that others on the Internet can reach?

Knowledge: RFC 4291 (scopes), RFC 4193 (unique local addresses), RFC 4862 (duplicates, lifetimes), and a laboratory for the flags.
An address may be there and still not serve: a duplicate, one that is being tried, one that is on its way out.
"""

from __future__ import annotations

from checks.analyzers.link_faults import unusable
from checks.collectors.ip import ADDR
from checks.collectors.ipv6 import ADDR6_AGAIN
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.ip_addr import Address, Addresses
from checks.parsers.ip_prefix import Address as Ip
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.probes.ip_facts import FACT_ROWS
from checks.probes.ip_sections import Tables, lines
from checks.results import Evidence, Reason, Verdict

_LOCAL_ONLY = ("fc00::/7", "fec0::/10")
_UNFIT = frozenset({"dadfailed", "tentative"})


def judge_addr(report: Report) -> None:
    tables = Tables(report)
    addresses = tables.addresses()
    if addresses is None:
        raise EvidenceError("the addresses (addr) were not collected", Reason.MISSING)
    again = tables.addresses("addr_again") if "addr_again" in report.sections else None
    asked = report.params.get("iface") or ""
    found = [a for a in addresses.addresses if a.family == 6 and a.scope == "global" and asked in ("", a.dev)]
    report.fact("variant", addresses.tool)
    report.fact("addrs", [_fact(a) for a in addresses.addresses if a.family == 6][:FACT_ROWS])
    _judge_unfit(report, addresses, again, asked)
    _judge_reach(report, addresses, found, again, asked)
    _judge_lifetimes(report, found, again)


def _fact(address: Address) -> dict[str, object]:
    return {
        "ip": address.ip,
        "plen": address.plen,
        "dev": address.dev,
        "scope": address.scope,
        "flags": sorted(address.flags),
        "valid_s": address.valid_s,
    }


def _judge_unfit(report: Report, addresses: Addresses, again: Addresses | None, asked: str) -> None:
    unfit = [a for a in unusable(addresses) if a.family == 6 and asked in ("", a.dev)]
    for address in unfit:
        evidence, now = _at(report, address), again.owner(address.ip) if again else None
        where = f"{address.ip} on {address.dev}"
        if "dadfailed" in address.flags:
            says = f"{where} belongs to another machine too: duplicate address detection failed"
            report.find("duplicate", Verdict.CRIT, says, value=address.ip, evidence=evidence)
        elif again is None:
            report.unknown(Reason.MISSING, f"{where} is tentative; a second look is needed", evidence, "tentative")
        elif now and "tentative" in now.flags:
            evidence += lines(report, ("addr_again", now.line, "tentative"))
            report.find("tentative", Verdict.WARN, f"{where} is still tentative at the second look", value=1, evidence=evidence)
        else:
            report.find("tentative", Verdict.OK, f"{where} was tentative and is usable now", value=0, evidence=evidence)


def _judge_reach(report: Report, addresses: Addresses, found: list[Address], again: Addresses | None, asked: str) -> None:
    """One finding on the address that reaches farthest."""
    later = {a.ip for a in again.addresses if not a.flags & _UNFIT} if again else set()
    fit = [a for a in found if not a.flags & _UNFIT or a.ip in later]
    public = [a for a in fit if not Ip.parse(a.ip).within(*_LOCAL_ONLY)]
    fresh = [a for a in public if "deprecated" not in a.flags]
    on = f" on {asked}" if asked else ""
    evidence = [line for a in (fresh or public or fit or found)[:5] for line in _at(report, a)]
    if fresh:
        more = f" and {len(fresh) - 1} more" if len(fresh) > 1 else ""
        report.find("no_global", Verdict.OK, f"{fresh[0].ip}/{fresh[0].plen} on {fresh[0].dev}{more}", evidence=evidence)
    elif public:
        says = f"all {len(public)} public addresses{on} are deprecated; the network that gave them is going away"
        report.find("deprecated_only", Verdict.WARN, says, value=len(public), evidence=evidence)
    elif fit:
        says = f"only unique local addresses{on} ({fit[0].ip}): nobody on the Internet reaches them"
        report.find("local_only", Verdict.WARN, says, value=len(fit), evidence=evidence)
    else:
        count = sum(a.family == 6 for a in addresses.addresses)
        why = f"{len(found)} cannot be used" if found else "link-local and loopback do not count"
        says = f"none of {count} IPv6 addresses{on} is usable and global ({why})"
        seen = [line for a in addresses.addresses if a.family == 6 and asked in ("", a.dev) for line in _at(report, a)]
        report.find("no_global", Verdict.CRIT, says, value=0, evidence=evidence or seen[:5])


def _judge_lifetimes(report: Report, found: list[Address], again: Addresses | None) -> None:
    meant_to_go = {"deprecated", "temporary"}
    going = [
        a
        for a in found
        if a.valid_s is not None and a.valid_s < report.limits["valid_s_warn"] and not a.flags & (meant_to_go | _UNFIT)
    ]
    for address in going:
        now = again.owner(address.ip) if again else None
        says, evidence = f"{address.ip} on {address.dev} is valid for {address.valid_s} s only", _at(report, address)
        if again is None:
            report.unknown(Reason.MISSING, f"{says}; whether it is renewed needs a second look", evidence, "expiring")
        elif now and (now.valid_s is None or now.valid_s > (address.valid_s or 0)):
            report.find("expiring", Verdict.OK, f"{says}, and was renewed since", value=now.valid_s, evidence=evidence)
        else:
            evidence += lines(report, ("addr_again", now.line if now else 0, ""))
            says = f"{says} and was not renewed"
            report.find("expiring", Verdict.WARN, says, value=address.valid_s, limit="valid_s_warn", evidence=evidence)


def _at(report: Report, address: Address) -> list[Evidence]:
    return lines(report, ("addr", address.line, address.ip))


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.addr",
        title="IPv6 addresses",
        question="Does this host have an IPv6 address that others can reach?",
        collectors=(ADDR, ADDR6_AGAIN),
        judge=judge_addr,
        params=(Param("iface", "iface", help="only the addresses of this device"),),
        thresholds=(
            Threshold("valid_s_warn", 300, "s", "an address valid for less is looked at twice", "a router renews long before"),
        ),
        facts=(
            FactSpec("variant", "str", "json, iproute2, busybox or procfs: what this was read from"),
            FactSpec("addrs", "list", f"the first {FACT_ROWS} IPv6 addresses: ip, plen, dev, scope, flags, valid_s"),
        ),
        rules=(
            Rule(
                "no_global",
                "there is no usable global IPv6 address",
                "RFC 4291; the writeup's host got one through a tunnel",
                "ask the provider for native IPv6, accept router advertisements (ipv6.ra), or set up a 6in4 tunnel",
            ),
            Rule(
                "duplicate",
                "duplicate address detection failed",
                "RFC 4862",
                "find the other machine (a clone keeps its static address), then take the address away and add it again",
            ),
            Rule(
                "tentative",
                "an address is still tentative at a second look",
                "RFC 4862: detection ends within seconds",
                "check that the device has a carrier: detection cannot end without one",
            ),
            Rule(
                "local_only",
                "all usable addresses are unique local ones (fc00::/7) or site-local",
                "RFC 4193",
                "ask the provider for a public prefix; a unique local address serves inside the site only",
            ),
            Rule(
                "deprecated_only",
                "all public addresses are deprecated",
                "RFC 4862: the preferred lifetime is over",
                "find out why the router no longer announces the prefix, or use the new one",
            ),
            Rule(
                "expiring",
                "an address runs out soon and was not renewed",
                "RFC 4862",
                "see whether router advertisements still arrive (ipv6.ra) and whether the DHCPv6 client runs",
            ),
        ),
        sources=("RFC 4291", "RFC 4193", "RFC 4862", "ip-address(8)"),
    ),
)
