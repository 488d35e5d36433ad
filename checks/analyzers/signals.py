"""Signal masks of /proc/PID/status: signal n stands at bit n-1 (signal(7))."""

from __future__ import annotations

SIGNALS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15,
    "CHLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "WINCH": 28,
}  # fmt: skip
_NAMES = {number: name for name, number in SIGNALS.items()}


def holds(mask: int, signal: str) -> bool:
    """True when the signal's bit is set.

    >>> holds(0x4000, "TERM"), holds(0x10000, "TERM"), holds(0x10000, "CHLD")
    (True, False, True)
    """
    return bool(mask >> (SIGNALS[signal] - 1) & 1)


def names(mask: int) -> list[str]:
    """The signals of a mask, by name where they have one.

    >>> names(0x14002)
    ['INT', 'TERM', 'CHLD']
    """
    return [_NAMES.get(number, str(number)) for number in range(1, 65) if mask >> (number - 1) & 1]
