"""Geometry of the drawing: a tree in, boxes and edges out."""

from __future__ import annotations

from runbooks.presenters.trace_layout import ROW, WIDTH, Knot, Side, Words, clipped, lay_out


def knot(name: str, *followers: Knot, **fields) -> Knot:
    return Knot(Words("t-mono", name), Words("t-sub", ""), next=followers, **fields)


def end(name: str, **fields) -> Knot:
    return knot(name, end=True, **fields)


def fork(count: int) -> Knot:
    ways = [knot(f"SEP {n}", end(f"10.0.0.{n}:80"), label="33.3 %") for n in range(count)]
    return knot("a pod", knot("PREROUTING", knot("SVC", *ways)))


def at(drawing, name):
    return next(box for box in drawing.boxes if box.texts[0].say == name)


def test_it_sets_rows_apart_and_the_fork_in_their_middle():
    drawing = lay_out(fork(3))
    assert [at(drawing, f"SEP {n}").middle for n in range(3)] == [56, 56 + ROW, 56 + 2 * ROW]
    assert at(drawing, "SVC").middle == at(drawing, "a pod").middle == 56 + ROW
    assert drawing.height == 318


def test_it_fills_the_width_and_no_more():
    drawing = lay_out(fork(2))
    assert drawing.width in range(WIDTH - 8, WIDTH + 1)
    assert max(box.x + box.width for box in drawing.boxes) < drawing.width


def test_it_lets_no_two_boxes_meet():
    side = Side("KUBE-MARK-MASQ", "not taken")
    tree = knot("a pod", knot("SVC", *fork(5).next[0].next[0].next, end("10.96.0.1:80"), side=side))
    boxes = lay_out(tree).boxes
    for number, one in enumerate(boxes):
        for other in boxes[number + 1 :]:
            apart_x = one.x + one.width < other.x or other.x + other.width < one.x
            apart_y = one.y + one.height < other.y or other.y + other.height < one.y
            assert apart_x or apart_y


def test_it_sets_every_end_in_the_last_column():
    drawing = lay_out(knot("a pod", knot("SVC", knot("SEP", end("10.0.0.1:80")), end("10.96.0.1:80", cut=True, mood="bad"))))
    near, far = at(drawing, "10.0.0.1:80"), at(drawing, "10.96.0.1:80")
    assert near.x == far.x
    assert (near.badge, far.badge) == (False, True)


def test_it_draws_a_straight_edge_in_a_row_and_a_curve_between_rows():
    drawing = lay_out(fork(2))
    assert sum("C" in edge.path for edge in drawing.edges) == 2
    assert sum("C" not in edge.path for edge in drawing.edges) == 4


def test_it_draws_broken_edges_last_and_dead_where_they_are_cut():
    drawing = lay_out(knot("a pod", end("10.0.0.1:80", mood="bad", cut=True), end("10.0.0.2:80")))
    assert [(edge.mood, edge.style) for edge in drawing.edges] == [("", ""), ("bad", "dead")]


def test_it_has_room_below_for_a_side_chain():
    drawing = lay_out(knot("a pod", knot("SVC", end("10.0.0.1:80"), side=Side("KUBE-MARK-MASQ", "not taken: why", "#rule-7"))))
    side = next(box for box in drawing.boxes if box.mood == "side")
    assert side.href == "#rule-7"
    assert max(text.y for text in side.texts) < drawing.height


def test_it_draws_a_box_alone():
    assert len(lay_out(knot("a pod")).boxes) == 1


def test_it_cuts_what_has_no_room():
    assert clipped(Words("t-mono", "K" * 200), 100).endswith("…")
    assert clipped(Words("t-mono", "short"), 100) == "short"
    drawing = lay_out(knot("a pod", knot("K" * 500, end("10.0.0.1:80"))))
    assert drawing.width < 1500


def test_it_draws_the_same_from_the_same():
    assert lay_out(fork(4)) == lay_out(fork(4))
