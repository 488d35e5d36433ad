import pytest

from checks.analyzers.kernel_gates import GATES, KMEM_LEAK, State
from checks.analyzers.kernel_version import built_for, parse_release
from checks.errors import ParseError

NUMA = next(gate for gate in GATES if gate.id == "memcg_numa_stat_cost")
LEAK = next(gate for gate in GATES if gate.id == KMEM_LEAK)


@pytest.mark.parametrize(
    ("release", "version", "distro", "vendor"),
    [
        ("3.10.0-1160.118.1.el7.x86_64", (3, 10, 0), "el7", True),
        ("4.18.0-553.el8_10.x86_64", (4, 18, 0), "el8", True),
        ("5.14.0-427.13.1.el9_4.x86_64", (5, 14, 0), "el9", True),
        ("5.4.17-2136.330.7.1.el8uek.x86_64", (5, 4, 17), "el8uek", True),
        ("4.19.90-24.4.v2101.ky10.x86_64", (4, 19, 90), "ky10", True),
        ("4.19.90-2003.4.0.0036.oe1.x86_64", (4, 19, 90), "oe1", True),
        ("5.10.0-60.18.0.50.oe2203.aarch64", (5, 10, 0), "oe2203", True),
        ("4.19.90-2403.3.0.0270.87.uel20.x86_64", (4, 19, 90), "uel20", True),
        ("4.19.0-91.82.112.uelc20.x86_64", (4, 19, 0), "uelc20", True),
        ("4.19.91-26.an8.x86_64", (4, 19, 91), "an8", True),
        ("5.10.134-16.1.al8.x86_64", (5, 10, 134), "al8", True),
        ("5.4.241-1-tlinux4-0017.7", (5, 4, 241), "tlinux4", True),
        ("6.6.30-5.tl4.x86_64", (6, 6, 30), "tl4", True),
        ("4.14.336-257.562.amzn2.x86_64", (4, 14, 336), "amzn2", True),
        ("4.18.0-147.5.1.6.h934.eulerosv2r9.x86_64", (4, 18, 0), "eulerosv2r9", True),
        ("5.14.21-150500.55.39-default", (5, 14, 21), "suse", True),
        ("5.4.278-1.el7.elrepo.x86_64", (5, 4, 278), "elrepo", False),
        ("6.8.9-300.fc40.x86_64", (6, 8, 9), "fc40", False),
        ("5.15.0-91-generic", (5, 15, 0), "generic", False),
        ("6.1.0-18-cloud-amd64", (6, 1, 0), "deb", False),
        ("5.10.0-0.deb10.16-amd64", (5, 10, 0), "deb", False),
        ("4.19.12", (4, 19, 12), "", False),
        ("6.9.0-rc3", (6, 9, 0), "", False),
    ],
)
def test_it_knows_the_builder_of_a_kernel(release: str, version: tuple[int, int, int], distro: str, vendor: bool) -> None:
    found = parse_release(release + "\n")
    assert (found.version, found.distro, found.is_vendor_backport) == (version, distro, vendor)


@pytest.mark.parametrize("text", ["", "\n", "4.19.90", "Linux node 4.19.90 #1 SMP\n", "five\n", "4.19.90\n4.19.91\n"])
def test_it_refuses_what_is_no_whole_release(text: str) -> None:
    with pytest.raises(ParseError):
        parse_release(text)


def test_it_takes_the_distribution_for_the_builder_of_a_plain_name() -> None:
    plain = parse_release("5.4.18-53-generic\n")
    assert built_for(plain, "Kylin").is_vendor_backport
    assert not built_for(plain, "ubuntu").is_vendor_backport
    vendor = parse_release("4.19.90-24.4.v2101.ky10.x86_64\n")
    assert built_for(vendor, "kylin").distro == "ky10"


@pytest.mark.parametrize(
    ("release", "state"),
    [
        ("5.7.19", State.BELOW),
        ("5.8.0", State.PASSED),
        ("5.8", State.PASSED),
        ("6.0.1", State.PASSED),
        ("4.19.90-24.4.v2101.ky10.x86_64", State.MAYBE_BACKPORTED),
        ("5.10.0-60.18.0.50.oe2203.aarch64", State.PASSED),
    ],
)
def test_it_compares_versions_as_numbers(release: str, state: State) -> None:
    assert NUMA.state(parse_release(release + "\n")) == state


@pytest.mark.parametrize(
    ("release", "state"),
    [
        ("3.10.0-957.el7.x86_64", State.BELOW),
        ("3.10.0-1062.el7.x86_64", State.MAYBE_BACKPORTED),
        ("3.10.0-1075.el7.x86_64", State.PASSED),
        ("4.18.0-80.el8.x86_64", State.PASSED),
        ("3.10.108-1.el6.elrepo.x86_64", State.PASSED),
    ],
)
def test_it_knows_the_el7_builds_that_leak(release: str, state: State) -> None:
    assert LEAK.state(parse_release(release + "\n")) == state


def test_it_gives_every_gate_its_own_name() -> None:
    assert len({gate.id for gate in GATES}) == len(GATES)
