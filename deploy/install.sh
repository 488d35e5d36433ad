#!/bin/sh
# Makes .venv and installs a hashed lock into it: install.sh LOCK STAMP. Safe to run again after it was stopped half-way.
set -eu
lock=$1 stamp=$2 python=${PYTHON:-python3}

die() { printf 'sidenote: %s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null 2>&1 || die "$python is not installed. On Debian or Ubuntu: apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "Sidenote needs Python 3.11 or newer; $python is $("$python" -V 2>&1). Name another with: make up PYTHON=python3.12"
[ -w . ] || die "this folder is read-only, so nothing can be installed in it. Clone Sidenote to a place you may write to."

if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
  rm -rf .venv
  if ! "$python" -c 'import ensurepip' >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
      echo 'Installing python3-venv, which Debian keeps apart from python3'
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } >/dev/null 2>&1 ||
        die "python3-venv is missing and apt-get could not install it. Try: apt-get update && apt-get install python3-venv"
    else
      die "python3 has no venv here; Debian and Ubuntu keep it apart. Run: sudo apt-get install python3-venv"
    fi
  fi
  "$python" -m venv .venv || die "python3 could not make .venv (see above); is the disk full?"
fi

echo "Installing what $lock names (about 15 s on a first start)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes --no-deps --only-binary :all: -r "$lock" ||
  die "the installation did not finish (see above). Check the network or pip's index settings, then run the same command again."
touch "$stamp"
