"""Names of kube-proxy's chains: which service a suffix belongs to, with no comment needed.

A suffix is the first 16 letters of base32(sha256(service port name + protocol [+ endpoint])). A port without a name gave
``ns/svc:`` up to Kubernetes 1.19 and ``ns/svc`` from 1.20 on. Checked against public rule sets of both eras.

>>> service_hash("kube-system/kube-dns:dns", "udp"), service_hash("default/nginx:", "tcp"), service_hash("default/nginx", "tcp")
('TCOU7JCQXEZGVUNU', '4N57TFCL4MD7ZTDA', '2CMXP7HKUVJN7L6M')
>>> endpoint_hash("default/kubernetes:https", "tcp", "192.168.157.133:6443")
'SAA7F5BCHTGMFCIJ'
"""

from __future__ import annotations

import base64
import hashlib
import re

SERVICE_CHAINS = ("SVC", "SVL", "EXT", "XLB", "FW")
"""Kinds of chains that belong to one service port; they share its suffix."""

_SERVICE_CHAIN = re.compile(r"KUBE-(SVC|SVL|EXT|XLB|FW)-(\S+)$")
_COMMENT_MAX = 256  # the kernel's
_NAME = re.compile(r"(?<![a-z0-9.-])[a-z0-9][a-z0-9.-]*/[a-z0-9][a-z0-9.-]*(?::[a-z0-9-]*)?")
_FOREIGN = re.compile(
    r"KUBE-(?:ROUTER-|POD-FW-|NWPLCY-|HOSTPORTS$|HP-|LOAD-BALANCER$|NODE-PORT$|SOURCE-RANGES-FIREWALL$|IPVS-|METADATA-SERVER)"
)


def _short(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


def service_hash(name: str, protocol: str) -> str:
    """The suffix of a service port's chains; ``name`` is ``ns/svc:port``, ``ns/svc:`` or ``ns/svc``."""
    return _short(name + protocol.lower())


def endpoint_hash(name: str, protocol: str, endpoint: str) -> str:
    """The suffix of an endpoint's chain; ``endpoint`` is ``ip:port`` or ``[ip]:port``."""
    return _short(name + protocol.lower() + endpoint)


def name_eras(name: str) -> tuple[str, ...]:
    """The name as either era writes it.

    >>> name_eras("default/nginx"), name_eras("default/web:http")
    (('default/nginx', 'default/nginx:'), ('default/web:http',))
    """
    base, colon, port = name.partition(":")
    return (name,) if colon and port else (base, base + ":")


def belongs(name: str, protocol: str, suffix: str) -> bool:
    """True when that service port gives that suffix in either era."""
    return any(service_hash(each, protocol) == suffix for each in name_eras(name))


def service_chain(name: str) -> tuple[str, str] | None:
    """Kind and suffix of a service port's chain, or None.

    >>> service_chain("KUBE-EXT-4N57TFCL4MD7ZTDA"), service_chain("KUBE-SERVICES")
    (('EXT', '4N57TFCL4MD7ZTDA'), None)
    """
    match = _SERVICE_CHAIN.match(name)
    return (match[1], match[2]) if match else None


def name_in(comment: str) -> str:
    """The service port's name that a comment begins with or holds; an empty string when it holds none.

    >>> name_in("default/kubernetes:https cluster IP"), name_in("masquerade traffic for prod/web external destinations")
    ('default/kubernetes:https', 'prod/web')
    """
    match = _NAME.search(comment[:_COMMENT_MAX])
    return match[0] if match else ""


def is_foreign(chain: str) -> bool:
    """True for a ``KUBE-`` chain that other programs or ipvs mode own."""
    return bool(_FOREIGN.match(chain))
