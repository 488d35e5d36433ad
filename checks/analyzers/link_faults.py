"""Faults of devices and addresses: no carrier, an MTU that does not fit, an address that cannot serve.

What looks alike and is none: a spare NIC that is up without cable and has no address; docker0 and other bridges without a port;
state UNKNOWN of lo, tun and tunnels; a temporary IPv6 address that runs out because a newer one replaced it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from checks.analyzers.cni_devices import CALICO_WORKLOAD
from checks.analyzers.ip_fault import Fault
from checks.parsers.ip_addr import Address, Addresses
from checks.parsers.ip_link import Link, Links
from checks.parsers.ip_prefix import Address as Ip
from checks.results import Verdict

_BRIDGES = re.compile(r"^(docker0|br[-0-9a-z]*|virbr\d+|cni\S*|podman\d+|lxdbr\d+|kube-bridge|weave|ovs-system|br-int)$")
OVERHEAD = {"ipip": 20, "vxlan": 50, "vxlan6": 70, "geneve": 50, "wireguard": 60, "wireguard6": 80, "gre": 24, "sit": 20}
"""Bytes that each kind of tunnel adds."""


def without_carrier(links: Links, users: Mapping[str, str], *, all_known: bool) -> list[Fault]:
    """R25, first half. ``users`` says what needs a device: an address, the default route, the asker. ``all_known``: no more."""
    faults = []
    for link in links.links:
        if "LOOPBACK" in link.flags or (link.up and link.carrier and not _is_below_down(link)):
            continue
        need = users.get(link.name)
        line = (("link", link.line, link.name),)
        if link.up and is_idle_bridge(link):
            faults.append(Fault("R25", Verdict.INFO, f"bridge {link.name} is up and has no port that is", line, link.name))
        elif link.up and not link.carrier:
            says = f"{link.name} is up but has no carrier" + (
                f", and {need}" if need else "; nothing uses it" if all_known else ""
            )
            faults.append(Fault("R25", Verdict.CRIT if need else Verdict.INFO, says, line, link.name))
        elif link.up:
            faults.append(Fault("R25", Verdict.WARN, f"the device below {link.name} is down (M-DOWN)", line, link.name))
        elif need:
            faults.append(Fault("R24", Verdict.WARN, f"{link.name} is DOWN, and {need}", line, link.name))
    return faults


def _is_below_down(link: Link) -> bool:
    """busybox and old ip say M-DOWN of a pair whose other end is in another namespace: they only know its number."""
    return "M-DOWN" in link.flags and not re.fullmatch(r"if\d+", link.peer)


def is_idle_bridge(link: Link) -> bool:
    """True for a bridge: it has a carrier only while one of its ports has."""
    return not link.carrier and (link.kind == "bridge" or (not link.kind and bool(_BRIDGES.match(link.name))))


def too_large(links: Links, underlay: Link | None) -> list[Fault]:
    """R11: tunnels against the device below, and calico's pods against the smallest tunnel that is up."""
    faults = []
    tunnels: list[tuple[Link, int]] = []
    for link in links.links:
        kind = tunnel_kind(link)
        below = links.find(str(link.info.get("link", ""))) or underlay
        if not kind or link.mtu is None or not link.up:
            continue
        tunnels.append((link, link.mtu))
        if below and below.mtu is not None and below.name != link.name and link.mtu > below.mtu - OVERHEAD[kind]:
            says = (
                f"{link.name} has MTU {link.mtu}; {below.name} with {below.mtu} leaves {below.mtu - OVERHEAD[kind]} after {kind}"
            )
            lines = (("link", link.line, f'"mtu":{link.mtu}'), ("link", below.line, f'"mtu":{below.mtu}'))
            faults.append(Fault("R11", Verdict.WARN, says, lines, link.mtu))
    if tunnels:
        smallest, mtu = min(tunnels, key=lambda entry: entry[1])
        large = [link for link in links.links if CALICO_WORKLOAD.match(link.name) and (link.mtu or 0) > mtu]
        if large and smallest.name.startswith(("tunl", "vxlan.calico", "wireguard.cali")):
            says = f"{len(large)} pod devices ({large[0].name}) have MTU {large[0].mtu}, the tunnel {smallest.name} only {mtu}"
            lines = (("link", large[0].line, large[0].name), ("link", smallest.line, smallest.name))
            faults.append(Fault("R11", Verdict.WARN, says, lines, large[0].mtu))
    return faults


def tunnel_kind(link: Link) -> str:
    """The kind of tunnel a device is, with a 6 when its outer packets are IPv6; empty for any other device."""
    if link.kind not in OVERHEAD:
        return ""
    outer = f"{link.info.get('local', '')} {link.info.get('remote', '')} {link.info.get('local6', '')}"
    return link.kind + "6" if ":" in outer and link.kind + "6" in OVERHEAD else link.kind


def misplaced(addresses: Addresses, links: Links | None) -> list[Fault]:
    """R24: one address on two devices, a secondary without its primary, an address on a device that is down."""
    faults = []
    owners: dict[Ip, list[Address]] = {}
    for address in addresses.addresses:
        if address.dev and address.scope not in ("link", "host") and not is_service(address.dev):
            owners.setdefault(Ip.parse(address.ip), []).append(address)
    for same in owners.values():
        if len({address.dev for address in same}) > 1:
            names = " and ".join(address.dev for address in same)
            lines = tuple(("addr", address.line, address.ip) for address in same)
            faults.append(Fault("R24", Verdict.WARN, f"{same[0].ip} is on {names}", lines, same[0].ip))
        for address in same:
            link = links.find(address.dev) if links else None
            line = (("addr", address.line, address.ip),)
            if link and not link.up:
                faults.append(Fault("R24", Verdict.WARN, f"{address.ip} is on {address.dev}, which is DOWN", line, address.ip))
            if "secondary" in address.flags and address.family == 4 and not _has_primary(address, addresses):
                says = f"{address.ip}/{address.plen} on {address.dev} is secondary, but its primary is gone"
                faults.append(Fault("R24", Verdict.WARN, says, line, address.ip, needs="addr"))
    return faults


def is_service(dev: str) -> bool:
    """True for devices that hold service addresses on purpose and are never up: kube-ipvs0, nodelocaldns."""
    return dev in ("kube-ipvs0", "nodelocaldns")


def _has_primary(address: Address, addresses: Addresses) -> bool:
    return any(other.network == address.network and "secondary" not in other.flags for other in addresses.of(address.dev))


def unusable(addresses: Addresses) -> list[Address]:
    """Addresses that duplicate address detection refused or has not let through yet."""
    return [
        address
        for address in addresses.addresses
        if address.flags & {"dadfailed", "tentative"} and "optimistic" not in address.flags
    ]


def running_out(addresses: Addresses, below_s: float) -> list[Address]:
    """Addresses that will be taken away soon. Deprecated ones are meant to go."""
    return [
        a
        for a in addresses.addresses
        if a.valid_s is not None and a.valid_s < below_s and not a.flags & {"deprecated", "temporary"}
    ]


def users_of(addresses: Addresses | None, defaults: Iterable[str], asked: str) -> dict[str, str]:
    """What needs each device, in words."""
    users: dict[str, str] = {}
    for address in addresses.addresses if addresses else ():
        if address.dev and address.scope == "global" and not is_service(address.dev):
            users.setdefault(address.dev, f"it has the address {address.ip}")
    users |= dict.fromkeys(defaults, "the default route leaves by it")
    return users | ({asked: "it was asked for"} if asked else {})
