"""Which network plugin a device belongs to, by its name.

>>> plugin_of("cali0123456789a"), plugin_of("flannel.1"), plugin_of("eth0")
('calico', 'flannel', '')
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLUGINS = (
    ("calico", r"cali[0-9a-z_]+|tunl0|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|wg-v6\.cali"),
    ("flannel", r"flannel[.0-9a-z-]*|cni0"),
    ("cilium", r"cilium_\w+|lxc[0-9a-z_]+"),
    ("weave", r"weave|vethwe\S*"),
    ("kube-router", r"kube-bridge|tun-\S+"),
    ("antrea", r"antrea-\S+"),
    ("ovn-kubernetes", r"ovn-k8s-\S+|br-int"),
    ("kube-proxy", r"kube-ipvs0|nodelocaldns"),
    ("azure", r"azv\S+"),
    ("aws", r"eni[0-9a-f]{11}"),
)
WORKLOAD = re.compile(r"^(cali[0-9a-z_]+|lxc[0-9a-z_]+|azv\S+|eni[0-9a-f]{11})$")
CALICO_WORKLOAD = re.compile(r"^cali[0-9a-z_]+$")
TUNNELS = re.compile(
    r"^(tunl0|flannel[.0-9a-z-]*|vxlan\.calico|vxlan-v6\.calico|wireguard\.cali|cilium_\w+|geneve\S*|gre\S*|wg\S*)$"
)


def plugin_of(dev: str) -> str:
    """The plugin that makes devices of this name, or an empty string."""
    return next((name for name, pattern in _PLUGINS if re.fullmatch(pattern, dev)), "")


def plugins(devs: Iterable[str]) -> set[str]:
    """The network plugins whose devices are here, kube-proxy's own devices aside."""
    return {plugin for dev in devs if (plugin := plugin_of(dev))} - {"kube-proxy"}


def is_node(devs: Iterable[str]) -> bool:
    """True when a device says that this host is a Kubernetes node. tunl0 alone does not: the ipip module makes it anywhere."""
    return any(plugin_of(dev) and dev != "tunl0" for dev in devs)
