"""Faults of policy rules: the local table not first, rules that lead to an empty table."""

from __future__ import annotations

from checks.analyzers.ip_fault import Fault
from checks.parsers.ip_route import Routes
from checks.parsers.ip_rule import Rules
from checks.results import Verdict

_CILIUM_LOCAL, _CILIUM_TABLES = 100, ("2004", "2005")
_LAST = 32766
_MAY_BE_EMPTY = ("default", "main", "local", "unspec", "")


def local_rule(rules: Rules, family: int) -> list[Fault]:
    """R22. cilium moves the rule to 100 on purpose, and shows its own rules and tables beside it."""
    section = f"rule{family}"
    local = next((rule for rule in rules.rules if rule.table == "local" and not rule.is_selective), None)
    first = rules.rules[0] if rules.rules else None
    if local is None:
        seen = ((section, first.line, ""),) if first else ()
        says = f"IPv{family}: none of {len(rules.rules)} rules looks up the local table for all"
        ends = any(rule.priority >= _LAST for rule in rules.rules)
        return [Fault("R22", Verdict.WARN, says, seen, needs="" if ends else section)]
    if local.priority == 0:
        return []
    cilium = local.priority == _CILIUM_LOCAL and any(rule.table in _CILIUM_TABLES for rule in rules.rules)
    says = f"IPv{family}: the local table is looked up at priority {local.priority} instead of 0"
    says += ", where cilium puts it" if cilium else ""
    return [Fault("R22", Verdict.INFO if cilium else Verdict.WARN, says, ((section, local.line, "local"),), local.priority)]


def empty_tables(rules: Rules, routes: Routes, family: int) -> list[Fault]:
    """R23. Needs a dump of all tables: a dump of the main table shows every other one as empty."""
    if not routes.has_local:
        return []
    filled = {route.table for route in routes.routes}
    return [
        Fault(
            "R23",
            Verdict.INFO,
            f"IPv{family}: rule {rule.priority} points to table {rule.table}, which is empty: the next rule is tried",
            ((f"rule{family}", rule.line, rule.table),),
            rule.table,
        )
        for rule in rules.rules
        if rule.is_selective and rule.action == "lookup" and rule.table not in filled and rule.table not in _MAY_BE_EMPTY
    ]
