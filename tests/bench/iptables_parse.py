"""How long kube-proxy's rules take to read, model, judge and trace, and how that grows with their number.

    python tests/bench/iptables_parse.py [lines…]

prints a line per size, and the exponent fitted over the sizes (1.00 is linear). Sizes are lines of iptables-save.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

sys.path.insert(0, str(Path(__file__).parents[2]))

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.packet import Packet
from checks.analyzers.packet_trace import Tracer
from checks.parsers.iptables_save import read
from checks.probes.iptables import SAVE
from checks.results import Section

T = TypeVar("T")
SIZES = (1_000, 10_000, 75_000)
ENDPOINTS = 3
LINES_PER_SERVICE = 15
TRACES = 200


def _hash(text: str) -> str:
    return base64.b32encode(hashlib.sha256(text.encode()).digest()).decode()[:16]


def save(services: int) -> str:
    """A node with that many services of three endpoints each."""
    chains, rules, fronts = [], [], []
    for number in range(services):
        ip, name = f"10.{96 + number // 65536}.{number // 256 % 256}.{number % 256}", f"ns{number % 50}/service-{number}:http"
        suffix = _hash(name + "tcp")
        where = f'-d {ip}/32 -p tcp -m comment --comment "{name} cluster IP" -m tcp --dport 80'
        chains.append(f":KUBE-SVC-{suffix} - [0:0]")
        fronts.append(f"-A KUBE-SERVICES {where} -j KUBE-SVC-{suffix}")
        rules.append(f"-A KUBE-SVC-{suffix} ! -s 10.244.0.0/16 {where} -j KUBE-MARK-MASQ")
        for index in range(ENDPOINTS):
            place = number * ENDPOINTS + index
            end = f"10.244.{place // 250 % 250}.{place % 250}:{8080 + place // 62500}"
            sep, left = "KUBE-SEP-" + _hash(name + "tcp" + end), ENDPOINTS - index
            chance = f"-m statistic --mode random --probability {round(2**31 / left) / 2**31:.11f} " if left > 1 else ""
            said = f'-m comment --comment "{name}" '
            chains.append(f":{sep} - [0:0]")
            rules.append(f'-A KUBE-SVC-{suffix} -m comment --comment "{name} -> {end}" {chance}-j {sep}')
            rules.append(f"-A {sep} -s {end.partition(':')[0]}/32 {said}-j KUBE-MARK-MASQ")
            rules.append(f"-A {sep} -p tcp {said}-m tcp -j DNAT --to-destination {end}")
    fixed = [f":{name} - [0:0]" for name in ("KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-MARK-MASQ", "KUBE-POSTROUTING")]
    built_in = [f":{name} ACCEPT [0:0]" for name in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")]
    return "\n".join(["*nat", *built_in, *fixed, *chains, *HEAD, *rules, *fronts, LAST, "COMMIT", *FILTER, "COMMIT", ""])


HEAD = (
    "-A PREROUTING -j KUBE-SERVICES",
    "-A OUTPUT -j KUBE-SERVICES",
    "-A POSTROUTING -j KUBE-POSTROUTING",
    "-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000",
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0",
    "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
)
LAST = "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS"
FILTER = (
    "*filter",
    ":INPUT ACCEPT [0:0]",
    ":FORWARD ACCEPT [0:0]",
    ":OUTPUT ACCEPT [0:0]",
    ":KUBE-FORWARD - [0:0]",
    "-A FORWARD -j KUBE-FORWARD",
)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Seconds of processor time and the result."""
    gc.collect()
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def measure(lines: int) -> tuple[int, float]:
    """One size: prints its line, returns the real number of lines and the time to read and model them."""
    text = save(max(lines // LINES_PER_SERVICE, 1))
    real = text.count("\n")
    read_s, sets = timed(lambda: read(text))
    model_s, model = timed(lambda: KubeProxy(sets[0]))
    tracer = Tracer(sets[0])
    tracer.trace(Packet("10.244.0.1", "10.96.0.1", 80, "tcp"))
    packets = [Packet("10.244.0.1", f"10.96.{n % 3}.{n}", 80, "tcp") for n in range(TRACES)]
    trace_s, _ = timed(lambda: [tracer.trace(packet) for packet in packets])
    judge_s, result = timed(lambda: SAVE.evaluate([Section("iptables-save", text.encode())]))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{real:7d} lines  read {read_s:6.3f} s  model {model_s:6.3f} s  judge (all of it) {judge_s:6.3f} s"
        f"  trace {trace_s / TRACES * 1000:6.3f} ms  peak {memory} MiB  {len(model.by_suffix)} services: {result.verdict}"
    )
    return real, read_s + model_s


def main() -> None:
    sizes = tuple(map(int, sys.argv[1:])) or SIZES
    points = [measure(size) for size in sizes]
    if len(points) > 1:
        logs = [(math.log(lines), math.log(seconds)) for lines, seconds in points]
        mean_x, mean_y = (sum(each[axis] for each in logs) / len(logs) for axis in (0, 1))
        slope = sum((x - mean_x) * (y - mean_y) for x, y in logs) / sum((x - mean_x) ** 2 for x, _ in logs)
        print(f"time grows with the lines to the power of {slope:.2f}")


if __name__ == "__main__":
    main()
