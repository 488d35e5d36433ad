"""Reading a whole file."""

from runbooks.document.model import Combined, Compare, Comparison, Expectation, Reference, Remedy, Severity, Verdict
from runbooks.document.parse import MAX_BYTES, parse


def test_it_reads_front_matter(write):
    document = write(
        front="kind: how-to\ntags: [cgroup, kubelet]\ntargets: k8s node\n"
        "params:\n  pid: {type: pid, default: 1, help: the process}\n"
        "symptoms:\n  strong: ['Housekeeping took']\n  weak: ['timed out']\n  words: [网络延迟, slow]\n"
        "source: {file: '003', title: 一次排查, errata: ['5.8, not 4.19']}\n"
    )
    assert document.ok
    meta = document.meta
    assert (meta.title, meta.title_zh, meta.kind) == ("Pods stall", "容器卡顿", "how-to")
    assert meta.tags == ("cgroup", "kubelet")
    assert meta.targets == ("k8s node",)
    assert (meta.params[0].name, meta.params[0].type, meta.params[0].default) == ("pid", "pid", 1)
    assert meta.symptoms.strong == ("Housekeeping took",)
    assert meta.symptoms.words == ("网络延迟", "slow")
    assert meta.source.errata == ("5.8, not 4.19",)


def test_it_reads_a_check_with_every_key(write):
    document = write(
        """
```check
id: mode
probe: cgroup.mode
```

### Count them

```check
id: zombies
title: Count the dying groups
probe: cgroup.memcg_dying
with: {timed: false}
limits: {dying_crit: 5000}
expect:
  - {if: "memcg_total >= 60000", then: crit, say: "ids are nearly used up ({memcg_total})"}
when: {all: ["mode.mode != unified", "mode in [ok, info]"]}
confirms: true
fan_out: false
compare: {outlier: memcg_total, then: crit, score: 5}
```
"""
    )
    assert document.problems == ()
    mode, zombies = document.steps
    assert (mode.id, mode.title, mode.confirms, mode.fan_out, mode.line) == ("mode", "Diagnosis", False, True, 13)
    assert zombies.title == "Count the dying groups"
    assert zombies.with_ == {"timed": False}
    assert zombies.limits == {"dying_crit": 5000}
    rule = Expectation(
        Comparison("memcg_total", ">=", 60000, "memcg_total >= 60000"), Verdict.CRIT, "ids are nearly used up ({memcg_total})", 27
    )
    assert zombies.expect == (rule,)
    assert zombies.when == Combined(
        "all",
        (
            Comparison("mode.mode", "!=", "unified", "mode.mode != unified"),
            Comparison("mode", "in", ["ok", "info"], "mode in [ok, info]"),
        ),
    )
    assert (zombies.confirms, zombies.fan_out) == (True, False)
    assert zombies.compare == Compare("outlier", "memcg_total", Verdict.CRIT, score=5)


def test_it_reads_how_long_lies_between_two_readings(check):
    document = check("with: {pid: 1}", "samples: 2", "interval_s: 5", probe="cgroup.cpu")
    assert document.problems == ()
    assert (document.steps[0].samples, document.steps[0].interval_s) == (2, 5)


def test_it_takes_the_title_from_the_heading_above(write):
    document = write("\n### Is it *the kernel*?\n\n```check\nid: a\nprobe: cgroup.mode\n```\n")
    assert document.steps[0].title == "Is it the kernel?"


def test_it_reads_references_with_and_without_quotes(check):
    document = check(
        'with: {pid: "{pid}", path: {where}}',
        probe="cgroup.cpu",
        front="params: {pid: {type: pid, required: true}, where: {type: path}}\n",
    )
    assert document.ok
    assert document.steps[0].with_ == {"pid": Reference("pid"), "path": Reference("where")}


def test_it_reads_conclusions_in_order(check):
    document = check(
        "confirms: true",
        front='conclusions:\n  - {if: "a == crit", say: "{a.memcg_dying} groups", do: now, fix: later, next: then}\n'
        '  - {if: "a == ok", say: no}\n',
    )
    assert document.problems == ()
    first, second = document.meta.conclusions
    assert (first.say, first.do, first.fix, first.next) == ("{a.memcg_dying} groups", "now", "later", "then")
    assert second.condition == Comparison("a", "==", "ok", "a == ok")


def test_it_reads_remedies(write):
    document = write("\n```remedy\necho 1 > /proc/sys/vm/drop_caches\n```\n")
    assert document.ok
    assert document.remedies == (Remedy("echo 1 > /proc/sys/vm/drop_caches", 13),)


def test_it_keeps_the_text_byte_for_byte():
    text = "\ufeff---\r\ntitle: x\r\n---\r\n\ttab \x00 trailing  \r\n\r\n最后\u2028一行"
    assert parse(text).text == text


def test_it_reads_a_file_with_windows_line_ends(write, probes):
    text = write("\n```check\nid: a\nprobe: cgroup.mode\n```\n").text.replace("\n", "\r\n")
    document = parse(text, probes=probes)
    assert document.ok
    assert document.steps[0].id == "a"


def test_it_refuses_two_megabytes_with_one_error():
    document = parse("x" * MAX_BYTES)
    (problem,) = document.problems
    assert (problem.line, problem.severity, problem.code) == (1, Severity.ERROR, "too-long")
    assert not document.ok


def test_it_counts_bytes_not_characters():
    assert [problem.code for problem in parse("鱼" * (MAX_BYTES // 3 + 1)).problems] == ["too-long"]


def test_it_says_how_to_begin_a_file():
    problems = parse("# A title\n").problems
    assert (problems[0].line, problems[0].code) == (1, "front-matter")
    assert "title:" in problems[0].say


def test_it_notices_front_matter_that_never_ends():
    assert "three dashes" in parse("---\ntitle: x\n").problems[0].say


def test_it_reads_the_same_without_a_catalogue(write):
    document = write("\n```check\nid: a\nprobe: no.such\nwith: {x: 1}\n```\n", probes=None)
    assert document.ok
    assert document.steps[0].probe == "no.such"


def test_it_finds_steps_by_id(check):
    document = check()
    assert document.step("a") is document.steps[0]
    assert document.step("b") is None
