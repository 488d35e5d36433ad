"""Boxes and edges of a trace's drawing: a tree of knots in, geometry out. Pure; texts are measured by their number of characters.

The form is the design's: boxes 60 high, rows 102 apart, the packet walks from left to right, each end stands in the last column.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from unicodedata import east_asian_width

WIDTH, BOX, ROW, TOP = 1376, 60, 102, 26
SIDE_BELOW, SIDE_BOX = 78, 44
GAP, FORK_GAP, END_GAP, TIGHT = 46, 112, 68, 28
PAD = 28
NARROW, WIDE = 120, 330
# width of a character, by class of text
ADVANCE = {"t-title": 8.2, "t-mono": 7.4, "t-hash": 6.8, "t-sub": 6.6}


@dataclass(frozen=True)
class Words:
    """A text of a box: its class in the stylesheet, and what it says."""

    style: str
    say: str


@dataclass(frozen=True)
class Side:
    """A chain beside the way: called and come back from, or not called, with the reason."""

    say: str
    note: str
    href: str = ""
    taken: bool = False


@dataclass(frozen=True)
class Knot:
    """A box and what follows it. ``label`` stands on the edge that leads to it; ``mood`` is empty, bad, unsure or rest.

    An ``end`` stands in the last column; the way to a ``cut`` one is broken.
    """

    title: Words
    sub: Words
    href: str = ""
    label: str = ""
    mood: str = ""
    side: Side | None = None
    next: tuple[Knot, ...] = ()
    end: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Text:
    """A text with its place."""

    style: str
    say: str
    x: int
    y: int


@dataclass(frozen=True)
class Box:
    """A rectangle, its texts, and where it leads."""

    x: int
    y: int
    width: int
    height: int
    texts: tuple[Text, ...]
    href: str = ""
    mood: str = ""
    badge: bool = False

    @property
    def middle(self) -> int:
        """Where an edge meets it."""
        return self.y + self.height // 2


@dataclass(frozen=True)
class Edge:
    """A line between boxes. ``style`` is empty, dead or side; a label has its middle at ``x``, ``y``."""

    path: str
    mood: str = ""
    style: str = ""
    label: str = ""
    x: int = 0
    y: int = 0


@dataclass(frozen=True)
class Drawing:
    """Everything to draw."""

    width: int
    height: int
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


@dataclass
class _Placed:
    knot: Knot
    column: int
    middle: float
    next: list[_Placed] = field(default_factory=list)


def lay_out(root: Knot) -> Drawing:
    """The drawing of a tree."""
    last = max(depth for depth, _ in _walk(root))
    rows = iter(range(10**6))
    placed = _place(root, 0, last, rows)
    everything = list(_all(placed))
    columns = _columns(everything, last)
    boxes, edges = [], []
    for each in everything:
        boxes.append(_box(each, columns))
        edges += [_edge(each, follower, columns) for follower in each.next]
        if each.knot.side:
            side_box, side_edge = _side(each, columns)
            boxes.append(side_box)
            edges.append(side_edge)
    bottoms = [box.y + box.height for box in boxes]
    notes = [box.y + SIDE_BELOW for box in boxes if box.mood == "side"]
    height = max([*(bottom + 28 for bottom in bottoms), *notes])
    edges.sort(key=lambda edge: edge.mood == "bad")  # a broken way is drawn over the others
    return Drawing(columns[last][0] + columns[last][1] + 1, int(height), tuple(boxes), tuple(edges))


def _walk(knot: Knot, depth: int = 0) -> Iterator[tuple[int, Knot]]:
    yield depth, knot
    for follower in knot.next:
        yield from _walk(follower, depth + 1)


def _place(knot: Knot, column: int, last: int, rows: Iterator[int]) -> _Placed:
    """Leaves take the next row, a box with followers stands in their middle; an end goes to the last column."""
    followers = [_place(follower, column + 1, last, rows) for follower in knot.next]
    if not followers:
        return _Placed(knot, last if knot.end else column, TOP + BOX / 2 + ROW * next(rows))
    return _Placed(knot, column, (followers[0].middle + followers[-1].middle) / 2, followers)


def _all(placed: _Placed) -> Iterator[_Placed]:
    yield placed
    for follower in placed.next:
        yield from _all(follower)


def measure(words: Words) -> int:
    """How wide a text is drawn, about. A Chinese character takes as much room as two others.

    >>> measure(Words("t-sub", "rule 1")), measure(Words("t-sub", "规则"))
    (40, 26)
    """
    return round(_breadth(words.say) * ADVANCE[words.style])


def _breadth(say: str) -> int:
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in say)


def _columns(everything: list[_Placed], last: int) -> list[tuple[int, int]]:
    """Left edge and width of each column; room that is left over goes between them."""
    widths = [NARROW] * (last + 1)
    gaps = [GAP] * last
    for each in everything:
        knot = each.knot
        needed = max(measure(knot.title), measure(knot.sub), measure(Words("t-hash", knot.side.say)) if knot.side else 0) + PAD
        widths[each.column] = min(max(widths[each.column], needed), WIDE)
        if len(each.next) > 1 and each.column < last:
            gaps[each.column] = FORK_GAP
    if last:
        gaps[-1] = max(gaps[-1], END_GAP)
    if sum(widths) + sum(gaps) > WIDTH - 2:
        gaps = [TIGHT if gap == GAP else gap for gap in gaps]
    spare = max(0, WIDTH - 2 - sum(widths) - sum(gaps))
    x, columns = 1, []
    for number, width in enumerate(widths):
        columns.append((x, width))
        x += width + (gaps[number] + spare // last if number < last else 0)
    return columns


def clipped(words: Words, width: int) -> str:
    """The text as far as it has room.

    >>> clipped(Words("t-mono", "KUBE-SERVICES"), 40)
    'KUBE…'
    """
    room = int(width / ADVANCE[words.style])
    if _breadth(words.say) <= room:
        return words.say
    kept = words.say[: max(1, room - 1)]
    while len(kept) > 1 and _breadth(kept) > room - 1:
        kept = kept[:-1]
    return kept + "…"


def _box(each: _Placed, columns: list[tuple[int, int]]) -> Box:
    x, width = columns[each.column]
    y = round(each.middle) - BOX // 2
    knot = each.knot
    rows = ((knot.title, 25), (knot.sub, 45)) if knot.sub.say else ((knot.title, 34),)
    texts = tuple(Text(words.style, clipped(words, width - PAD + 4), x + 14, y + down) for words, down in rows)
    return Box(x, y, width, BOX, texts, knot.href, knot.mood, knot.cut)


def _edge(start: _Placed, end: _Placed, columns: list[tuple[int, int]]) -> Edge:
    x1 = sum(columns[start.column])
    x2 = columns[end.column][0]
    y1, y2 = round(start.middle), round(end.middle)
    room = min(x2 - x1, FORK_GAP)
    if y1 == y2:
        path = f"M{x1} {y1}H{x2}"
    else:
        turn = x1 + round(room * 0.59)
        path = f"M{x1} {y1}C{x1 + round(room * 0.34)} {y1} {x1 + round(room * 0.25)} {y2} {turn} {y2}H{x2}"
    style = "dead" if end.knot.cut else ""
    forks = len(start.next) > 1
    middle = x1 + round(room * 0.71) if forks else (x1 + x2) // 2
    return Edge(path, end.knot.mood, style, end.knot.label, middle, y2 - 8)


def _side(each: _Placed, columns: list[tuple[int, int]]) -> tuple[Box, Edge]:
    side = each.knot.side
    assert side is not None
    x, width = columns[each.column]
    top = round(each.middle) + SIDE_BELOW
    texts = (
        Text("t-hash", clipped(Words("t-hash", side.say), width - PAD + 4), x + 14, top + 26),
        Text("t-sub", side.note, x + 14, top + SIDE_BOX + 22),
    )
    edge = Edge(f"M{x + width // 2} {round(each.middle) + BOX // 2}V{top}", "", "" if side.taken else "side")
    return Box(x, top, width, SIDE_BOX, texts, side.href, "aside" if side.taken else "side"), edge
