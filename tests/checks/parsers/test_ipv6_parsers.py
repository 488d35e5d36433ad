"""Parsers of the ipv6 family: other forms of their text, and text that is not theirs."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from checks.errors import ParseError
from checks.parsers.gai_conf import parse_gai_conf
from checks.parsers.ipv6_switches import parse_switches
from checks.parsers.nginx_conf import parse_nginx
from checks.parsers.nginx_tree import parse_tree
from checks.parsers.resolv_conf import parse_resolv_conf
from checks.parsers.rt6_stats import parse_rt6_stats
from checks.parsers.ss_listeners import parse_listeners
from checks.parsers.sysctl_conf import parse_sysctl_files
from checks.redact import redact_bytes
from checks.results import Reason

PARSERS: tuple[Callable[[str], Any], ...] = (
    parse_gai_conf, parse_switches, parse_nginx, parse_resolv_conf, parse_rt6_stats, parse_listeners, parse_sysctl_files,
)  # fmt: skip
FOREIGN = {
    "nul": "\0\n",
    "html": "<html><body>502</body></html>\n",
    "json": '{"a": [1, {"b": null}]}\n',
    "denied": "cat: x: Permission denied\n",
    "chinese": "cat: /etc/resolv.conf: 没有那个文件或目录\n",
    "digits": "9" * 6000 + "\n",
    "braces": "{" * 5000 + "}" * 5000 + "\n",
    "quote": '"' + "x" * 70000 + "\n",
    "dollar": "${" * 3000 + "\n",
    "backslash": "\\\n",
    "superscript": "² ³\n",
    "end": "== end\n",
    "only_missing": "!! /nowhere missing\n== end\n",
}

NETSTAT = """Active Internet connections (only servers)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name
tcp        0      0 0.0.0.0:443             0.0.0.0:*               LISTEN      812/nginx: master
tcp        0      0 ::1:631                 :::*                    LISTEN      -
tcp6       0      0 :::80                   :::*                    LISTEN      812/nginx: master
tcp        0      0 ::ffff:127.0.0.1:8080   :::*                    LISTEN      77/java
udp        0      0 0.0.0.0:68              0.0.0.0:*                           5/dhclient
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000
   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000
   2: B80D0120000000000000000005000000:C350 B80D0120000000000000000001000000:01BB 01 00000000:00000000 00:00000000 00000000
"""


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
@pytest.mark.parametrize("name", FOREIGN)
def test_it_refuses_foreign_text_by_name(parse: Callable[[str], Any], name: str) -> None:
    with pytest.raises(ParseError):
        parse(FOREIGN[name])


@pytest.mark.parametrize("parse", PARSERS, ids=lambda parse: parse.__name__)
def test_it_raises_nothing_but_parse_error_on_noise(parse: Callable[[str], Any]) -> None:
    noise = random.Random(6)
    words = [
        "server",
        "{",
        "}",
        ";",
        "listen",
        "[::]:80",
        "nameserver",
        "::1",
        "LISTEN",
        "0",
        "0A:",
        "=",
        "net.ipv6",
        '"',
        "\\",
        "*:80",
    ]
    refused = 0
    for _ in range(400):
        text = "".join(noise.choice(words) + noise.choice(" \n\t") for _ in range(noise.randrange(40))) + "\n"
        for framed in (text, f"== /etc/nginx/nginx.conf\n{text}\n== end\n"):
            try:
                parse(framed)
            except ParseError:
                refused += 1
    assert refused > 100


def test_it_reads_netstat_whose_ipv6_rows_do_not_tell_their_kind() -> None:
    found = [(s.address, s.port, s.kind, s.pid) for s in parse_listeners(NETSTAT)]
    assert found == [
        ("0.0.0.0", 443, "v4", 812),
        ("::1", 631, "v6_unknown", None),
        ("::", 80, "v6_unknown", 812),
        ("127.0.0.1", 8080, "v4", 77),
    ]


def test_it_reads_proc_and_leaves_connections_out() -> None:
    assert [(s.address, s.port, s.line) for s in parse_listeners(TCP6)] == [("::1", 631, 2), ("::", 80, 3)]


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("LISTEN 0 128 [fe80::1]%eth0:80 [::]:*", ("fe80::1", "eth0", "v6only")),
        ("LISTEN 0 128 [fe80::1%eth0]:80 [::]:*", ("fe80::1", "eth0", "v6only")),
        ("LISTEN 0 128 127.0.0.53%lo:80 0.0.0.0:*", ("127.0.0.53", "lo", "v4")),
        ("LISTEN 0 128 *%eth0:80 *:* v6only:0", ("::", "eth0", "dual")),
        ("tcp LISTEN 0 128 [::]:80 [::]:* v6only:1", ("::", "", "v6only")),
        ("LISTEN 0 128 [::]:80 [::]:* v6only:0", ("::", "", "dual")),
    ],
)
def test_it_reads_the_odd_rows_of_ss(row: str, wanted: tuple[str, str, str]) -> None:
    found = parse_listeners(row + "\n")[0]
    assert (found.address, found.zone, found.kind) == wanted


def test_it_knows_a_star_only_when_the_output_shows_which_ss_it_was() -> None:
    star = "LISTEN 0 128 *:80 *:*\n"
    assert parse_listeners(star)[0].kind == "unknown"
    assert parse_listeners(star + "LISTEN 0 128 :::22 :::*\n")[0].kind == "v4"
    assert parse_listeners(star + "LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n")[0].kind == "dual"


def test_it_reads_what_nginx_dumps() -> None:
    text = (
        "nginx: the configuration file /etc/nginx/nginx.conf syntax is ok\n"
        "# configuration file /etc/nginx/nginx.conf:\nhttp {\n  include sites/*;\n}\n\n"
        "# configuration file /etc/nginx/sites/a:\nserver { listen [::1]:8080; listen localhost:81; listen unix:/run/a; }\n"
    )
    servers = parse_nginx(text.partition("\n")[2])
    assert [(one.address, one.port, one.where, one.line) for one in servers[0].listens] == [
        ("::1", 8080, "/etc/nginx/sites/a:1", 7),
        ("localhost", 81, "/etc/nginx/sites/a:1", 7),
    ]


def test_it_stops_at_files_that_include_each_other() -> None:
    text = "== /etc/nginx/nginx.conf\nhttp { include b; }\n\n== /etc/nginx/b\ninclude b;\n\n== end\n"
    with pytest.raises(ParseError, match="include each other"):
        parse_tree(text)


@pytest.mark.parametrize(
    ("body", "say"),
    [
        ("http {\n server {\n", 'expecting "}"'),
        ("http { }\n}\n", 'unexpected "}"'),
        ("http {\n listen 80\n}\n", "has no end"),
        ("http { ; }\n", "where a statement begins"),
        ("http { server { listen a b c:d:e; listen [::g]:80; } }\n", "no address or port"),
    ],
)
def test_it_names_the_line_where_nginx_stumbles(body: str, say: str) -> None:
    with pytest.raises(ParseError, match=say) as caught:
        parse_nginx(f"== /etc/nginx/nginx.conf\n{body}\n== end\n")
    assert caught.value.line >= 2


def test_it_passes_over_server_lines_that_resolvers_pass_over() -> None:
    conf = parse_resolv_conf(" nameserver 192.0.2.9\nnameserver\nnameserver 192.0.2.1 # one\noptions timeout:1 timeout:x\n")
    assert [server.address for server in conf.servers] == ["192.0.2.1"]
    assert conf.timeout_s == 5


def test_it_applies_sysctl_files_in_order() -> None:
    text = (
        "== /usr/lib/sysctl.d/90-a.conf\nnet.ipv6.bindv6only=1\n\n== /run/sysctl.d/10-b.conf\nnet.ipv6.bindv6only=2\n\n"
        "== /etc/sysctl.d/90-a.conf\nnet.ipv6.bindv6only=3\n\n== /etc/sysctl.d/95-c.conf\nnet.ipv6.bindv6only=4\n\n"
        "== /etc/sysctl.conf\nnet.ipv6.bindv6only=5\n\n== end\n"
    )
    assert [setting.value for setting in parse_sysctl_files(text)] == ["2", "3", "4", "5"]


def test_it_reads_a_host_without_the_ipv6_module() -> None:
    text = "== /proc/cmdline\nipv6.disable=1 ro\n\n!! /proc/sys/net/ipv6/conf missing\n== end\n"
    found = parse_switches(text)
    assert (found.present, found.devices, found.boot["ipv6.disable"]) == (False, (), "1")
    with pytest.raises(ParseError) as caught:
        parse_switches(text[:-1])
    assert caught.value.reason == Reason.TRUNCATED


def test_it_hides_keys_of_network_files() -> None:
    text = b"iface wlan0 inet6 auto\n  wpa-psk correcthorse\n  wireless-key s:hunter22\n"
    assert b"correcthorse" not in redact_bytes(text)
