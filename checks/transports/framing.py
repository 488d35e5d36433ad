"""Two streams of bytes back into sections, as they arrive and at a bounded size.

The script of ``checks.transports.script`` ends each command's output with a mark on each stream: a line feed, the boundary, the
command's number and, on stdout, its status and the host's clock before and after. A hello mark cuts off what the login printed.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from checks.results import Section
from checks.transports.base import Command
from checks.transports.script import time_limit

STDOUT = 1
STDERR = 2
STDERR_MAX_BYTES = 64 << 10
FLOOD = 8
"""A command that prints more than this many times its size limit is not worth waiting for."""

_MARK_LINE_MAX = 120
_BANNER_KEPT = 400
_KILLED = (124, 137, 143)
_CLOCK_STEP_S = 0.05
_OUT_MARK = re.compile(r"(\d+) (\d{1,9}) (\S+) (\S+)", re.ASCII)
_ERR_MARK = re.compile(r"(\d+)", re.ASCII)
_CLOCK = re.compile(r"\d{1,12}\.\d{1,6}", re.ASCII)


class _DamageError(ValueError):
    """The marks are damaged or out of order: nothing after this point can be believed."""


class Capture:
    """The first three quarters and the last quarter of what ``limit`` allows; what falls between is counted, not kept.

    >>> capture = Capture(8)
    >>> capture.add(b"0123456789abcdef")
    >>> capture.kept(), capture.dropped
    (b'012345ef', 8)
    """

    def __init__(self, limit: int) -> None:
        self.limit = max(limit, 4)
        self._head_limit = self.limit - self.limit // 4
        self._tail_limit = self.limit // 4
        self._head = bytearray()
        self._tail = bytearray()
        self.total = 0

    def add(self, data: bytes) -> None:
        self.total += len(data)
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if data:
            self._tail += data
            if len(self._tail) > 2 * self._tail_limit:
                del self._tail[: -self._tail_limit]

    def kept(self) -> bytes:
        return bytes(self._head + self._tail[-self._tail_limit :])

    @property
    def dropped(self) -> int:
        return max(0, self.total - self.limit)

    @property
    def flooded(self) -> bool:
        return self.total > FLOOD * self.limit


@dataclass(frozen=True)
class _End:
    """One command's output on one stream, whole, and the fields of the mark that ended it."""

    capture: Capture
    fields: tuple[str, ...]
    at: float


class _Stream:
    """One of the two streams: hello, then the commands' outputs in order, each ended by a mark with these fields."""

    def __init__(self, boundary: str, mark: re.Pattern[str], limits: Sequence[int]) -> None:
        self._mark = f"\n{boundary} ".encode()
        self._fields = mark
        self._limits = limits
        self._held = b""
        self.greeted = False
        self.banner = Capture(_BANNER_KEPT)
        self.ended: deque[_End] = deque()
        self.index = 0
        self.capture = self._next_capture()

    def feed(self, data: bytes, at: float) -> None:
        data = self._held + data
        start = 0
        while (found := data.find(self._mark, start)) >= 0:
            line_start = found + len(self._mark)
            line_end = data.find(b"\n", line_start, line_start + _MARK_LINE_MAX)
            self._sink().add(data[start:found])
            start = found
            if line_end < 0:
                if len(data) - line_start >= _MARK_LINE_MAX:
                    raise _DamageError("a mark without an end")
                break
            self._ended(data[line_start:line_end].decode("ascii", "replace"), at)
            start = line_end + 1
        else:
            # A mark may have begun in the last bytes; it is known to be none only when the next ones are there.
            whole = max(start, len(data) - len(self._mark) + 1)
            self._sink().add(data[start:whole])
            start = whole
        self._held = data[start:]

    def rest(self) -> Capture:
        """The output of the command that has not ended, with the bytes that were held back as a possible mark."""
        if not self._held.startswith(self._mark):
            self._sink().add(self._held)
        self._held = b""
        return self.capture

    def _sink(self) -> Capture:
        return self.capture if self.greeted else self.banner

    def _ended(self, line: str, at: float) -> None:
        if not self.greeted:
            if line != "hello":
                raise _DamageError("a mark before the first one")
            self.greeted = True
            return
        fields = self._fields.fullmatch(line)
        if not fields or fields[1] != str(self.index) or self.index >= len(self._limits):
            raise _DamageError(f"a mark that cannot be the end of command {self.index}")
        self.ended.append(_End(self.capture, fields.groups()[1:], at))
        self.index += 1
        self.capture = self._next_capture()

    def _next_capture(self) -> Capture:
        return Capture(self._limits[self.index] if self.index < len(self._limits) else 4)


class Decoder:
    """The reader of one shell's two streams. Pure: bytes and the time of their arrival in, sections out, in order."""

    def __init__(self, boundary: str, commands: Sequence[Command]) -> None:
        self._commands = commands
        self._stdout = _Stream(boundary, _OUT_MARK, [command.max_bytes for command in commands])
        self._stderr = _Stream(boundary, _ERR_MARK, [min(command.max_bytes, STDERR_MAX_BYTES) for command in commands])
        self._streams = {STDOUT: self._stdout, STDERR: self._stderr}
        self._began_at = 0.0
        self.index = 0
        self.damage = ""

    @property
    def greeted(self) -> bool:
        """True when the shell has said hello on both streams."""
        return self._stdout.greeted and self._stderr.greeted

    @property
    def banner(self) -> str:
        """What came before the hello, for the sentence that says why there was none."""
        for stream in self._streams.values():
            stream.rest()
        return (self._stdout.banner.kept() + b"\n" + self._stderr.banner.kept()).decode("utf-8", "replace").strip()

    @property
    def done(self) -> bool:
        """True when every command has ended on both streams."""
        return self.greeted and self.index >= len(self._commands)

    @property
    def flooded(self) -> bool:
        """True when the command whose turn it is has printed more than anyone will read."""
        current = [stream for stream in self._streams.values() if stream.index == self.index]
        return not self.done and any(stream.capture.flooded for stream in current)

    def feed(self, stream: int, data: bytes, at: float = 0.0) -> list[Section]:
        """Take bytes that arrived at ``at`` (seconds, monotonic) and return the sections that they completed.

        Where the marks are damaged, ``damage`` says how, and what came before them is still returned.
        """
        greeted = self.greeted
        sections: list[Section] = []
        try:
            self._streams[stream].feed(data, at)
        except _DamageError as error:
            self.damage = str(error)
        if self.greeted and not greeted:
            self._began_at = at
        while self._stdout.ended and self._stderr.ended:
            sections.append(self._section(self._stdout.ended.popleft(), self._stderr.ended.popleft()))
        return sections

    def abandon(self, *, timed_out: bool = False) -> Section:
        """The section of the command whose end never came, with what there is of its output."""
        out = self._stdout.ended[0].capture if self._stdout.ended else self._stdout.rest()
        err = self._stderr.ended[0].capture if self._stderr.ended else self._stderr.rest()
        command = self._commands[self.index]
        return Section(
            name=command.name,
            stdout=out.kept(),
            stderr=err.kept(),
            rc=None,
            timed_out=timed_out,
            dropped_bytes=out.dropped,
            command=command.title,
        )

    def _section(self, out: _End, err: _End) -> Section:
        command = self._commands[self.index]
        self.index += 1
        status, seconds, clocked = self._measured(out)
        self._began_at = max(out.at, err.at)
        overran = seconds >= time_limit(command) - _CLOCK_STEP_S
        return Section(
            name=command.name,
            stdout=out.capture.kept(),
            stderr=err.capture.kept(),
            rc=status,
            duration_ms=round(seconds * 1000),
            timed_out=overran and (clocked or status in _KILLED),  # some end with 0 when they are told to end
            dropped_bytes=out.capture.dropped,
            command=command.title,
        )

    def _measured(self, out: _End) -> tuple[int, float, bool]:
        """Status, duration, and whether that is by the host's clock: without one it is by the time of arrival."""
        status, began, ended = out.fields
        if _CLOCK.fullmatch(began) and _CLOCK.fullmatch(ended):
            return int(status), max(0.0, float(ended) - float(began)), True
        return int(status), max(0.0, out.at - self._began_at), False
