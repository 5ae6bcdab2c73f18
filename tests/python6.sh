#!/usr/bin/env bash
# Prints the path of a Python that runs Django 6 (3.12 or newer, with venv), or
# nothing. Candidates: the first argument, those on the PATH, pyenv's.
set -uo pipefail
shopt -s nullglob
for python in "${1:-python3}" python3.14 python3.13 python3.12 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[2-9].*/bin/python3; do
  if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then
    command -v "$python"
    exit 0
  fi
done
exit 0
