"""Network and process outputs as people paste them. One sample of a counter tells of the past only."""

from __future__ import annotations

from typing import Any

import pytest

from checks.catalog import get
from checks.offline import Given, gather
from checks.params import read_all
from checks.results import ProbeResult, Reason, Verdict

NETSTAT = """Ip:
    9120331 total packets received
Tcp:
    4411 active connection openings
    {out} segments sent out
    {again} segments retransmitted
    17 resets sent
TcpExt:
    {full} times the listen queue of a socket overflowed
    {drops} SYNs to LISTEN sockets dropped
    {late} DSACKs received
    TCPSynRetrans: 12
IpExt:
    InOctets: 77
"""
FIRST = NETSTAT.format(out=2000000, again=1000, full=40, drops=41, late=10)
SECOND = NETSTAT.format(out=2010000, again=1900, full=47, drops=48, late=760)
NSTAT = "#kernel\nTcpOutSegs                 2000000            0.0\nTcpRetransSegs             1000               0.0\n"
LISTEN = """State       Recv-Q Send-Q Local Address:Port   Peer Address:Port
LISTEN      {}      128                *:http             *:*
LISTEN      0      128             [::]:ssh           [::]:*
"""


def judge(probe_id: str, *texts: str, **params: Any) -> ProbeResult:
    probe = get(probe_id)
    given = gather(probe, [Given("", f"paste-{n}", text.encode()) for n, text in enumerate(texts)])
    return probe.evaluate(given.sections, read_all(probe.params, params))


def told(result: ProbeResult) -> tuple[str, str]:
    return str(result.verdict), next(found.rule for found in result.findings if found.verdict == result.verdict)


def lines(result: ProbeResult, rule: str) -> list[str]:
    return [line.text.strip() for found in result.findings if found.rule == rule for line in found.evidence]


@pytest.mark.parametrize("text", [FIRST, NSTAT, f"$ netstat -s\n{FIRST}", FIRST.replace("\n", "\r\n")])
def test_it_tells_retransmits_since_boot_of_one_sample(text: str) -> None:
    result = judge("tcp.retrans", text)
    assert (told(result), result.reason) == (("unknown", "retransmits"), Reason.MISSING)
    assert "1000 retransmits for 2000000 segments sent (0.05%) since boot" in result.finding


def test_it_compares_two_outputs_of_netstat() -> None:
    text = f"$ netstat -s\n{FIRST}$ sleep 10; netstat -s\n{SECOND}"
    result = judge("tcp.retrans", text)
    assert told(result) == ("crit", "retransmits")
    assert lines(result, "retransmits") == ["1000 segments retransmitted", "1900 segments retransmitted"]
    assert lines(result, "late_not_lost") == ["10 DSACKs received", "760 DSACKs received"]
    assert told(judge("tcp.listen", text)) == ("crit", "overflow")


def test_it_takes_a_counter_that_netstat_leaves_out_for_0_only_where_its_part_has_ended() -> None:
    calm = "".join(line for line in FIRST.splitlines(keepends=True) if "listen queue" not in line)
    rows = f"$ ss -lnt\n{LISTEN.format(0)}"
    whole = judge("tcp.listen", f"$ netstat -s\n{calm}$ netstat -s\n{calm}{rows}")
    assert [found.verdict for found in whole.findings if found.rule == "overflow"] == [Verdict.OK]
    cut = calm[: calm.index("IpExt")]
    half = judge("tcp.listen", f"$ netstat -s\n{cut}$ netstat -s\n{cut}{rows}")
    assert not [found for found in half.findings if found.verdict == Verdict.OK]


@pytest.mark.parametrize(("text", "verdict", "line"), [
    (LISTEN.format(129), "crit", "LISTEN      129      128                *:http             *:*"),
    (LISTEN.format(0), "unknown", "LISTEN      0      128                *:http             *:*"),
    (("Netid State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\nudp   UNCONN 0  0  0.0.0.0:68  0.0.0.0:*\n"
     "tcp   LISTEN 101    100          0.0.0.0:25        0.0.0.0:*    users:((\"a\",pid=1801,fd=13))\n"), "crit",
     "tcp   LISTEN 101    100          0.0.0.0:25        0.0.0.0:*    users:((\"a\",pid=1801,fd=13))"),
    (("Proto Recv-Q Send-Q Local Address           Foreign Address         State\n"
     "tcp      129      0 0.0.0.0:8080            0.0.0.0:*               LISTEN\n"), "unknown",
     "tcp      129      0 0.0.0.0:8080            0.0.0.0:*               LISTEN"),
])  # fmt: skip
def test_it_reads_listeners_of_every_tool(text: str, verdict: str, line: str) -> None:
    result = judge("tcp.listen", text)
    assert result.verdict == verdict
    assert line in lines(result, "queue")


CONNECTION = """State  Recv-Q Send-Q  Local Address:Port   Peer Address:Port
ESTAB  0      296       192.0.2.7:51308  198.51.100.9:6379
{}cubic wscale:7,7 rto:240 rtt:39.5/12 ato:40 mss:1448 cwnd:10 unacked:1 notsent:168 minrtt:0.051
ESTAB  0      0         192.0.2.7:22     198.51.100.5:50514
{}cubic wscale:7,7 rto:204 rtt:0.5/0.1 ato:40 mss:1448 cwnd:10 minrtt:0.3
TIME-WAIT 0   0         192.0.2.7:22     198.51.100.5:50519
"""


@pytest.mark.parametrize("indent", ["\t ", ""])
def test_it_tells_what_one_look_at_a_connection_shows(indent: str) -> None:
    result = judge("tcp.nagle", CONNECTION.format(indent, indent), port="6379")
    assert told(result) == ("unknown", "write_write_read")
    assert "168 bytes of 192.0.2.7:51308 198.51.100.9:6379 wait for the ACK" in result.finding
    assert "39 ms longer" in result.finding
    other = judge("tcp.nagle", CONNECTION.format(indent, indent), port="22")
    assert "none of 1 connections of port 22" in other.finding


LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max processes             63432                63432                processes
Max open files            1024                 4096                 files
"""


@pytest.mark.parametrize("text", [
    f"# cat /proc/812/limits\n{LIMITS}# ls /proc/812/fd | wc -l\n1010\n",
    ("# grep 'open files' /proc/812/limits\nMax open files            1024                 4096                 files\n"
    "# ls -1 /proc/812/fd | wc -l\n1010\n"),
])  # fmt: skip
def test_it_judges_a_few_rows_of_limits_with_a_count(text: str) -> None:
    result = judge("proc.ulimit", text)
    assert told(result) == ("crit", "open_files")
    assert lines(result, "open_files") == ["Max open files            1024                 4096                 files"]


@pytest.mark.parametrize("text", [LIMITS, "core file size (blocks, -c) 0\nopen files                      (-n) 1024\n"])
def test_it_names_the_count_that_is_missing(text: str) -> None:
    assert told(judge("proc.ulimit", text)) == ("unknown", "open_files")
    assert told(judge("proc.ulimit", "$ cat /proc/sys/fs/file-nr\n97920\t0\t98304\n")) == ("crit", "host_files")


PICKED = "Name:    app\nNSpid:   231504   1\nSigBlk:  0000000000000000\nSigIgn:  0000000000001000\nSigCgt:  {}\n"


@pytest.mark.parametrize(("text", "verdict"), [
    ("$ P=$(pidof app)\n$ grep -E '^(Name|NSpid|Sig)' /proc/$P/status\n" + PICKED.format("0000000100000440"),
     "crit"),
    (PICKED.format("0000000100000440").replace("NSpid:   231504   1\n", ""), "unknown"),
    (PICKED.format("0000000100000440").replace("NSpid:   231504   1", "Pid:\t1"), "crit"),
    (PICKED.format("0000000100000440").replace("231504   1", "231504   17"), "ok"),
    (PICKED.format("0000000000000000").replace("app", "tini"), "ok"),
])  # fmt: skip
def test_it_judges_picked_rows_of_a_status(text: str, verdict: str) -> None:
    assert judge("proc.pid1_signals", text).verdict == verdict


SOFTNET = "0001a2b3 0000{} 00000001 00000000 00000000 00000000 00000000 00000000 00000000\n"


def test_it_tells_drops_since_boot_and_reads_an_indented_table() -> None:
    once = judge("net.softnet", "#cat /proc/net/softnet_stat\n    " + SOFTNET.format("0012"))
    assert told(once) == ("unknown", "dropped")
    assert "1 CPUs dropped 18 packets" in once.finding


def test_it_reads_the_kernel_from_proc_version() -> None:
    line = "Linux version 4.19.90-24.4.v2101.ky10.x86_64 (builder@host) (gcc version 7.3.0 (GCC)) #1 SMP\n"
    result = judge("kernel.gate", f"$ cat /proc/version\n{line}", gate="memcg_numa_stat_cost")
    assert (told(result), result.facts["distro"]) == (("warn", "defect"), "ky10")
    assert judge("kernel.gate", line, gate="pids").verdict == "ok"


INTERRUPTS = """           CPU0       CPU1       CPU2       CPU3
 16:    1203201       2201          0          0   IO-APIC   16-fasteoi   ehci_hcd:usb1
 24:   98012311          {}          0          0   PCI-MSI 1572864-edge      eth0-TxRx-0
 25:   97812311          0          0          0   PCI-MSI 1572865-edge      eth0-TxRx-1
"""


@pytest.mark.parametrize(("count", "told_of"), [("0", ("warn", "one_cpu")), ("90000000", ("unknown", "single_queue"))])
def test_it_sees_where_interrupts_went(count: str, told_of: tuple[str, str]) -> None:
    result = judge("net.irq", f"$ cat /proc/interrupts\n{INTERRUPTS.format(count)}", iface="eth0")
    assert told(result) == told_of


ETHTOOL = "NIC statistics:\n     rx_packets: {}\n     rx_missed_errors: {}\n     rx_crc_errors: 0\n"
RING = (
    "Ring parameters for eth0:\nPre-set maximums:\nRX:\t\t4096\nTX:\t\t4096\nCurrent hardware settings:\nRX:\t\t256\nTX:\t\t256\n"
)


def test_it_reads_the_counters_of_ethtool() -> None:
    once = f"# ethtool -S eth0\n{ETHTOOL.format(8123, 71)}"
    first = judge("net.nic", f"{once}# ethtool -g eth0\n{RING}", iface="eth0")
    assert told(first) == ("unknown", "ring")
    assert "rx_missed_errors 71" in first.finding
    assert "its ring holds 256 of 4096" in first.finding
    again = judge("net.nic", f"{once}# ethtool -S eth0\n{ETHTOOL.format(9123, 99)}# ethtool -g eth0\n{RING}", iface="eth0")
    assert told(again) == ("crit", "ring")


def test_it_reads_shares_of_mpstat() -> None:
    head = "10:04:33     CPU    %usr   %nice    %sys %iowait    %irq   %soft  %steal  %guest  %gnice   %idle\n"
    row = "10:04:34       {}    0.00    0.00    1.00    0.00    0.00   {}    0.00    0.00    0.00   9.00\n"
    text = f"Linux 5.10.0 (node-1) \t03/02/26 \t_x86_64_\t(2 CPU)\n\n{head}{row.format('all', '40.00')}{row.format(0, '79.00')}"
    assert judge("net.softirq", text).reason == Reason.TRUNCATED
    assert told(judge("net.softirq", text + row.format(1, "1.00"))) == ("crit", "softirq_share")


def test_it_tells_the_counts_of_ss_and_the_limits_it_lacks() -> None:
    text = "Total: 1234\nTCP:   33456 (estab 200, closed 33010, orphaned 16300, timewait 32768)\n"
    alone = judge("tcp.sockets", f"$ ss -s\n{text}")
    assert told(alone) == ("unknown", "orphans")
    assert lines(alone, "orphans") == [text.splitlines()[1]]


def test_it_judges_meminfo_by_the_rows_that_were_picked() -> None:
    rows = "MemTotal:       16266628 kB\nSUnreclaim:     {} kB\n"
    assert told(judge("mem.slab", f"# grep -E 'MemTotal|SUnreclaim' /proc/meminfo\n{rows.format(10898860)}")) == (
        "warn",
        "unreclaimable",
    )
    assert judge("mem.slab", rows.format(98860)).verdict == "unknown"
    top = "  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME\n{}"
    row = "163934 163908 99%    0.19K   7806       21     31225K dentry\n"
    assert "the largest slab cache is dentry with 30 MiB" in judge("mem.slab", f"# slabtop -o\n{top.format(row)}").finding


def test_it_sees_two_owners_of_a_port_in_one_look() -> None:
    row = 'LISTEN {}      128          0.0.0.0:8080      0.0.0.0:*    users:(("a",pid={},fd=3)) {}ino:{} sk:1 <->\n'
    text = "# ss -ltnpe\n" + row.format(0, 9, "uid:1001 ", 991) + row.format(5, 12, "{}", 992)
    assert told(judge("sock.reuseport", text.format(""), port="8080")) == ("crit", "owners")
    assert judge("sock.reuseport", text.format("uid:1001 "), port="8080").reason == Reason.TRUNCATED


def test_it_reads_complaints_beside_outputs() -> None:
    denied = "ls: cannot open directory '/proc/812/fd': Permission denied\n0\n"
    result = judge("proc.ulimit", f"$ ls /proc/812/fd | wc -l\n{denied}$ cat /proc/812/limits\n{LIMITS}")
    assert (told(result), result.reason) == (("unknown", "open_files"), Reason.NEED_PRIVILEGE)
    missing = "$ cat /sys/fs/cgroup/memory/memory.failcnt\ncat: /sys/fs/cgroup/memory/memory.failcnt: 没有那个文件或目录\n"
    assert judge("cgroup.memory", missing).reason == Reason.MISSING
    masks = "$ grep -i sig /proc/12/status\n" + PICKED.format("0000000180004a43").partition("1504   1\n")[2]
    assert told(judge("proc.pid1_signals", masks)) == ("unknown", "shell")
