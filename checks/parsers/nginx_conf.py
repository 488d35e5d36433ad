"""nginx's servers and what each listens on.

>>> servers = parse_nginx('''server {
...     listen 443 ssl;
...     listen [::]:443 ipv6only=on;
...     server_name blog.example.org;
... }
... ''')
>>> [(l.address, l.port, l.is_v6, l.has("ssl"), l.value("ipv6only"), l.line) for l in servers[0].listens]
[('*', 443, False, True, '', 2), ('::', 443, True, False, 'on', 3)]
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from checks.errors import ParseError
from checks.parsers.ip_prefix import Address
from checks.parsers.nginx_tree import Directive, parse_tree
from checks.results import Reason

_LISTEN = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>\*|[A-Za-z0-9][\w.-]*))(?::(?P<port>\d{1,5}))?$", re.ASCII)
SOCKET_OPTIONS = frozenset(
    {"ipv6only", "backlog", "rcvbuf", "sndbuf", "accept_filter", "deferred", "fastopen", "reuseport", "so_keepalive", "bind"}
)
"""Options of the socket itself: nginx takes them once per address and port."""


@dataclass(frozen=True)
class Listen:
    """One ``listen``. ``address`` is * for all IPv4 addresses, :: for all IPv6 ones, else an address or a name as written."""

    address: str
    port: int
    options: tuple[str, ...]
    where: str
    line: int

    @property
    def is_v6(self) -> bool:
        """True for an IPv6 address."""
        return ":" in self.address

    @property
    def is_v4(self) -> bool:
        """True for all IPv4 addresses or one of them, loopback aside."""
        return (self.address == "*" or bool(re.fullmatch(r"[0-9.]+", self.address))) and not self.address.startswith("127.")

    @property
    def is_loopback(self) -> bool:
        """True when only this host reaches it."""
        return self.address in ("::1", "localhost") or self.address.startswith("127.")

    def has(self, option: str) -> bool:
        """True when the option is given, with or without a value."""
        return any(word.partition("=")[0] == option for word in self.options)

    def value(self, option: str) -> str:
        """The value of ``option=value``; an empty string when it is not given."""
        return next((word.partition("=")[2] for word in self.options if word.partition("=")[0] == option), "")


@dataclass(frozen=True)
class Server:
    """One server block. ``has_certificate`` also when the block around it names one."""

    names: tuple[str, ...]
    listens: tuple[Listen, ...]
    has_certificate: bool
    ssl_on: bool
    where: str
    line: int

    @property
    def name(self) -> str:
        """Its first name, or where it stands."""
        return next((name for name in self.names if name not in ("_", "")), self.where)


def parse_nginx(text: str) -> list[Server]:
    """All servers. Raises ParseError when the files were cut, may not be read, or are not nginx's."""
    tree = parse_tree(text)
    if not {directive.name for directive in tree} & {"http", "server", "events", "stream", "mail"}:
        raise ParseError("this is not a configuration of nginx: it has no http, server, events, stream or mail block", line=1)
    servers = list(_servers(tree, certificate=False))
    if not servers and not text.startswith(("== ", "!! ")):
        missing = next(_included(tree), None)
        if missing:
            raise ParseError(f"{missing.where}: {missing.args[0]} is not in this text", Reason.MISSING, line=missing.line)
        if not any(directive.name in ("http", "stream", "mail") for directive in tree):
            raise ParseError("the configuration has no http block, so it is not whole", Reason.TRUNCATED)
    return servers


def _included(block: Iterable[Directive]) -> Iterator[Directive]:
    """The include lines of files that may hold servers and were not given."""
    for statement in block:
        if statement.name == "include" and statement.args and statement.args[0].endswith((".conf", "*")):
            yield statement
        yield from _included(statement.block or ())


def _servers(block: Iterable[Directive], *, certificate: bool) -> Iterator[Server]:
    statements = list(block)
    certificate = certificate or any(statement.name == "ssl_certificate" for statement in statements)
    for statement in statements:
        if statement.name == "server" and statement.block is not None:
            yield _server(statement, statement.block, certificate=certificate)
        elif statement.block is not None:
            yield from _servers(statement.block, certificate=certificate)


def _server(server: Directive, block: tuple[Directive, ...], *, certificate: bool) -> Server:
    said = [inner for inner in block if inner.name == "listen" and inner.args]
    listens = tuple(found for inner in said if (found := _listen(inner)))
    return Server(
        names=tuple(name for inner in block if inner.name == "server_name" for name in inner.args),
        listens=listens if said else (Listen("*", 80, (), server.where, server.line),),
        has_certificate=certificate or any(inner.name == "ssl_certificate" for inner in block),
        ssl_on=any(inner.name == "ssl" and inner.args == ("on",) for inner in block),
        where=server.where,
        line=server.line,
    )


def _listen(directive: Directive) -> Listen | None:
    """What the first word says; None for a unix socket."""
    word, options = directive.args[0], directive.args[1:]
    if word.startswith("unix:"):
        return None
    if re.fullmatch(r"[0-9]{1,5}", word):
        return Listen("*", int(word), options, directive.where, directive.line)
    match = _LISTEN.match(word)
    if not match:
        raise ParseError(f"{directive.where}: listen {word[:60]!r} is no address or port", line=directive.line)
    address = str(Address.parse(match["v6"])) if match["v6"] else match["name"]
    return Listen(address, int(match["port"] or 80), options, directive.where, directive.line)
