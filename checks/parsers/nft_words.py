"""One rule, or one list of elements, of ``nft list`` as text, turned into the JSON that ``nft -j`` would print.

Measured: one table listed both ways by nft 1.0.6. What is not known here becomes the statement ``unknown``.

>>> rule("ip saddr != 10.244.0.0/16 jump mark-for-masquerade")[0]["match"]["right"]
{'prefix': {'addr': '10.244.0.0', 'len': 16}}
>>> rule("meta l4proto tcp dnat to 10.244.1.5:8080")[1], rule("quota over 5 mbytes drop")
({'dnat': {'addr': '10.244.1.5', 'port': 8080}}, [{'unknown': 'quota over 5 mbytes drop'}])
>>> elements('10.96.0.1 . tcp . 443 comment "default/kubernetes:https" : goto service-X')[0][1]
{'goto': {'target': 'service-X'}}
"""

from __future__ import annotations

import re
from typing import Any

_TOKEN = re.compile(r'"[^"\n]*"|[{};,]|[^\s{};,"]+')
_PAYLOAD = ("ip", "ip6", "tcp", "udp", "sctp", "th")
_META = ("mark", "iifname", "oifname", "iif", "oif", "l4proto", "nfproto", "skuid", "pkttype")
_BITS = {"and": "&", "or": "|", "xor": "^", "&": "&", "|": "|", "^": "^"}
_ENDS = ("accept", "drop", "return", "continue")


class _UnknownError(Exception):
    """A word that this reader does not know."""


def rule(text: str) -> list[dict[str, Any]]:
    """The statements of one rule, in order."""
    words = _Words(_TOKEN.findall(text))
    found: list[dict[str, Any]] = []
    try:
        while words.left:
            statement = _statement(words)
            if statement:
                found.append(statement)
    except (_UnknownError, IndexError):
        return [*found, {"unknown": text.strip()}]
    return found


def elements(text: str) -> list[Any]:
    """The elements of a set or a map: keys, or pairs of a key and its value."""
    return _elements(_Words(_TOKEN.findall(text)))


class _Words:
    """The words of a rule, taken from the front."""

    def __init__(self, words: list[str]) -> None:
        self.words, self.at = words, 0

    @property
    def left(self) -> bool:
        return self.at < len(self.words)

    def peek(self) -> str:
        return self.words[self.at] if self.left else ""

    def take(self) -> str:
        self.at += 1
        return self.words[self.at - 1]

    def skip(self, *words: str) -> bool:
        if self.words[self.at : self.at + len(words)] == list(words):
            self.at += len(words)
            return True
        return False

    def braces(self) -> str:
        """What stands between the braces that come next."""
        if self.take() != "{":
            raise _UnknownError
        begin, depth = self.at, 1
        while depth:
            word = self.take()
            depth += {"{": 1, "}": -1}.get(word, 0)
        return " ".join(self.words[begin : self.at - 1])


def _statement(words: _Words) -> dict[str, Any] | None:
    word = words.peek()
    if word in _ENDS or word == "notrack":
        return {words.take(): None}
    if words.skip("comment") or words.skip(";"):
        return None if word == ";" else (words.take(), None)[1]
    if word in ("jump", "goto"):
        return {words.take(): {"target": words.take()}}
    if words.skip("counter"):
        for name in ("packets", "bytes"):
            if words.skip(name):
                words.take()
        return {"counter": None}
    if word in ("masquerade", "reject"):
        return _with_options(words)
    if word in ("dnat", "snat"):
        return _nat(words)
    if word in ("update", "add") and words.take() and words.peek().startswith("@"):
        return {"set": {"op": word, "set": words.take(), "elem": words.braces()}}
    return _match(words)


def _with_options(words: _Words) -> dict[str, Any]:
    kind = words.take()
    options = []
    while words.left and words.peek() not in ("comment", ";"):
        options.append(words.take())
    return {kind: {"flags": " ".join(options)} if options else None}


def _nat(words: _Words) -> dict[str, Any]:
    kind = words.take()
    while words.take() != "to":
        pass
    if words.peek() == "numgen":
        key = _numgen(words)
        if not words.skip("map"):
            raise _UnknownError
        return {kind: {"addr": {"map": {"key": key, "data": {"set": elements(words.braces())}}}}}
    place = words.take()
    match = re.fullmatch(r"\[?([0-9a-fA-F.:]+?)\]?(?::(\d{1,5}))?", place) if place[0] == "[" or place.count(":") < 2 else None
    found: dict[str, Any] = {"addr": match[1] if match else place}
    if match and match[2]:
        found["port"] = int(match[2])
    return {kind: found}


def _numgen(words: _Words) -> dict[str, Any]:
    if not words.skip("numgen"):
        raise _UnknownError
    mode = words.take()
    if not words.skip("mod"):
        raise _UnknownError
    modulus = _value(words.take())
    if words.skip("offset"):
        words.take()
    return {"numgen": {"mode": mode, "mod": modulus, "offset": 0}}


def _match(words: _Words) -> dict[str, Any]:
    left = _numgen(words) if words.peek() == "numgen" else _operands(words)
    if words.skip("vmap"):
        data: Any = words.take() if words.peek().startswith("@") else {"set": elements(words.braces())}
        return {"vmap": {"key": left, "data": data}}
    if words.skip("set"):
        return {"mangle": {"key": left, "value": _operands(words)}}
    op = words.take() if words.peek() in ("!=", "==", "<", ">", "<=", ">=") else "=="
    return {"match": {"op": op, "left": left, "right": _right(words)}}


def _right(words: _Words) -> Any:
    if words.peek() == "{":
        return {"set": elements(words.braces())}
    found = [_value(words.take())]
    while words.skip(","):
        found.append(_value(words.take()))
    return found if len(found) > 1 else found[0]


def _operands(words: _Words) -> Any:
    found = [_operand(words)]
    while words.skip("."):
        found.append(_operand(words))
    return {"concat": found} if len(found) > 1 else found[0]


def _operand(words: _Words) -> Any:
    word = words.take()
    if word in _PAYLOAD:
        found: Any = {"payload": {"protocol": word, "field": words.take()}}
    elif word in ("meta", "ct"):
        found = {word: {"key": words.take()}}
    elif word in _META:
        found = {"meta": {"key": word}}
    elif word == "fib":
        flags = [words.take()]
        while words.skip("."):
            flags.append(words.take())
        found = {"fib": {"result": words.take(), "flags": flags}}
    elif re.fullmatch(r"0x[0-9a-fA-F]+|\d+", word):
        found = _value(word)
    else:
        raise _UnknownError
    if words.peek() in _BITS:
        found = {_BITS[words.take()]: [found, _value(words.take())]}
    return found


def _elements(words: _Words) -> list[Any]:
    found: list[Any] = []
    while words.left:
        key: list[Any] = [_value(words.take())]
        while words.skip("."):
            key.append(_value(words.take()))
        entry: Any = {"concat": key} if len(key) > 1 else key[0]
        verdict: list[str] = []
        comment, in_verdict = "", False
        while words.left and words.peek() != ",":
            if words.skip("comment"):
                comment = words.take().strip('"')
            elif words.skip(":"):
                in_verdict = True
            else:
                verdict += [words.take()] if in_verdict else (words.take(), [])[1]
        words.skip(",")
        if comment:
            entry = {"elem": {"val": entry, "comment": comment}}
        found.append([entry, _held(verdict)] if in_verdict else entry)
    return found


def _held(words: list[str]) -> Any:
    """The value of a map: a verdict, or an address and a port."""
    if len(words) == 2 and words[0] in ("goto", "jump"):
        return {words[0]: {"target": words[1]}}
    if len(words) == 1 and words[0] in _ENDS:
        return {words[0]: None}
    parts = [_value(word) for word in words if word != "."]
    return {"concat": parts} if len(parts) > 1 else parts[0] if parts else None


def _value(word: str) -> Any:
    """A number, a prefix, a span, or the word itself."""
    if re.fullmatch(r"\d{1,18}", word):
        return int(word)
    if re.fullmatch(r"0x[0-9a-fA-F]{1,16}", word):
        return int(word, 16)
    if match := re.fullmatch(r"([0-9a-fA-F.:]+)/(\d{1,3})", word):
        return {"prefix": {"addr": match[1], "len": int(match[2])}}
    if match := re.fullmatch(r"(\d{1,9})-(\d{1,9})", word):
        return {"range": [int(match[1]), int(match[2])]}
    return word.strip('"')
