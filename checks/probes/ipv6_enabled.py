"""ipv6.enabled: is IPv6 switched on, in the kernel and on every device, and do the sysctl files agree with it?

Knowledge: kernel Documentation/networking/ipv6.rst and ip-sysctl.rst, sysctl.d(5), and a network namespace laboratory in which
writing ``all`` was copied into the existing devices.
"""

from __future__ import annotations

from checks.analyzers.ipv6_devices import outward
from checks.analyzers.ipv6_drift import Drift, drifts
from checks.collectors.ipv6 import SWITCHES, SYSCTL_FILES
from checks.errors import EvidenceError
from checks.params import Param
from checks.parsers.ipv6_switches import CONF, Switches, is_off, parse_switches
from checks.parsers.reading import read
from checks.parsers.sysctl_conf import LAST, parse_sysctl_files
from checks.probes.base import FactSpec, Probe, Report, Rule
from checks.probes.ip_facts import FACT_ROWS
from checks.probes.ip_sections import lines
from checks.results import Reason, Verdict

_SHOWN = ("disable_ipv6", "accept_ra", "accept_ra_defrtr", "autoconf", "forwarding", "use_tempaddr")
_NAMED = 5


def judge_enabled(report: Report) -> None:
    switches = read(report.need("switches"), parse_switches)
    asked = report.params.get("iface") or ""
    report.fact("per_if", {dev: {key: switches.own(dev, key) for key in _SHOWN} for dev in switches.names[:FACT_ROWS]})
    report.fact("bindv6only", switches.single("bindv6only"), "switches", switches.line_of("bindv6only"))
    if not switches.present:
        report.fact("enabled", value=False)
        _judge_absent(report, switches)
        return
    wanted = outward(switches.devices, asked)
    if asked and not wanted and not switches.partial:
        report.fact("enabled", value=False)
        report.find("device_off", Verdict.CRIT, f"there is no device {asked} among {len(switches.devices)}", value=asked)
        return
    off = [dev for dev in wanted if switches.own(dev, "disable_ipv6")]
    if off or not switches.partial:
        report.fact("enabled", value=bool(wanted) and not off)
    _judge_others(report, switches, wanted)
    _judge_devices(report, switches, wanted, off)
    if "sysctl_files" in report.sections:
        settings = read(report.need("sysctl_files"), parse_sysctl_files)
        report.fact("settings", len([setting for setting in settings if setting.key.startswith("net/ipv6/")]))
        _judge_drift(report, drifts(settings, switches), partial=switches.partial)


def _judge_absent(report: Report, switches: Switches) -> None:
    evidence = lines(report, ("switches", switches.line_of("disable"), ""))
    if is_off(switches.boot):
        says = "the kernel was booted with ipv6.disable=1; no sysctl can change that before a reboot"
        evidence = lines(report, ("switches", switches.boot_line, "ipv6.disable=1"))
    elif switches.single("disable") == 1:
        says = "the ipv6 module was loaded with disable=1; no sysctl can change that before a reboot"
    else:
        says = f"the kernel has no {CONF}: its ipv6 module is not loaded or was not built"
    report.find("absent", Verdict.CRIT, says, evidence=evidence)


def _judge_devices(report: Report, switches: Switches, wanted: list[str], off: list[str]) -> None:
    unread = [dev for dev in wanted if switches.own(dev, "disable_ipv6") is None]
    if unread and not (switches.partial and off):
        raise EvidenceError(f"disable_ipv6 of {unread[0]} is not in the output", Reason.MISSING, "switches")
    if switches.partial and not off and not (wanted and report.params.get("iface")):
        on = f"IPv6 is on for {', '.join(wanted[:_NAMED])}, and" if wanted else "no device that leads outwards is shown, and"
        report.unknown(Reason.MISSING, f"{on} other devices may be missing from this list", rule="device_off")
        return
    if off:
        shown = " shown" if switches.partial else ""
        says = f"IPv6 is off on {len(off)} of {len(wanted)} devices{shown}: {', '.join(off[:_NAMED])} (disable_ipv6=1)"
        evidence = lines(report, *(("switches", switches.line(dev), "disable_ipv6=1") for dev in off[:_NAMED]))
        report.find("device_off", Verdict.CRIT, says, value=len(off), evidence=evidence)
    elif wanted:
        says = f"IPv6 is on for {len(wanted)} devices: {', '.join(wanted[:_NAMED])}"
        evidence = lines(report, *(("switches", switches.line(dev), "disable_ipv6=0") for dev in wanted[:_NAMED]))
        report.find("device_off", Verdict.OK, says, value=0, evidence=evidence)
    else:
        report.find(
            "device_off", Verdict.INFO, f"the kernel has IPv6, but none of {len(switches.devices)} devices leads outwards"
        )


def _judge_others(report: Report, switches: Switches, wanted: list[str]) -> None:
    if "lo" not in wanted and switches.own("lo", "disable_ipv6"):
        evidence = lines(report, ("switches", switches.line("lo"), "disable_ipv6=1"))
        report.find("lo_off", Verdict.WARN, "IPv6 is off on lo: nothing can listen on ::1", value=1, evidence=evidence)
    if switches.own("default", "disable_ipv6"):
        evidence = lines(report, ("switches", switches.line("default"), "disable_ipv6=1"))
        says = "default.disable_ipv6 is 1: a device that is made later starts without IPv6"
        report.find("default_off", Verdict.WARN, says, value=1, evidence=evidence)
    rest = [dev for dev in switches.devices if dev not in (*wanted, "lo") and switches.own(dev, "disable_ipv6")]
    if rest:
        says = f"IPv6 is off on {len(rest)} devices of containers or modules ({', '.join(rest[:_NAMED])}), which is usual"
        report.find("device_off", Verdict.INFO, says, value=len(rest))


def _judge_drift(report: Report, found: list[Drift], *, partial: bool) -> None:
    for drift in found[:_NAMED]:
        wanted = drift.wanted
        name = f"{wanted.dev}.{wanted.name}" if wanted.dev else wanted.name
        says = f"{wanted.by.where} sets {name} to {wanted.value}, but the kernel has {drift.actual}"
        evidence = lines(report, ("sysctl_files", wanted.by.line, ""), _place(report, drift))
        if wanted.name == "accept_ra" and drift.actual == 0:
            usual = f"{says}; NetworkManager and systemd-networkd set 0 and read advertisements themselves"
            report.find("drift", Verdict.INFO, usual, value=drift.actual, evidence=evidence)
            continue
        remedy = "" if wanted.by.path == LAST else "run sysctl --system: sysctl -p alone reads only /etc/sysctl.conf"
        report.find("drift", Verdict.WARN, says, value=drift.actual, evidence=evidence, remedy=remedy)
    if not found and not partial:
        report.find("drift", Verdict.OK, "the kernel has what the sysctl files ask for", value=0)


def _place(report: Report, drift: Drift) -> tuple[str, int, str]:
    switches = read(report.need("switches"), parse_switches)
    if drift.wanted.dev:
        return ("switches", switches.line(drift.wanted.dev), f"{drift.wanted.name}={drift.actual}")
    return ("switches", switches.line_of(drift.wanted.name), "")


PROBES: tuple[Probe, ...] = (
    Probe(
        id="ipv6.enabled",
        title="IPv6 switches",
        question="Is IPv6 switched on, in the kernel and on every device, and will it stay so?",
        collectors=(SWITCHES, SYSCTL_FILES),
        judge=judge_enabled,
        params=(Param("iface", "iface", help="one device that must speak IPv6; all that lead outwards when it is left out"),),
        facts=(
            FactSpec("enabled", "bool", "the kernel has IPv6 and no device that leads outwards has it off"),
            FactSpec("per_if", "dict", f"switches of all, default and the first {FACT_ROWS} devices"),
            FactSpec("bindv6only", "int", "1: new sockets on :: take no IPv4"),
            FactSpec("settings", "int", "lines of the sysctl files that set something of IPv6"),
        ),
        rules=(
            Rule(
                "absent",
                "the kernel has no IPv6 at all",
                "kernel Documentation/networking/ipv6.rst: ipv6.disable=1",
                "take ipv6.disable=1 out of the boot line (GRUB_CMDLINE_LINUX, update-grub) or load the module, then reboot",
            ),
            Rule(
                "device_off",
                "disable_ipv6 is 1 on a device",
                "kernel Documentation/networking/ip-sysctl.rst; measured: a device acts on its own value",
                "set net.ipv6.conf.DEVICE.disable_ipv6=0 in sysctl.d; writing all reaches the devices of that moment only",
            ),
            Rule(
                "lo_off",
                "disable_ipv6 is 1 on lo",
                "kernel Documentation/networking/ip-sysctl.rst",
                "set net.ipv6.conf.lo.disable_ipv6=0",
            ),
            Rule(
                "default_off",
                "default.disable_ipv6 is 1",
                "kernel Documentation/networking/ip-sysctl.rst: default is copied when a device is made",
                "set net.ipv6.conf.default.disable_ipv6=0, also for devices that cloud-init makes after sysctl ran",
            ),
            Rule(
                "drift",
                "a sysctl file asks for another value than the kernel has",
                "sysctl.d(5), sysctl(8)",
                "run sysctl --system in a change window, and find what undoes the setting if it comes back",
            ),
        ),
        sources=("kernel Documentation/networking/ip-sysctl.rst", "sysctl.d(5)", "network namespace laboratory"),
    ),
)
