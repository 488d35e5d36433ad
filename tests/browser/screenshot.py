"""Makes docs/run.png and docs/run-cards.png: ``make up`` in an empty directory, this machine, sshd on loopback, one run.

Needs Debian's chromium and openssh-server. Nothing on the picture is made up: it shows what these probes find on this machine.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
RUNBOOK = "kubelet-cadvisor-memcg-latency"
HOSTS = [f"127.0.1.{number}" for number in range(1, 6)]
SSHD = """Port {port}
ListenAddress 0.0.0.0
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin prohibit-password
MaxStartups 100
"""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_site(folder: Path) -> tuple[subprocess.Popen[bytes], str, str]:
    """``manage.py up``; its address and its one-time login link."""
    port = free_port()
    said = folder / "said"
    with said.open("wb") as output:
        argv = [sys.executable, "manage.py", "up", "--port", str(port)]
        process = subprocess.Popen(argv, cwd=ROOT, env=os.environ, stdout=output, stderr=subprocess.STDOUT)
    for _ in range(600):
        if "Ctrl-C stops it" in said.read_text():
            break
        time.sleep(0.1)
    link = re.search(r"http://\S+/login/once/\S+", said.read_text())
    assert link, said.read_text()
    return process, f"http://127.0.0.1:{port}", link[0]


def add_hosts(folder: Path) -> subprocess.Popen[bytes]:
    """An sshd behind several loopback addresses, each pinned as a host of its own."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "kb.settings"
    sys.path.insert(0, str(ROOT))
    import django

    django.setup()
    from runbooks import keys
    from runbooks.choices import HostKeyState
    from runbooks.models import Host, HostGroup

    credential = keys.generate("loopback")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key"], check=True)
    (folder / "authorized_keys").write_text(credential.public_key + "\n")
    port = free_port()
    (folder / "sshd_config").write_text(SSHD.format(port=port, folder=folder))
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    program = shutil.which("sshd", path="/usr/sbin:/usr/bin") or "sshd"
    sshd = subprocess.Popen([program, "-D", "-e", "-f", folder / "sshd_config"], stderr=subprocess.DEVNULL)
    group = HostGroup.objects.create(name="loopback")
    pinned = " ".join((folder / "host_key.pub").read_text().split()[:2])
    for number, address in enumerate(HOSTS, 1):
        host = Host.objects.create(
            name=f"node-{number}",
            address=address,
            port=port,
            username="root",
            credential=credential,
            host_key=pinned,
            host_key_state=HostKeyState.PINNED,
        )
        host.groups.add(group)
    return sshd


def photograph(url: str, link: str, to: Path) -> None:
    """Log in, run, wait for the end, take the pictures: the head of the page, and a card with its evidence."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or "chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1440, "height": 900}, bypass_csp=True)  # the script scrolls by evaluation
        page.goto(link)
        page.click("main button.btn--primary")
        page.goto(f"{url}/runbooks/{RUNBOOK}/")
        for box in page.locator("input[name=hosts]").all():
            box.check(force=True)
        page.click("main form button.btn--primary")
        page.wait_for_url("**/runs/*-*/")
        for _ in range(600):
            if re.search(r"\b(\d+)\s+of\s+\1\s+checks", page.locator(".runhead").inner_text()):
                break
            page.wait_for_timeout(100)
        page.wait_for_timeout(1500)
        page.screenshot(path=to / "run.png")
        page.locator("#card-mode").scroll_into_view_if_needed()
        page.locator("#card-dying").evaluate("card => window.scrollTo(0, card.offsetTop + card.offsetParent.offsetTop - 160)")
        page.locator("#card-dying details.evidence > summary").last.click()
        page.wait_for_timeout(500)
        page.screenshot(path=to / "run-cards.png")
        browser.close()


def main() -> None:
    """Everything, cleaned up whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="sidenote-picture-"))
    os.environ["SIDENOTE_DATA_DIR"] = str(folder / "data")
    site, url, link = start_site(folder)
    sshd = add_hosts(folder)
    try:
        photograph(url, link, ROOT / "docs")
    finally:
        sshd.terminate()
        site.send_signal(signal.SIGINT)
        site.wait(40)
        shutil.rmtree(folder, ignore_errors=True)
    print("docs/run.png docs/run-cards.png")


if __name__ == "__main__":
    main()
