"""A spec, a build log and a configuration hold sentences of their own: no reader of letters may take them out."""

from __future__ import annotations

import pytest

from checks.catalog import get
from checks.offline import Given, gather

SPEC = """Name: tool
Version: 1.0
Release: 1
Summary: A tool that does what it says
License: MIT
%global debug_package %{nil}
%global __brp_strip %{nil}

%description
This is the tool that you have been waiting for.

Please see the manual, which is not here.

%prep
%setup -q

# this is how we build it, but see the manual
%build
make

%install
make install DESTDIR=%{buildroot}

%files
/usr/bin/tool

%changelog
* Mon Jan 01 2024 A Packager <a@example.org> - 1.0-1
- This is what we have for now, thanks to all of you
"""


@pytest.mark.parametrize("above", ["", "[me@b1 SPECS]$ cat tool.spec\n", "$ cat /root/rpmbuild/SPECS/tool.spec\n", "```\n"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_it_reads_a_spec_with_all_its_sentences(above: str, end: str) -> None:
    text = (above + SPEC + ("[me@b1 SPECS]$ \n" if above.startswith("[") else "")).replace("\n", end)
    probe = get("rpm.spec_text")
    found = gather(probe, [Given("", "tool.spec", text.encode())])
    assert [section.text for section in found.sections] == [SPEC]
    assert str(probe.evaluate(found.sections, {}).verdict) == "ok"


def test_it_reads_a_build_log_with_all_its_sentences() -> None:
    log = (
        "Executing(%build): /bin/sh -e /var/tmp/rpm-tmp.x\n+ make\nThis is what you have to know about the tool, please\n\n"
        "Processing files: tool-debugsource-1.0-1.x86_64\nerror: Empty %files file /root/tool-1.0/debugsourcefiles.list\n"
    )
    probe = get("rpm.build_log")
    found = gather(probe, [Given("", "build.log", log.encode())])
    assert probe.evaluate(found.sections, {}).findings[0].evidence[0].line == 6
