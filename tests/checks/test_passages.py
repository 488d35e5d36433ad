"""Outputs in letters, pages and logs: the words of people and the margins of pages go, and nothing that would be missed."""

from __future__ import annotations

import doctest

import pytest

from checks import margins, passages
from checks.catalog import get
from checks.margins import without_margin
from checks.offline import Given, gather
from checks.pasted import clean, split
from checks.recognise import recognise

ROUTES = "default via 192.0.2.1 dev eth0 proto static\n192.0.2.0/24 dev eth0 proto kernel scope link src 192.0.2.11\n"
NEIGH = "192.0.2.1 dev eth0 lladdr 02:00:00:00:00:01 REACHABLE\n192.0.2.12 dev eth0 lladdr 02:00:00:00:00:02 STALE\n"
RULES = "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n32767:\tfrom all lookup default\n"
CGROUPS = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpuset\t5\t30\t1\nmemory\t4\t73\t1\n"
SAVE = "*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SERVICES - [0:0]\n-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n"
OUTPUTS = {"route4": ROUTES, "neigh": NEIGH, "rule4": RULES, "cgroups": CGROUPS}
PROBES = {"route4": "ip.route", "neigh": "ip.neigh", "rule4": "ip.rule", "cgroups": "cgroup.memcg_dying"}
SESSION = (
    f"root@node-1:~# ip route\n{ROUTES}root@node-1:~# ip neigh\n{NEIGH}root@node-1:~# ip rule\n{RULES}"
    f"root@node-1:~# cat /proc/cgroups\n{CGROUPS}root@node-1:~#\n"
)


def each_line(text: str, begin: str) -> str:
    return "".join(f"{begin.format(number)}{line}\n" for number, line in enumerate(text.splitlines(), 1))


PASTES = {
    "one after the other": "".join(OUTPUTS.values()),
    "empty lines": "\n".join(OUTPUTS.values()),
    "sentences": "".join(f"And this is what we see in part {n}:\n\n{text}\n" for n, text in enumerate(OUTPUTS.values())),
    "chinese": "".join(f"下面是第{n}个命令的输出：\n{text}" for n, text in enumerate(OUTPUTS.values())),
    "fences": "".join(f"Part {n}\n```\n{text}```\n" for n, text in enumerate(OUTPUTS.values())),
    "page": "".join(f"<details><summary>{n}</summary>\n<pre>\n{text}</pre>\n</details>\n" for n, text in enumerate(OUTPUTS.values())),  # noqa: E501
    "one command line": f"[root@node-1 ~]# ip r; ip n; ip ru; cat /proc/cgroups\n{''.join(OUTPUTS.values())}[root@node-1 ~]#\n",
    "quoted": each_line(SESSION, "> "),
    "answered": f"On Tuesday somebody wrote:\n{each_line(SESSION, '> ')}\nThis looks fine to me.\n",
    "indented": f"Hello,\n\nthis is our node:\n\n{each_line(SESSION, '    ')}\nThanks,\nBob\n",
    "cat -n": each_line(SESSION, "{:6}\t"),
    "grep -n": each_line(SESSION, "{}:"),
    "pdsh": each_line("".join(OUTPUTS.values()), "node-1: "),
    "logged": each_line(SESSION, "Jan  7 10:00:00 node-1 check[12]: "),
    "stamped": each_line(SESSION, "[2025-01-07 10:00:00] "),
    "classic mac": SESSION.replace("\n", "\r"),
    "script": SESSION.replace("root@", "\x1b[?2004h\x1b]0;node-1\x07root@").replace(" ip", " ix\x08\x1b[Kp").replace("\n", "\r\n\x1b[?2004l\r"),  # noqa: E501
    "traced": "+ set -e\n+ date\nTue Jan  7\n" + "".join(
        f"+ {command}\n{text}" for command, text in zip(("ip r", "ip n", "ip ru", "cat /proc/cgroups"), OUTPUTS.values(), strict=True)  # noqa: E501
    ),
    "kubectl": SESSION.replace("# ip", "# kubectl exec pod-1 -- ip").replace("route\n", 'route\nDefaulted container "a" out of: a, b\n'),  # noqa: E501
    "typeset": SESSION.replace(" dev", "\u00a0dev").replace("\n", "\n\u200b"),
}  # fmt: skip


def test_its_samples_hold() -> None:
    assert doctest.testmod(margins).failed == doctest.testmod(passages).failed == 0


@pytest.mark.parametrize("name", PASTES)
def test_it_finds_each_output_of_a_paste(name: str) -> None:
    for section, text in OUTPUTS.items():
        found = gather(get(PROBES[section]), [Given("", "paste.txt", PASTES[name].encode())])
        read = {one.name: one.text for one in found.sections}[section]
        assert read.removesuffix("== end\n").rstrip() == text.rstrip() or text.rstrip() in read
        assert any(match.section == section for match in recognise(clean(PASTES[name])))


@pytest.mark.parametrize("text", [
    "1: lo: <LOOPBACK>\n2: eth0: <UP>\n",
    "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n",
    "cpu0 1 2 3\ncpu1 1 2 3\n",
    "Tcp: a b c\nTcp: 1 2 3\n",
    "7:memory:/a\n6:cpu:/a\n",
    "1\tone\n3\tthree\n",
    "12 things\n",
])  # fmt: skip
def test_it_keeps_what_is_no_margin(text: str) -> None:
    assert without_margin(text) == text


@pytest.mark.parametrize("gap", [
    "and here are many more rules that we do not show\n", "...\n", "[snip]\n", "<many lines omitted>\n", "中间还有很多规则\n",
    "Dump was interrupted and may be inconsistent.\n",
])  # fmt: skip
def test_it_does_not_lose_what_says_that_something_is_missing(gap: str) -> None:
    for probe_id, text in (
        ("iptables.save", SAVE.replace("-A", f"{gap}-A")),
        ("ip.route", ROUTES.replace("192.0.2.0", f"{gap}192.0.2.0")),
    ):
        probe = get(probe_id)
        for paste in (text, f"Hi, this is the node:\n{text}"):
            if probe_id == "ip.route" and gap[0] in "a中":
                continue  # two lists of routes, of which neither may be chosen: it is said
            found = gather(probe, [Given("", "paste", paste.encode())])
            assert probe.evaluate(found.sections, {}).verdict == "unknown"


def test_it_ends_on_endless_letters() -> None:
    # Not a measurement: work that grows with the square of the length would never end here.
    for piece in ("COMMIT\nthis is the end\n", "Chain a (policy\nthis is a chain\n", "x\n\n", "> $ ip route\n", "1:a\n"):
        assert isinstance(split(clean(piece * (200_000 // len(piece)))), list)
    assert len(passages.passages(split("Chain a (policy\nthis is a chain\n" * 20_000)[0])) == 1


@pytest.mark.parametrize("words", ["Node1:\n", "routing on all nodes:\nOn node-1:\n", "Here it is:\n", "主机 node-1：\n"])
def test_it_takes_a_label_off(words: str) -> None:
    table = "Kernel IP routing table\nDestination     Gateway         Genmask         Flags Metric Ref    Use Iface\n"
    table += "0.0.0.0         192.0.2.1       0.0.0.0         UG    0      0        0 eth0\n"
    for text in (table, ROUTES):
        found = gather(get("ip.route"), [Given("", "paste", f"{words}{text}".encode())])
        assert [section.text for section in found.sections if section.name == "route4"] == [text]
