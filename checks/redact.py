"""Secrets out of output before anything is judged, kept or shown. Line numbers and line count never change.

>>> redact_bytes(b"http_proxy=http://proxy:hunter2@192.0.2.1:3128\\npassword = correct horse\\n")
b'http_proxy=http://[redacted]@192.0.2.1:3128\\npassword = [redacted]\\n'

What counts as a secret follows the shapes that issuers publish (key prefixes, JWT, PEM, presigned URLs) and the names under which
configuration files, environments and command lines keep one. Work is linear in the length of the text, also for one endless line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from heapq import merge
from itertools import chain

from checks.redact_blocks import KEY_HINTS, Span, block_scalar, manifests, private_keys
from checks.results import Section

MARK = b"[redacted]"


@dataclass(frozen=True)
class Shape:
    """Secrets known by their surroundings or their own form: group 1. It runs only when one of ``hints`` is in the text."""

    hints: tuple[str, ...]
    regex: re.Pattern[bytes]


def _shape(hints: str, regex: str) -> Shape:
    return Shape(tuple(hints.split()), re.compile(regex.encode()))


# Matched on the lower-cased text, which is faster than ignoring case.
_SURROUNDED = (
    _shape("://", r"""://([^\s/"'<>\\:@]{0,256}:[^\s/"'<>\\?]{1,512})@"""),  # URL userinfo with a password
    _shape("://", r"""://([^\s/"'<>\\:@?#]{20,256})@"""),  # URL userinfo that is a token
    _shape("@", r""":([^\s@/"':]{1,256})@(?:tcp|unix)\("""),  # Go's MySQL DSN
    _shape(
        "auth",
        r"""authorization(?:(?:\\*["'])?[^\S\n]*[:=][^\S\n]*(?:\\*["'])?|[^\S\n]+["'](?=basic|bearer))(?:(?:digest|aws4-hmac-sha256|ntlm)[^\S\n]+([^"'\n]+)"""
        r"""|(?:(?:basic|bearer|token|negotiate|apikey)[^\S\n]+)([^\s"',\\]+)|([^\s"',\\]{16,}))""",
    ),
    _shape("bearer", r"""bearer[^\S\n]+([a-z0-9._~+/=-]{16,})"""),
    _shape("cookie:", r"""cookie:[^\S\n]*([^\n"']+)"""),
    _shape(
        "? &",
        r"""[?&](?:amp;)?(?:x-(?:amz|goog|oss)-(?:signature|credential|security-token)|signature|(?:aws|oss)accesskeyid|sig|sign"""
        r"""|googleaccessid|\w{0,20}_token|token|(?:api_?)?key|auth|code|passw(?:or)?d|pwd|(?:client_)?secret)=([^&\s"'<>\\\0]+)""",
    ),
    _shape("-data:", r"""(?:client-key|client-certificate|certificate-authority)-data:[^\S\n]*([^\s"']+)"""),  # kubeconfig
    _shape("auth", r'''"auth"\s{0,8}:\s{0,8}"([^"\n]{4,})"'''),  # docker's config.json
    _shape("</", r"""<(?:\w+:)?\w{0,40}(?:password|secret|token|api_?key)>([^<\n]+)</"""),
    _shape(
        "--",
        r"""--(?<![\w-]--)[a-z-]{0,40}(?:passw(?:or)?d|passphrase|psk|token|secret"""
        r"""|(?:secret|access|api|private|certificate)-?key)[ \0]+["']?([^\s\0"'-][^\s\0"']*)""",
    ),
    _shape("-u", r"""[ \0]-(?:u|-user|-proxy-user)[ =\0]["']?[^\s\0:"']{1,64}:(?!\d+\b)([^\s\0"']+)"""),
    _shape("pass", r"""sshpass[ \0]+-p[ \0]*([^\s\0]+)"""),
    _shape("mysql mariadb", r"""(?:mysql|mariadb)[^\n]{0,100}?[ \0]-p([^\s\0]+)"""),
    _shape("-cli", r"""(?:redis|valkey)-cli[^\n]{0,100}?[ \0]-a[ \0]["']?([^\s\0"']+)"""),
    _shape("pass auth psk", r"""(?:requirepass|masterauth|wpa-psk|wpa-passphrase)[ \t]+([^\n]+)"""),
    _shape("pass", r"""login[ \t]+[^\s]{1,128}[ \t]+password[ \t]+([^\s]+)"""),  # netrc
    _shape("pass", r"""password[ \t]+["']([^"'\n]+)["']"""),  # bird, SQL
    _shape("pass", r"""password(?<=[ \t]insecure-password)[ \t]+([^\s"']+)"""),  # HAProxy
    _shape("pass", r"""neighbor[ \t]+[^\s]{1,64}[ \t]+password[ \t]+([^\s"']+)"""),  # FRR
    _shape("auth", r"""auth(?:_pass|tok|(?<=stats auth)[ \t]+[^\s:]{1,64}:)[ \t:=]{0,20}([^\s"';]+)"""),  # keepalived, HAProxy
    _shape("pw", r"""pw(?<=bindpw|rootpw)[ \t:=]{1,20}([^\s"';]+)"""),  # LDAP
    _shape("identified", r"""identified[ \t]+by[ \t]+(?:password[ \t]+)?["']([^"'\n]+)"""),
    _shape("pass", r"""pass(?<![a-z0-9_]pass)=["']?(?!\d+\b)([^\s"';&]+)"""),
    _shape(".dockerc", r"""\.dockerc(?:onfigjson|fg)(?:\\{0,8}["'])?\s{0,20}:\s{0,20}\\{0,8}["']?([a-z0-9+/=]{8,})"""),
    _shape(
        "pass secret token key credential pwd",
        r"""name["']?[ \t]{0,20}:[ \t]{0,20}["']?"""  # a container's environment in a manifest
        r"""[\w.-]{0,60}?(?:passw(?:or)?d|passphrase|secret|token|(?:api|access|private)_?key|credentials?|_pass|_pwd)"""
        r"""["']?,?\s{0,80}["']?value["']?[ \t]{0,20}:[ \t]{0,20}(?:"((?:[^"\\\n]|\\.)+)|'?([^\s"'|>{][^\n"']*))""",
    ),
    _shape("{s", r""":\{s?sha(?:256|512)?\}([a-z0-9+/=]{16,})"""),  # htpasswd, LDAP
    _shape(":::", r"""(?:^|\n)[a-z_][\w.-]{0,31}:!?([./a-z0-9]{13}):\d{1,6}:\d*:\d*:\d*:"""),  # /etc/shadow of old
    _shape("0x", r"""(?:auth|auth-trunc|enc|aead)[ \t]+[a-z0-9()_-]{1,64}[ \t]+(0x[0-9a-f]{8,})"""),  # ip xfrm state
)

# Matched on the text as it is: the form itself says that this is a secret.
_FORMED = (
    _shape("eyJ", r"(?<![A-Za-z0-9_-])(eyJ[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*){1,4})"),  # JWT
    _shape("AKIA ASIA AROA AIDA ABIA ACCA", r"(A(?:KIA|SIA|ROA|IDA|BIA|CCA)(?<![A-Za-z0-9][A-Z]{4})[A-Z0-9]{16})(?![A-Za-z0-9])"),
    _shape("LTAI", r"(LTAI(?<![A-Za-z0-9]LTAI)[A-Za-z0-9]{12,36})(?![A-Za-z0-9])"),
    _shape("AKID", r"(AKID(?<![A-Za-z0-9]AKID)[A-Za-z0-9]{12,36})(?![A-Za-z0-9])"),
    _shape("ghp_ gho_ ghu_ ghs_ ghr_ pat_", r"(?<![A-Za-z0-9])((?:gh[pousr]|github_pat)_[A-Za-z0-9_]{20,})"),
    _shape("glpat- glrt- glsa_", r"(?<![A-Za-z0-9])(gl(?:pat-|rt-|sa_)[A-Za-z0-9_-]{16,})"),
    _shape("xox xapp-", r"(?<![A-Za-z0-9])((?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,})"),
    _shape("slack", r"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/_-]+)"),
    _shape("AIza", r"(?<![A-Za-z0-9])(AIza[A-Za-z0-9_-]{35})"),
    _shape("ya29.", r"(?<![A-Za-z0-9])(ya29\.[A-Za-z0-9_-]{16,})"),
    _shape("k_live_ k_test_ sk-", r"(?<![A-Za-z0-9])((?:[sr]k_(?:live|test)_|sk-)[A-Za-z0-9_-]{16,})"),
    _shape("npm_ pypi- pat_ dop_v1_", r"(?<![A-Za-z0-9])((?:npm_|pypi-|dckr_pat_|dop_v1_)[A-Za-z0-9_-]{20,})"),
    _shape("hvs. hvb. hvr.", r"(?<![A-Za-z0-9])(hv[sbr]\.[A-Za-z0-9_-]{20,})"),
    _shape("SG.", r"(?<![A-Za-z0-9])(SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,})"),
    _shape("8Q~", r"(?<![A-Za-z0-9_~.-])([A-Za-z0-9_~.-]{3}8Q~[A-Za-z0-9_~.-]{31,34})"),  # Azure
    _shape("LS0tLS1CRUdJTiB", r"(LS0tLS1CRUdJTiB(?!D)[A-Za-z0-9+/=]*)"),  # base64 of -----BEGIN, but for certificates
    _shape("AGE-SECRET-KEY-", r"(AGE-SECRET-KEY-1[A-Z0-9]{20,})"),
    _shape("$", r"(\$(?:1|2[abxy]?|5|6|7|y|gy|apr1|argon2id?)\$[./A-Za-z0-9$=,+]{13,})"),  # crypt(3)
)

# NAME = VALUE. A name of the first kind always holds a secret; one of the second is also a word of log sentences. Each expression
# begins with its own letters, because a text is searched for those many times faster than for a choice.
_SURE = ("passw(?:or)?d", "passphrase", "psk", "pass(?<=[_-]pass)", "pwd(?<=[_-]pwd)", "private[ _-]?key", "pre-?shared[ _-]?key")
_LIKELY = ("secret(?:[ _-]?key(?:[_-]?id)?|_key_base)?", "token", "credentials?")
_KEYS = tuple(f"{kind}[ _-]?key(?:[_-]?id)?" for kind in ("api", "access", "account", "auth", "signing", "encryption"))
_GIVEN = r"""(\\*["'])?(?:[^\S\n]*=>?|(?:(?<=["'])[^\S\n]{1,20})?(:)(?!:|//))[^\S\n]*"""
_NAMES = tuple((re.compile((name + _GIVEN).encode()), name in _SURE) for name in _SURE + _LIKELY + _KEYS)
_NAME_HINTS = ("pass", "psk", "pwd", "key", "secret", "token", "credential")
_QUOTED = re.compile(rb"""\\+["']([^"'\\\n]*)|"((?:[^"\\\n]|\\.)*)|'([^'\n]*)""")
_BARE = re.compile(rb"""(?:[^\s\0"'<>,;&{}\\]|[,;&](?![\w.-]{1,64}=|\s|\Z))+""")
_LINE = re.compile(rb"[^\s{\[|>\\][^\n]*")
_HARMLESS = re.compile(
    rb"""["']?(?:true|false|yes|no|none|null|nil|0|on|off|enabled|disabled|required|optional|\(hidden\)|\*+|<[^>\n]*>|\$\{?\w+\}?"""
    rb"""|\[redacted\]|/(?:etc|var|run|data|opt|usr|home|root|srv|secrets?|tmp|proc|sys|dev|mnt)/[^\s"',;]+)["']?[,;)]?\s*\Z"""
)
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_.-")
_BEFORE_NAME = re.compile(rb"""[^\S\n]*(?:[-<>{,][^\S\n]*|export[^\S\n]+|set[^\S\n]+|"|')*""")


def _screen(*hints: Iterable[str]) -> dict[str, list[str]]:
    """Those of all the hints that hold no other one, by one of their letters: a text without it need not be searched for them."""
    every = set(chain(*hints))
    screen: dict[str, list[str]] = {}
    for hint in sorted(every):
        if not any(other != hint and other in hint for other in every):
            screen.setdefault(next((sign for sign in "~{?&<$@_=-:" if sign in hint), hint[0]), []).append(hint)
    return screen


def _any(screen: Mapping[str, Iterable[str]], text: str) -> bool:
    return any(letter in text and any(map(text.__contains__, hints)) for letter, hints in screen.items())


_IN_LOWER = _screen(_NAME_HINTS, *(shape.hints for shape in _SURROUNDED))
_AS_IT_IS = _screen(KEY_HINTS, *(shape.hints for shape in _FORMED))


_clean: set[str] = set()
"""Addresses of outputs without secrets, as long as this process remembers them: equal hosts print much that is equal."""
_REMEMBERED = 10_000


def redact(section: Section) -> Section:
    """The section without secrets in its output and its errors."""
    stdout = section.stdout if section.sha256 in _clean else redact_bytes(section.stdout)
    stderr = redact_bytes(section.stderr)
    if stdout is section.stdout:
        if len(_clean) >= _REMEMBERED:
            _clean.clear()
        _clean.add(section.sha256)
        if stderr is section.stderr:
            return section
    return replace(section, stdout=stdout, stderr=stderr)


def redact_bytes(data: bytes) -> bytes:
    """``data`` with each secret replaced by ``[redacted]``; the same object when there is none."""
    if not data:
        return data
    parts: list[bytes] = []
    done = 0
    for start, end in sorted(_spans(data)):
        if end > done:
            parts += [data[done : max(start, done)], MARK if start >= done else b""]
            done = end
    return b"".join([*parts, data[done:]]) if parts else data


def _spans(data: bytes) -> Iterator[Span]:
    lower = data.lower()
    text, lower_text = data.decode("latin-1"), lower.decode("latin-1")  # a str is searched faster than bytes
    if _any(_IN_LOWER, lower_text):
        yield from _shaped(_SURROUNDED, lower, lower_text)
        if any(map(lower_text.__contains__, _NAME_HINTS)):
            yield from _named(lower)
            if "kind" in lower_text and "secret" in lower_text:
                yield from manifests(lower)
    if _any(_AS_IT_IS, text):
        yield from _shaped(_FORMED, data, text)
        if any(map(text.__contains__, KEY_HINTS)):
            yield from private_keys(data)


def _shaped(shapes: Iterable[Shape], data: bytes, text: str) -> Iterator[Span]:
    for shape in shapes:
        if any(map(text.__contains__, shape.hints)):
            for match in shape.regex.finditer(data):
                group = match.lastindex or 0
                if data[match.start(group) : match.end(group)] != MARK:
                    yield match.span(group)


def _named(lower: bytes) -> Iterator[Span]:
    """The values of NAME=VALUE, NAME: VALUE and "NAME": "VALUE". A name inside a path (namespace/token:http) is not one."""
    done = 0
    for match, sure in merge(*(_found(name, sure, lower) for name, sure in _NAMES), key=lambda pair: pair[0].start()):
        start = match.start()
        if start < done:
            continue
        while start and lower[start - 1] in _WORD and match.start() - start < 64:
            start -= 1
        before = lower[start - 1 : start]
        if before in (b"/", b"~"):
            continue
        line = lower.rfind(b"\n", max(0, start - 64), start) + 1
        first = (line > 0 or start <= 64) and _BEFORE_NAME.fullmatch(lower, line, start) is not None
        if match[2] and (lines := block_scalar(lower, start, match.end(), first and sure)) is not None:
            done = lines[-1][1] if lines else match.end()
            yield from lines
            continue
        span = _value(lower, match, before, first, sure)
        if span:
            done = span[1]
            if span[0] < span[1] and not _HARMLESS.match(lower, *span):
                yield span


def _found(name: re.Pattern[bytes], sure: bool, lower: bytes) -> Iterator[tuple[re.Match[bytes], bool]]:
    return ((match, sure) for match in name.finditer(lower))


def _value(lower: bytes, match: re.Match[bytes], before: bytes, first: bool, sure: bool) -> Span | None:
    at = match.end()
    if quoted := _QUOTED.match(lower, at):
        return quoted.span(quoted.lastindex or 0)
    if before in (b'"', b"'") and not match[1]:  # "NAME=VALUE WITH BLANKS"
        end = re.compile(rb"[^\n" + before + rb"]*").match(lower, at)
        return end.span() if end else None
    if first and (line := _LINE.match(lower, at)):
        return line.span()
    bare = _BARE.match(lower, at)
    if not bare:
        return None
    in_sentence = not sure and match[2] and not match[1]
    if in_sentence and len(bare[0]) < 20 and not re.search(rb"\d", bare[0]):
        return None
    return bare.span()
