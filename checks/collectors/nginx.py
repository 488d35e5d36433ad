"""nginx's configuration, read file by file; nginx itself is not asked, because ``nginx -T`` as root may create files."""

from __future__ import annotations

from checks.collectors.base import Collector

NGINX = Collector(
    "nginx",
    "nginx's configuration, each included file by itself, without statements that have nothing to do with listening",
    r"""
_conf=
for _p in /proc/[0-9]*; do
  [ "$(cat "$_p/comm" 2>/dev/null)" = nginx ] || continue
  _line=$(tr '\0' ' ' < "$_p/cmdline" 2>/dev/null)
  case $_line in *' -c '*) _conf=${_line#* -c }; _conf=${_conf%% *};; esac
  case $_line in *'master process'*) break;; esac
done
for _f in "$_conf" /etc/nginx/nginx.conf /usr/local/nginx/conf/nginx.conf /usr/local/etc/nginx/nginx.conf; do
  [ -n "$_f" ] && [ -e "$_f" ] && break
  _f=
done
[ -n "$_f" ] || { echo 'nginx.conf not found' >&2; exit 127; }
_dir=${_f%/*}; _todo=$_f; _seen=' '; _count=0
while [ -n "$_todo" ] && [ $_count -le 500 ]; do
  _next=
  for _f in $_todo; do
    case $_seen in *" $_f "*) continue;; esac
    _count=$((_count + 1)); [ $_count -le 500 ] || break
    _seen="$_seen$_f "
    [ -r "$_f" ] || continue
    set -f
    for _i in $(sed 's/#.*//' "$_f" | tr ';{}' '\n\n\n' | sed -n "s/^[[:space:]]*include[[:space:]]\{1,\}//p" | tr -d "\"'"); do
      set +f
      case $_i in /*) ;; *) _i=$_dir/$_i;; esac
      case $_i in
        *'*'*|*'?'*|*'['*) for _g in $_i; do [ ! -e "$_g" ] || _next="$_next $_g"; done;;
        *) _next="$_next $_i";;
      esac
    done
    set +f
  done
  _todo=$_next
done
[ $_count -le 500 ] || { echo 'more than 500 files' >&2; exit 1; }
for _f in $_seen; do
  if [ ! -e "$_f" ]; then printf '!! %s missing\n' "$_f"; continue; fi
  if [ ! -r "$_f" ]; then printf '!! %s unreadable\n' "$_f"; continue; fi
  printf '== %s\n' "$_f"
  awk '
    { line = $0; sub(/^[ \t]+/, "", line); sub(/[ \t]#.*$/, "", line); sub(/[ \t\r]+$/, "", line); shown = $0 }
    line == "" || line ~ /^#/ { print ""; next }
    !unfinished {
      wanted = line ~ /^(listen|server_name|ssl|ssl_certificate|include|server|http|stream|events|mail)([ \t;{]|$)/ ||
        line ~ /^[}]/
      if (!wanted && line ~ /[{]/) {
        word = line; sub(/[ \t{].*/, "", word); opened = line; closed = line
        if (line ~ /[{]$/) shown = word " {"; else if (gsub(/[{]/, "", opened) == gsub(/[}]/, "", closed)) shown = ""
        if (shown != $0) { print shown; next }
        wanted = 1
      }
    }
    unfinished && !wanted && line ~ /^[{]/ { print "block {"; unfinished = 0; next }
    { unfinished = line !~ /[;{}]$/; print (wanted ? shown : "") }
  ' "$_f"
  printf '\n'
done
printf '== end\n'
""",
    looks_like=r"^== \S*/nginx\.conf$|^# configuration file \S+:$|^\s*listen\s+(?:\[::\]:|[\d.]+:)?\d+\b[^;\n]*;",
    optional=True,
)
