"""Session affinity (ClientIP): the ``recent`` rules that remember a client and those that bring it back must fit each other.

For each endpoint the service's chain asks a list (``--rcheck``, with a time) that the endpoint's chain fills (``--set``).
A list holds ip_list_tot clients (100 unless changed, measured); beyond that the oldest lose their endpoint.
"""

from __future__ import annotations

from collections.abc import Iterator

from checks.analyzers.kube_proxy_chains import KubeProxy
from checks.analyzers.kube_proxy_fault import Fault, Host, Limits, Line, at
from checks.analyzers.kube_proxy_services import Balancing, Service
from checks.parsers.iptables_values import whole
from checks.results import Verdict


def half_affinity(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """One half without the other, other lists, other times."""
    for service in model.services:
        for balancing in service.balancing.values():
            chain = model.rules.chain("nat", balancing.chain)
            if chain is not None and model.rules.whole(chain):
                yield from _compare(model, service, balancing)


def _compare(model: KubeProxy, service: Service, balancing: Balancing) -> Iterator[Fault]:
    asked = {rule.target: rule for rule in balancing.affinity}
    seconds = {rule.value("seconds") for rule in balancing.affinity}
    if len(seconds) > 1:
        say = f"{service.label} remembers clients for different times: {', '.join(sorted(seconds))} s"
        yield Fault("affinity", Verdict.WARN, say, tuple(at(model, rule, "--seconds") for rule in balancing.affinity[:4]))
    for pick in balancing.picks:
        rules = model.rules.rules_of("nat", pick.chain)
        filling = next((rule for rule in rules if rule.target == "DNAT" and rule.match("set")), None)
        asking = asked.get(pick.chain)
        chain = model.rules.chain("nat", pick.chain)
        if chain is None or not model.rules.whole(chain):
            continue
        if bool(filling) != bool(asking):
            say = f"{service.label} has only one half of session affinity for {pick.ip}: clients change endpoints"
            half = filling or asking or pick.rule
            yield Fault("affinity", Verdict.WARN, say, (at(model, half), at(model, pick.rule)))
        elif filling and asking and filling.value("name") != asking.value("name"):
            list_asked, list_filled = asking.value("name"), filling.value("name")
            say = f"{service.label} asks the list {list_asked} but fills {list_filled}: clients change endpoints"
            yield Fault("affinity", Verdict.WARN, say, (at(model, asking, list_asked), at(model, filling, list_filled)))


def short_lists(model: KubeProxy, host: Host, limits: Limits) -> Iterator[Fault]:
    """How many clients per endpoint are remembered."""
    sticky = [service for service in model.services if any(each.affinity for each in service.balancing.values())]
    knob = host.knob("xt_recent/parameters/ip_list_tot")
    kept = whole(knob.value) if knob else None
    if sticky and knob and kept is not None:
        say = f"{len(sticky)} services use session affinity; each endpoint remembers {kept} clients, and more lose theirs"
        yield Fault("affinity", Verdict.INFO, say, (Line(knob.line.section, knob.line.number, knob.value),), kept)


CHECKS = (half_affinity, short_lists)
