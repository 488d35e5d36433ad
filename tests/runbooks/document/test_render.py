"""The page's parts."""

from html.parser import HTMLParser

from runbooks.document.parse import parse
from runbooks.document.render import COPIED_SAYS, COPY_SAYS, REMEDY_SAYS, anchor_of

HEAD = "---\ntitle: x\nkind: reference\n---\n"
CHECK = "```check\nid: {0}\nprobe: cgroup.mode\n```\n"


def parts(body):
    document = parse(HEAD + body)
    assert document.ok, document.problems
    return document.parts


def html(body):
    return "\n".join(part.html_before for part in parts(body))


def test_it_stands_each_check_beside_the_prose_before_it():
    found = parts(
        "Before.\n\n# One\n\nFirst.\n\n" + CHECK.format("a") + "\nBetween.\n\n" + CHECK.format("b") + "\nAfter.\n\n## Two\n"
    )
    assert [(part.heading, part.level, part.html_before, part.check_id) for part in found] == [
        ("", 0, "<p>Before.</p>", None),
        ("One", 1, "<p>First.</p>", "a"),
        ("", 0, "<p>Between.</p>", "b"),
        ("", 0, "<p>After.</p>", None),
        ("Two", 2, "", None),
    ]


def test_it_knows_the_line_of_each_heading_and_check():
    found = parts("# One\n\nFirst.\n\n" + CHECK.format("a") + "\n# One\n\nText\n" + CHECK.format("b") + CHECK.format("c"))
    assert [(part.line, part.check_id) for part in found] == [(5, "a"), (14, "b"), (21, "c")]


def test_it_gives_headings_distinct_anchors():
    found = parts("# Fix it\n\n# Fix it\n\n# 解决方案\n\n# ***\n")
    assert [part.anchor for part in found] == ["h-fix-it", "h-fix-it-2", "h-解决方案", "h-section"]


def test_it_makes_links_within_the_page_meet_the_anchors():
    assert 'href="#h-fix-it"' in html("[see](#fix-it)\n\n# Fix it\n")
    assert anchor_of("h-fix-it") == "h-fix-it"


def test_it_shows_the_heading_as_plain_text():
    assert parts("# The `dying` **groups** & <b>more</b>\n")[0].heading == "The dying groups & more"


def test_it_finds_checks_in_lists_and_quotes():
    listed = "- item\n\n    ```check\n    id: a\n    probe: x.y\n    ```\n\n    rest\n\n"
    quoted = "> quoted\n>\n> ```check\n> id: b\n> probe: x.y\n> ```\n"
    found = parts(listed + quoted)
    assert [part.check_id for part in found] == ["a", "b"]
    assert "rest" in found[0].html_before
    assert "quoted" in found[1].html_before


def test_it_shows_an_example_of_a_check_as_text():
    (part,) = parts("````markdown\n" + CHECK.format("a") + "````\n")
    assert part.check_id is None
    assert part.html_before.startswith('<pre><code class="language-markdown">```check\nid: a')


def test_it_renders_nothing_in_place_of_a_check():
    assert (
        html("Before\n" + CHECK.format("a") + "after **it** &amp; more")
        == "<p>Before\n</p>\n<p>after <strong>it</strong> &amp; more</p>"
    )


def test_it_marks_a_remedy_and_offers_to_copy_it():
    shown = html("```remedy\necho 1 > /proc/sys/vm/drop_caches\n```\n")
    assert '<div class="cmd" data-remedy>' in shown
    assert "echo 1 &gt; /proc/sys/vm/drop_caches" in shown
    assert (
        f'data-copy data-done="{COPIED_SAYS}"><i class="icon i-copy" aria-hidden="true"></i><span>{COPY_SAYS}</span></button>'
        in shown
    )
    assert REMEDY_SAYS in shown


def test_it_escapes_a_remedy():
    shown = html("```remedy\n</code></pre><script>alert(1)</script>\n```\n")
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown


def test_it_colours_code_by_classes_only():
    shown = html('```bash\necho "$a" # why\n```\n')
    assert '<pre><code class="language-bash">' in shown
    assert '<span class="c1"># why</span>' in shown
    assert "style" not in shown


def test_it_shows_code_of_unknown_languages_as_it_is():
    assert html('```klingon title="x"\na < b\n```\n') == '<pre><code class="language-klingon">a &lt; b</code></pre>'


def test_it_shows_tables_and_rules():
    shown = html("| a | b |\n|---|--:|\n| 1 | 2 |\n\n---\n\n![x](/media/a.png)\n")
    assert "<table>" in shown
    assert "<hr>" in shown
    assert '<img alt="x" src="/media/a.png">' in shown


def test_authors_cannot_forge_a_slot_or_an_element_of_the_page():
    shown = html('<div data-slot="check-0" id="run" class="result" data-verdict="ok">fine</div>\n\n<span class="btn">x</span>\n')
    assert shown == "<div>fine</div>\n<p><span>x</span></p>"


def test_it_closes_what_an_author_left_open():
    found = parts("<div><b>open\n\n# Next\n\n" + CHECK.format("a"))
    assert "".join(part.html_before for part in found).count("<div>") == "".join(part.html_before for part in found).count(
        "</div>"
    )


def test_each_part_is_well_formed_by_itself():
    class Balance(HTMLParser):
        depth = 0

        def handle_starttag(self, tag, attrs):
            self.depth += tag not in ("br", "hr", "img", "i")

        def handle_endtag(self, tag):
            self.depth -= tag != "i"
            assert self.depth >= 0

    body = (
        "<details><summary>s</summary>\n\ntext\n\n"
        + CHECK.format("a")
        + "\n</details>\n\n- x\n- y\n\n"
        + CHECK.format("b")
        + "\n<p>z\n"
    )
    for part in parse(HEAD + body).parts:
        balance = Balance()
        balance.feed(part.html_before)
        assert balance.depth == 0


def test_two_renders_give_the_same_html():
    body = "a\n\n```remedy\nls\n```\n\n" + CHECK.format("a") + "\n| a |\n|---|\n| b |\n"
    assert parts(body) == parts(body)
