#!/usr/bin/env bash
# Creates one Python environment for each library that bench/compare.py compares with seqrec:
# .peers/recbole, .peers/rectools and .peers/warprec. The libraries require versions that exclude
# each other, and those of seqrec. The script can be repeated: an environment that was completed
# with the same requirements is kept.
#
#   bench/peers.sh                      # on Linux without a GPU, the CPU build of torch is enough
#   bench/peers.sh recbole rectools     # only these
#   PYTHON=python3.11 WARPREC_PYTHON=python3.13 bench/peers.sh
#
# WarpRec requires Python 3.12 or newer. With the CUDA build of torch, its environment has 6 GB.
set -euo pipefail
cd "$(dirname "$0")/.."

# environment NAME [PACKAGE]...
# Installs bench/requirements-NAME.txt, then every PACKAGE without its dependencies.
environment() {
  local name=$1 folder=.peers/$1 wanted
  shift
  wanted="$(cat "bench/requirements-$name.txt"; printf '%s\n' "$@")"
  if [ "$(cat "$folder/complete" 2>/dev/null)" = "$wanted" ]; then
    echo "$folder is up to date"
    return
  fi
  "${PYTHON:-python3}" -m venv --clear "$folder"
  "$folder/bin/python" -m pip install -q -r "bench/requirements-$name.txt"
  for package in "$@"; do
    "$folder/bin/python" -m pip install -q --no-deps "$package"
  done
  # Written last: an interrupted installation has no such file, and is repeated.
  printf '%s\n' "$wanted" > "$folder/complete"
  echo "$folder was created"
}

[ $# -gt 0 ] || set -- recbole rectools warprec
for name in "$@"; do
  case $name in
    recbole) environment recbole recbole==1.2.1 ;;
    rectools) environment rectools ;;
    warprec) PYTHON=${WARPREC_PYTHON:-python3.12} environment warprec ;;
    *) echo "Error: no library $name: recbole, rectools or warprec" >&2; exit 1 ;;
  esac
done
