"""A collector to take away: one readable shell script that asks a host what these probes need, and the reader of what it wrote.

The capture is text: a line ``#sidenote ID WORD …`` before and after each command's output, with an ID that the host makes up when
the script starts, so that no output can hold it by chance. The first such lines say what was wanted, so a capture that was cut
still tells what is missing from it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from checks.collectors.base import PRELUDE
from checks.engine import PAUSE, Request, plan
from checks.errors import CheckError
from checks.pasted import encode
from checks.results import Section
from checks.transports.base import Command
from checks.transports.script import time_limit

_HEADER = """#!/bin/sh
# Sidenote collector for: {probes}
#
# It reads and prints; it changes nothing on this host and writes no file. It takes at most {seconds} s.
#   sh THIS >capture.txt         as root for the whole answer; what needs root and does not get it is named in the capture
#   ssh HOST sh <THIS >capture.txt
#   python -m checks read capture.txt
# The capture holds what the commands below print. Sidenote takes secrets out when it reads it; the file itself keeps them.
"""

# Nothing runs before the last line is there: a script cut on its way does nothing. There are no here-documents, because some
# shells put them into files. Descriptor 3 is the command's output on its way through the size limit, 4 the capture, 5 the status
# and the errors.
_FUNCTIONS = r"""
say() { printf '#sidenote %s %s\n' "$id" "$*"; }
set_up() {
  unset ENV BASH_ENV CDPATH
  eval "$prelude"
  id=$(date -u +%Y%m%dT%H%M%SZ)-$$
  if timeout 9 true 2>/dev/null; then within=timeout
  elif timeout -t 9 true 2>/dev/null; then within='timeout -t'
  else within=; fi
  if printf x | head -c 1 >/dev/null 2>&1; then head=y; else head=; fi
}
at_most() { if [ "$head" ]; then head -c "$1"; cat >/dev/null; else cat; fi; }
run() {
  number=$1; limit=$2; size=$3; name=$4; text=$5; shift 5
  printf '%s\n' "$name" >&2
  say "begin $number $size $limit $name"
  from=$(date +%s)
  { answer=$(
    { {
      errors=$(${within:+$within "$limit"} sh -c "$prelude$text" sidenote "$@" </dev/null 2>&1 >&3 3>&- 4>&- 5>&-)
      printf '%s %s' "$?" "$errors" >&5
    } 3>&1 | at_most "$((size + 1))" >&4; } 5>&1
  ); } 4>&1
  to=$(date +%s)
  printf '\n'
  say "errors $number"
  printf '%s\n' "${answer#* }"
  say "end $number ${answer%% *} $((to - from))"
}
"""

_HEAD = re.compile(r"^#sidenote-capture 1 (\d{8}T\d{6}Z-\d+) (\S+)\r?\n", re.MULTILINE)
_BEGIN = re.compile(r"(\d{1,6}) (\d{1,12}) (\d{1,6}) (\S+)")
_END = re.compile(r"(\d{1,6}) (\d{1,3}) (\d{1,9})")
_TIMEOUT_STATUS = (124, 137, 143)


@dataclass(frozen=True)
class Wanted:
    """One probe of a capture: what was asked, and the sections that answer it, as far as they are there."""

    probe: str
    version: int
    params: Mapping[str, Any]
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Capture:
    """What a collector script wrote on one host. ``complete`` is False when its last line is missing."""

    host: str
    started: str
    complete: bool
    wanted: tuple[Wanted, ...]


def script(requests: Sequence[Request]) -> str:
    """The collector script for these requests. Parameters are positional arguments of each command, quoted once here."""
    laid = plan(requests)
    wants = [
        {
            "probe": request.probe.id,
            "version": request.probe.version,
            "params": {name: value for name, value in request.params.items() if value is not None},
            "sections": dict(names),
        }
        for request, names in laid.wanted
    ]
    seconds = sum(time_limit(command) for command in laid.commands)
    header = _HEADER.format(probes=", ".join(request.probe.id for request in requests), seconds=seconds)
    lines = [f"say want {_quote(json.dumps(want, ensure_ascii=True))}" for want in wants]
    runs = [line for number, command in enumerate(laid.commands) for line in _run(number, command)]
    greeting = 'printf \'#sidenote-capture 1 %s %s\\n\' "$id" "$(uname -n)"'
    main = ["main() {", f"prelude={_quote(PRELUDE)}", "set_up", greeting, *lines, *runs, "say done", "}", 'main "$@"', ""]
    return header + _FUNCTIONS + "\n".join(main)


def _run(number: int, command: Command) -> list[str]:
    title = "the pause between two samples" if command.name == PAUSE else command.title
    words = ["run", str(number), str(time_limit(command)), str(command.max_bytes), command.name, command.script, *command.args]
    return [f"# {title}", " ".join(map(_quote, words))]


def _quote(word: str) -> str:
    return shlex.quote(word).replace("'\"'\"'", r"'\''")  # the form that people write


def holds_capture(text: str) -> bool:
    """True when the text is what a collector script wrote."""
    return _HEAD.search(text) is not None


def read(text: str) -> Capture:
    """The sections of a capture. A section that never ended has no status, so whoever judges it knows that it was cut.

    Raises CheckError when the text is no capture, has lost its beginning, or holds more than one.
    """
    head = _HEAD.search(text)
    if not head:
        raise CheckError("this is not a capture, or its first line is lost: it begins with #sidenote-capture")
    if head[0].endswith("\r\n"):  # saved by way of Windows
        return read(text.replace("\r\n", "\n"))
    marks = list(re.finditer(rf"^#sidenote {re.escape(head[1])} (want|begin|errors|end|done)(?: (.*))?\n", text, re.MULTILINE))
    done = next((mark.end() for mark in marks if mark[1] == "done"), 0)
    if done and _HEAD.search(text, done):
        raise CheckError("this file holds more than one capture: read them one by one")
    sections = _sections(text, marks)
    wanted = tuple(_wanted(mark[2], sections) for mark in marks if mark[1] == "want")
    if not wanted:
        raise CheckError("this capture was cut before it says what was asked: collect it again")
    return Capture(head[2], head[1].partition("-")[0], bool(done), wanted)


def _wanted(line: str, sections: Mapping[int, Section]) -> Wanted:
    try:
        want = json.loads(line)
        names = {str(name): int(index) for name, index in want["sections"].items()}
        found = tuple(replace(sections.get(index, Section(name, rc=None)), name=name) for name, index in names.items())
        return Wanted(str(want["probe"]), int(want["version"]), dict(want["params"]), found)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckError("the lines of this capture that say what was asked are damaged: collect it again") from error


def _sections(text: str, marks: Sequence[re.Match[str]]) -> dict[int, Section]:
    found: dict[int, Section] = {}
    for position, mark in enumerate(marks):
        begin = _BEGIN.fullmatch(mark[2] or "") if mark[1] == "begin" else None
        if begin and int(begin[1]) not in found:
            found[int(begin[1])] = _section(text, begin, mark.end(), marks[position + 1 : position + 3])
    return found


def _section(text: str, begin: re.Match[str], start: int, following: Sequence[re.Match[str]]) -> Section:
    """The output from ``start`` to the marks that follow; without a status when those are not its own errors and end."""
    number, size, limit, name = begin.groups()
    ended = _END.fullmatch(following[1][2] or "") if [mark[1] for mark in following] == ["errors", "end"] else None
    if not ended or not following[0][2] == ended[1] == number:
        stop = following[0].start() if following else len(text)
        return Section(name, encode(text[start:stop]), rc=None)
    errors, end = following
    stdout = encode(text[start : errors.start() - 1])  # the script ends each stream with a line feed of its own
    status, seconds = int(ended[2]), int(ended[3])
    return Section(
        name=name,
        stdout=stdout[: int(size)],
        stderr=encode(text[errors.end() : end.start() - 1]),
        rc=status,
        duration_ms=1000 * seconds,
        timed_out=status in _TIMEOUT_STATUS and seconds >= int(limit),
        dropped_bytes=max(0, len(stdout) - int(size)),
    )
