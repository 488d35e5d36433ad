"""What happens to an IPv4 packet that comes in by a device: the source check (rp_filter), forwarding, and only then the route.

Knowledge: ip_route_input_slow and __fib_validate_source in the kernel; compared with ``ip route get DST from SRC iif DEV`` on
generated tables. The source is looked up as if the answer came back: destination and source swapped, arriving by the device the
packet would leave by. Mode 1 wants that route to use the device the packet came by, mode 2 any route; a device without an address
of its own (every cali device) is held to mode 1 even where mode 2 is set. IPv6 has no such switch.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from checks.analyzers.route_lookup import LOOPBACK, Answer, Fib
from checks.analyzers.route_tables import Flow
from checks.parsers.ip_conf import Conf

OFF, STRICT, LOOSE = 0, 1, 2
_NEVER_A_SOURCE = ("224.0.0.0/4", "255.255.255.255/32", "0.0.0.0/8")
_MODES = {OFF: "off", STRICT: "strict", LOOSE: "loose"}


@dataclass(frozen=True)
class SourceCheck:
    """Whether the kernel accepts the source. ``passes`` is None when it cannot be told; ``back`` is the route to the source."""

    passes: bool | None
    why: str
    mode: int | None = None
    back: Answer | None = None


@dataclass(frozen=True)
class Fate:
    """What becomes of the packet: a route type, ``source_check``, ``not_forwarded``, ``martian``, ``none`` or ``unknown``."""

    result: str
    error: str
    why: str
    answer: Answer | None = None
    check: SourceCheck | None = None


@dataclass(frozen=True)
class Incoming:
    """The tables, the switches, and the devices that have an IPv4 address of their own."""

    fib: Fib
    conf: Conf
    addressed: Collection[str]

    def fate(self, flow: Flow) -> Fate:
        """Follow the packet as the kernel does, up to the choice of a way out."""
        if martian := self._martian(flow):
            return Fate("martian", "EINVAL", martian)
        answer = self.fib.lookup(flow)
        forwarding = self.conf.own(flow.iif, "forwarding")
        if answer.result == "unknown":
            return Fate("unknown", "", answer.why, answer)
        if answer.is_error:
            return self._no_way(flow, answer, forwarding)
        if answer.result in ("local", "broadcast"):
            return self._checked(flow, answer, ("",))
        if not forwarding:
            return _not_forwarded(flow, answer, forwarding)
        if answer.result != "unicast":
            return Fate("martian", "EINVAL", f"{answer.route} is no way for a packet from another host", answer)
        return self._checked(flow, answer, answer.devices or ("",))

    def check_source(self, flow: Flow, leaves_by: str = "") -> SourceCheck:
        """The kernel's check of ``flow.src`` on ``flow.iif`` for a packet that would leave by a device (or stay here)."""
        mode = self.conf.effective(flow.iif, "rp_filter")
        if mode is None or flow.src is None:
            return SourceCheck(passes=None, why=f"rp_filter of {flow.iif} is not known")
        mark = flow.mark if self.conf.effective(flow.iif, "src_valid_mark") else 0
        answer = Flow(flow.src, flow.dst, iif=leaves_by or LOOPBACK, mark=mark, tos=flow.tos)
        back = self.fib.lookup(replace(answer, ipproto=flow.ipproto, sport=flow.dport, dport=flow.sport))
        if back.result == "unknown":
            return SourceCheck(passes=None, why=back.why, mode=mode, back=back)
        name = f"rp_filter {mode} ({_MODES.get(mode, 'strict')}) on {flow.iif}"
        if back.is_error:
            return SourceCheck(mode == OFF, f"{name}: no route back to {flow.src}", mode, back)
        if back.result != "unicast" and not (back.result == "local" and self.conf.effective(flow.iif, "accept_local")):
            return SourceCheck(
                passes=False,
                why=f"{flow.src} is {back.result} here, so it cannot be a sender on {flow.iif}",
                mode=mode,
                back=back,
            )
        if back.route and flow.iif in back.route.devices:
            return SourceCheck(
                passes=True, why=f"{name}: the route back to {flow.src} leaves by {flow.iif}", mode=mode, back=back
            )
        ways = " or ".join(back.devices)
        if mode == LOOSE and flow.iif not in self.addressed:
            why = f"{name}, which has no address and is held to strict: the route back to {flow.src} leaves by {ways}"
            return SourceCheck(passes=False, why=why, mode=mode, back=back)
        return SourceCheck(mode != STRICT, f"{name}: the route back to {flow.src} leaves by {ways}", mode, back)

    def _checked(self, flow: Flow, answer: Answer, ways: tuple[str, ...]) -> Fate:
        checks = [self.check_source(flow, way) for way in ways]
        worst = next((check for check in checks if check.passes is False), None)
        untold = next((check for check in checks if check.passes is None), None)
        if worst:
            return Fate("source_check", "EINVAL", worst.why, answer, worst)
        if untold:
            return Fate("unknown", "", untold.why, answer, untold)
        return Fate(answer.result, "", checks[0].why, answer, checks[0])

    def _no_way(self, flow: Flow, answer: Answer, forwarding: int | None) -> Fate:
        if not forwarding:
            return replace(_not_forwarded(flow, answer, forwarding), answer=answer)
        return Fate(answer.result, answer.error, answer.steps[-1], answer)

    def _martian(self, flow: Flow) -> str:
        if flow.src is None or flow.src.within(*_NEVER_A_SOURCE):
            return f"{flow.src or 'no address'} can never be the source of a packet that comes in"
        if flow.dst.within("0.0.0.0/8"):
            return f"{flow.dst} can never be a destination"
        loopback = next((ip for ip in (flow.dst, flow.src) if ip.within("127.0.0.0/8")), None)
        if loopback and not self.conf.effective(flow.iif, "route_localnet"):
            return f"{loopback} on {flow.iif} needs route_localnet=1"
        return ""


def _not_forwarded(flow: Flow, answer: Answer, forwarding: int | None) -> Fate:
    if forwarding is None:
        return Fate("unknown", "", f"whether {flow.iif} forwards is not known", answer)
    return Fate("not_forwarded", "EHOSTUNREACH", f"forwarding is 0 on {flow.iif}", answer)


def own_devices(fib: Fib) -> frozenset[str]:
    """The devices that have an IPv4 address, as the local table shows them."""
    return frozenset(dev for route in fib.routes.in_table("local") if route.type == "local" for dev in route.devices)
