#!/bin/sh
# Make the virtual environment $1 with the first Python >= 3.11 among $PYTHON and the usual names.
set -eu
venv=$1

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

for python in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
    if new_enough "$python"; then
        found=$python
        break
    fi
done

if [ -z "${found:-}" ]; then
    echo "Feilun needs Python 3.11 or newer, and found none (tried: ${PYTHON:-python3, python3.13, python3.12, python3.11})." >&2
    echo "Debian or Ubuntu: apt install python3 python3-venv; or name one: make PYTHON=/path/to/python3.12 ..." >&2
    exit 1
fi
if ! "$found" -c 'import ensurepip, venv' 2>/dev/null; then
    echo "$("$found" --version) cannot make virtual environments: its venv module is missing." >&2
    echo "Debian or Ubuntu: apt install python3-venv (or python3.12-venv and so on, for a Python of that version)." >&2
    exit 1
fi

rm -rf "$venv"
"$found" -m venv "$venv" || { rm -rf "$venv"; exit 1; }
