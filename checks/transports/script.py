"""One POSIX sh script for a batch of commands: each runs alone, in its own time, between marks that nothing else can print.

The text is fed to ``/bin/sh`` on stdin, so no process list shows it, and it writes nothing to the host's disk.
``checks.transports.framing`` reads the two streams back. It needs no program of the host but sleep(1); known to work in dash,
bash, bash --posix and busybox ash.

Starting a program costs a host five times what a fork costs, so no timeout(1) and no second sh stand before a command. One
sleeper ticks each second for the whole batch; a command that has seen more ticks than it may is killed with all that is in the
session of the script, which sshd (or ``LocalTransport``) made for it alone.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Sequence

from checks.collectors.base import PRELUDE
from checks.transports.base import Command

KILL_AFTER_S = 2
"""The last a command may live beyond its time limit: the tick that ends it comes within a second, KILL a second after TERM."""

_NEEDS_ITS_OWN_SHELL = re.compile(r"\$\{?[$!]|PPID|(?<![&<>|])&(?![&>])")
"""Text that would notice that it runs in a fork of the script's shell, or that may leave a process behind."""


def time_limit(command: Command) -> int:
    """The whole seconds the host gives the command: it counts ticks of a second."""
    return max(1, math.ceil(command.timeout_s))


def build(commands: Sequence[Command], boundary: str, shell: str = "/bin/sh") -> bytes:
    """The script for these commands. ``boundary`` is random hex that no output can hold.

    >>> build([Command("who", "id -u", ("a b",)), Command("job", "sleep 1 &")], "b0").decode().splitlines()[-5:]
    ["run fork 0 10 'id -u' 'a b'", "run exec 1 10 'sleep 1 &'", 'finish', '}', 'main']
    """
    runs = [
        shlex.join(["run", _way(command), str(index), str(time_limit(command)), command.script, *command.args])
        for index, command in enumerate(commands)
    ]
    words = [f"B={boundary}", f"SH={shlex.quote(shell)}", f"P={shlex.quote(PRELUDE)}", "IFS=' \t\n'"]
    lines = [_FUNCTIONS, "main() {", *words, _START, *runs, "finish", "}", "main", ""]
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _way(command: Command) -> str:
    return "exec" if _NEEDS_ITS_OWN_SHELL.search(command.script) else "fork"


# The shell reads all of main() before it runs any of it: a script cut on its way does nothing.
# Descriptor 3 is the stderr stream and 4 the client's end of stdin; the shell's own messages about killed jobs go nowhere.
# The boundary is never exported and never an argument of a process, so neither env, ps nor a command can learn it; a forked
# command forgets it, with all else that the script's shell knows.
# The watcher sees the client go away as the end of stdin and has the running command killed.
# Where the script does not lead its session, as under a forced command, only what descends from the command is killed.
_START = r"""
exec 3>&2 2>/dev/null 4<&0
unset ENV BASH_ENV CDPATH
eval "$P"
trap '' USR1
job=
trap leave TERM HUP
{ while read -r _; do :; done; kill -TERM $$; } <&4 >/dev/null 3>&- &
watcher=$!
{ while sleep 1; do kill -USR1 $$ || exit; done; } >/dev/null 3>&- 4<&- &
ticker=$!
spared=" $$ $watcher $ticker "
session_of $$
session=$found
forget='unset -f now session_of family stop tick finish leave run main
unset B SH P job watcher ticker spared found session processes grown line parent path clock began way index limit text ticks late
unset status forget
'
printf '\n%s hello\n' "$B"
printf '\n%s hello\n' "$B" >&3
"""

_FUNCTIONS = r"""
now() { read -r clock _ </proc/uptime || clock=-; }
session_of() { read -r line <"/proc/$1/stat" || line='() - 0 0 0'; set -- ${line##*) }; parent=$2 found=$4; }
family() {
  processes=" $job "; grown=y
  while [ "$grown" ]; do
    grown=
    for path in /proc/[0-9]*; do
      path=${path#/proc/}
      case $spared$processes in *" $path "*) continue ;; esac
      session_of "$path"
      case $processes in
        *" $parent "*) ;;
        *) if [ "$found" != $$ ] || [ "$parent" = "$ticker" ]; then continue; fi ;;
      esac
      processes="$processes$path "; grown=y
    done
  done
}
stop() { family; kill "-$1" $processes; }
tick() {
  ticks=$((ticks + 1))
  if [ "$ticks" -gt "$((limit + 1))" ]; then stop KILL
  elif [ "$ticks" -gt "$limit" ]; then late=y; stop TERM; fi
}
finish() {
  if [ "$session" = $$ ]; then kill -KILL "-$$"; fi
  stop KILL
  kill "$watcher" "$ticker"
  exit
}
leave() {
  trap '' TERM HUP USR1
  if [ "$job" ]; then
    stop TERM
    { sleep 1; read -r path _ </proc/self/stat; spared="$spared$path "; stop KILL; } >/dev/null 3>&- 4<&- &
    wait "$job"
  fi
  finish
}
run() {
  way=$1 index=$2 limit=$3 text=$4; shift 4
  ticks=0 late=
  now; began=$clock
  trap tick USR1
  case $way in
    fork) (eval "$forget$text") </dev/null 2>&3 3>&- 4<&- & ;;
    exec) $SH -c "$P$text" sidenote "$@" </dev/null 2>&3 3>&- 4<&- & ;;
  esac
  job=$!
  while wait "$job"; status=$?; [ "$status" -gt 128 ] && kill -0 "$job"; do :; done
  trap '' USR1
  job=
  if [ "$late" ]; then status=124; fi
  if [ "$late$way" != fork ]; then stop KILL; fi
  now
  printf '\n%s %s %s %s %s\n' "$B" "$index" "$status" "$began" "$clock" || finish
  printf '\n%s %s\n' "$B" "$index" >&3 || finish
}
"""
