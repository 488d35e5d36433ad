"""Which devices a server speaks IPv6 with, by their names: not loopback, not what container engines and modules make.

>>> [dev for dev in ("lo", "eth0", "veth12ab", "docker0", "cali0123456789a", "sit0", "he-ipv6", "ens3.100") if is_outward(dev)]
['eth0', 'he-ipv6', 'ens3.100']
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from checks.analyzers.cni_devices import plugin_of

_ASIDE = re.compile(
    r"^(lo|docker\d*|docker_gwbridge|br-[0-9a-f]{12}|virbr\d+(?:-nic)?|vnet\d+|tap\S*|veth\S*|podman\d+|cni-podman\d+|lxdbr\d+|lxcbr\d+"
    r"|dummy\S*|ifb\d+|teql\d+|sit0|ip6tnl0|ip6_vti0|ip_vti0|ip6gre0|gre0|gretap0|erspan0|tunl0|bonding_masters)$"
)


def is_outward(dev: str) -> bool:
    """True for a device by which others may be reached: a network card, a bond, a VLAN, a bridge with a plain name, a tunnel."""
    return not _ASIDE.match(dev) and not plugin_of(dev)


def outward(devs: Iterable[str], asked: str = "") -> list[str]:
    """The device that was asked for, or all that lead outwards."""
    return [dev for dev in devs if (dev == asked if asked else is_outward(dev))]
