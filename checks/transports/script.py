"""One POSIX sh script for a batch of commands: each runs alone, in its own time, between marks that nothing else can print.

The text is fed to ``/bin/sh`` on stdin, so no process list shows it, and it writes nothing to the host's disk.
``checks.transports.framing`` reads the two streams back. It needs no program of the host but sleep(1); known to work in dash,
bash, bash --posix and busybox ash.

Starting a program costs a host five times what a fork costs, so no timeout(1) and no second sh stand before a command. One
ticker for the whole batch looks each second at what runs, and kills with all its descendants what it has seen too often. What a
killed command leaves behind goes with the session of the script, which sshd (or ``LocalTransport``) made for it alone.
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
    ["run fork 0 10 'id -u' 'a b'", "run exec 1 10 'sleep 1 &'", 'leave', '}', 'main']
    """
    runs = [
        shlex.join(["run", _way(command), str(index), str(time_limit(command)), command.script, *command.args])
        for index, command in enumerate(commands)
    ]
    words = [f"B={boundary}", f"SH={shlex.quote(shell)}", f"P={shlex.quote(PRELUDE)}", "IFS=' \t\n'"]
    lines = [_FUNCTIONS, "main() {", *words, _START, *runs, "leave", "}", "main", ""]
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
job= ticker= ticking= sweep=
state_of $$
if [ "$session" = $$ ]; then sweep=$$; fi
forget='unset -f now state_of family stop running tick finish leave run main
unset B SH P job ticker ticking sweep watcher spared state parent session processes grown line path clock began ticks before
unset children way index limit text status forget
'
trap leave TERM HUP
{ while read -r _; do :; done; kill -TERM $$; } <&4 >/dev/null 3>&- &
watcher=$!
spared=" $$ $watcher "
printf '\n%s hello\n' "$B"
printf '\n%s hello\n' "$B" >&3
"""

# The ticker finds the running command by itself: were it to send the script's shell a signal each second, the shell's wait would
# be interrupted, and bash at times loses the status of what ended just then.
_FUNCTIONS = r"""
now() { read -r clock _ </proc/uptime || clock=-; }
state_of() { read -r line <"/proc/$1/stat" || line='() - 0 0 0'; set -- ${line##*) }; state=$1 parent=$2 session=$4; }
family() {
  processes=" $job "; grown=y
  while [ "$grown" ]; do
    grown=
    for path in /proc/[0-9]*; do
      path=${path#/proc/}
      case $spared$processes in *" $path "*) continue ;; esac
      state_of "$path"
      case $processes in
        *" $parent "*) ;;
        *) if [ "$session" != "$sweep" ] || [ "$path" = "$ticker" ] || [ "$parent" = "$ticker" ]; then continue; fi ;;
      esac
      processes="$processes$path "; grown=y
    done
  done
}
stop() { family; kill "-$1" $processes; }
running() {
  children= job=
  read -r children <"/proc/$$/task/$$/children"
  for path in ${children:-/proc/[0-9]*}; do
    path=${path#/proc/}
    case $spared in *" $path "*) continue ;; esac
    state_of "$path"
    if [ "$parent" = $$ ] && [ "$state" != Z ]; then job=$path; fi
  done
}
tick() {
  read -r path _ </proc/self/stat
  spared="$spared$path " sweep= before= ticks=0
  while sleep 1 && kill -0 $$; do
    running
    if [ "$job" != "$before" ]; then before=$job ticks=0; fi
    ticks=$((ticks + 1))
    if [ "$ticks" -gt "$((limit + 1))" ]; then stop KILL
    elif [ "$ticks" -gt "$limit" ]; then stop TERM; fi
  done
}
finish() {
  if [ "$sweep" ]; then kill -KILL "-$$"; fi
  stop KILL
  kill "$watcher" "$ticker"
}
leave() {
  trap '' TERM HUP
  if [ "$job" ]; then
    stop TERM
    { sleep 1; read -r path _ </proc/self/stat; spared="$spared$path "; finish; kill -KILL $$; } >/dev/null 3>&- 4<&- &
    wait "$job"
  fi
  finish
  exit
}
run() {
  way=$1 index=$2 limit=$3 text=$4; shift 4
  if [ "$limit" != "$ticking" ]; then
    if [ "$ticker" ]; then kill "$ticker"; fi
    tick >/dev/null 3>&- 4<&- &
    ticker=$! ticking=$limit
  fi
  now; began=$clock
  case $way in
    fork) (eval "$forget$text") </dev/null 2>&3 3>&- 4<&- & ;;
    exec) $SH -c "$P$text" sidenote "$@" </dev/null 2>&3 3>&- 4<&- & ;;
  esac
  job=$!
  wait "$job"; status=$?
  job=
  if [ "$way" = exec ] || [ "$status" -gt 128 ]; then stop KILL; fi
  now
  printf '\n%s %s %s %s %s\n' "$B" "$index" "$status" "$began" "$clock" || leave
  printf '\n%s %s\n' "$B" "$index" >&3 || leave
}
"""
