"""A line of evidence is found again in the file that was given, whatever stands around the output there."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from checks import origins
from checks.catalog import get
from checks.errors import CheckError
from checks.offline import Given, gather
from checks.origins import at_source
from checks.pasted import clean, decode, encode
from checks.results import Evidence

PROSE = "Hello,\n\nthis is what node-1 shows.\n\n"


def test_its_sample_holds() -> None:
    assert doctest.testmod(origins).failed == 0


def lines_of(result: Any) -> list[Evidence]:
    return [line for finding in result.findings for line in finding.evidence] + list(result.fact_lines.values())


def judged(probe: Any, params: dict[str, Any], *files: tuple[str, str]) -> Any:
    found = gather(probe, [Given("", name, encode(text)) for name, text in files])
    return at_source(probe.evaluate(found.sections, params), found.origins)


def test_it_finds_the_lines_of_every_golden_case_in_one_session(every_case: list[Any]) -> None:
    moved = 0
    for case in every_case:
        text = PROSE
        for name, data in case.files.items():
            text += f"[root@node-1 ~]# show {name}\n{clean(decode(data)).rstrip()}\n"
        try:
            result = judged(case.probe, case.params, ("paste.txt", text + "[root@node-1 ~]# \n"))
        except CheckError:  # the parts of some cases are known by their names alone
            continue
        lines = text.split("\n")
        for line in lines_of(result):
            if line.file and "[redacted]" not in line.text:
                assert lines[line.line - 1].strip() == line.text.strip(), (case.probe_id, case.name, line)
                moved += 1
    assert moved > 500


@pytest.mark.parametrize("head", ["", "$ uname -r\n", f"{PROSE}$ uname -r\n", "\ufeff$ uname -r\r\n"])
def test_it_counts_the_lines_of_the_file(head: str) -> None:
    found = lines_of(judged(get("kernel.gate"), {}, ("a", f"{head}4.19.90-24.4.x86_64\n")))
    assert {(line.file, line.line) for line in found} == {("a", head.count("\n") + 1)}


def test_it_tells_two_samples_and_two_files_apart(toy: Any) -> None:
    paste = "$ cat /proc/uptime\n1.00 2.00\n\n$ cat /proc/uptime\n1.00 2.00\n"
    found = gather(toy, [Given("", "one", paste.encode()), Given("", "two", b"12 things\n")])
    result = at_source(toy.evaluate(found.sections), found.origins)
    assert {(line.file, line.line) for line in lines_of(result)} == {("two", 1)}
    assert [[block.first for block in found.origins[name]] for name in ("clock_a", "clock_b")] == [[2], [5]]


def test_it_names_the_setting_that_a_row_of_a_table_begins_with() -> None:
    keys = ("accept_dad", "accept_ra", "addr_gen_mode", "autoconf", "disable_ipv6", "forwarding", "use_tempaddr")
    rows = [f"fs.made-up-{number} = {number}" for number in range(200)]
    rows += [f"net.ipv6.conf.{dev}.{key} = 1" for dev in ("all", "default", "eth0") for key in keys]
    text = "\n".join([*rows, "kernel.osrelease = 5.10.0-28-amd64", "vm.swappiness = 60"]) + "\n"
    found = [line for line in lines_of(judged(get("ipv6.enabled"), {}, ("sysctl_-a", text))) if line.text.startswith("eth0 ")]
    assert {(line.file, line.line) for line in found} == {("sysctl_-a", 215)}
