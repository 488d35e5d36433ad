"""An author's Markdown never becomes script, style, an hx- attribute or a request to somewhere else."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runbooks.document.parse import parse
from runbooks.document.sanitize import ATTRIBUTES, TAGS

HEAD = "---\ntitle: x\nkind: reference\n---\n"
PAYLOADS = [line.replace("\\n", "\n") for line in Path(__file__).with_name("xss.txt").read_text().split("\n") if line]
FENCES = [
    "```html\n<script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    '```html onload="alert(1)"\nx\n```',
    "```{.html onclick=alert(1)}\nx\n```",
    '```{.x style="position:fixed" #run}\nx\n```',
    "```remedy\n</code></pre><img src=x onerror=alert(1)>\n```",
    "```check\nid: a\nprobe: <img src=x onerror=alert(1)>\ntitle: <script>alert(1)</script>\n```",
    "    <script>alert(1)</script>",
    "```bash\necho '</span><script>alert(1)</script>'\n```",
]


OURS = {
    "a": {"rel"},
    "button": {"type", "class", "data-copy", "data-done"},
    "div": {"class", "data-remedy"},
    "i": {"class", "aria-hidden"},
    "p": {"class"},
}
WRAPS = ["> {}", "- {}", "1. x\n\n    {}", "| {} | b |\n|---|---|\n", "text {} text", "<div>\n{}\n</div>", "# {}", "[{}](x)"]


class Judge(HTMLParser):
    """Collects everything that a browser would act on and that the allow-list does not name."""

    def __init__(self):
        super().__init__()
        self.bad = []

    def handle_starttag(self, tag, attrs):
        allowed = ATTRIBUTES.get(tag, set()) | OURS.get(tag, set())
        if tag not in TAGS and tag != "button":
            self.bad.append(tag)
        for name, value in attrs:
            if name not in allowed:
                self.bad.append(f"{tag} {name}")
            if name == "href" and not re.match(r"(?:https?:|mailto:|#|/|[\w.%-]*(?:/|$|\?|#))", value or ""):
                self.bad.append(f"href {value}")
            if name == "src" and not (value or "").startswith("/media/"):
                self.bad.append(f"src {value}")
            if name == "class" and tag in ("span", "code") and re.search(r"btn|result|log", value or ""):
                self.bad.append(f"class {value}")
            if name in ("data-slot", "id", "style"):
                self.bad.append(f"{tag} {name}")


def judged(body):
    judge = Judge()
    for part in parse(HEAD + body).parts:
        judge.feed(part.html_before)
        assert re.fullmatch(r"[\w-]*", part.anchor)
    judge.close()
    return judge.bad


@pytest.mark.parametrize("payload", [*PAYLOADS, *FENCES])
def test_it_leaves_nothing_that_acts(payload):
    assert judged(payload) == []


@pytest.mark.parametrize("wrap", WRAPS)
def test_it_leaves_nothing_that_acts_wherever_it_stands(wrap):
    for payload in PAYLOADS:
        assert judged(wrap.replace("{}", payload)) == [], payload


def test_it_leaves_nothing_that_acts_when_all_stand_together():
    assert judged("\n\n".join(PAYLOADS)) == []


def test_the_corpus_is_large_enough():
    assert len(PAYLOADS) + len(FENCES) >= 100


def test_the_judge_can_fail():
    judge = Judge()
    judge.feed("<script>x</script><a href='javascript:1' onclick=x>x</a><img src=//x><span class=btn>")
    assert len(judge.bad) == 5
