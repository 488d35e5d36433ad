"""A code block as HTML: token classes of Pygments for languages on a short list, plain text for all others and for long ones."""

from __future__ import annotations

import html
from typing import Any

from pygments import lex
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES

_MAX = 20_000
_LANGUAGES = (
    *("bash", "sh", "shell", "console", "yaml", "json", "ini", "toml", "diff", "python", "go", "c", "sql", "nginx", "text"),
    *("dockerfile", "make", "makefile", "spec", "lua", "http", "xml"),
)


def code_block(src: str, language: str = "", *_: Any, **__: Any) -> str:
    """The formatter of every fence that is not ours."""
    language = language or "text"
    shown = _coloured(src, language) if language in _LANGUAGES and len(src) <= _MAX else html.escape(src)
    return f'<pre><code class="language-{html.escape(language)}">{shown}</code></pre>'


def _coloured(src: str, language: str) -> str:
    lexer = get_lexer_by_name(language, stripnl=False)
    pieces = []
    for kind, text in lex(src, lexer):
        body = text.rstrip("\n")
        name = _token_class(kind) if body.strip() else ""
        pieces.append((f'<span class="{name}">{html.escape(body)}</span>' if name else html.escape(body)) + text[len(body) :])
    return "".join(pieces).rstrip("\n")


def _token_class(kind: Any) -> str:
    while kind not in STANDARD_TYPES and kind.parent is not None:
        kind = kind.parent
    return STANDARD_TYPES.get(kind, "")
