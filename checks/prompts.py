"""The lines above an output that say what it is: prompts of many shells, banners, Markdown, what tail and Ansible print.

>>> found = head_of("[root@node-1 ~]# sudo cat /proc/uptime", Place.ANY)
>>> found.host, found.command, found.path, found.prompt
('node-1', 'sudo cat /proc/uptime', '/proc/uptime', True)
>>> head_of("# ip forwarding must be on", Place.FREE), head_of("=== ip route ===", Place.FREE).command
(None, 'ip route')
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum

from checks.commands import sections
from checks.typed import below, files_shown

_TOOLS = (
    "arp|awk|brctl|bridge|cat|conntrack|crictl|curl|df|dmesg|docker|ebtables|egrep|etcdctl|ethtool|find|free|getconf|grep|head|hostname"
    "|hostnamectl|ifconfig|ip|ip6tables|ip6tables-save|ipset|iptables|iptables-legacy-save|iptables-nft-save|iptables-save|ipvsadm"
    "|journalctl|kubectl|ls|lsmod|lscgroup|lsof|mount|mpstat|netstat|nft|nginx|nsenter|nstat|pg_lsclusters|pidstat|ping|ps|psql|pvs"
    "|readelf|readlink|redis-cli|route|rpm|slabtop|ss|stat|sysctl|systemctl|tail|tc|timeout|top|traceroute|ulimit|uname|uptime|vmstat"
    "|zcat|zgrep"
)
_BEFORE = r"(?:sudo(?:\s+-\S+)*\s+|time\s+|chroot\s+\S+\s+|\w+=\S*\s+)*(?:/\S*/)?"
# "# ip route" as the first line, or after a prompt, is a prompt itself; "# ip forwarding must be on" is a comment.
_COMMAND = re.compile(
    rf"(?:sleep \d+|date|cd /\S*)\s*$|{_BEFORE}(?:{_TOOLS})"
    r"(?:\s*$|\s+(?:-|/|\||[\w.]+[.=/]|(?:-\S+\s+)*"
    r"(?:a|addr|address|l|link|n|neigh|neighbour|netns|r|ro|route|rule|ru|exec|get|list|status|show|version|\d+)\b)[^!?]*$)"
)
_TABLES = re.compile(r"(?:sudo )?(?:/\S*/)?ip6?tables(?:-\w+)*(?: -{1,2}[\w-]+(?: \w+)?){1,5}$")
_WHEN = r"(?:\[?(?:\w{3} \w{3} {1,2}\d{1,2} )?\d\d:\d\d(?::\d\d)?(?: [A-Z]{3,4} \d{4})?\]? )?"
_AT = r"(?P<user>[\w.+-]+)@(?P<host>[\w.-]+)"
_TYPED = r"(?: +(?P<command>.*))?$"
_PROMPTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"{_WHEN}\[(?:\d\d:\d\d(?::\d\d)? )?{_AT}[^\]\n]{{0,200}}\] ?[#$%]{_TYPED}",
        rf"{_WHEN}(?:\([^)\n]{{1,40}}\) )?{_AT}[: ][^\s#$%>]{{1,200}} ?[#$%>]{_TYPED}",
        rf"(?P<host>[\w.-]+):(?!//)[~/][^\s#$%>]{{0,200}} ?[#$>]{_TYPED}",
        rf"(?:sh|bash|ash|zsh)-[\d.]+[#$]{_TYPED}",
        rf"(?:~|/[\w./-]{{0,200}}) [#$]{_TYPED}",
        r"\$ (?P<command>\S.*)$",
    )
)
# Other prompts are believed when a known command stands behind them.
_SIGNS = re.compile(r"(?P<left>[^\n\"'|;=]{0,80}?[#$%>❯➜✗»λ])(?P<blank>(?: {1,2}~)? {0,2})(?P<command>[/\w].*)$")
_HOST = re.compile(rf"\[?(?:{_AT}|(?P<alone>[a-zA-Z][\w.-]+)(?=[\s\]]*[~/]?[\s\]]*[#$%>]+$))")
_FILE_HEADER = re.compile(r"==> (?P<path>\S+) <==$")
_WATCH = re.compile(r"Every \d+(?:[.,]\d+)?s: (?P<command>\S.*?)(?: {2,}(?P<host>[\w.-]+): .*)?$")
_ANSIBLE = re.compile(r"(?P<host>[\w.-]+) \| (?:SUCCESS|CHANGED|FAILED)[^\n]{0,40}>>$")
_SOS = re.compile(r"(?:^|/)sos_commands/\w+/([^/]+)$")
_LEFT = re.compile(r"(?:\d{1,3}[.)]|[^\S\n]|[=#*+|~_>\-\[【「`]|(?i:command|cmd|[\u4e00-\u9fff]{1,20})[:：])*")
_TRACED = re.compile(r"\++ (?:set [-+]|echo |printf |\[+ |export |local |for |true$|:$|sleep |date|hostname|cd |\w+=)")  # set -x
_RIGHT = " \t=#*-]】」`:：~_"
_QUOTED = re.compile(r"`([^`\n]{2,160})`")
_NAMED = re.compile(rf"(?<![\w/.-])(?:sudo )?(?:/[\w/]{{1,60}}/)?(?:{_TOOLS})\b[ -~]*")
RULER = re.compile(r"\s*(?:[=\-*#_~+]\s?){5,}$")
"""A line that only sets things apart."""

CHATTER = re.compile(
    r"\[sudo\] |Defaulted container |Creating debugging pod |If you don't see a command prompt|Warning: Permanently added "
    r"|Unable to use a TTY|Pseudo-terminal will not|(?:Password|password for \S+): ?"
)
"""What stands before an output because of the way to the host."""
CODE = re.compile(
    r"\s*(?:(?:if|for|while|case|set|export|local|printf|echo|cat|grep|awk|sed|have|exec|return|exit)\s|(?:fi|done|else|then|do|esac|})\b"
    r"|\w+\(\)|\w+=\S*$|.*(?:\$[({\w]|\\$|&&|\|\||2>))"
)
"""A line of a script: what stands above it was typed by nobody."""


class Place(Enum):
    """Where in a text a line stands."""

    FREE = "free"  # below a header or at the beginning: a header may stand here in its short form
    APART = "apart"  # below an empty line: a header may stand here when it names a command that is known
    ANY = "any"


@dataclass(frozen=True)
class Head:
    """What a prompt or a header says of the output below it.

    ``titles``: headers such as "# ip route" follow each other; a session with real prompts has none. ``sure``: below stands
    what the command printed, whatever it looks like.
    """

    command: str = ""
    path: str = ""
    host: str = ""
    titles: bool = False
    prompt: bool = False
    sure: bool = True
    fence: bool = False
    files: tuple[str, ...] = ()
    left: str = ""


def head_of(line: str, place: Place) -> Head | None:
    """What a prompt or a header line says; None for a line of output."""
    if not line or len(line) > 2000:
        return None
    for prompt in _PROMPTS:
        if match := prompt.match(line):
            found = match.groupdict()
            head = said((found.get("command") or "").strip(), found.get("host") or "")
            return replace(_below(line, head), prompt=True)
    if line.startswith(("```", "~~~")):  # a chat or a Markdown page fences what was printed
        return Head(fence=True)
    if match := _FILE_HEADER.match(line):
        return _file(match["path"])
    if match := _WATCH.match(line):
        return said(match["command"], match["host"] or "")
    if match := _ANSIBLE.match(line):
        return Head(host=match["host"])
    if len(line) > 400 or line.startswith("== "):  # this is how our collectors head a part
        return None
    return _title(line, place) or _signed(line, place) or (_in_words(line) if place != Place.ANY else None)


def _below(line: str, head: Head) -> Head:
    """The head, its files in the folder that the prompt shows."""
    files = below(line, head.files)
    return replace(head, files=files, path=files[0] if len(files) == 1 else head.path)


def said(command: str, host: str) -> Head:
    """The head that a typed command makes."""
    shown = files_shown(command)
    return Head(command, shown[0] if len(shown) == 1 else "", host, files=shown)


def _typed(command: str) -> bool:
    return bool(_COMMAND.match(command) or files_shown(command))


def known(command: str) -> bool:
    """True when it can be told which section or file that command shows."""
    return bool(sections(command) or files_shown(command) or _TABLES.match(command))


def _file(path: str) -> Head:
    """A file shown under its name. sos names a command's output after the command."""
    sos = _SOS.search(path)
    return Head(command=sos[1].replace("_", " ")) if sos else Head(path=path)


def _signed(line: str, place: Place) -> Head | None:
    """A prompt of a form of its own, known by its sign and the command behind it."""
    match = _SIGNS.match(line)
    if not match or not _typed(match["command"]):
        return None
    left = match["left"].strip()
    host = _HOST.match(left)
    name = (host["host"] or host["alone"] or "") if host else ""
    if not name and (place == Place.ANY or (place == Place.APART and not known(match["command"]))):
        return None
    shell = name in ("bash", "sh", "root")
    head = replace(_below(line, said(match["command"].strip(), "" if shell else name)), left=left)
    return replace(head, prompt=bool(name), titles=not name)


def _title(line: str, place: Place) -> Head | None:
    """A banner, a heading or an item of a list that is a command, or a line that is nothing else."""
    left = _LEFT.match(line)
    begin = left.end() if left else 0
    command = line[begin:].rstrip(_RIGHT)
    right = line[begin + len(command) :].strip()
    decorated = line[:begin].strip()
    if place != Place.ANY and _TRACED.match(line):
        return Head(titles=True)
    if not _typed(command):
        return None
    strong = len(decorated) > 2 and right
    if not strong and not (place == Place.FREE and decorated) and not (place != Place.ANY and known(command)):
        return None
    return replace(said(command, ""), titles=True, sure=bool(strong or (place == Place.FREE and decorated)))


def _in_words(line: str) -> Head | None:
    """A sentence that names the command whose output follows: in backticks, or before a colon at its end."""
    quoted = _QUOTED.findall(line)
    named = _NAMED.search(line) if line.rstrip().endswith((":", "：")) else None
    if len(quoted) != 1 and not named:
        return None
    words = quoted[0].split() if quoted else named[0].rstrip(" :").split() if named else []
    tries = [words] if quoted else [words[:count] for count in range(min(len(words), 8), 0, -1)]
    command = next((text for text in map(" ".join, tries) if known(text)), "")
    return replace(said(command, ""), titles=True, sure=False) if command else None
