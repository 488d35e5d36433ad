"""Sysctls as people paste them: typed, grepped, shown file by file. What a short list shows is believed, its silence is not."""

from __future__ import annotations

import pytest

from checks.catalog import get
from checks.offline import Given, gather
from checks.results import ProbeResult

KEYS = ("all", "default", "ens3", "lo")


def judged(text: str, probe: str = "ipv6.enabled", **params: str) -> ProbeResult:
    found = gather(get(probe), [Given("", "paste", text.encode())])
    return get(probe).evaluate(found.sections, params)


def listed(values: str, form: str) -> str:
    return "".join(form.format(dev, value) for dev, value in zip(KEYS, values, strict=True))


SYSCTL, GREP = "net.ipv6.conf.{}.disable_ipv6 = {}\n", "/proc/sys/net/ipv6/conf/{}/disable_ipv6:{}\n"
ALL = "root@h:~# sysctl -a 2>/dev/null | grep disable_ipv6\n"
END = "root@h:~# \n"


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        (ALL + listed("1111", SYSCTL) + END, "crit"),
        (ALL + listed("1111", SYSCTL), "crit"),
        (ALL + listed("0000", SYSCTL) + END, "ok"),
        (ALL + listed("0000", SYSCTL), "unknown"),
        (ALL.replace("disable", "ens3.disable") + listed("0000", SYSCTL) + END, "unknown"),
        ("root@h:~# grep . /proc/sys/net/ipv6/conf/*/disable_ipv6\n" + listed("0010", GREP) + END, "crit"),
        ("root@h:~# grep . /proc/sys/net/ipv6/conf/*/disable_ipv6\n" + listed("0000", GREP) + END, "ok"),
        ("root@h:~# sysctl net.ipv6.conf.ens3.disable_ipv6\nnet.ipv6.conf.ens3.disable_ipv6 = 0\n" + END, "unknown"),
        ("root@h:~# cat /proc/sys/net/ipv6/conf/ens3/disable_ipv6\n1\n" + END, "crit"),
        ("root@h:~# cat /proc/sys/net/ipv6/conf/*/disable_ipv6\n0\n0\n1\n0\n" + END, "unknown"),
        ("root@h:~# cat /proc/cmdline\nBOOT_IMAGE=/vmlinuz root=/dev/sda1 ro ipv6.disable=1 quiet\n" + END, "crit"),
        ("root@h:~# cat /proc/cmdline\nBOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet\n" + END, "unknown"),
        ("root@h:~# sysctl net.ipv6.conf.ens3.disable_ipv6\nsysctl: cannot stat it: No such file or directory\n", "unknown"),
        (listed("1111", SYSCTL), "unknown"),
    ],
)
def test_it_believes_what_is_shown(text: str, verdict: str) -> None:
    assert str(judged(text).verdict) == verdict


def test_it_answers_for_the_device_that_was_asked_for() -> None:
    text = ALL + listed("0000", SYSCTL)
    assert str(judged(text, iface="ens3").verdict) == "ok"
    assert str(judged(text, iface="ens9").verdict) == "unknown"


def test_it_holds_a_single_switch_against_the_files_of_the_boot() -> None:
    text = "root@h:~# cat /etc/sysctl.conf\nnet.ipv6.conf.{}.disable_ipv6 = 1\nroot@h:~# "
    shown = "cat /proc/sys/net/ipv6/conf/ens3/disable_ipv6\n0\nroot@h:~# \n"
    found = judged(text.format("ens3") + shown)
    assert [(finding.rule, str(finding.verdict)) for finding in found.findings] == [("device_off", "unknown"), ("drift", "warn")]
    assert "ok" not in {str(finding.verdict) for finding in judged(text.format("all") + shown).findings}


def test_it_does_not_take_a_short_list_for_a_router_that_nobody_hears() -> None:
    route = "root@h:~# ip -6 route show table all\nfe80::/64 dev ens3 proto kernel metric 256 pref medium\n"
    short = "root@h:~# sysctl net.ipv6.conf.ens3.accept_ra net.ipv6.conf.ens3.forwarding\n"
    off = "net.ipv6.conf.ens3.accept_ra = 0\nnet.ipv6.conf.ens3.forwarding = 0\n"
    trap = "net.ipv6.conf.ens3.accept_ra = 1\nnet.ipv6.conf.ens3.forwarding = 1\n"
    assert str(judged(route + short + off + END, "ipv6.ra").verdict) == "unknown"
    assert judged(route + short + trap + END, "ipv6.ra").findings[0].rule == "ra_ignored"
