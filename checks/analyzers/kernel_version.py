"""What a kernel release says: its version, whose build it is, and whether that builder backports fixes.

A vendor kernel carries fixes of later versions under an old number (a public vendor changelog lists dd8657b6c1cb of 5.8), so its
number alone proves nothing bad.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.reading import whole_lines

Version = tuple[int, int, int]

# (pattern in the release, does that builder backport); the matched text is the tag unless a third item names it.
_BUILDERS: tuple[tuple[str, bool, str], ...] = (
    (r"\belrepo\b", False, ""),  # ELRepo's kernel-lt and kernel-ml are mainline, although their release says el7
    (r"\bel\d+(?:uek)?", True, ""),
    (r"\bky\d+", True, ""),  # Kylin
    (r"\boe\d+(?:sp\d)?", True, ""),  # openEuler
    (r"\buelc?\d+|\buos\b", True, ""),  # UnionTech
    (r"\ban\d+|\bal\d+", True, ""),  # Anolis, Alibaba
    (r"\btl\d+|\btlinux\d+", True, ""),  # Tencent
    (r"\bamzn\d+", True, ""),
    (r"\beulerosv\d+r\d+|\bhce\d+", True, ""),  # Huawei
    (r"\bctl\d+|\bbclinux\b", True, ""),  # Chinese carriers
    (r"-default$", True, "suse"),
    (r"\bfc\d+", False, ""),
    (r"-(?:generic|lowlatency|aws|azure|gcp|gke|oracle|kvm)(?:-\w+)?$", False, "generic"),
    (r"\+deb\d+|-(?:rt-|cloud-)?(?:amd64|arm64|armmp|686(?:-pae)?|powerpc64le|riscv64|s390x)$", False, "deb"),
)
_VENDOR_OS = {
    "alinux", "anolis", "bclinux", "ctyunos", "euleros", "hce", "kylin", "openeuler", "tencentos", "uos", "deepin",
}  # fmt: skip


@dataclass(frozen=True)
class KernelRelease:
    """``uname -r``, read. ``distro`` is the builder's tag (el7, ky10, oe2203, deb …), empty for a mainline or unknown one."""

    text: str
    version: Version
    distro: str = ""
    is_vendor_backport: bool = False

    @property
    def short(self) -> str:
        """The first two numbers, as people say it.

        >>> parse_release("4.19.90-24.4.v2101.ky10.x86_64\\n").short
        '4.19'
        """
        return f"{self.version[0]}.{self.version[1]}"

    def below(self, version: Version) -> bool:
        """True when the number is below ``version``; whether the fix is missing is another question on a vendor kernel."""
        return self.version < version


def parse_release(text: str) -> KernelRelease:
    """Read the output of ``uname -r``, of ``uname -a``, or /proc/version.

    >>> parse_release("Linux node-1 5.10.0-28-amd64 #1 SMP Debian 5.10.209-2 (2024-01-31) x86_64 GNU/Linux\\n").version
    (5, 10, 0)
    >>> parse_release("4.19.90-24.4.v2101.ky10.x86_64\\n")
    KernelRelease(text='4.19.90-24.4.v2101.ky10.x86_64', version=(4, 19, 90), distro='ky10', is_vendor_backport=True)
    >>> parse_release("5.4.278-1.el7.elrepo.x86_64\\n").is_vendor_backport
    False
    """
    lines = whole_lines(text)
    first = lines[0].strip() if lines else ""
    whole = re.fullmatch(r"Linux \S+ (\S+) #\d.* (?:GNU/)?Linux", first) or re.fullmatch(r"Linux version (\S+) \(.*", first)
    if whole:
        first = whole[1]
    match = re.match(r"^(\d{1,3})\.(\d{1,4})(?:\.(\d{1,5}))?(?=[.+_-]|$)[A-Za-z0-9.+_~@:-]*$", first)
    if not match or any(line.strip() for line in lines[1:]):
        raise ParseError("this is not a kernel release such as 5.10.0-28-amd64", line=1)
    release = match[0]
    for pattern, backports, tag in _BUILDERS:
        if found := re.search(pattern, release):
            return KernelRelease(release, _version(match), tag or found[0], backports)
    return KernelRelease(release, _version(match))


def built_for(release: KernelRelease, os_id: str) -> KernelRelease:
    """The release, seen with the ID of /etc/os-release: Kylin and UOS desktops ship their own kernels under Ubuntu-like names."""
    if release.is_vendor_backport or os_id.lower() not in _VENDOR_OS:
        return release
    return KernelRelease(release.text, release.version, os_id.lower(), is_vendor_backport=True)


def _version(match: re.Match[str]) -> Version:
    return int(match[1]), int(match[2]), int(match[3] or 0)
