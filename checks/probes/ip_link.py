"""ip.link, ip.link_errors and ip.addr: can the devices carry packets, do they lose any, can the addresses serve?

Knowledge: kernel operational states (Documentation/networking/operstates.rst), tunnel overheads, RFC 4862 for duplicates.
"""

from __future__ import annotations

from typing import Any

from checks.analyzers import link_faults as faults
from checks.analyzers.route_faults import defaults
from checks.collectors.ip import ADDR, ADDR_AGAIN, LINK, LINK_SAMPLES, ROUTE4
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.ip_addr import Address, Addresses
from checks.parsers.ip_link import Links
from checks.probes.base import FactSpec, Probe, Report, Threshold
from checks.probes.ip_facts import FACT_ROWS, address_fact, link_fact
from checks.probes.ip_rules import rules
from checks.probes.ip_sections import Tables, find_all, is_whole, lines
from checks.results import Reason, Verdict


def judge_link(report: Report) -> None:
    tables = Tables(report)
    links, addresses, routes = tables.links(), tables.addresses(), tables.routes(4)
    if links is None:
        raise EvidenceError("the devices (link) were not collected", Reason.MISSING)
    asked = report.params.get("iface") or ""
    outward = list(dict.fromkeys(dev for route in defaults(routes)[:1] for dev in route.devices)) if routes else []
    report.fact("variant", links.tool)
    report.fact("links", [link_fact(link) for link in links.links[:FACT_ROWS]])
    if asked and not links.find(asked):
        says = f"there is no device {asked} among {len(links.links)}"
        if links.framed:
            report.find("R03", Verdict.CRIT, says, value=asked)
        else:
            report.unknown(Reason.MISSING, f"{says}; but this paste may not be whole", rule="R03")
        return
    wanted = Links(links.tool, links.framed, tuple(link for link in links.links if asked in ("", link.name)))
    users = faults.users_of(addresses, outward, asked)
    found = faults.without_carrier(wanted, users, all_known=addresses is not None and routes is not None)
    if asked and not links.find(asked).up:  # type: ignore[union-attr]  # found above
        found = []
        report.find("R03", Verdict.CRIT, f"{asked} is DOWN", value=asked, evidence=_at(report, links, asked))
    find_all(report, found)
    if all(finding.verdict == Verdict.INFO for finding in report.findings):
        up = sum(link.carrier for link in wanted.links)
        report.find("R25", Verdict.OK, f"{up} of {len(wanted.links)} devices are up with carrier, and none that is used is not")
    underlay = next((link for dev in outward if (link := links.find(dev))), None)
    mtu = faults.too_large(links, underlay)
    if not find_all(report, mtu) and any(faults.tunnel_kind(link) for link in links.links):
        report.find("R11", Verdict.OK, "every tunnel's MTU fits into the device below it")
    tables.tell_absent()


def _at(report: Report, links: Links, name: str) -> list[Any]:
    link = links.find(name)
    return lines(report, ("link", link.line, name)) if link else []


def judge_errors(report: Report) -> None:
    tables = Tables(report)
    before, after = tables.links("links_a"), tables.links("links_b")
    if before is None or after is None:
        tables.tell_absent()
        return
    asked = report.params.get("iface") or ""
    deltas: dict[str, dict[str, int]] = {}
    for link in after.links:
        old = before.find(link.name)
        if old is None or asked not in ("", link.name) or not link.counters:
            continue
        delta = {name: value - old.counters.get(name, 0) for name, value in link.counters.items()}
        if min(delta.values()) < 0 or old.index != link.index:
            report.unknown(Reason.COUNTER_RESET, f"the counters of {link.name} ran backwards between the samples")
            continue
        deltas[link.name] = delta
    report.fact("deltas", deltas)
    if not deltas:
        report.unknown(Reason.MISSING, f"no counters of {asked or 'any device'}: this ip prints none, or the device is not there")
    for name, delta in deltas.items():
        _judge_delta(report, after, name, delta)
    if deltas and not report.findings:
        packets = sum(delta.get("rx_packets", 0) + delta.get("tx_packets", 0) for delta in deltas.values())
        report.find("R25", Verdict.OK, f"no errors or drops on {len(deltas)} devices in {packets} packets", value=0)


def _judge_delta(report: Report, after: Links, name: str, delta: dict[str, int]) -> None:
    lost = {key: value for key, value in delta.items() if key.endswith(("errors", "dropped")) and value}
    total, link = sum(lost.values()), after.find(name)
    if total >= report.limits["lost_warn"]:
        packets = delta.get("rx_packets", 0) + delta.get("tx_packets", 0)
        counts = ", ".join(f"{value} {key}" for key, value in lost.items())
        evidence = lines(report, ("links_b", link.line, name)) if link else []
        says = f"{name}: {counts} more, with {packets} packets between the samples"
        report.find("R25", Verdict.WARN, says, value=total, limit="lost_warn", evidence=evidence)


def judge_addr(report: Report) -> None:
    tables = Tables(report)
    addresses, links = tables.addresses(), tables.links()
    if addresses is None:
        raise EvidenceError("the addresses (addr) were not collected", Reason.MISSING)
    report.fact("variant", addresses.tool)
    report.fact("addresses", [address_fact(address) for address in addresses.addresses[:FACT_ROWS]])
    again = tables.addresses("addr_again") if "addr_again" in report.sections else None
    if not find_all(report, faults.misplaced(addresses, links)):
        report.find(
            "R24", Verdict.OK, f"none of {len(addresses.addresses)} addresses is double, orphaned or on a device that is down"
        )
    if not is_whole(report, "addr") and all(address.dev == "lo" for address in addresses.addresses):
        report.unknown(Reason.MISSING, "only lo is shown; this paste of addr may not be whole")
    _judge_lifetimes(report, addresses, again)
    _judge_duplicates(report, addresses, again)
    tables.tell_absent()


def _judge_lifetimes(report: Report, addresses: Addresses, again: Addresses | None) -> None:
    going = faults.running_out(addresses, report.limits["valid_s_crit"])
    for address in going:
        says, evidence = f"{address.ip} on {address.dev} is valid for {address.valid_s} s", _where(report, address)
        now = again.owner(address.ip) if again else None
        if again is None:
            report.unknown(Reason.MISSING, f"{says}; whether it is renewed needs a second look", evidence, "R26")
        elif now and (now.valid_s is None or now.valid_s > (address.valid_s or 0)):
            report.find("R26", Verdict.OK, f"{says}, and was renewed since", value=address.valid_s, evidence=evidence)
        else:
            report.find("R26", Verdict.CRIT, f"{says} and was not renewed", value=address.valid_s, unit="s", evidence=evidence)
    if not going:
        report.find("R26", Verdict.OK, "no address that is in use runs out soon")


def _judge_duplicates(report: Report, addresses: Addresses, again: Addresses | None) -> None:
    for address in faults.unusable(addresses):
        evidence = _where(report, address)
        now = again.owner(address.ip) if again else None
        if "dadfailed" in address.flags:
            says = f"{address.ip} on {address.dev} has another owner: duplicate address detection failed"
            report.find("dad", Verdict.CRIT, says, value=address.ip, evidence=evidence)
        elif again is None:
            says = f"{address.ip} on {address.dev} is tentative; a second look is needed"
            report.unknown(Reason.MISSING, says, evidence, "dad")
        elif now and "tentative" in now.flags:
            says = f"{address.ip} on {address.dev} is still tentative after 5 s: it cannot be used"
            report.find("dad", Verdict.WARN, says, value=address.ip, evidence=evidence)
        else:
            report.find("dad", Verdict.OK, f"{address.ip} on {address.dev} was tentative and is usable now", evidence=evidence)


def _where(report: Report, address: Address) -> list[Any]:
    return lines(report, ("addr", address.line, address.ip))


_VARIANT = FactSpec("variant", "str", "json, iproute2, busybox or procfs: what this was read from")

PROBES: tuple[Probe, ...] = (
    Probe(
        id="ip.link",
        title="Network devices",
        question="Are the devices that are used up, with carrier, and with an MTU that fits?",
        collectors=(LINK, ADDR, ROUTE4),
        judge=judge_link,
        params=(Param("iface", "iface", help="one device that must be up; all of them when it is left out"),),
        facts=(_VARIANT, FactSpec("links", "list", f"the first {FACT_ROWS} devices")),
        rules=rules("R25", "R24", "R03", "R11"),
        sources=("kernel Documentation/networking/operstates.rst", "ip-link(8)"),
    ),
    Probe(
        id="ip.link_errors",
        title="Errors and drops of devices",
        question="Do the devices count errors or drops right now?",
        collectors=(LINK_SAMPLES,),
        judge=judge_errors,
        params=(Param("iface", "iface", help="one device; all of them when it is left out"),),
        thresholds=(
            Threshold(
                "lost_warn", 1, "packets", "errors and drops of one device between the samples", "any loss is worth a look"
            ),
        ),
        facts=(FactSpec("deltas", "dict", "per device: what each counter grew by between the samples"),),
        rules=rules("R25"),
        sources=("kernel Documentation/networking/statistics.rst",),
        interval_s=5,
    ),
    Probe(
        id="ip.addr",
        title="Addresses",
        question="Can the addresses of this host serve?",
        collectors=(ADDR, ADDR_AGAIN, LINK),
        judge=judge_addr,
        thresholds=(
            Threshold(
                "valid_s_crit", 60, "s", "an address valid for less than this is looked at twice", "DHCP renews at half the lease"
            ),
        ),
        facts=(_VARIANT, FactSpec("addresses", "list", f"the first {FACT_ROWS} addresses")),
        rules=rules("R24", "R26", "dad"),
        sources=("RFC 4862", "ip-address(8)"),
    ),
)
