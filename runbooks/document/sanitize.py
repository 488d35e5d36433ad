"""The allow-list that author's HTML must pass: python-markdown does not sanitise (23 of 26 attack texts came through it).

No style, no ids but those of headings, no classes but a code block's language and its token colours; links http, https, mailto
or relative; pictures only from the site's own media.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import nh3
from pygments.token import STANDARD_TYPES

_TOKEN_CLASSES = frozenset(STANDARD_TYPES.values()) - {""}
_LANGUAGE = re.compile(r"language-[A-Za-z0-9_+#.-]{1,30}")

TAGS = {
    *("a", "abbr", "b", "blockquote", "br", "caption", "code", "dd", "del", "details", "div", "dl", "dt", "em", "hr", "i", "img"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "ins", "kbd", "li", "mark", "ol", "p", "pre", "q", "s", "samp", "small", "span"),
    *("strong", "sub", "summary", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul", "var"),
}
ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "code": {"class"},
    "div": {"data-slot"},
    "img": {"src", "alt", "title", "width", "height"},
    "ol": {"start"},
    "span": {"class"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan", "scope"},
}


def clean(html: str, nonce: str, media: str, anchor: Callable[[str], str]) -> str:
    """Safe, well-formed HTML. Slots made with this render's ``nonce`` survive; ``anchor`` rewrites links within the page."""

    def keep(tag: str, name: str, value: str) -> str | None:
        if name == "data-slot":
            return value if value.startswith(nonce) else None
        if name == "class":
            return value if (value in _TOKEN_CLASSES if tag == "span" else _LANGUAGE.fullmatch(value)) else None
        if name == "src":
            return value if own_picture(value, media) else None
        if name == "href" and value.startswith("#"):
            return "#" + anchor(value[1:])
        return value

    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=keep,
        clean_content_tags={"script", "style", "svg", "math", "iframe", "object", "template", "textarea", "title", "noscript"},
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
        strip_comments=True,
    )


def own_picture(address: str, media: str) -> bool:
    """True for a picture below the site's media address, without a way out of it."""
    return address.startswith(media) and not re.search(r"\.\.|\\|%2e|//", address, re.IGNORECASE)
