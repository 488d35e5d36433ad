"""What the packet meets, in words: the same as the drawing, for readers without it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from runbooks.presenters.shown import Shown
from runbooks.presenters.trace_drawing import Pen, Rest, percent
from runbooks.presenters.trace_places import MASQUERADE_MARK, not_masqueraded
from runbooks.presenters.trace_ways import Hop, Step, Way, bare, is_base, jump
from runbooks.presenters.words import number, visible

_PROBABILITY = re.compile(r"--probability (\d\.\d+)")
_COMMENT = re.compile(r'--comment (?:"([^"]{1,120})"|(\S{1,120}))')
_CONDITION = re.compile(r"(?:! )?(?:-d|--dport|-s|--dst-type) \S+")


@dataclass(frozen=True)
class Pick:
    """One way at the place where the ways part. ``say`` may hold code in back quotes."""

    shown: Shown
    share: str
    target: str
    say: str
    note: str
    href: str = ""


@dataclass(frozen=True)
class Item:
    """One thing that the packet meets."""

    shown: Shown
    say: str
    note: str = ""
    href: str = ""
    picks: tuple[Pick, ...] = ()
    more: str = ""


def chain(ways: Sequence[Way], rest: Rest, pen: Pen) -> tuple[Item, ...]:
    """The list. Trunk, parting, what comes after."""
    if not ways:
        return ()
    trunk = _trunk(ways)
    parts = len(ways) > 1 or bool(rest.count)
    items = []
    for place, hop in enumerate(trunk):
        beside = _beside(hop, pen)
        if parts and place == len(trunk) - 1:
            items += [beside] if beside else []
            items.append(_parting(hop, ways, place, rest, pen))
        else:
            items.append(_passing(hop, ways[0], pen))
            items += [beside] if beside else []
    if not parts:
        items.append(_end(ways[0], pen))
    return (*items, *_after(ways, pen))


def _trunk(ways: Sequence[Way]) -> list[Hop]:
    """The chains that all ways share, each as the first way that matched in it tells it."""
    shared = []
    for hops in zip(*(way.hops for way in ways), strict=False):
        if len({hop.key for hop in hops}) > 1:
            break
        shared.append(next((hop for hop in hops if hop.steps), hops[0]))
    if len(ways) == 1 and ways[0].rewritten and len(shared) > 1:
        shared.pop()  # its end says it
    return shared


def _line(step: Step | None, pen: Pen, *more: str) -> tuple[str, str]:
    """Where the rule stands, and the link to it."""
    if step is None:
        return "", ""
    words = [_("%(table)s, line %(line)s") % {"table": visible(step.table), "line": number(step.line)}, *more]
    return ", ".join(word for word in words if word), pen.href(step.line)


def _passing(hop: Hop, way: Way, pen: Pen) -> Item:
    step = hop.deciding
    names = {"chain": visible(hop.chain), "next": visible(jump(step.text)) if step else ""}
    if step is None:
        return Item(way.shown, _("`%(chain)s`: no rule of it matches") % names)
    calm = Shown.INFO if way.shown in (Shown.INFO, Shown.UNKNOWN) else Shown.OK
    conditions = " ".join(_CONDITION.findall(bare(step.text)))
    place = pen.places.of(hop.table, hop.chain, step.line)
    ordinal = _("rule %(n)s of %(m)s") % {"n": number(place[0]), "m": number(place[1])} if place else ""
    comment = _COMMENT.search(step.text)
    said = visible(comment[1] or comment[2]) if comment and not is_base(hop.chain) else ""
    note, href = _line(step, pen, "" if is_base(hop.chain) else ordinal, said)
    if conditions and not is_base(hop.chain):
        words = names | {"what": visible(conditions)}
        return Item(calm, _("`%(chain)s` matches `%(what)s`") % words, note, href)
    say = _("`%(chain)s` jumps to `%(next)s`") if names["next"] else _("`%(chain)s` decides")
    return Item(calm, say % names, note, href)


def _parting(hop: Hop, ways: Sequence[Way], place: int, rest: Rest, pen: Pen) -> Item:
    count = len(ways) + rest.count
    say = ngettext("`%(chain)s` picks one of %(n)s way", "`%(chain)s` picks one of %(n)s ways", count)
    picks = tuple(_pick(way, place, pen) for way in ways)
    more = ""
    if rest.count:
        words = {"n": number(rest.count), "share": percent(rest.probability)}
        more = ngettext("and %(n)s more way, %(share)s together", "and %(n)s more ways, %(share)s together", rest.count) % words
    worst = next((word for word in (Shown.CRIT, Shown.UNKNOWN) if any(way.shown == word for way in ways)), ways[0].shown)
    return Item(worst, say % {"chain": visible(hop.chain), "n": number(count)}, "", "", picks, more)


def _pick(way: Way, place: int, pen: Pen) -> Pick:
    own = way.hops[place] if place < len(way.hops) else None
    step = own.deciding if own else None
    chance = _PROBABILITY.search(bare(step.text)) if step else None
    if chance:
        note = _("probability %(p)s at its rule") % {"p": chance[1][:7]}
    elif way.rewritten and step and step.text.startswith(("-A", "[")):
        note = _("all that is left")
    else:
        note = ""
    href = pen.href(step.line) if step else ""
    return Pick(way.shown, percent(way.probability), visible(way.target), way.say, note, href)


def _beside(hop: Hop, pen: Pen) -> Item | None:
    """What the chain does about the source address."""
    called = next((step for step in hop.asides if step.chain == MASQUERADE_MARK), None)
    if called:
        note, href = _line(called, pen)
        return Item(Shown.INFO, _("`%(chain)s` is called: the source will be rewritten") % {"chain": called.chain}, note, href)
    spared = not_masqueraded(pen.places, hop.table, hop.chain, {step.line for step in hop.steps}, str(pen.question.get("src")))
    if spared is None:
        return None
    say = _("`%(chain)s` is not called: %(why)s") % {"chain": spared.chain, "why": spared.why}
    return Item(Shown.NA, say, _("line %(line)s") % {"line": number(spared.line)}, pen.href(spared.line))


def _end(way: Way, pen: Pen) -> Item:
    step = next((hop.deciding for hop in reversed(way.hops) if hop.deciding), None)
    if way.rewritten:
        say = _("the target becomes `%(target)s`: %(say)s") % {"target": visible(way.target), "say": way.say}
    else:
        say = _("`%(target)s`: %(say)s") % {"target": visible(way.target), "say": way.say}
    note, href = _line(step, pen)
    return Item(way.shown, say, note, href)


def _after(ways: Sequence[Way], pen: Pen) -> list[Item]:
    """What the ways that arrive meet behind their targets: the filter, and the rewriting of the source."""
    arrived = [way for way in ways if way.rewritten and way.shown in (Shown.OK, Shown.INFO)]
    if not arrived:
        return []
    items = []
    passed = [step for step in arrived[0].after if step.table == "filter"]
    if passed:
        note, href = _line(passed[-1], pen)
        items.append(Item(arrived[0].shown, _("`%(chain)s` lets it pass") % {"chain": visible(passed[-1].chain)}, note, href))
    masked = [way for way in arrived if way.snat]
    if not masked:
        items.append(Item(arrived[0].shown, _("the source address is left alone"), _("the packet carries no mark for it")))
        return items
    note, href = _line(masked[0].after[-1] if masked[0].after else None, pen)
    share = sum(way.probability for way in masked)
    if len(masked) == len(arrived):
        say = _("`%(how)s`: the source becomes an address of the node") % {"how": visible(masked[0].snat)}
    else:
        words = {"how": visible(masked[0].snat), "share": percent(share)}
        say = _("`%(how)s`: the source becomes an address of the node for %(share)s of the connections") % words
    return [*items, Item(arrived[0].shown, say, note, href)]
