"""The order of checks comes from what they read of each other."""

from __future__ import annotations

from typing import Any

from runbooks.document.parse import parse
from runbooks.waves import waves


def layout(*checks: str) -> Any:
    fences = "\n\n".join(
        f"```check\nid: {name}\nprobe: toy.number\n{rest}\n```" for name, _, rest in (c.partition(" ") for c in checks)
    )
    return waves(parse(f"---\ntitle: Waves\n---\n\n{fences}\n"))


def test_it_runs_independent_checks_together(script: Any) -> None:
    assert dict(layout("a", "b", "c").of) == {"a": 0, "b": 0, "c": 0}


def test_it_waits_for_conditions_parameters_rules_and_sentences(script: Any) -> None:
    laid = layout(
        "a",
        "b when: a == ok",
        'c with: {say: "{b.value}"}',
        'd expect: [{if: "c.value > 1", then: warn, say: x}]',
        'e expect: [{if: "value > 1", then: warn, say: "as {a.value}"}]',
    )
    assert dict(laid.of) == {"a": 0, "b": 1, "c": 2, "d": 3, "e": 1}
    assert laid.needed_for("c") == {"a", "b", "c"}
    assert laid.needed_for("a") == {"a"}


def test_it_takes_a_name_of_the_checks_own_facts_for_its_own(script: Any) -> None:
    assert layout("value", 'b expect: [{if: "value > 1", then: warn, say: x}]').of["b"] == 0


def test_it_ignores_what_stands_further_down(script: Any) -> None:
    assert dict(layout("a when: b == ok", "b").of) == {"a": 0, "b": 0}
