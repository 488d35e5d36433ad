"""nginx's statements as a tree, with includes followed file by file. Words and line numbers are crossplane's.

The tree is built here from crossplane's words, because its own reader opens files, and here the files are one section. The
output of ``nginx -T`` (``# configuration file PATH:`` before each file) is read as well, and so is one pasted file.

>>> tree = parse_tree('''== /etc/nginx/nginx.conf
... http { include sites/*; }
...
... == /etc/nginx/sites/blog
... server { listen 80; }  # the blog
...
... == end
... ''')
>>> http = tree[0]
>>> [(inner.name, inner.where, inner.line, inner.block[0].args) for inner in http.block]
[('server', '/etc/nginx/sites/blog:1', 5, ('80',))]
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from crossplane.errors import NgxParserSyntaxError

# Its public lex() takes only the name of a file.
from crossplane.lexer import _balance_braces, _lex_file_object

from checks.errors import ParseError
from checks.parsers.files import Files, split_files
from checks.parsers.reading import whole_lines
from checks.results import Reason

MAIN = "/nginx.conf"
PASTED = "pasted"
_DUMPED = re.compile(r"^# configuration file (\S+):$")
_TOLD = re.compile(r"nginx: (?:\[\w+\] |(?:the )?configuration file )")
"""What nginx -T says on its other stream; on a terminal both come out alike."""
_DEPTH = 12
_MOST = 20000


@dataclass(frozen=True)
class Directive:
    """One statement: its words, its file and line there, its line in the section, and what its braces hold (None: no braces)."""

    name: str
    args: tuple[str, ...]
    path: str
    number: int
    line: int
    block: tuple[Directive, ...] | None = None

    @property
    def where(self) -> str:
        """File and line as an editor takes them."""
        return f"{self.path}:{self.number}"


def parse_tree(text: str) -> tuple[Directive, ...]:
    """The statements of the main file, included ones in their place. Raises ParseError when anything is cut or unread."""
    files = _split(text)
    unread = [path for path, state in files.absent.items() if state == "unreadable"]
    if unread:
        raise ParseError(f"{unread[0]} is there but this user may not read it", Reason.NEED_PRIVILEGE)
    trees = {path: _Reader(path, files.text(path), files.line_of(path)).read() for path in files}
    if not any(trees.values()):
        raise ParseError("this is not a configuration of nginx", Reason.MISSING)
    roots = [path for path in trees if path.endswith(MAIN)][:1] or list(trees)
    includes = _Includes(trees, roots[0].rpartition("/")[0])
    return tuple(directive for root in roots for directive in includes.expand(trees[root], 0))


def _split(text: str) -> Files:
    if text.startswith(("== ", "!! ")):
        files = split_files(text)
        if not files.complete:
            raise ParseError("the configuration was cut: its closing line is missing", Reason.TRUNCATED)
        return files
    found = Files(complete=True)
    path, start, body = PASTED, 1, list[str]()
    for number, line in enumerate(whole_lines(text), 1):
        if match := _DUMPED.match(line):
            found.parts[path] = ("".join(row + "\n" for row in body), start)
            path, start, body = match[1], number + 1, []
        else:
            body.append("" if _TOLD.match(line) else line)
    if not body:  # nginx ends each file with a line of its own, so that even an empty one has one
        raise ParseError(f"the text stops before {path}", Reason.TRUNCATED)
    found.parts[path] = ("".join(row + "\n" for row in body), start)
    return found


class _Reader:
    """The statements of one file."""

    def __init__(self, path: str, text: str, first: int) -> None:
        self.path, self.text, self.first = path, text, first
        self.stack: list[list[Directive]] = [[]]
        self.heads: list[Directive] = []
        self.words: list[tuple[str, int]] = []

    def read(self) -> tuple[Directive, ...]:
        try:
            for word, number, quoted in _balance_braces(_lex_file_object(io.StringIO(self.text)), self.path):
                if quoted or (word not in ("{", "}", ";") and not word.startswith("#")):
                    self.words.append((word, number))
                elif not word.startswith("#"):
                    self._sign(word, number)
        except NgxParserSyntaxError as error:
            raise ParseError(f"{self.path}: {error.strerror}", line=self.first + (error.lineno or 1) - 1) from None
        if self.words:
            self._broken("a statement has no end", self.words[0][1])
        return tuple(self.stack[0])

    def _sign(self, word: str, number: int) -> None:
        if word == "}":
            if self.words:
                self._broken("a statement has no end", self.words[0][1])
            self.stack[-2].append(replace(self.heads.pop(), block=tuple(self.stack.pop())))
            return
        if not self.words:
            self._broken(f"{word} stands where a statement begins", number)
        directive = self._directive()
        if word == "{":
            self.heads.append(directive)
            self.stack.append([])
        else:
            self.stack[-1].append(directive)

    def _directive(self) -> Directive:
        (name, number), rest = self.words[0], self.words[1:]
        self.words = []
        return Directive(name, tuple(word for word, _ in rest), self.path, number, self.first + number - 1)

    def _broken(self, say: str, number: int) -> None:
        raise ParseError(f"{self.path}:{number}: {say}", line=self.first + number - 1)


class _Includes:
    """Puts the statements of included files in place of the include lines; a line whose files are not here stays."""

    def __init__(self, trees: dict[str, tuple[Directive, ...]], directory: str) -> None:
        self.trees, self.directory = trees, directory
        self.count = 0

    def expand(self, block: tuple[Directive, ...], depth: int) -> list[Directive]:
        found: list[Directive] = []
        for directive in block:
            self.count += 1
            if depth > _DEPTH or self.count > _MOST:
                raise ParseError(f"{directive.where}: the files include each other without end", line=directive.line)
            if directive.name == "include" and len(directive.args) == 1 and directive.block is None:
                paths = self._matching(directive.args[0])
                found += [] if paths else [directive]
                for path in paths:
                    found += self.expand(self.trees[path], depth + 1)
            elif directive.block is not None:
                found.append(replace(directive, block=tuple(self.expand(directive.block, depth))))
            else:
                found.append(directive)
        return found

    def _matching(self, pattern: str) -> list[str]:
        wanted = pattern if pattern.startswith("/") else f"{self.directory}/{pattern}"
        return [path for path in sorted(self.trees) if path.count("/") == wanted.count("/") and fnmatchcase(path, wanted)]
