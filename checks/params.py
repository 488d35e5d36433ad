"""Typed parameters: the only way for a value to reach a command.

A value is matched whole, never starts with ``-``, holds no NUL or newline, and travels as one positional argument.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from checks.errors import ParamError


@dataclass(frozen=True)
class ParamType:
    """One kind of parameter: its name, what to write, and the reader that turns input into a value or raises ValueError."""

    name: str
    say: str
    read: Callable[[str], Any]


@dataclass(frozen=True)
class Param:
    """A declared parameter of a probe or a runbook. ``default`` None means the value may be left out (see ``required``)."""

    name: str
    type: str
    default: Any = None
    help: str = ""
    required: bool = False
    choices: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None


def _pattern(regex: str, convert: Callable[[str], Any] = str) -> Callable[[str], Any]:
    whole = re.compile(rf"\A(?:{regex})\Z", re.ASCII)

    def read(text: str) -> Any:
        if not whole.match(text):
            raise ValueError(text)
        return convert(text)

    return read


def _between(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII) or not low <= int(text) <= high:
            raise ValueError(text)
        return int(text)

    return read


def _ip(text: str) -> str:
    if "%" in text:
        raise ValueError(text)
    return str(ipaddress.ip_address(text))


def _cidr(text: str) -> str:
    if "%" in text:
        raise ValueError(text)
    return str(ipaddress.ip_network(text, strict=False))


def _ip_port(text: str) -> str:
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(text)
    address = ipaddress.ip_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    number = _between(1, 65535)(port)
    return f"[{address}]:{number}" if address.version == 6 else f"{address}:{number}"


def _bool(text: str) -> bool:
    try:
        return {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}[
            text.lower()
        ]
    except KeyError as error:
        raise ValueError(text) from error


def _path(text: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9._@%+=:,/~-]{0,1023}", text, re.ASCII) or ".." in text.split("/"):
        raise ValueError(text)
    return text


def _duration(text: str) -> int:
    match = re.fullmatch(r"(\d{1,6})(s|m|h|d)?", text, re.ASCII)
    if not match:
        raise ValueError(text)
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, None: 1}[match[2]]


TYPES: Mapping[str, ParamType] = {
    kind.name: kind
    for kind in (
        ParamType("ip", "an IPv4 or IPv6 address such as 10.96.0.10 or fd00::1", _ip),
        ParamType("cidr", "a network such as 10.244.0.0/16", _cidr),
        ParamType("port", "a port number from 1 to 65535", _between(1, 65535)),
        ParamType("ip_port", "an address and a port such as 10.96.0.10:53 or [fd00::1]:53", _ip_port),
        ParamType(
            "iface", "an interface name of up to 15 letters, digits and . _ @ -", _pattern(r"[A-Za-z0-9._@][A-Za-z0-9._@-]{0,14}")
        ),
        ParamType("pid", "a process id of 1 or more", _between(1, 4194304)),
        ParamType("unit", "a systemd unit name such as kubelet.service", _pattern(r"[A-Za-z0-9@_][A-Za-z0-9:_.@\\-]{0,254}")),
        ParamType("path", "an absolute path without .. and without blanks", _path),
        ParamType(
            "process", "a process name of up to 64 letters, digits and . _ -", _pattern(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,63}")
        ),
        ParamType(
            "service",
            "a service as namespace/name or namespace/name:port",
            _pattern(r"[a-z0-9][a-z0-9.-]{0,62}/[a-z0-9][a-z0-9.-]{0,62}(?::[a-z0-9-]{1,63})?"),
        ),
        ParamType("proto", "tcp, udp or sctp", _pattern(r"tcp|udp|sctp")),
        ParamType(
            "hostname", "a host name such as node-1.example.org", _pattern(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
        ),
        ParamType("macro", "an rpm macro name such as __os_install_post", _pattern(r"[A-Za-z_][A-Za-z0-9_]{0,63}")),
        ParamType("int", "a whole number", _between(-(10**15), 10**15)),
        ParamType("number", "a number", _pattern(r"-?\d{1,15}(?:\.\d{1,9})?", float)),
        ParamType("duration", "a duration such as 10s, 5m or 1h", _duration),
        ParamType("bool", "true or false", _bool),
        ParamType("enum", "one of the listed values", str),
        ParamType("text", "one line of up to 4096 printable characters", _pattern(r"[^\x00-\x1f\x7f]{0,4096}")),
    )
}


def read(param: Param, value: Any) -> Any:
    """The typed value of ``param``. Raises ParamError with what to write instead."""
    kind = TYPES[param.type]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    wrong = ParamError(param.name, f"{param.name} must be {_form(param, kind)}, not {text[:80]!r}")
    if param.choices and text not in param.choices:
        raise wrong
    if not text or (text[0] == "-" and param.type not in ("int", "number", "text")) or any(ord(c) < 32 for c in text):
        raise wrong
    try:
        result = kind.read(text)
    except ValueError:
        raise wrong from None
    if isinstance(result, int | float) and not isinstance(result, bool) and not _within(param, result):
        raise wrong
    return result


def _within(param: Param, value: float) -> bool:
    return (param.min is None or value >= param.min) and (param.max is None or value <= param.max)


def _form(param: Param, kind: ParamType) -> str:
    if param.choices:
        return "one of " + ", ".join(param.choices)
    limits = [f"at least {param.min:g}"] if param.min is not None else []
    limits += [f"at most {param.max:g}"] if param.max is not None else []
    return kind.say + (f" ({' and '.join(limits)})" if limits else "")


def read_all(declared: tuple[Param, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """All declared parameters with given or default values. Raises ParamError for an unknown, missing or malformed one."""
    names = {param.name for param in declared}
    for name in given:
        if name not in names:
            known = ", ".join(sorted(names)) or "none"
            raise ParamError(name, f"there is no parameter {name!r}; known parameters: {known}")
    values: dict[str, Any] = {}
    for param in declared:
        value = given.get(param.name, param.default)
        if value is None or value == "":
            if param.required:
                raise ParamError(param.name, f"{param.name} is required: write {_form(param, TYPES[param.type])}")
            values[param.name] = None
        else:
            values[param.name] = read(param, value)
    return values


def as_argument(value: Any) -> str:
    """The value as a positional argument of a collector: empty for None, true/false for booleans."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
