"""Does a text hold a command that changes a host? Such commands belong in a remedy fence, never in a check.

This is a help for authors, not the guard: a check can only name a probe of the catalogue, whose commands are fixed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# what the command does, the command, and the words (after any options) that make it change something
_SUBCOMMANDS = (
    ("changing nftables", "nft", "add insert delete flush replace create destroy -f"),
    (
        "systemctl changing a unit",
        "systemctl",
        (
            "start stop restart try-restart reload reload-or-restart enable disable mask unmask kill isolate set-property edit "
            "daemon-reload daemon-reexec reboot poweroff"
        ),
    ),
    ("service changing a unit", r"service\s+[\w@.-]+", "start stop restart reload"),
    (
        "ip changing the network",
        r"ip\s+(?:-\S+\s+)*(?:r|route|a|addr|address|l|link|n|neigh|neighbour|rule|tunnel)",
        "add append change del delete flush replace set",
    ),
    ("changing packages", "(?:apt|apt-get|yum|dnf|zypper|pip3?|snap)", "install remove purge update upgrade erase downgrade"),
    ("changing packages", "rpm", r"-[UieF]\w*"),
    ("conntrack changing flows", "conntrack", "-D -F -I -U --delete --flush"),
    ("closing sockets", "ss", r"-\w*K --kill"),
    (
        "kubectl changing the cluster",
        "(?:kubectl|oc)",
        (
            "delete apply create edit patch replace scale drain cordon uncordon taint label annotate exec "
            r"rollout\s+restart rollout\s+undo"
        ),
    ),
    (
        "changing containers",
        "(?:docker|podman|nerdctl|crictl)",
        r"run exec rm rmi stop kill restart start pause update (?:system|image|volume|container)\s+prune",
    ),
    ("changing a network device", "ethtool", r"-[GACKLNPRUXWs] --set-\S+"),
    ("sysctl writing", "sysctl", "-w -p --write --system --load"),
    ("changing boot parameters", "grubby", r"[^\n]*--(?:update-kernel|args|remove-args|set-default)"),
    ("changing boot parameters", "grub2?-mkconfig", "-o"),
    ("changing files in place", "sed", "-i --in-place"),
)
_OTHERS = (
    ("writing below /proc or /sys", r"(?:>{1,2}|\btee\b(?:\s+-\w+)*)\s*['\"]?/(?:proc|sys)/\S*"),
    ("dropping caches", r"\d\s*>\s*\S*drop_caches|\bdrop_caches\s*=\s*\d"),
    ("sysctl writing", r"\bsysctl\s+(?:-\w+\s+)*[\w./-]+\s*=\s*\S+"),
    (
        "changing firewall rules",
        r"\b(?:ip6?|eb|arp)tables(?:-legacy|-nft)?\b[^\n|;]*\s-(?:[ADIRFXZNPE]\b|-(?:append|delete|insert|replace|flush)\b)",
    ),
    ("restoring firewall rules", r"\bip6?tables(?:-legacy|-nft)?-restore\b"),
    ("kill", r"(?<![\w./-])(?:kill|pkill|killall)\s+(?:-(?!l\b|0\b)\w+|\d+\b|\$)"),
    (
        "removing or moving files",
        r"(?<![\w./-])(?:rm|mv|cp|dd|truncate|shred|ln|chmod|chown|mkdir|rmdir)\s+(?:-\w\S*\s|if=|[\w.~-]*/\S)",
    ),
    ("loading or unloading modules", r"(?<![\w./-])(?:modprobe|insmod|rmmod)\s+[\w-]"),
    ("mounting", r"(?<![\w./-])(?:mount|umount)\s+[-/]\S+"),
    ("rebooting", r"^\s*(?:sudo\s+)?(?:reboot|shutdown|poweroff|halt)\b"),
    ("changing boot parameters", r"\bupdate-grub\b"),
)
_LINE_MAX = 2000
_LINES_MAX = 2000


def _subcommand(command: str, words: str) -> str:
    return rf"(?<![\w./-]){command}\s+(?:--?\S+\s+(?:[^-\s]\S*\s+)?)*?(?:{'|'.join(words.split())})(?![\w-])"


_PATTERNS = tuple(
    (what, re.compile(pattern))
    for what, pattern in ((*((what, _subcommand(command, words)) for what, command, words in _SUBCOMMANDS), *_OTHERS))
)


@dataclass(frozen=True)
class Change:
    """A command that changes a host: what it does, and where it stands in the text (line and column from 0)."""

    what: str
    line: int
    column: int


def host_changes(text: str) -> list[Change]:
    """The first change on each line that is not a comment.

    >>> [(change.what, change.line) for change in host_changes("uname -r\\necho 1 > /proc/sys/vm/drop_caches")]
    [('dropping caches', 1)]
    >>> host_changes("cat /proc/sys/vm/swappiness; iptables-save -c; ip route show")
    []
    """
    found: list[Change] = []
    for number, line in enumerate(text.split("\n")[:_LINES_MAX]):
        matches = [(match.start(), what) for what, pattern in _PATTERNS if (match := pattern.search(line[:_LINE_MAX]))]
        if matches and not line.lstrip().startswith("#"):
            column, what = min(matches)
            found.append(Change(what, number, column))
    return found
