"""What is drawn of a trace: a tree of chains that ends at the targets. Of many ways the first few and the worst."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runbooks.presenters.shown import Shown
from runbooks.presenters.trace_layout import Drawing, Knot, Side, Words, lay_out
from runbooks.presenters.trace_places import MASQUERADE_MARK, Places, not_masqueraded
from runbooks.presenters.trace_ways import Hop, Way, is_base
from runbooks.presenters.words import number, visible

DRAWN = 6
WORST = 4
HOPS_MAX = 6
_NOTHING = 1e-6
_HASHED = re.compile(r"(KUBE-(?:SVC|SEP|EXT|XLB|FW|SVL))-(.+)")
_LONG = re.compile(r"(service|endpoint|external|local|firewall)-([A-Z2-7]{8})-(.+)")  # of kube-proxy's nftables mode
_MOODS = {Shown.CRIT: "bad", Shown.UNKNOWN: "unsure"}


@dataclass(frozen=True)
class Rest:
    """The ways that are not shown: how many, their share of the connections, and the share that does not arrive."""

    count: int = 0
    probability: float = 0.0
    broken: float = 0.0


def percent(share: float) -> str:
    """A share of the connections.

    >>> percent(1 / 3), percent(1.0), percent(0.0002)
    ('33.3 %', '100 %', '0.02 %')
    """
    text = f"{share * 100:.1f}" if share >= 0.001 or share == 0 else f"{share * 100:.2f}"
    return f"{text.removesuffix('.0')} %"


def choose(ways: Sequence[Way], count: int, lost: float, most: int = DRAWN, worst: int = WORST) -> tuple[tuple[Way, ...], Rest]:
    """At most ``most`` ways to show, in their order: the worst of them, then the first ones; and the rest of ``count`` ways.

    ``lost`` is the share of the connections that does not arrive, over all ways.
    """
    if len(ways) <= most and count <= len(ways):
        return tuple(ways), Rest()
    odd = sorted((way for way in ways if way.shown in _MOODS), key=lambda way: (way.shown != Shown.CRIT, -way.probability))
    picked = odd[:worst]
    picked += [way for way in ways if way.shown not in _MOODS][: most - len(picked)]
    picked += odd[worst : worst + most - len(picked)]
    kept = {id(way) for way in picked}
    shown = tuple(way for way in ways if id(way) in kept)
    broken = lost - sum(way.probability for way in shown if way.shown == Shown.CRIT)
    left = 1 - sum(way.probability for way in shown)
    return shown, Rest(count - len(shown), max(0.0, left), broken if broken > _NOTHING else 0.0)


@dataclass(frozen=True)
class Pen:
    """What the boxes need to know: where rules stand, how a rule's line is linked, and who sends the packet."""

    question: Mapping[str, Any]
    places: Places
    href: Callable[[int], str]


def draw(ways: Sequence[Way], rest: Rest, pen: Pen) -> Drawing:
    """The drawing of these ways."""
    titles = {"pod": _("a pod"), "host": _("this node"), "external": _("outside")}
    title = titles.get(str(pen.question.get("origin")), "")
    source = Knot(Words("t-title", title), Words("t-sub", visible(str(pen.question.get("src") or ""))))
    followers = _followers([(way, _shortened(way.hops)) for way in ways], pen, forked=False)
    if rest.count:
        followers = _with_rest(followers, rest)
    root = replace(source, next=followers)
    sides = [knot.side for knot in _trunk(root) if knot.side]
    shown = next((side for side in sides if side.taken), sides[-1] if sides else None)
    return lay_out(_with_side(root, shown))


def _trunk(knot: Knot) -> Iterator[Knot]:
    """The boxes before the ways part."""
    yield knot
    if len(knot.next) == 1:
        yield from _trunk(knot.next[0])


def _with_side(knot: Knot, side: Side | None) -> Knot:
    """The tree with that side chain alone: two would write over each other."""
    kept = knot.side if knot.side is side else None
    return replace(knot, side=kept, next=tuple(_with_side(follower, side) for follower in knot.next))


def _shortened(hops: Sequence[Hop]) -> tuple[Hop, ...]:
    """The first chain and the last ones: a drawing has room for so many columns."""
    return tuple(hops) if len(hops) <= HOPS_MAX else (hops[0], *hops[-(HOPS_MAX - 1) :])


def _followers(ways: Sequence[tuple[Way, tuple[Hop, ...]]], pen: Pen, *, forked: bool) -> tuple[Knot, ...]:
    """What follows a box: one knot per chain that these ways go on to, and an end for each that goes on to none."""
    groups: dict[object, list[tuple[Way, tuple[Hop, ...]]]] = {}
    for place, (way, hops) in enumerate(ways):
        groups.setdefault(hops[0].key if hops else place, []).append((way, hops))
    forks = len(groups) > 1
    made = []
    for group in groups.values():
        share = percent(sum(way.probability for way, _hops in group)) if forks else ""
        way, hops = group[0]
        made.append(_chain(group, pen, share, forked=forked or forks) if hops else _end(way, pen, share))
    return tuple(made)


def _chain(group: Sequence[tuple[Way, tuple[Hop, ...]]], pen: Pen, share: str, *, forked: bool) -> Knot:
    hops = [hops[0] for _way, hops in group]
    hop = next((one for one in hops if one.steps), hops[0])
    followers = _followers([(way, hops[1:]) for way, hops in group], pen, forked=forked)
    words = {way.shown for way, _hops in group}
    mood = _MOODS.get(words.pop(), "") if len(words) == 1 and forked else ""
    title, sub = _named(hop, pen)
    line = hop.deciding.line if hop.deciding else 0
    side = None if forked else _side(hop, pen)
    return Knot(title, sub, pen.href(line) if line else "", share, mood, side, followers)


def _named(hop: Hop, pen: Pen) -> tuple[Words, Words]:
    chain = visible(hop.chain)
    if found := _HASHED.fullmatch(chain):
        return Words("t-mono", found[1]), Words("t-hash", found[2])
    if found := _LONG.fullmatch(chain):
        return Words("t-mono", found[1]), Words("t-hash", found[3])
    place = pen.places.of(hop.table, hop.chain, hop.deciding.line) if hop.deciding else None
    if place and not is_base(hop.chain):
        sub = _("rule %(n)s of %(m)s") % {"n": number(place[0]), "m": number(place[1])}
    elif hop.steps:
        sub = _("table %(name)s") % {"name": visible(hop.table)}
    else:
        sub = _("no rule matches")
    return Words("t-mono", chain), Words("t-sub", sub)


def _side(hop: Hop, pen: Pen) -> Side | None:
    called = next((step for step in hop.asides if step.chain in (MASQUERADE_MARK, "mark-for-masquerade")), None)
    if called:
        return Side(visible(called.chain), _("taken: the source will be rewritten"), pen.href(called.line), taken=True)
    taken = {step.line for step in hop.steps}
    spared = not_masqueraded(pen.places, hop.table, hop.chain, taken, str(pen.question.get("src")))
    if spared is None:
        return None
    return Side(spared.chain, _("not taken: %(why)s") % {"why": spared.why}, pen.href(spared.line))


def _end(way: Way, pen: Pen, share: str) -> Knot:
    """Where the way ends; its link is the rule that made it so."""
    broken = way.shown == Shown.CRIT
    settling = way.after[-1:] if broken and way.after else [hop.deciding for hop in way.hops if hop.deciding][-1:]
    href = pen.href(settling[0].line) if settling and settling[0] else ""
    title = Words("t-mono", visible(way.target))
    label = "DNAT" if way.rewritten else share
    return Knot(title, Words("t-sub", way.say), href, label, _MOODS.get(way.shown, ""), end=True, cut=broken)


def _with_rest(followers: tuple[Knot, ...], rest: Rest) -> tuple[Knot, ...]:
    """A last branch at the first fork, for the ways that are not drawn."""
    if len(followers) == 1 and followers[0].next:
        return (replace(followers[0], next=_with_rest(followers[0].next, rest)),)
    say = ngettext("%(n)s more way", "%(n)s more ways", rest.count) % {"n": number(rest.count)}
    broken = _("%(share)s of all do not arrive") % {"share": percent(rest.broken)}
    sub = broken if rest.broken else _("the list below names more")
    mood = "bad" if rest.broken else "rest"
    return (*followers, Knot(Words("t-title", say), Words("t-sub", sub), "#ways", percent(rest.probability), mood))
