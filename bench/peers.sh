#!/usr/bin/env bash
# Makes the environments of the libraries that this suite is compared with, one each, because their
# versions exclude one another (and ours): .peers/recbole and .peers/rectools. Safe to repeat: an
# environment that was completed from the same requirements is left alone.
#
#   bench/peers.sh                      # on Linux without a GPU, torch's CPU build is enough
#   PYTHON=python3.11 bench/peers.sh
set -euo pipefail
cd "$(dirname "$0")/.."

# environment NAME [PACKAGE]...: from bench/requirements-NAME.txt, then PACKAGEs without dependencies
environment() {
  local name=$1 folder=.peers/$1 wanted
  shift
  wanted="$(cat "bench/requirements-$name.txt"; printf '%s\n' "$@")"
  if [ "$(cat "$folder/complete" 2>/dev/null)" = "$wanted" ]; then
    echo "$folder is complete"
    return
  fi
  "${PYTHON:-python3}" -m venv --clear "$folder"
  "$folder/bin/pip" install -q -r "bench/requirements-$name.txt"
  for package in "$@"; do
    "$folder/bin/pip" install -q --no-deps "$package"
  done
  printf '%s\n' "$wanted" > "$folder/complete"  # last: a build that broke off is not complete
  echo "$folder is made"
}

environment recbole recbole==1.2.1
environment rectools
