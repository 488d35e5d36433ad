"""Every mistake has a line, a column and a sentence that says what to write instead."""

import pytest

from runbooks.document.parse import parse

RULE = "expect:\n  - "


def found(document):
    return [(problem.line, problem.column, problem.code) for problem in document.problems]


@pytest.mark.parametrize(
    ("lines", "code", "line", "column", "says", "suggest"),
    [
        (["probe: x"], "bad-yaml", 15, 1, "twice", ""),
        (["with: {timd: true}"], "unknown-parameter", 15, 8, "did you mean timed?", "timed"),
        (["with: {timed: perhaps}"], "bad-parameter", 15, 15, "timed must be true or false", ""),
        (["with:", "  timed: perhaps"], "bad-parameter", 16, 10, "timed must be", ""),
        (["with: {timed: '{pidd}'}"], "unknown-parameter", 15, 15, "no parameter pidd", ""),
        (["with: {timed: '{b.fact}'}"], "unknown-fact", 15, 15, "no earlier step b", ""),
        (["with: {timed: 'x{pid}'}"], "bad-reference", 15, 15, "whole value", ""),
        (["with: {timed: {a: 1}}"], "bad-value", 15, 15, "one value", ""),
        (["limits: {dying: 1}"], "unknown-limit", 15, 10, "did you mean dying_", "dying_warn"),
        (["limits: {dying_crit: many}"], "bad-value", 15, 22, "a number", ""),
        (["expect: []"], "empty-expect", 15, 1, "holds no rule", ""),
        (["expect:"], "empty-expect", 15, 1, "holds no rule", ""),
        ([RULE + "{if: memcg_total > 1, say: x}"], "missing-then", 16, 5, "then:", ""),
        ([RULE + "{if: memcg_total > 1, then: fail, say: x}"], "bad-value", 16, 33, "ok, info, warn, crit", ""),
        (
            ["expect:", "  - {if: memcg_totl > 1, then: warn, say: x}"],
            "unknown-fact",
            16,
            10,
            "did you mean memcg_total?",
            "memcg_total",
        ),
        (
            ["expect:", "  - {if: memcg_total > 1, then: warn, say: 'x {memcg}'}"],
            "unknown-fact",
            16,
            48,
            "no fact or step memcg",
            "memcg_total",
        ),
        (
            ["expect:", "  - {if: memcg_total > 1, then: warn, say: 'x {memcg_total:,}'}"],
            "bad-sentence",
            16,
            47,
            "nothing else",
            "",
        ),
        (
            ["expect:", "  - {if: memcg_total > 1, then: warn, say: 'x {0.__class__}'}"],
            "bad-sentence",
            16,
            47,
            "nothing else",
            "",
        ),
        ([RULE + "{if: memcg_total == many, then: warn, say: x}"], "wrong-type", 16, 10, "is a number", ""),
        (["when: later == ok"], "unknown-fact", 15, 7, "no earlier step later", ""),
        (["when: a == ok"], "unknown-fact", 15, 7, "a is a later step", ""),
        (["samples: 2"], "not-sampled", 15, 1, "reads once", ""),
        (["samples: 3"], "bad-value", 15, 10, "write 2 or leave it out", ""),
        (["samples: 1"], "bad-value", 15, 10, "the probe decides whether it reads once or twice", ""),
        (["interval_s: 5"], "not-sampled", 15, 1, "leave interval_s out", ""),
        (["interval_s: 0.5"], "bad-value", 15, 13, "whole number from 1 to 60", ""),
        (["confirms: yes"], "bad-value", 15, 11, "true or false", ""),
        (["compare: all_equal"], "bad-value", 15, 10, "{all_equal: fact}", ""),
        (["compare: {outlier: total}"], "unknown-fact", 15, 1, "no fact total", ""),
        (["expct: []"], "unknown-key", 15, 1, "did you mean expect?", "expect"),
        (["\ttitle: x"], "bad-yaml", 15, 1, "spaces", "  "),
        (["title: 'x"], "bad-yaml", 15, 8, "close the quote", ""),
        (["title: see: this"], "bad-yaml", 15, 11, "quotes", ""),
    ],
)
def test_it_finds_the_mistake_in_a_check(check, lines, code, line, column, says, suggest):
    document = check(*lines)
    assert found(document) == [(line, column, code)]
    (problem,) = document.problems
    assert says in problem.say
    assert problem.suggest == suggest
    assert not document.ok


def test_it_names_the_nearest_probe(check):
    (problem,) = check(probe="cgroup.memcg_dyin").problems
    assert (problem.line, problem.column, problem.code) == (14, 8, "unknown-probe")
    assert problem.say == "There is no probe cgroup.memcg_dyin. Did you mean cgroup.memcg_dying?"
    assert (problem.suggest, problem.length) == ("cgroup.memcg_dying", len("cgroup.memcg_dyin"))


def test_a_suggestion_replaces_exactly_what_was_wrong(check):
    document = check("with: {timd: true}")
    (problem,) = document.problems
    lines = document.text.split("\n")
    line = lines[problem.line - 1]
    start = problem.column - 1
    assert line[:start] + problem.suggest + line[start + problem.length :] == "with: {timed: true}"


def test_it_wants_the_parameters_that_a_probe_requires(check):
    (problem,) = check(probe="cgroup.cpu").problems
    assert (problem.code, problem.line) == ("missing-parameter", 14)
    assert "pid" in problem.say


def test_it_wants_a_required_parameter_to_have_a_value_at_run_time(check):
    lines = ("with: {pid: '{pid}'}",)
    assert "missing-parameter" in [
        p.code for p in check(*lines, probe="cgroup.cpu", front="params: {pid: {type: pid}}\n").problems
    ]
    assert check(*lines, probe="cgroup.cpu", front="params: {pid: {type: pid, required: true}}\n").ok
    assert check(*lines, probe="cgroup.cpu", front="params: {pid: {type: pid, default: 1}}\n").ok


def test_it_checks_facts_of_earlier_steps(write):
    document = write(
        "```check\nid: m\nprobe: cgroup.mode\n```\n\n"
        "```check\nid: a\nprobe: cgroup.memcg_dying\nwhen: m.mod == v1\n"
        "expect:\n  - {if: 'm.mode == v1', then: warn, say: '{m.mode} and {m.nestd}'}\n```\n"
    )
    assert [(p.line, p.code, p.suggest) for p in document.problems] == [
        (20, "unknown-fact", "m.mode"),
        (22, "unknown-fact", "m.nested"),
    ]


def test_it_wants_verdict_words_for_a_step(write):
    document = write(
        "```check\nid: m\nprobe: cgroup.mode\n```\n\n```check\nid: a\nprobe: cgroup.mode\nwhen: m == critical\n```\n"
    )
    assert [p.code for p in document.problems] == ["not-a-verdict"]
    assert "crit" in document.problems[0].say


def test_it_finds_two_checks_with_one_id(write):
    document = write("```check\nid: a\nprobe: cgroup.mode\n```\n\n```check\nid: a\nprobe: cgroup.mode\n```\n")
    assert found(document) == [(18, 5, "duplicate-id")]
    assert "line 12" in document.problems[0].say


@pytest.mark.parametrize("step", ["A", "1a", "a-b", "a.b", "x" * 41, "'a b'"])
def test_it_says_what_an_id_looks_like(write, step):
    document = write(f"```check\nid: {step}\nprobe: cgroup.mode\n```\n")
    assert found(document) == [(13, 5, "bad-value")]
    assert "small letters" in document.problems[0].say


def test_it_wants_an_id_and_a_probe(write):
    assert [p.code for p in write("```check\ntitle: x\n```\n").problems] == ["missing-id", "missing-probe"]


@pytest.mark.parametrize(
    ("front", "code", "line", "says"),
    [
        ("kind: story\n", "bad-value", 4, "incident, how-to, reference"),
        ("titel: x\n", "unknown-key", 4, "did you mean title?"),
        ("params: {p: {type: zebra}}\n", "bad-param", 4, "known types"),
        ("params: {p: {type: pidd}}\n", "bad-param", 4, "did you mean pid?"),
        ("params: {p: {type: pid, default: zero}}\n", "bad-param", 4, "p must be a process id"),
        ("params: {p: {type: enum}}\n", "bad-param", 4, "choices"),
        ("params: {P: {type: pid}}\n", "bad-param", 4, "small letters"),
        ("symptoms: {strong: ['(']}\n", "bad-regex", 4, "cannot be read"),
        ("symptoms: {strong: ['.*']}\n", "bad-regex", 4, "matches any text"),
        ("symptoms: {weak: ['a|']}\n", "bad-regex", 4, "matches any text"),
        ("symptoms: {storng: [a]}\n", "unknown-key", 4, "did you mean strong?"),
        ("tags: [{a: 1}]\n", "bad-value", 4, "as text"),
        ("conclusions: soon\n", "bad-value", 4, "a list of"),
        ("conclusions:\n  - {say: x}\n", "missing-if", 5, "comparison"),
        ("conclusions:\n  - {if: 'b == crit', say: x}\n", "unknown-fact", 5, "no earlier step b"),
        ("conclusions:\n  - {if: 'a.zebra == 1', say: x}\n", "unknown-fact", 5, "its facts"),
        ("conclusions:\n  - {if: 'a == crit', say: '{a.memcg_dyin}'}\n", "unknown-fact", 5, "did you mean a.memcg_dying?"),
        ("source: {file: x, errta: []}\n", "unknown-key", 4, "did you mean errata?"),
    ],
)
def test_it_finds_the_mistake_in_the_front_matter(check, front, code, line, says):
    document = check("confirms: true", front=front)
    assert [(p.code, p.line) for p in document.problems] == [(code, line)]
    assert says in document.problems[0].say


def test_it_wants_a_title(write):
    document = write()
    text = document.text.replace("title: Pods stall\n", "")
    assert [p.code for p in parse(text).problems] == ["missing-title"]


def test_it_wants_a_step_that_confirms_when_there_are_conclusions(check):
    document = check(front="conclusions:\n  - {if: 'a == crit', say: x}\n")
    assert document.ok
    assert [p.code for p in document.problems] == ["no-confirming-step"]


@pytest.mark.parametrize(
    ("chapters", "missing"),
    [
        ("Meaning Impact Diagnosis Mitigation", []),
        ("问题背景 问题定位 问题分析 解决方案", []),
        ("含义 影响 诊断 缓解", []),
        ("Meaning Diagnosis", ["Impact", "Mitigation"]),
        ("", ["Meaning", "Impact", "Diagnosis", "Mitigation"]),
    ],
)
def test_it_wants_the_four_chapters_in_either_language(chapters, missing):
    text = "---\ntitle: x\n---\n" + "".join(f"\n## {chapter}\n" for chapter in chapters.split())
    problems = parse(text).problems
    assert [problem.suggest for problem in problems] == [f"## {name}\n" for name in missing]
    assert all(problem.severity == "warning" for problem in problems)


def test_it_wants_no_chapters_of_a_reference():
    assert parse("---\ntitle: x\nkind: reference\n---\ntext\n").problems == ()


def test_it_wants_pictures_described_and_at_home(write):
    document = write("![](/media/a.png) ![b](https://example.org/b.png) ![c](/media/c.png)\n\n```\n![](x)\n```\n")
    assert found(document) == [(12, 1, "image-alt"), (12, 19, "image-source")]
    assert document.ok


@pytest.mark.parametrize(
    "line",
    [
        "title: echo 1 > /proc/sys/vm/drop_caches",
        "with: {timed: 'sysctl -w net.ipv4.ip_forward=1'}",
        "title: iptables -A INPUT -j DROP",
        "title: systemctl restart kubelet",
        "title: kill -9 1",
    ],
)
def test_it_keeps_changing_commands_out_of_checks(check, line):
    document = check(line)
    problem = next(p for p in document.problems if p.code == "changes-host")
    assert problem.severity == "error"
    assert (problem.line, "remedy fence" in problem.say) == (15, True)


def test_it_warns_of_a_changing_command_in_a_shell_listing(write):
    document = write("```bash\nuname -r\nsystemctl restart kubelet\n```\n")
    assert document.ok
    assert found(document) == [(14, 1, "changes-host")]


def test_it_lets_a_remedy_change_the_host(write):
    assert write("```remedy\nsystemctl restart kubelet\n```\n").problems == ()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("<!--\n```check\nid: a\nprobe: cgroup.mode\n```\n-->\n", "unreached-check"),
        ("text\n\n    ```check\n    id: a\n    probe: cgroup.mode\n    ```\n", "unreached-check"),
        ("```check id=a\nid: a\nprobe: cgroup.mode\n```\n", "fence-attributes"),
        ("- ```check\n  id: a\n  probe: cgroup.mode\n  ```\n", "fence-on-list-line"),
        ("```check\nid: a\nprobe: cgroup.mode\n", "unclosed-fence"),
    ],
)
def test_every_line_that_starts_a_check_has_produced_one_or_an_error(write, body, code):
    document = write(body)
    assert code in [p.code for p in document.problems]
    assert not document.ok


def test_an_unclosed_check_does_not_hide_the_problems_above_it(write):
    codes = [p.code for p in write("```check\nid: a\nprobe: cgroup.mod\n```\n\n```check\nid: b\n").problems]
    assert codes[:2] == ["unknown-probe", "unclosed-fence"]


def test_problems_come_in_the_order_of_lines(write):
    document = write("```check\nid: b\nprobe: no.such\nx: 1\n```\n", front="kind: x\n")
    assert [p.line for p in document.problems] == sorted(p.line for p in document.problems)
