r"""What people paste or save: bytes of any encoding into text, and one text into the outputs that it holds.

>>> blocks = split('''[root@node-1 ~]# uname -r
... 4.19.90-24.4.v2101.ky10.x86_64
... [root@node-1 ~]# cat /proc/uptime
... 1000.00 7000.00
... ''')
>>> [(block.host, block.command, block.path) for block in blocks]
[('node-1', 'uname -r', ''), ('node-1', 'cat /proc/uptime', '/proc/uptime')]
>>> blocks[1].text, blocks[1].first, blocks[1].last
('1000.00 7000.00\n', 4, 4)
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import unescape
from textwrap import dedent

from checks.margins import without_margin, without_runs
from checks.prompts import CHATTER, CODE, RULER, Head, Place, head_of, said
from checks.typed import named_lines, parts

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)|[PX^_][^\x1b\n]{0,4096}\x1b\\|[ -/]{0,4}[0-Z\\^-~])"
)
_TYPESET = str.maketrans("\u00a0\u3000\u201c\u201d\u2018\u2019", "  \"\"''", "\u200b\u200c\u200d\u2060\ufeff")
_OVERSTRUCK = re.compile(r"[^\n\x08]\x08")


def decode(data: bytes) -> str:
    """Text from UTF-8, UTF-16 (PowerShell) or UTF-32. Bytes that are no text survive ``encode``.

    >>> decode("Größe\\r\\n".encode("utf-16")), encode(decode(b"\\xff"))
    ('Größe\\r\\n', b'\\xff')
    """
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return data[len(bom) :].decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")
    encoding = _without_bom(data)
    return data.decode(encoding, "surrogateescape" if encoding == "utf-8" else "replace")


def clean(text: str) -> str:
    """What terminals, editors and chats added is gone: CR before LF, colours, overstrikes, hard blanks, a margin.

    >>> clean("\\x1b[31mred\\x1b[0m\\r\\n")
    'red\\n'
    """
    if "\r" in text:
        text = re.sub(r"(?<!\r)\r+\n", "\n", text)  # looks at a run of CR once
        text = text if "\n" in text else text.replace("\r", "\n")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if "\x08" in text:
        text = _OVERSTRUCK.sub("", text)
    text = re.sub(r"^\r+", "", text, flags=re.MULTILINE) if "\r" in text else text  # a terminal's, between its escapes
    if not text.isascii():
        text = text.translate(_TYPESET)
    if "&lt;" in text or "&quot;" in text:
        text = unescape(text) if "<" not in text else text
    text = dedent(text) if re.match(r"\n*(?: {4}|\t)", text) else text  # a page indents what was printed
    return without_margin(text)


def encode(text: str) -> bytes:
    """The bytes of a decoded text."""
    return text.encode("utf-8", "surrogateescape")


def _without_bom(data: bytes) -> str:
    """UTF-16 without its mark: nearly every second byte of ASCII text is NUL."""
    sample = data[:4096]
    if len(sample) >= 8 and len(data) % 2 == 0:
        for start, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            half, other = sample[start::2], sample[1 - start :: 2]
            if half.count(0) > 0.8 * len(half) and other.count(0) < 0.1 * len(other):
                return encoding
    return "utf-8"


# Files that say by their first line which they are.
_FORMS = {
    r"(?:#.*\n|\n)*(?:PRETTY_NAME|NAME|ID|VERSION)=": "/etc/os-release",
    r"Linux version \d": "/proc/version",
    r"(?:\S+ )*BOOT_IMAGE=\S+ ": "/proc/cmdline",
    r"\d+ \d+ \d+:\d+ /\S* /\S* .* - \S+ ": "/proc/self/mountinfo",
    r"#subsys_name\s": "/proc/cgroups",
    r"entries +allocs +destroys": "/proc/net/stat/arp_cache",
    r"\S+ on /\S* type \w+ \(": "mount",
}


def file_by_form(text: str) -> str:
    """The file that this text can only be, or an empty string.

    >>> file_by_form('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\\nID=debian\\n')
    '/etc/os-release'
    """
    return next((path for form, path in _FORMS.items() if re.match(form, text)), "")


LOOKED_AT = 64 << 10
_NOTHING = re.compile(r"\s{100,}")


@dataclass(frozen=True)
class Block:
    """One output inside a paste: its text from line ``first`` to line ``last``, and what the line above it tells.

    ``path`` is the file it shows, when the prompt's command or a header names exactly one. ``source`` names the text it is from.
    ``ended`` means that the next prompt follows, so nothing is missing below. ``sure`` means that the text is what the command
    printed, whatever it looks like. ``numbers`` says where its lines stand when they do not follow each other.
    """

    text: str
    first: int
    last: int
    command: str = ""
    path: str = ""
    host: str = ""
    source: str = ""
    ended: bool = False
    sure: bool = True
    numbers: tuple[int, ...] = ()

    @cached_property
    def start(self) -> str:
        """Its beginning, by which it is known, without long stretches of nothing, in which an expression loses its time."""
        return _NOTHING.sub("\n", self.text[:LOOKED_AT])

    def line(self, position: int) -> int:
        """The number, in the text that was given, of the line at that position of this one."""
        return self.numbers[position] if position < len(self.numbers) else self.first + position


def joined(blocks: Iterable[Block]) -> str:
    """Outputs of one tool as one text: after each stands what was typed, and whether the next prompt shows its end.

    >>> joined([Block("a\\n", 1, 1, "iptables -S", ended=True), Block("b\\n", 3, 3)])
    'a\\n# End of: iptables -S\\nb\\n'
    """
    found = list(blocks)
    text = ""
    for position, block in enumerate(found, 1):
        text += block.text
        last = position == len(found)
        if text.endswith("\n") and (block.command or block.ended or not last):
            text += f"# {'End' if block.ended else 'Part'} of: {block.command}\n"
    return text


def _files(block: Block, files: tuple[str, ...]) -> list[Block]:
    """The outputs of one command that shows several files, one after the other, where each one's lines are known."""
    if not block.sure and CODE.match(block.text):
        return [replace(block, command="", path="")]
    lines = block.text.split("\n")
    if named := named_lines(lines[:-1] if not lines[-1] else lines):
        return [_named(block, *file, lines) for file in named]
    end = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    found, start = [], 0
    for path, size in zip(files, parts(files, end) if len(files) > 1 else (), strict=False):
        stop = start + size
        text = "\n".join(lines[start:stop]) + "\n" * (stop < len(lines))
        found.append(replace(block, text=text, first=block.first + start, last=block.first + stop - 1, path=path))
        start = stop
    return found or [block]


def _named(block: Block, path: str, place: int, said: list[str], lines: list[str]) -> Block:
    cut = place + len(said) == len(lines)  # the last line of the text has no end
    text = "\n".join(said) + "\n" * (not cut and bool(said))
    return replace(block, text=text, first=block.first + place, last=block.first + place + len(said) - 1, path=path)


def split(text: str) -> list[Block]:
    """The outputs in ``text``, without the prompts and headers above them. A text without any is one block."""
    lines = without_runs(text.split("\n"), _begins)
    blocks: list[Block] = []
    head, start, place, fences = Head(), 0, Place.FREE, 0
    lefts: dict[str, str] = {}  # prompts of this text's own form, each with its host
    session = False

    def close(end: int, ended: bool = False) -> None:
        first = next((number for number in range(start, end) if _says(lines[number], head.prompt)), end)
        while ended is False and end > first and head.titles and RULER.match(lines[end - 1]):
            end -= 1  # the line above a banner
        if first < end:
            whole = end < len(lines)  # the last block of a text has the end that the text has
            last = end if whole or lines[-1] else end - 1
            output = "\n".join(lines[first:end]) + "\n" * whole
            told = (head.command, head.path, head.host, "", ended and head.prompt, head.sure)
            blocks.extend(_files(Block(output, first + 1, last, *told), head.files))

    for number, line in enumerate(lines):
        found = _again(line, lefts) or head_of(line, Place.ANY if session else place)
        fences += found is not None and found.fence
        if found and found.fence and fences % 2 and head.titles and not any(map(_says, lines[start:number])):
            start, place = number + 1, Place.ANY  # the fence that a heading announced
        elif found:
            close(number, found.prompt)
            head, start, place = found, number + 1, Place.FREE
            session = session or found.prompt
            if found.prompt and found.left and len(lefts) < 20:
                lefts[found.left] = found.host
        elif line == "== end" and number + 1 < len(lines):  # what follows is another output
            close(number + 1)
            head, start, place = Head(host=head.host), number + 1, Place.FREE
        elif _says(line):
            place = Place.FREE if head.titles else Place.ANY
        elif place == Place.ANY:
            place = Place.APART
    close(_bare_prompt(lines, start, head) or len(lines))
    return blocks


def _bare_prompt(lines: Sequence[str], start: int, head: Head) -> int:
    """The number of a prompt below the last output that is only its sign, as where the copying ended; else 0."""
    last = next((number for number in range(len(lines) - 1, start, -1) if lines[number].strip()), 0)
    bare = lines[last].strip() in ([head.left] if head.left else list("$#%>"))
    return last if bare and (head.command or head.path) else 0


def _says(line: str, prompt: bool = False) -> bool:
    return bool(line) and not line.isspace() and not RULER.match(line) and not (prompt and CHATTER.match(line))


def _begins(line: str) -> bool:
    """True when a session begins here."""
    found = head_of(line, Place.APART)
    return found is not None and bool(found.prompt or found.fence or found.command)


def _again(line: str, lefts: Mapping[str, str]) -> Head | None:
    """A prompt that this text has shown before, with any command or none."""
    for left, host in lefts.items():
        if line.startswith(left):
            return replace(said(line[len(left) :].strip(), host), prompt=True)
    return None
