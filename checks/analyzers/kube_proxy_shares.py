"""How kube-proxy's rules spread connections: what each of a chain's endpoints gets, and how many get none.

Rule i of n matches with probability 1/(n - i), the last always: equal shares, though 0.33, 0.50 and none read as unequal.
iptables prints a probability as a multiple of 2**-31; proxies up to 1.16 wrote five decimals first.

>>> chances = [0.33333333349, 0.5, 1.0]
>>> [round(share, 4) for share in shares(chances)], leak(chances)
([0.3333, 0.3333, 0.3333], 0.0)
>>> round(leak([1 / 3, 1 / 3, 1 / 3]), 3)
0.296
>>> printed(1 / 3), printed(round(1 / 3, 5))
('0.33333333349', '0.33332999982')
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import accumulate
from operator import mul

from checks.parsers.iptables_rules import Rule
from checks.parsers.iptables_values import whole

_PROBABILITY = re.compile(r"(?:0(?:\.\d{1,20})?|1(?:\.0{1,20})?)\Z", re.ASCII)


def chance(rule: Rule) -> float | None:
    """With which probability the rule's ``statistic`` match says yes: 1.0 without one, None when it cannot be read."""
    mode = rule.match("mode")
    if mode is None:
        return 1.0
    match = rule.match("probability" if mode.value == "random" else "every")
    if match is None:
        return None
    if match.option == "probability":
        value = float(match.value) if _PROBABILITY.match(match.value) else None
    else:
        every = whole(match.value)
        value = 1 / every if every else None
    return 1 - value if value is not None and match.negated else value


def _rests(chances: Sequence[float]) -> list[float]:
    return list(accumulate((1 - each for each in chances), mul, initial=1.0))


def shares(chances: Sequence[float]) -> list[float]:
    """What part of all connections each rule takes."""
    return [each * rest for each, rest in zip(chances, _rests(chances), strict=False)]


def leak(chances: Sequence[float]) -> float:
    """What part of all connections no rule takes."""
    return _rests(chances)[-1]


def expected(count: int) -> list[float]:
    """The probabilities that give ``count`` endpoints equal shares."""
    return [1 / (count - i) for i in range(count)]


def furthest(chances: Sequence[float]) -> float:
    """How far the worst probability lies from the one that equal shares need."""
    return max((abs(each - right) for each, right in zip(chances, expected(len(chances)), strict=True)), default=0.0)


def printed(probability: float) -> str:
    """The probability as iptables prints it."""
    return f"{round(probability * 2**31) / 2**31:.11f}"
