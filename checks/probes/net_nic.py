"""net.irq and net.nic: where do an interface's interrupts go, and does it lose packets before the kernel sees them?

Knowledge: Documentation/networking/statistics.rst and scaling.rst. rx_dropped also counts packets of unknown protocols and VLANs;
a veth has no ring.
"""

from __future__ import annotations

from checks.analyzers.counters import growth
from checks.collectors.nic import IRQS, NIC_COUNTERS, RING
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.files import split_files
from checks.parsers.nic import Irq, Ring, parse_interrupts, parse_irqs, parse_ring
from checks.parsers.nic_text import parse_nic_text
from checks.parsers.reading import is_files, read, read_file, whole_lines, whole_number
from checks.parsers.softnet_stat import parse_cpu_list
from checks.probes.base import FactSpec, Probe, Report, Rule, Threshold
from checks.results import Evidence, Reason, Section, Verdict

_RING_LOSS = ("rx_missed_errors", "rx_fifo_errors", "rx_over_errors", "rx_no_buffer_count", "rx_out_of_buffer", "rx_discards")
_WIRE = ("rx_crc_errors", "rx_frame_errors", "rx_errors", "tx_carrier_errors")


def judge_irq(report: Report) -> None:
    section = _section(report, "irqs")
    if not is_files(section):
        _judge_interrupts(report, section)
        return
    irqs, shift = read_file(section, "irqs", parse_irqs)
    online, _ = read_file(section, "/cpu/online", parse_cpu_list)
    files = split_files(section.text)
    rps = {path.split("/")[-2]: files.text(path).strip() for path in files if path.endswith("/rps_cpus")}
    receiving = [irq for irq in irqs if irq.receives]
    report.fact("irqs", [{"irq": irq.number, "cpus": irq.cpus, "name": irq.name} for irq in irqs], "irqs", shift + 1)
    report.fact("rps", rps)
    report.fact("receive_queues", len(rps))
    report.fact("receive_cpus", sorted({cpu for irq in receiving for cpu in irq.cpus}))
    if not irqs:
        report.skip(f"{report.params.get('iface')} is a virtual interface without interrupts of its own")
        return
    _judge_spread(report, receiving, rps, len(online), shift)


def _judge_interrupts(report: Report, section: Section) -> None:
    """/proc/interrupts as pasted: where interrupts went since boot. Whether RPS spreads them is not seen."""
    iface = report.params.get("iface")
    irqs, cpus = read(section, lambda text: parse_interrupts(text, str(iface)))
    report.fact("irqs", [{"irq": irq.number, "cpus": irq.cpus, "name": irq.name} for irq in irqs], "irqs", 1)
    receiving = [irq for irq in irqs if irq.receives]
    report.fact("receive_cpus", sorted({cpu for irq in receiving for cpu in irq.cpus}))
    if len(receiving) > 1:
        _judge_spread(report, receiving, {}, cpus, 0)
    report.unknown(Reason.MISSING, f"whether RPS spreads what {iface} receives takes its rps_cpus", rule="single_queue")


def _section(report: Report, name: str) -> Section:
    section = report.need(name)
    if section.text.startswith("no interface "):
        raise EvidenceError(f"there is {section.text.strip()} on this host", Reason.MISSING, name, 1)
    return section


def _judge_spread(report: Report, receiving: list[Irq], rps: dict[str, str], cpus: int, shift: int) -> None:
    iface = report.params.get("iface")
    lines = [report.evidence("irqs", irq.line + shift, irq.name) for irq in receiving[:8]]
    targets = {cpu for irq in receiving for cpu in irq.cpus}
    spread_by_rps = any(mask.strip("0,") for mask in rps.values())
    if len(receiving) > 1 and len(targets) == 1 and cpus > 1 and not spread_by_rps:
        say = f"all {len(receiving)} receive interrupts of {iface} go to CPU {targets.pop()} of {cpus}"
        report.find("one_cpu", Verdict.WARN, say, evidence=lines)
    elif len(receiving) == 1 and cpus >= report.limits["single_queue_cpus"] and not spread_by_rps:
        say = f"{iface} has one receive queue for {cpus} CPUs, and RPS is off"
        report.find("single_queue", Verdict.INFO, say, evidence=lines)
    else:
        say = f"{len(receiving)} receive interrupts of {iface} go to {len(targets)} of {cpus} CPUs"
        report.find("one_cpu", Verdict.OK, say, evidence=lines)


def judge_nic(report: Report) -> None:
    if "nic_a" in report.sections and "nic_b" not in report.sections:
        _tell_since_boot(report)
        return
    before, after = (_counters(_section(report, f"nic_{end}")) for end in "ab")
    if before.keys() != after.keys():
        raise EvidenceError("the samples do not hold the same counters", Reason.TRUNCATED, "nic_b")
    ring = read(report.need("ring"), parse_ring) if "ring" in report.sections else None
    grown = {name: growth(name, before[name][0], after[name][0], "nic_b", after[name][1]) for name in after}
    report.fact("deltas", grown)
    report.fact("ring_rx", ring.rx if ring else None)
    report.fact("ring_rx_max", ring.rx_max if ring else None)
    iface = report.params.get("iface")
    packets = grown.get("rx_packets", 0)

    def lines(names: tuple[str, ...]) -> list[Evidence]:
        used = [name for name in names if grown.get(name)]
        return [report.evidence(f"nic_{end}", sample[name][1]) for name in used for end, sample in (("a", before), ("b", after))]

    lost = max(grown.get(name, 0) for name in _RING_LOSS)
    if lost:
        _judge_ring(report, lost, packets, ring, lines(_RING_LOSS))
    wire = max(grown.get(name, 0) for name in _WIRE)
    if wire > lost:
        say = f"{iface} received {wire} damaged frames among {packets} packets between the samples"
        report.find("wire", Verdict.WARN, say, value=wire, evidence=lines(_WIRE))
    if dropped := grown.get("rx_dropped", 0):
        say = f"{iface} dropped {dropped} of {packets} packets: no memory, or a protocol or VLAN nobody listens to"
        report.find("dropped", Verdict.WARN, say, value=dropped, evidence=lines(("rx_dropped",)))
    if not (lost or wire or dropped):
        say = f"{iface} lost none of {packets} packets between the samples"
        report.find("dropped", Verdict.OK, say, value=0, evidence=[report.evidence("nic_b", after.get("rx_packets", (0, 1))[1])])


def _tell_since_boot(report: Report) -> None:
    """One sample tells of the whole time since the driver was loaded, not of now."""
    counters = _counters(_section(report, "nic_a"))
    ring = read(report.need("ring"), parse_ring) if "ring" in report.sections else None
    names = [name for name in (*_RING_LOSS, *_WIRE, "rx_dropped") if counters.get(name, (0, 0))[0]]
    iface = report.params.get("iface") or "the interface"
    counts = ", ".join(f"{name} {counters[name][0]}" for name in names[:4]) or "no losses"
    say = f"{iface} counts {counts} since its driver was loaded"
    if ring and ring.rx is not None and ring.rx_max is not None and ring.rx < ring.rx_max:
        say += f", and its ring holds {ring.rx} of {ring.rx_max} that the hardware allows"
    lines = [report.evidence("nic_a", counters[name][1]) for name in names[:4]]
    rule = "ring" if set(names) & set(_RING_LOSS) else "wire" if set(names) & set(_WIRE) else "dropped"
    report.unknown(Reason.MISSING, f"{say}; whether they grow takes a second sample", lines, rule=rule)


def _judge_ring(report: Report, lost: int, packets: int, ring: Ring | None, lines: list[Evidence]) -> None:
    iface = report.params.get("iface")
    say = f"{iface} lost {lost} packets before the kernel took them ({packets} received)"
    if ring and ring.rx is not None and ring.rx_max is not None and ring.rx < ring.rx_max:
        say += f"; its ring holds {ring.rx} of {ring.rx_max} that the hardware allows"
        report.find("ring", Verdict.CRIT, say, value=lost, evidence=lines)
    else:
        report.find("ring", Verdict.WARN, say, value=lost, evidence=lines)


def _counters(section: Section) -> dict[str, tuple[int, int]]:
    """Value and line by counter. Drivers leave some out; rx_packets is always there."""
    if not is_files(section):
        return read(section, parse_nic_text)
    files = split_files(section.text)
    if not files.complete:
        raise EvidenceError(f"{section.name} was cut: its closing line is missing", Reason.TRUNCATED, section.name)
    found = {}
    for path in files:
        if "/statistics/" in path:
            lines, shift = read_file(section, path, whole_lines)
            found[path.rpartition("/")[2]] = whole_number("".join(lines).strip()), shift + 1
    if "rx_packets" not in found:
        raise EvidenceError("the interface has no counter rx_packets", Reason.MISSING, section.name)
    return found


_IFACE = Param("iface", "iface", None, "the interface, such as eth0", required=True)

PROBES: tuple[Probe, ...] = (
    Probe(
        id="net.irq",
        title="Interrupts of an interface",
        question="Do an interface's receive interrupts spread over the CPUs?",
        collectors=(IRQS,),
        judge=judge_irq,
        params=(_IFACE,),
        thresholds=(Threshold("single_queue_cpus", 4, "CPUs", "from so many CPUs on one queue is worth saying", "judgement"),),
        facts=(
            FactSpec("irqs", "list", "its interrupts: number, CPUs, name"),
            FactSpec("rps", "dict", "mask of CPUs by receive queue; 0 is off"),
            FactSpec("receive_queues", "int", "receive queues"),
            FactSpec("receive_cpus", "list", "CPUs that take receive interrupts"),
        ),
        rules=(
            Rule(
                "one_cpu",
                "all receive interrupts go to one CPU",
                "Documentation/networking/scaling.rst",
                "let irqbalance run, or set smp_affinity_list of each queue's interrupt",
            ),
            Rule("single_queue", "one receive queue for many CPUs, and RPS off", "Documentation/networking/scaling.rst"),
        ),
        sources=("Documentation/networking/scaling.rst", "Documentation/core-api/irq/irq-affinity.rst"),
    ),
    Probe(
        id="net.nic",
        title="Losses of an interface",
        question="Does the interface lose packets before the kernel sees them?",
        collectors=(NIC_COUNTERS, RING),
        judge=judge_nic,
        params=(_IFACE,),
        facts=(
            FactSpec("deltas", "dict", "growth of each counter between the samples"),
            FactSpec("ring_rx", "int", "size of the receive ring"),
            FactSpec("ring_rx_max", "int", "what the hardware allows"),
        ),
        rules=(
            Rule(
                "ring",
                "packets were lost for want of room in the ring; crit when the ring could be larger",
                "Documentation/networking/statistics.rst, rx_missed_errors",
                "ethtool -G IFACE rx MAX (the link may flap), then look at what keeps the CPU from the ring",
            ),
            Rule(
                "wire",
                "frames arrived damaged",
                "Documentation/networking/statistics.rst, rx_crc_errors",
                "change cable, transceiver or port",
            ),
            Rule(
                "dropped",
                "the kernel dropped received packets at the interface",
                "Documentation/networking/statistics.rst, rx_dropped",
                "look for protocols nobody listens to (LLDP, foreign VLANs) with tcpdump before anything else",
            ),
        ),
        sources=("Documentation/networking/statistics.rst", "ethtool(8)"),
    ),
)
