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

from collections.abc import Sequence
from itertools import accumulate
from operator import mul

from checks.parsers.iptables_rules import Rule


def chance(rule: Rule) -> float | None:
    """With which probability the rule's ``statistic`` match says yes: 1.0 without one, None when it cannot be read."""
    mode = rule.match("mode")
    if mode is None:
        return 1.0
    try:
        if mode.value == "random":
            match = rule.match("probability")
            value = float(match.value) if match else 1.0
        else:
            match = rule.match("every")
            value = 1 / int(match.value) if match else 1.0
    except (ValueError, ZeroDivisionError):
        return None
    return 1 - value if match is not None and match.negated else value


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
