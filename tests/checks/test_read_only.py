"""No collector writes: its text parses in three shells, redirects only to /dev/null, and uses no command that changes a host.

The reasons behind the list: iptables -L loads tables, iptables-legacy-save -t creates them, ipvsadm and ipset load modules, nstat
writes a history file, sysctl -a touches deprecated keys, rpmspec runs code out of the spec, here-documents become files in bash.
"""
# ruff: noqa: E501  a pattern is easier to read on one line

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest

from checks.capture import script
from checks.collectors.base import PRELUDE
from checks.engine import Request
from checks.params import read_all

# A command word stands at the beginning of a command: after a separator, a keyword, or a word that runs another command.
_START = r"(?:^|[;&|(){}`]|\b(?:then|else|elif|do|if|while|until|time|exec|as_root|setpriv(?:\s+--?\w\S*|\s+\d+)*|timeout(?:\s+-\S+)*\s+\S+|env|xargs(?:\s+-\S+)*|!)\s)\s*"
_END = r"(?=$|[\s;&|)}`])"

CHANGES = (  # noqa: SIM905
    "tee dd mv cp rm rmdir mkdir mkfifo mknod ln touch chmod chown chgrp install truncate mktemp split shred sync patch ed ex vi "
    "mount umount swapon swapoff modprobe insmod rmmod depmod kill pkill killall reboot shutdown halt poweroff init telinit "
    "useradd userdel usermod passwd crontab at batch logger wall write mesg nohup setsid ionice renice chrt taskset "
    "rpmspec rpmbuild rpmdb apt apt-get dpkg yum dnf zypper pip wget scp sftp ftp rsync git make "
    "iptables-restore ip6tables-restore arptables ebtables-restore ifup ifdown ifconfig route brctl vconfig dhclient "
    "sudo su doas eval source chroot unshare pivot_root losetup mkfs fsck fdisk parted lvchange vgchange "
    "perl python python2 python3 ruby lua php node gdb bpftrace strace ltrace nc ncat socat telnet nstat"
).split()  # fmt: skip

FORBIDDEN = {
    "a command that changes things": rf"{_START}(?:\S*/)?(?:{'|'.join(map(re.escape, CHANGES))}){_END}",
    "a here-document": r"<<",
    "iptables other than -V and -save": r"(?<![\w-])ip6?tables(?:-nft|-legacy)?\s+(?!-V\b|--version\b)",
    "iptables-legacy-save with a table": r"tables-legacy-save\b[^;&|\n]*\s-t",
    "nft other than list": r"(?<![\w-])nft\s+(?!(?:-\S+\s+)*(?:list|describe)\b|-v\b|--version\b)",
    "ipset other than list": r"(?<![\w-])ipset\s+(?!(?:-\S+\s+)*(?:list|save|version)\b)",
    "conntrack that deletes": r"(?<![\w-])conntrack\s+(?:\S+\s+)*(?:-[DFUI]|--delete|--flush|--update|--create)",
    "ss that kills": r"(?<![\w-])ss\s+(?:\S+\s+)*(?:-[A-Za-z]*K\b|--kill)",
    "ip that changes": r"(?<![\w-])ip\s+(?:-\S+\s+)*[a-z]+\s+(?:add|del|delete|flush|replace|change|chg|set|append|prepend|attach|detach|exec)\b",
    "tc or bridge that changes": r"(?<![\w-])(?:tc|bridge)\s+(?:-\S+\s+)*[a-z]+\s+(?:add|del|delete|replace|change|link|set)\b",
    "ethtool that changes": r"(?<![\w-])ethtool\s+(?:-[sKGCALNUEfprXWQ]\b|--(?:change|set|offload|features|reset|flash|coalesce|pause|negotiate|identify))",
    "sysctl other than a named key": r"(?<![\w-])sysctl\s+(?:\S+\s+)*(?:-[A-Za-z]*[wpa]|--(?:write|load|system|all)|\S+=)",
    "rpm that installs or expands a spec": r"(?<![\w-])rpm\s+(?:[^\s;&|]+[ \t]+)*(?:-[iUFe]\w*|--(?:install|upgrade|erase|import|rebuilddb|initdb|specfile|restore|setperms))",
    "systemctl that acts": r"(?<![\w-])systemctl\s+(?:-\S+\s+)*(?:start|stop|restart|reload|try-\S+|enable|disable|mask|unmask|daemon-\S+|kill|set-\S+|isolate|edit|reset-failed|reenable|preset)",
    "journalctl that changes": r"(?<![\w-])journalctl\s+[^;&|\n]*--(?:vacuum|rotate|flush|sync|update|setup)",
    "dmesg that clears": r"(?<![\w-])dmesg\s+(?:\S+\s+)*(?:-[cCDEn]\b|--(?:clear|read-clear|console))",
    "a container tool that acts": r"(?<![\w-])(?:docker|crictl|podman|nerdctl|ctr)\s+(?:-\S+\s+)*(?:rm|rmi|stop|start|restart|kill|exec|run|pull|push|create|cp|commit|prune|tag|load|build|attach)\b",
    "kubectl that acts": r"(?<![\w-])kubectl\s+(?:\S+\s+)*(?:apply|create|delete|edit|patch|replace|scale|label|annotate|taint|drain|cordon|uncordon|exec|cp|run|expose|rollout|set)\b",
    "etcdctl that acts": r"(?<![\w-])etcdctl\s+(?:\S+\s+)*(?:put|del|txn|compact\w*|defrag|snapshot\s+restore|lease\s+(?:grant|revoke)|member\s+(?:add|remove|update)|auth|user|role|alarm\s+disarm|move-leader)\b",
    "redis-cli that acts": r"(?<![\w-])(?:redis|valkey)-cli\s+[^;&|\n]*\b(?i:set|del|flushall|flushdb|config\s+set|config\s+rewrite|shutdown|debug|save|bgsave|monitor|script|eval|migrate|slaveof|replicaof)\b",
    "curl that sends or writes": r"(?<![\w-])curl\s+(?:\S+\s+)*(?:-[A-Za-z]*[XdFTOouK]\b|--(?:data|form|upload|request|output|remote-name|user|config))",
    "find that acts": r"(?<![\w-])find\s+[^;&|\n]*-(?:delete|exec|execdir|ok|okdir|fprint\w*|fls)\b",
    "sed in place": r"(?<![\w-])sed\s+(?:\S+\s+)*(?:-[nErs]*i|--in-place)",
    "nginx that tests its configuration": r"(?<![\w-])nginx\s+(?:\S+\s+)*-[tTsgc]",
    "a background job": r"(?<![&>|])&(?![&>\d-])",
}  # fmt: skip
IN_AWK = r"\bprintf?\b[^;}\n]*>|\bsystem\s*\(|\|\s*\"|\bgetline\b"
REDIRECTION = re.compile(r"(?<![-=])(\d*)(>>?\|?|<>)\s*([^\s;&|)}]*)")


def bare(text: str) -> tuple[str, list[str]]:
    """The script's own words: comments and quoted texts are taken out; single-quoted ones, which may be programs, are listed."""
    out: list[str] = []
    quoted: list[str] = []
    depth: list[str] = []  # what is open: a double quote, or a command substitution inside one
    at = 0
    while at < len(text):
        char, two, three = text[at], text[at : at + 2], text[at : at + 3]
        inside = bool(depth) and depth[-1] == '"'
        if char == "\\":
            at += 2
        elif char == "'" and not inside:
            end = text.find("'", at + 1)
            quoted.append(text[at + 1 : end])
            out.append("Q")
            at = end + 1
        elif char == '"':
            depth.pop() if inside else depth.append('"')
            out.append("" if inside else "Q")
            at += 1
        elif three == "$((":
            at = text.find("))", at) + 2
            out.append("N")
        elif two == "$(":
            depth.append("(")
            out.append("(")
            at += 2
        elif two == "${":
            end = text.find("}", at)
            out.append("V")
            at = end + 1
        elif char == ")" and depth and depth[-1] == "(":
            depth.pop()
            out.append(")")
            at += 1
        elif char == "#" and not inside and (at == 0 or text[at - 1] in " \t\n;"):
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
        else:
            out.append("" if inside else char)
            at += 1
    return "".join(out), quoted


def writes(text: str) -> list[str]:
    """What in a script changes a host or could."""
    words, quoted = bare(text)
    found = [name for name, pattern in FORBIDDEN.items() if re.search(pattern, words.replace("\\\n", " "), re.MULTILINE)]
    for _, sign, target in REDIRECTION.findall(words):
        if target not in ("/dev/null", "") and not (sign == ">" and re.fullmatch(r"&(?:\d|-)", target)):
            found.append(f"a redirection to {target}")
    found += ["a redirection to nowhere" for _ in re.findall(r">\s*$", words, re.MULTILINE)]
    for text in quoted:
        if re.search(IN_AWK, text) and re.search(r"\$\d|\$NF|NR\b|BEGIN", text):
            found.append("an awk program that writes, runs or opens something")
        if re.match(r"\s*for |\s*if |.*\bdo\b", text):
            found += writes(text)
    if re.search(r"(?<![\w-])ipvsadm\b", words) and "/proc/net/ip_vs" not in text + words:
        found.append("ipvsadm without looking for /proc/net/ip_vs first")
    return found


@pytest.mark.parametrize("text", [
    "echo 1 >/proc/sys/vm/drop_caches", "echo 1 > /tmp/x", "cat x >> y", ': > "$f"', "iptables -t nat -L", "iptables -S",
    "iptables-legacy-save -t nat", "nft flush ruleset", "sysctl -w a=1", "sysctl -a", "sysctl net.ipv4.ip_forward=1",
    "rpmspec -P x.spec", "rpm -q --specfile x.spec", "rpm -e x", "ip route add default via 192.0.2.1", "ip -4 route flush cache",
    "ip netns exec x ls", "ss -K dst 192.0.2.1", "conntrack -D -s 192.0.2.1", "conntrack -L; conntrack -F", "have tee && tee x",
    "x | tee y", "if true; then rm -rf x; fi", "sudo ls", "awk '{ print $1 > \"/tmp/x\" }'", "awk 'BEGIN { system(\"ls\") }'",
    "cat <<EOF\nEOF", "sleep 1 &", "find / -delete", "find / -exec rm {} +", "sed -i s/a/b/ x", "curl -X POST http://192.0.2.1",
    "curl -o /tmp/x http://192.0.2.1", "systemctl restart kubelet", "journalctl --rotate", "dmesg -c", "nginx -T", "eval \"$x\"",
    "setpriv --reuid 65534 rm x", "setpriv --reuid 1 rpm -q x; rpm -e x", "docker exec x ls", "crictl rm x", "kubectl delete pod x", "nstat", "modprobe ip_vs", "ethtool -K eth0 gro off",
    "x=$(touch y)", 'x="$(touch y)"', "timeout 5 rm x", "as_root modprobe x", "ipvsadm -Ln", "etcdctl del x", "redis-cli flushall",
])  # fmt: skip
def test_it_sees_what_writes(text: str) -> None:
    assert writes(text)


@pytest.mark.parametrize("text", [
    "cat /proc/uptime 2>/dev/null", "have ip || exit 127", "ip -j route show table all 2>&1", "iptables-save -c", "iptables -V",
    "iptables-legacy-save", "nft -j list tables", "awk '$1 > 5 { print $2 }' /proc/x", "[ \"$a\" -gt 5 ] && echo 'a > b'",
    "printf '%s -> %s\\n' a b", "echo '#> comment'", "# rm -rf / is a comment\ncat x", "sysctl -n net.ipv4.ip_forward",
    "echo no >&2", "case $x in a) cat y ;; *) cat z ;; esac", "x=$((1 > 2))", "rpm --eval '%{?x}'", "rpm -qa", "rpm -q x; [ -e y ]", "setpriv --reuid 65534 rpm -q x", "ss -H -ltn",
    "conntrack -L -o extended", "conntrack -S", "systemctl show kubelet", "find /sys -maxdepth 1 -type d", "sed 's/a/b/' x",
    "ip -d -s link show type veth", "crictl ps -a", "docker ps", "journalctl -u x --since -1h --no-pager", "curl -s -m 5 http://192.0.2.1/",
    "[ -e /proc/net/ip_vs ] && ipvsadm -Ln", "echo \"it's fine: a > b\"", "ethtool -S eth0", "as_root iptables-save",
])  # fmt: skip
def test_it_lets_pass_what_reads(text: str) -> None:
    assert writes(text) == []


def test_it_only_reads(probe: Any) -> None:
    assert {collector.name: writes(collector.script) for collector in probe.collectors if writes(collector.script)} == {}


@pytest.mark.parametrize("shell", [
    pytest.param("dash", marks=pytest.mark.needs("dash")),
    pytest.param("bash", marks=pytest.mark.needs("bash")),
    pytest.param("busybox ash", marks=pytest.mark.needs("busybox")),
])  # fmt: skip
def test_it_is_a_script_in_every_shell(shell: str, every_probe: list[Any]) -> None:
    for text in dict.fromkeys(collector.script for probe in every_probe for collector in probe.collectors):
        run = subprocess.run([*shell.split(), "-n"], input=PRELUDE + text, capture_output=True, text=True, timeout=30)
        assert (run.returncode, run.stderr) == (0, ""), text


def test_it_takes_parameters_only_as_arguments(probe: Any) -> None:
    """Whatever the values are, the text of the commands is the same."""
    given = {param.name: param.choices[0] if param.choices else EXAMPLES[param.type] for param in probe.params}
    text = script([Request(probe.id, probe, read_all(probe.params, given))])
    for collector in probe.collectors:
        assert collector.script.replace("'", "'\\''") in text or collector.script in text, collector.name


EXAMPLES = {
    "ip": "192.0.2.77", "cidr": "192.0.2.0/24", "port": "5377", "ip_port": "192.0.2.77:5377", "iface": "eth77", "pid": "4177",
    "unit": "x77.service", "path": "/x77/y", "process": "x77", "service": "ns77/name", "proto": "tcp", "hostname": "x77.example.org",
    "macro": "__x77", "int": "77", "number": "77", "duration": "77s", "bool": "true", "enum": "x77", "text": "x77 y",
}  # fmt: skip
