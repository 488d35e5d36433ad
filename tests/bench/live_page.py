"""How soon a result is on the page, and what many open pages cost.

1 commit → DOM: a step ends in the database, a browser's MutationObserver sees its card change (40 samples, needs chromium).
2 500 readers of one run with one event a second: CPU of the web process, and how late the last reader gets its event.
Targets: p95 under 50 ms; under 5 % of one core.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from page_rig import site  # noqa: E402

PORT = 24171
QUIET = ("--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "1")
BASE = f"http://127.0.0.1:{PORT}"


@contextmanager
def servers(data: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A broker and one web process on this site's data."""
    socket = data / "live.sock"
    server = shutil.which("valkey-server") or shutil.which("redis-server")
    assert server, "apt-get install redis-server"
    os.environ["SIDENOTE_BROKER_URL"] = f"unix://{socket}?db=0"
    broker = subprocess.Popen([server, "--port", "0", "--unixsocket", str(socket), "--save", ""], stdout=subprocess.DEVNULL)
    site.prepare(data)
    web = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "kb.asgi:application", "--port", str(PORT), *QUIET],
        cwd=Path(__file__).parents[2],
    )
    try:
        _wait()
        yield web
    finally:
        web.terminate()
        web.wait(10)
        broker.terminate()
        broker.wait(10)


def _wait() -> None:
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{BASE}/healthz", timeout=1):
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the web process did not start")


WATCH = """
window.seen = {};
new MutationObserver(() => {
  const now = Date.now();
  document.querySelectorAll('[id^="card-"]').forEach((card) => {
    if (card.dataset.verdict !== "queued" && !window.seen[card.id]) window.seen[card.id] = now;
  });
}).observe(document.body, {subtree: true, childList: true, attributes: true});
"""


def commit_to_dom(samples: int) -> list[float]:
    """Milliseconds from the commit of a step's end to the changed card."""
    from playwright.sync_api import sync_playwright

    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    run = site.make_run(1, samples)
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{BASE}/login/")
        page.fill("[name=username]", "bench")
        page.fill("[name=password]", site.PASSWORD)
        page.click("main button")
        page.goto(f"{BASE}/runs/{run.pk}/")
        page.evaluate(WATCH)
        page.wait_for_timeout(1500)
        taken = []
        for step in run.steps.all():
            site.answer(run, [step])
            committed = time.time() * 1000
            page.wait_for_function("(id) => window.seen[id]", arg=f"card-{step.check_id}", timeout=10_000)
            taken.append(page.evaluate("(id) => window.seen[id]", f"card-{step.check_id}") - committed)
            page.wait_for_timeout(150)
        browser.close()
    return taken


async def _reader(path: str, got: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", PORT)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
    try:
        while line := await reader.readline():
            if line.startswith(b"event: changed"):
                got.append(time.time())
    finally:
        writer.close()


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def many(web: subprocess.Popen[bytes], readers: int, seconds: int) -> dict[str, Any]:
    """Share of a core while that many pages watch one run with one event a second."""
    from asgiref.sync import sync_to_async

    from runbooks.watching import Watch, token_of

    run = await sync_to_async(site.make_run)(1, seconds + 3)
    steps = await sync_to_async(lambda: list(run.steps.all()))()
    got: list[list[float]] = [[] for _ in range(readers)]
    path = f"/events/{token_of(Watch(run.pk))}?seq={run.last_seq}"
    tasks = [asyncio.create_task(_reader(path, mine)) for mine in got]
    await asyncio.sleep(5)
    idle = _cpu(web.pid)
    await asyncio.sleep(10)
    idle = (_cpu(web.pid) - idle) / 10
    busy, late = _cpu(web.pid), []
    for step in steps[:seconds]:
        for mine in got:
            mine.clear()
        await sync_to_async(site.answer)(run, [step])
        committed = time.time()
        await asyncio.sleep(1)
        late += [1000 * (mine[0] - committed) for mine in got if mine]
    busy = (_cpu(web.pid) - busy) / seconds
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    late.sort()
    return {
        "readers": readers,
        "idle_core_pct": round(idle * 100, 2),
        "busy_core_pct": round(busy * 100, 2),
        "delivered": len(late),
        "expected": readers * seconds,
        "p50_ms": round(late[len(late) // 2]),
        "p95_ms": round(late[int(len(late) * 0.95)]),
    }


def main() -> None:
    """Print both measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--samples", type=int, default=40)
    parser.add_argument("--seconds", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder)) as web:
        taken = sorted(commit_to_dom(options.samples))
        p95 = taken[int(len(taken) * 0.95)]
        print(f"commit to DOM: median {statistics.median(taken):.1f} ms, p95 {p95:.1f} ms, max {taken[-1]:.1f} ms")
        print("  ".join(f"{name} {value}" for name, value in asyncio.run(many(web, options.readers, options.seconds)).items()))


if __name__ == "__main__":
    main()
