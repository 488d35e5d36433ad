"""Values that a step gets at run time are read again by their type."""

import pytest

from checks.errors import ParamError
from runbooks.document.arguments import arguments


@pytest.fixture
def step(write, probes):
    document = write(
        "```check\nid: m\nprobe: cgroup.cpu\nwith: {pid: 1}\n```\n\n"
        '```check\nid: a\nprobe: cgroup.cpu\nwith: {pid: "{m.pid}", path: "{where}"}\n```\n',
        "params: {where: {type: path}}\n",
    )
    assert document.ok, document.problems
    return document.steps[1], probes["cgroup.cpu"]


def test_it_fills_in_parameters_and_facts(step):
    assert arguments(*step, {"where": "/sys"}, {"m.pid": 4242}) == {"pid": 4242, "path": "/sys"}


def test_it_leaves_out_what_may_be_left_out(step):
    assert arguments(*step, {}, {"m.pid": 1}) == {"pid": 1, "path": None}


@pytest.mark.parametrize(
    "fact", ["; reboot", "$(id)", "-1", "1\n2", "{{7*7}}", "-oProxyCommand=x", True, 0, 1.5, [1], {"a": 1}, None, ""]
)
def test_it_does_not_believe_a_fact_that_a_host_gave(step, fact):
    with pytest.raises(ParamError):
        arguments(*step, {}, {"m.pid": fact})


@pytest.mark.parametrize("value", ["../etc", "/a/../b", "/a b", "/a;b", "-rf", "/a\x00"])
def test_it_does_not_believe_a_parameter_of_the_run(step, value):
    with pytest.raises(ParamError):
        arguments(*step, {"where": value}, {"m.pid": 1})


def test_it_says_which_step_did_not_tell_it(step):
    with pytest.raises(ParamError, match=r"m\.pid, and that step did not tell it"):
        arguments(*step, {}, {})
