r"""Secrets that stand on lines of their own: private keys, YAML block scalars, the values of Kubernetes Secrets.

>>> text = b"kind: Secret\ndata:\n  user: YWRtaW4=\nmetadata:\n  name: db\n"
>>> [text[start:end] for start, end in manifests(text.lower())]
[b'YWRtaW4=']

A line may have what ``grep``, ``cat -n`` or a quoting mail puts before it. Each walk is one pass over the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

Span = tuple[int, int]

# --- private keys --------------------------------------------------------------

KEY_HINTS = ("PRIVATE KEY", "Private-Lines", "Static key")
_KEY_BEGINS = re.compile(rb"-----BEGIN (?:[A-Z0-9 ]*PRIVATE KEY|OpenVPN Static key)|^Private-Lines:")
_BASE64_LINE = re.compile(rb"[ \t>|\"']*([A-Za-z0-9+/=]+)[\"',\\nr]*[ \t\r]*\Z")
_BASE64_TAIL = re.compile(rb"[^A-Za-z0-9+/=]([A-Za-z0-9+/=]{16,})[\"',]*[ \t\r]*\Z")
_KEY_HEADER = re.compile(rb"[^:]{1,40}: [^\n]{1,80}\Z|\s*\Z")
_ONE_LINE = re.compile(rb"BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----([^-\n]+)")


def private_keys(data: bytes) -> Iterator[Span]:
    """The lines between the BEGIN and END of a private key, or that much of it as is there."""
    inside = False
    prefix = b""
    at = 0
    for line in data.split(b"\n"):
        body = len(prefix) if line.startswith(prefix) else 0
        if b"-----END" in line:
            inside = False
        if (begin := _KEY_BEGINS.search(line)) and b"-----END" not in line:
            inside, prefix = True, line[: begin.start()]  # what grep or a log writes before each line
        elif inside and (found := _BASE64_LINE.match(line, body) or _BASE64_TAIL.search(line)):
            yield at + found.start(1), at + found.end(1)
        elif inside and not _KEY_HEADER.match(line):
            inside = False
        for found in _ONE_LINE.finditer(line):
            yield at + found.start(1), at + found.end(1)
        at += len(line) + 1


# --- block scalars -------------------------------------------------------------

_BLOCK = re.compile(rb"[|>][-+0-9]{0,2}[^\S\n]*(?:#[^\n]*)?\n")
_NEXT_LINE = re.compile(rb"[^\S\n]*\n")
_ONE_WORD = re.compile(rb"[^\s:#{\[&*!|>-][^\s:]*[^\S\n]*\r?\Z")
_BEFORE = re.compile(rb"(?:[^\S\n]*\d+\t|\d{1,9}[:-]|> ?|[\w./-]{1,200}\.(?:ya?ml|json)[:-](?:\d+[:-])?)?([^\S\n]*)")


def block_scalar(data: bytes, key: int, after: int, sure: bool) -> list[Span] | None:
    """The lines of the value when ``NAME:``, which begins at ``key``, has it below; None when it has not.

    A value without ``|`` must be one word on one line, and its name must be ``sure`` to hold a secret.
    """
    marked = _BLOCK.match(data, after)
    begins = marked or (_NEXT_LINE.match(data, after) if sure else None)
    if not begins:
        return None
    line_start = data.rfind(b"\n", max(0, key - 300), key) + 1
    before = _BEFORE.match(data, line_start)
    column = key - (before.start(1) if before else line_start)
    spans = list(islice(_deeper(data, begins.end(), column), None if marked else 2))
    if marked or (len(spans) == 1 and _ONE_WORD.match(data[slice(*spans[0])])):
        return spans
    return None


def _deeper(data: bytes, at: int, column: int) -> Iterator[Span]:
    """The contents of the lines from ``at`` on that are indented by more than ``column``."""
    while at < len(data):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        content = _content(data, at, end)
        if content is not None:
            if content[1] <= column:
                return
            yield content[0], end - (data[end - 1 : end] == b"\r")
        at = end + 1


def _content(data: bytes, start: int, end: int) -> Span | None:
    """Where the content of a line begins and in which column; None for a blank line."""
    before = _BEFORE.match(data, start, end)
    begin = before.end() if before else start
    return (begin, begin - before.start(1)) if before and begin < end else None


# --- Kubernetes Secrets --------------------------------------------------------

_KIND = re.compile(rb"""kind\\{0,8}["']?[^\S\n]{0,80}:[^\S\n]{0,80}\\{0,8}["']?secret(list)?\b(?![\w./-])""")
_TOKEN = re.compile(_KIND.pattern + rb"""|(\\{0,8}"(?:data|stringdata)\\{0,8}"\s{0,80}:\s{0,80})?\{|\}""")
_JSON_VALUE = re.compile(rb""":\s{0,80}(?:"((?:[^"\\\n]|\\.)*)|(\\{1,8})"([^\n]*?)(?:(?<!\\)\2"|\Z))""")
_ENTRY = re.compile(rb"""(?:"[^"\n]*"|'[^'\n]*'|[^\s"'{\[][^\n:]*):(?:[^\S\n]+["']?([^\n]*?))?["']?,?\Z""")
_FLOW = re.compile(rb"""[{,][^:,{}]{1,253}:\s{0,80}["']?([^"'{},]+)""")
_DATA = re.compile(rb"""["']?(?:data|stringdata)["']?:""")
_NO_VALUE = re.compile(rb"(?:[|>][-+0-9]*[^\S\n]*(?:#.*)?|null|~|[{}]*)\Z")
_LEVELS = 40
"""So deep may a Secret lie in lists and objects; what is deeper was not written by Kubernetes."""


@dataclass
class _Mapping:
    """A mapping that is still open: its column (of a JSON object the place where its data begins), whether it is a Secret, its
    data, and those of the mappings below it."""

    column: int = -1
    secret: bool = False
    of_secrets: bool = False
    own: list[Span] = field(default_factory=list)
    below: list[Span] = field(default_factory=list)

    def close(self, outer: _Mapping) -> list[Span]:
        """The values of a Secret that ends here; those of a mapping that may lie in a list of Secrets wait there."""
        if self.of_secrets:
            return self.own + self.below
        outer.below += self.below + ([] if self.secret else self.own)
        return self.own if self.secret else []


def manifests(lower: bytes) -> Iterator[Span]:
    """The values under data and stringData of each Secret in a lower-cased text, as YAML and as JSON of any form."""
    if _KIND.search(lower):
        yield from _in_yaml(lower)
        yield from _in_json(lower)


def _in_json(data: bytes) -> Iterator[Span]:
    open_maps = [_Mapping()]
    deeper = 0  # so many braces are open beyond the levels that are looked at
    for token in _TOKEN.finditer(data):
        if token[0].endswith(b"{"):
            if len(open_maps) > _LEVELS:
                deeper += 1
            else:
                open_maps.append(_Mapping(token.end() if token[2] else 0))
        elif token[0] != b"}":
            open_maps[-1].secret, open_maps[-1].of_secrets = True, bool(token[1])
        elif deeper:
            deeper -= 1
        elif len(open_maps) > 1:
            yield from _closed(data, open_maps, token.start())
    while len(open_maps) > 1:  # cut
        yield from _closed(data, open_maps, len(data))


def _closed(data: bytes, open_maps: list[_Mapping], end: int) -> Iterator[Span]:
    closed = open_maps.pop()
    found = closed.close(open_maps[-1])
    if closed.column:  # where its data began
        open_maps[-1].own.append((closed.column, end))
    for span in found:
        for value in _JSON_VALUE.finditer(data, *span):
            yield value.span(3 if value[2] else 1)


def _in_yaml(data: bytes) -> Iterator[Span]:
    open_maps = [_Mapping()]
    below_data = entries = -1  # the columns of an open data: and of its entries
    for begin, column, text in _yaml_lines(data):
        if 0 <= below_data < column:
            entries = column if entries < 0 else entries
            open_maps[-1].own += _value(text, begin, column == entries)
            continue
        below_data = entries = -1
        yield from _close(open_maps, -1 if text == b"---" else column)
        for _ in range(_LEVELS):
            if not text.startswith(b"- "):
                break
            step = len(text) - len(text[1:].lstrip())
            begin, column, text = begin + step, column + step, text[step:]
        if open_maps[-1].column < column:
            open_maps.append(_Mapping(column))
        if kind := _KIND.match(text.lstrip(b"\"'")):
            open_maps[-1].secret, open_maps[-1].of_secrets = True, bool(kind[1])
        elif _DATA.match(text):
            below_data = column
            open_maps[-1].own += [(begin + part.start(1), begin + part.end(1)) for part in _FLOW.finditer(text)]
    yield from _close(open_maps, -1)


def _yaml_lines(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Where the content of each line begins, its column and its text; without blank lines and comments."""
    at = 0
    for line in data.split(b"\n"):
        content = _content(data, at, at + len(line))
        at += len(line) + 1
        if content and data[content[0]] != 35:  # "#"
            yield *content, data[content[0] : at - 1].rstrip()


def _close(open_maps: list[_Mapping], column: int) -> Iterator[Span]:
    """End the mappings beyond that column."""
    while len(open_maps) > 1 and open_maps[-1].column > column:
        closed = open_maps.pop()
        yield from closed.close(open_maps[-1])


def _value(text: bytes, begin: int, entry: bool) -> list[Span]:
    """What a line below data: holds: the value of an entry, or a part of a value of several lines."""
    found = _ENTRY.match(text) if entry else None
    if not found:
        return [] if text[:1] in b"}]" else [(begin, begin + len(text))]
    return [] if found[1] is None or _NO_VALUE.match(found[1]) else [(begin + found.start(1), begin + found.end(1))]
