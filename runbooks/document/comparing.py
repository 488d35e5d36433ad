"""One step over many hosts: are all equal, or which one stands apart?

An outlier has a modified z-score (0.6745 · distance / median distance, Iglewicz and Hoaglin) of at least ``score`` and lies at
least ``apart`` (a ratio) from the median; where most hosts share one value, the distance alone decides.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from checks.results import Verdict
from runbooks.document.evaluation import lookup
from runbooks.document.model import Compare
from runbooks.document.sentences import spell

_SCALE = 0.6745
_NAMED = 3


@dataclass(frozen=True)
class Comparing:
    """What the hosts say together. ``odd`` differ from the rest, ``missing`` did not tell the fact."""

    verdict: Verdict
    say: str
    odd: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def compare_hosts(rule: Compare, facts: Mapping[str, Mapping[str, Any]]) -> Comparing:
    """Compare one fact over hosts. ``facts`` are by host; a host that did not tell it keeps the answer from being ok.

    >>> compare_hosts(Compare("all_equal", "mtu"), {"a": {"mtu": 1500}, "b": {"mtu": 1500}, "c": {"mtu": 1480}}).say
    'mtu differs: 1480 on c, 1500 on 2 other hosts'
    """
    told = {host: lookup(values, rule.fact) for host, values in facts.items()}
    missing = tuple(host for host, value in told.items() if value is None)
    values = {host: value for host, value in told.items() if value is not None}
    needed = 2 if rule.how == "all_equal" else 3
    if len(facts) < needed:
        return Comparing(Verdict.SKIPPED, f"{rule.fact} is compared over hosts; this needs {needed} of them", missing=missing)
    if len(values) < needed:
        say = f"{rule.fact} cannot be compared: {len(values)} of {len(facts)} hosts told it"
        return Comparing(Verdict.UNKNOWN, say, missing=missing)
    odd = _minority(values) if rule.how == "all_equal" else _outliers(values, rule)
    if odd:
        say = rule.say or _difference(rule.fact, values, odd)
        return Comparing(rule.then, say, odd, missing)
    if missing:
        say = f"{rule.fact} is alike on {len(values)} of {len(facts)} hosts; {_list(missing)} did not tell it"
        return Comparing(Verdict.UNKNOWN, say, missing=missing)
    same = f"is {spell(next(iter(values.values())))} on all" if rule.how == "all_equal" else "has no outlier among"
    return Comparing(Verdict.OK, f"{rule.fact} {same} {len(values)} hosts")


def _minority(values: Mapping[str, Any]) -> tuple[str, ...]:
    """The hosts whose value is not the commonest one."""
    keys = {host: json.dumps(value, sort_keys=True, default=str) for host, value in values.items()}
    common = Counter(keys.values()).most_common(1)[0][0]
    return tuple(host for host, key in keys.items() if key != common)


def _outliers(values: Mapping[str, Any], rule: Compare) -> tuple[str, ...]:
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values.values()):
        return _minority(values)
    middle = median(values.values())
    distances = {host: abs(value - middle) for host, value in values.items()}
    usual = median(distances.values())
    return tuple(
        host
        for host, distance in distances.items()
        if distance and distance >= rule.apart * abs(middle) and (not usual or _SCALE * distance / usual >= rule.score)
    )


def _difference(fact: str, values: Mapping[str, Any], odd: tuple[str, ...]) -> str:
    named = ", ".join(f"{spell(values[host])} on {host}" for host in odd[:_NAMED])
    more = f" and {len(odd) - _NAMED} more" if len(odd) > _NAMED else ""
    rest = [value for host, value in values.items() if host not in odd]
    numbers = all(isinstance(value, int | float) for value in rest)
    usual = spell(median(rest) if numbers else rest[0])
    return f"{fact} differs: {named}{more}, {usual} on {len(rest)} other host{'s' if len(rest) > 1 else ''}"


def _list(hosts: tuple[str, ...]) -> str:
    return ", ".join(hosts[:_NAMED]) + (f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else "")
