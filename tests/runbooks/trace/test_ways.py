"""From a trace's facts to ways, to what is drawn, and to the list in words."""

from __future__ import annotations

import pytest

from runbooks.presenters.shown import Shown
from runbooks.presenters.trace_chain import chain
from runbooks.presenters.trace_drawing import Pen, choose, draw, percent
from runbooks.presenters.trace_places import find_places, not_masqueraded
from runbooks.presenters.trace_ways import Way, ways_of

SERVICE = "KUBE-SVC-I6F7J7E256H6PY43"


def ways(result, question, **fields):
    bad = {finding.rule for finding in result.findings if finding.verdict == "crit"}
    return ways_of(result.facts, question, bad, **fields)


def pen(question, text=""):
    keys = {("nat", SERVICE), ("nat", "KUBE-SERVICES")}
    return Pen(question, find_places(text, keys), lambda line: f"#rule-{line}")


def chains(way):
    return [hop.chain for hop in way.hops]


def test_it_goes_from_chain_to_chain_and_leaves_side_chains_aside(found, rules, question):
    first, second, _third = ways(found(rules()), question)
    assert chains(first) == ["PREROUTING", "KUBE-SERVICES", SERVICE, "KUBE-SEP-GTXJMMHUM6YBTSLA"]
    assert [step.chain for step in first.hops[-1].asides] == ["KUBE-MARK-MASQ"]
    assert (first.target, first.snat, first.shown) == ("172.19.1.10:8080", "MASQUERADE", Shown.OK)
    assert (second.snat, second.hops[-1].asides) == ("", ())
    assert {step.table for step in second.after} == {"filter", "nat"}


def test_it_follows_a_node_port_through_its_chains(found, rules, question):
    asked = {"dst": "192.168.105.131", "dport": 30080, "src": "192.168.105.140", "origin": "external"}
    way = ways(found(rules(), **asked), question | asked)[0]
    assert chains(way)[1:5] == ["KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-EXT-I6F7J7E256H6PY43", SERVICE]


def test_it_ends_at_the_rule_that_refuses(found, rules, question):
    old = '-A KUBE-SERVICES -d 10.96.23.5/32 -p tcp -m comment --comment "prod/web:http cluster IP" -m tcp --dport 80'
    refused = '-A KUBE-SERVICES -d 10.96.23.5/32 -p tcp -m comment --comment "prod/web:http has no endpoints" -m tcp --dport 80'
    text = rules(changes={f"{old} -j {SERVICE}\n": "", "-A KUBE-FIREWALL !": f"{refused} -j REJECT\n-A KUBE-FIREWALL !"})
    (way,) = ways(found(text), question)
    assert (way.shown, way.say, way.rewritten) == (Shown.CRIT, "refused: no ready endpoint", False)
    assert [hop.table for hop in way.hops] == ["nat", "filter", "filter"]
    drawing = draw([way], choose([way], 1, 1.0)[1], pen(question))
    assert sum(box.badge for box in drawing.boxes) == 1


def test_it_shows_the_chain_that_lets_a_packet_fall_through(found, rules, question):
    way = next(way for way in ways(found(rules("K08")), question) if not way.rewritten)
    assert way.shown == Shown.CRIT
    assert chains(way) == ["PREROUTING", "KUBE-SERVICES", SERVICE]
    assert way.hops[-1].deciding is None


def test_it_calls_nothing_good_or_bad_in_rules_that_are_not_whole(found, rules, question):
    text = rules()
    result = found(text[: text.index("COMMIT", text.index("*nat"))])
    assert result.verdict == "unknown"
    assert {way.shown for way in ways(result, question, whole=False)} <= {Shown.UNKNOWN, Shown.INFO}


@pytest.mark.parametrize("case", ["healthy", "K08", "K13", "K25", "K11", "K12", "affinity"])
def test_it_draws_each_share_once(found, rules, question, case):
    shown = ways(found(rules(case)), question)
    assert sum(way.probability for way in shown) == pytest.approx(1)
    drawing = draw(shown, choose(shown, len(shown), 0)[1], pen(question))
    targets = [box.texts[0].say for box in drawing.boxes]
    assert all(way.target in targets for way in shown)


def test_it_tells_a_comment_from_a_rule(found, rules, question):
    old = '--comment "kubernetes service portals" -j KUBE-SERVICES\n-A OUTPUT'
    text = rules(changes={old: old.replace("kubernetes service portals", "x -j DNAT")})
    assert len(ways(found(text), question)[0].hops) == 4


def way(number: int, shown: Shown = Shown.OK, probability: float = 0.01) -> Way:
    return Way(probability, (), (), shown, f"10.0.0.{number}:80", rewritten=True, snat="", say="", notes=())


def test_it_picks_the_worst_and_the_first():
    many = [way(n, Shown.CRIT if n in (60, 70) else Shown.OK) for n in range(100)]
    shown, rest = choose(many, 100, 0.02)
    assert [one.target for one in shown] == [f"10.0.0.{n}:80" for n in (0, 1, 2, 3, 60, 70)]
    assert (rest.count, rest.probability, rest.broken) == (94, pytest.approx(0.94), 0)


def test_it_says_that_some_of_the_rest_are_broken():
    many = [way(n, Shown.CRIT if n > 50 else Shown.OK) for n in range(100)]
    shown, rest = choose(many, 5000, 0.9)
    assert (len(shown), rest.count) == (6, 4994)
    assert rest.broken == pytest.approx(0.86)


def test_it_shows_all_of_a_few():
    assert choose([way(1), way(2)], 2, 0)[1].count == 0


def test_it_says_why_the_source_is_left_alone(rules):
    places = find_places(rules(), {("nat", SERVICE)})
    assert not_masqueraded(places, "nat", SERVICE, set(), "172.19.1.10").why == "source is in 172.19.0.0/16"
    assert not_masqueraded(places, "nat", SERVICE, set(), "fd00::1").why == "its conditions do not hold"
    assert not_masqueraded(places, "nat", SERVICE, {87}, "172.19.1.10") is None


def test_it_counts_rules_within_their_table(rules):
    places = find_places(rules(), {("nat", "KUBE-SERVICES"), ("filter", "KUBE-SERVICES")})
    line = next(
        number for number, text in enumerate(rules().split("\n"), 1) if "10.96.23.5/32" in text and "-A KUBE-SERVICES" in text
    )
    assert places.of("nat", "KUBE-SERVICES", line) == (3, 4)
    assert places.of("filter", "KUBE-SERVICES", line) is None


def test_it_tells_the_same_in_words(found, rules, question):
    shown = ways(found(rules()), question)
    items = chain(shown, choose(shown, 3, 0)[1], pen(question, rules()))
    said = [item.say for item in items]
    assert said[0] == "`PREROUTING` jumps to `KUBE-SERVICES`"
    assert said[1] == "`KUBE-SERVICES` matches `-d 10.96.23.5/32 --dport 80`"
    assert "`KUBE-MARK-MASQ` is not called: source is in 172.19.0.0/16" in said
    picks = next(item.picks for item in items if item.picks)
    assert [pick.share for pick in picks] == ["33.3 %"] * 3
    assert [pick.note for pick in picks] == [
        "probability 0.33333 at its rule",
        "probability 0.50000 at its rule",
        "all that is left",
    ]


def test_it_tells_a_single_way_in_words(found, rules, question):
    asked = {"dst": "10.96.0.1", "dport": 443}
    shown = ways(found(rules(), **asked), question | asked)
    items = chain(shown, choose(shown, 1, 0)[1], pen(question))
    assert any("the target becomes `192.168.105.131:6443`" in item.say for item in items)
    assert not any(item.picks for item in items)


def test_it_writes_shares():
    assert [percent(share) for share in (1.0, 0.5, 1 / 3, 0.0002, 0)] == ["100 %", "50 %", "33.3 %", "0.02 %", "0 %"]
