"""Numbers, durations and foreign text in the form people read. Text of a host passes ``visible`` before it is shown anywhere."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import get_language, gettext, ngettext

_BIDI_AND_INVISIBLE = (
    *range(0x200B, 0x2010),  # zero width, left-to-right and right-to-left marks
    *range(0x2028, 0x202F),  # separators and embeddings
    *range(0x2060, 0x2070),  # joiners and isolates
    *range(0xFFF9, 0xFFFC),  # interlinear annotations
    *range(0xE0000, 0xE0080),  # tags
    0x00AD,
    0x061C,
    0x115F,
    0x180E,
    0x3164,
    0xFEFF,
)
_MARKS = {code: chr(0x2400 + code) for code in range(0x20) if code != 0x09} | {0x7F: "␡"}
_MARKS |= {code: f"⟨{code:02X}⟩" for code in range(0x80, 0xA0)}
_MARKS |= {code: f"⟨U+{code:04X}⟩" for code in _BIDI_AND_INVISIBLE}


def visible(text: str) -> str:
    """The text with everything that steers a terminal or reorders a line shown as a mark; a tab stays a tab.

    >>> visible("\\x1b[31mred\\x1b[0m")
    '␛[31mred␛[0m'
    >>> visible("a\\u202eb")
    'a⟨U+202E⟩b'
    """
    return text.translate(_MARKS)


def number(value: float) -> str:
    """A number with thousands separators and no more digits than help.

    >>> number(13482), number(0.29000001), number(1234.5), number(7.0)
    ('13,482', '0.29', '1,234.5', '7')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if value != value or value in (float("inf"), float("-inf")):
        return str(value)
    digits = 0 if abs(value) >= 10_000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 0.1 else 4
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


_UNIT_OF_SUFFIX = {
    "bytes": "bytes",
    "kib": "KiB",
    "mib": "MiB",
    "gib": "GiB",
    "ns": "ns",
    "us": "µs",
    "ms": "ms",
    "s": "s",
    "pct": "%",
    "percent": "%",
    "hz": "Hz",
    "pages": "pages",
}


def unit_of(name: str) -> str:
    """The unit that stands in a fact's name, or an empty string.

    >>> unit_of("numa_stat_read_ms"), unit_of("memcg_total"), unit_of("segments_per_s")
    ('ms', '', 'per s')
    """
    if name.endswith(("_per_s", "_per_second")):
        return "per s"
    return _UNIT_OF_SUFFIX.get(name.rpartition("_")[2].lower(), "") if "_" in name else ""


def quantity(value: Any, unit: str = "") -> str:
    """A value with its unit: bytes in the largest whole power of 1024, lists by their length and first entries."""
    if value is None:
        return gettext("not known")
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, int | float):
        if unit in ("bytes", "B", "byte"):
            return _bytes(value)
        if unit.startswith("of "):  # a share of something
            return f"{number(round(value * 100, 6))} % {unit}"
        if not unit or unit in ("count", "ratio"):
            return number(value)
        return f"{number(value)} {unit}"
    if isinstance(value, list):
        return _listed(value)
    if isinstance(value, dict):
        return ngettext("%(count)s entry", "%(count)s entries", len(value)) % {"count": number(len(value))}
    return visible(str(value))


def _bytes(value: float) -> str:
    for power, name in ((4, "TiB"), (3, "GiB"), (2, "MiB"), (1, "KiB")):
        if abs(value) >= 1024**power:
            return f"{number(round(value / 1024**power, 1))} {name}"
    return f"{number(value)} B"


def _listed(values: list[Any]) -> str:
    if not values:
        return gettext("none")
    if len(values) <= 3 and all(isinstance(value, str | int) for value in values):
        text = ", ".join(visible(str(value)) for value in values)
        if len(text) <= 60:
            return text
    return ngettext("%(count)s entry", "%(count)s entries", len(values)) % {"count": number(len(values))}


def seconds(milliseconds: float | None) -> str:
    """A measured time.

    >>> seconds(412), seconds(10_200), seconds(61_000)
    ('0.4 s', '10.2 s', '1:01')
    """
    if milliseconds is None:
        return ""
    if milliseconds >= 60_000:
        return clock(timedelta(milliseconds=milliseconds))
    return f"{milliseconds / 1000:.1f} s" if milliseconds >= 100 else f"{max(1, round(milliseconds))} ms"


def clock(span: timedelta) -> str:
    """A running time.

    >>> clock(timedelta(seconds=41)), clock(timedelta(hours=1, seconds=62))
    ('0:41', '1:01:02')
    """
    whole = max(0, int(span.total_seconds()))
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago that was, in one unit."""
    if moment is None:
        return gettext("never")
    past = int(((now or timezone.now()) - moment).total_seconds())
    if past < 10:
        return gettext("now")
    if past < 60:
        return gettext("%(count)s s ago") % {"count": past}
    if past < 3600:
        return gettext("%(count)s min ago") % {"count": past // 60}
    if past < 86400:
        return gettext("%(count)s h ago") % {"count": past // 3600}
    return ngettext("%(count)s day ago", "%(count)s days ago", past // 86400) % {"count": past // 86400}


def named(name: str) -> str:
    """A fact's name as words, without the unit that its value carries.

    >>> named("numa_stat_read_ms"), named("memcg_total")
    ('numa stat read', 'memcg total')
    """
    head, _, last = name.rpartition("_")
    return (head if head and last.lower() in _UNIT_OF_SUFFIX else name).removesuffix("_per").replace("_", " ")


def in_language(english: str, chinese: str) -> str:
    """The text in the reader's language, where there is one."""
    return visible(chinese if chinese and (get_language() or "").startswith("zh") else english)


def language_of(text: str) -> str:
    """For a ``lang`` attribute."""
    return "zh" if is_chinese(text) else "en"


def is_chinese(text: str) -> bool:
    """True when the text holds Chinese characters, so that its element says ``lang="zh"``."""
    return bool(_CHINESE.search(text))


_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
