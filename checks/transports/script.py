"""One POSIX sh script for a batch of commands: each runs alone, in its own time, between marks that nothing else can print.

The text is fed to ``/bin/sh`` on stdin, so no process list shows it, and it writes nothing to the host's disk.
``checks.transports.framing`` reads the two streams back. Known to work in dash, bash, bash --posix and busybox ash; with the
timeout(1) of coreutils and both forms of busybox's; without it; without setsid(1).
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from enum import StrEnum

from checks.collectors.base import PRELUDE
from checks.transports.base import Command

KILL_AFTER_S = 1
"""How long a command has between TERM and KILL."""


class Limiter(StrEnum):
    """What ends a command that overruns its time on this host; named by the script's hello, so it is looked for once per host."""

    GROUP = "group"  # timeout(1) that leads a process group of its own: coreutils
    PLAIN = "plain"  # timeout(1) that kills one process: busybox, under setsid
    OLD = "old"  # the same in the form before busybox 1.30: -t SECONDS
    GUARD = "guard"  # no timeout(1): a second shell that sleeps and kills the group made by setsid
    WALK = "walk"  # neither: the second shell kills the descendants it finds in /proc


def time_limit(command: Command) -> int:
    """The whole seconds the host gives the command: old timeout(1) knows no fractions, and 0 would mean no limit."""
    return max(1, math.ceil(command.timeout_s))


def build(commands: Sequence[Command], boundary: str, limiter: Limiter | None = None, shell: str = "/bin/sh") -> bytes:
    """The script for these commands. ``boundary`` is random hex that no output can hold; ``limiter`` saves looking for it.

    >>> build([Command("who", "id -u", ("a b",))], "b0").decode().splitlines()[-4:]
    ["run 0 10 'id -u' 'a b'", 'kill "$watch"', '}', 'main']
    """
    runs = [
        shlex.join(["run", str(index), str(time_limit(command)), command.script, *command.args])
        for index, command in enumerate(commands)
    ]
    known = f"K={limiter}" if limiter else "find_limiter"
    words = [f"B={boundary}", f"SH={shlex.quote(shell)}", f"P={shlex.quote(PRELUDE)}"]
    lines = [_FUNCTIONS, "main() {", *words, _START, known, _HELLO]
    return "\n".join([*lines, *runs, 'kill "$watch"', "}", "main", ""]).encode("utf-8", "surrogateescape")


# The shell reads all of main() before it runs any of it: a script cut on its way does nothing.
# Descriptor 3 is the stderr stream and 4 the client's end of stdin; the shell's own messages about killed jobs go nowhere.
# The boundary is never exported and never an argument of a process, so neither env, ps nor a command can learn it.
_START = """
exec 3>&2 2>/dev/null 4<&0
unset ENV BASH_ENV CDPATH IFS
eval "$P"
S=; if have setsid; then S=setsid; fi
job=
trap 'stop TERM; { sleep 1; stop KILL; } >/dev/null 3>&- 4<&- & wait "$job"; exit' TERM HUP
{ while read -r _; do :; done; kill -TERM $$; } <&4 >/dev/null 3>&- &
watch=$!
"""
# The watcher sees the client go away as the end of stdin and has the running command killed.

_HELLO = r"""
if [ "$K" != group ] && [ -z "$S" ]; then K=walk; fi
printf '\n%s hello %s\n' "$B" "$K"
printf '\n%s hello\n' "$B" >&3
"""

_FUNCTIONS = r"""
find_limiter() {
  if timeout --foreground -k 1 1 true; then K=group
  elif timeout -k 1 1 true; then K=plain
  elif timeout -t 1 true; then K=old
  else K=guard; fi
}
now() { read -r clock _ </proc/uptime || clock=-; }
descend() {
  tree=" $job "; grown=y
  while [ "$grown" ]; do
    grown=
    for stat in /proc/[0-9]*/stat; do
      read -r line <"$stat" || continue
      pid=${line%% *}; line=${line##*) }; line=${line#* }; parent=${line%% *}
      case $tree in
        *" $pid "*) ;;
        *" $parent "*) tree="$tree$pid "; grown=y ;;
      esac
    done
  done
}
stop() {
  [ "$job" ] || return
  if [ "$K" = walk ]; then
    if [ "$1" = TERM ]; then descend; fi
    for pid in $tree; do kill "-$1" "$pid"; done
  else kill "-$1" "-$job" || kill "-$1" "$job"; fi
}
guard() {
  trap 'kill "$nap"; exit' TERM
  sleep "$1" & nap=$!
  wait "$nap"
  trap '' TERM
  stop TERM; sleep 1; stop KILL
}
run() {
  index=$1; limit=$2; text=$3; shift 3
  case $K in
    group) with="timeout -k 1 $limit" ;;
    plain) with="$S timeout -k 1 $limit" ;;
    old) with="$S timeout -t $limit -s KILL" ;;
    *) with=$S ;;
  esac
  now; began=$clock
  $with $SH -c "$P$text" sidenote "$@" </dev/null 2>&3 3>&- 4<&- &
  job=$!
  dog=
  case $K in guard | walk) guard "$limit" >/dev/null 3>&- 4<&- & dog=$! ;; esac
  wait "$job"; status=$?
  if [ "$dog" ]; then kill "$dog"; fi
  if [ "$K" != walk ]; then kill -KILL "-$job"; fi
  job=
  now
  printf '\n%s %s %s %s %s\n' "$B" "$index" "$status" "$began" "$clock" || exit
  printf '\n%s %s\n' "$B" "$index" >&3 || exit
}
"""
