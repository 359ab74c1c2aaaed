#!/bin/sh
# Make a virtual environment: make_venv.sh FOLDER [PYTHON]
# Without PYTHON the newest tested Python there is takes part. A candidate may be a shim that exists and fails, so each is tried.
set -eu
folder=$1
wish=${2:-}
new='import sys; sys.exit(sys.version_info < (3, 11))'
complete="import ensurepip, venv; $new"

works() { "$1" -c "$2" >/dev/null 2>&1; }
fail() { echo "$*" >&2; exit 1; }

python=
for candidate in ${wish:-python3.13 python3.12 python3.11 python3 python}; do
    if works "$candidate" "$complete"; then python=$candidate; break; fi
    if works "$candidate" "$new"; then bare=$candidate; fi
done
if [ -z "$python" ]; then
    [ -z "${bare:-}" ] || fail "$bare cannot make a virtual environment: it lacks venv or ensurepip. On Debian and Ubuntu: apt-get install python3-venv"
    [ -z "$wish" ] || fail "$wish does not run, or is older than Python 3.11. Name another one: make PYTHON=/path/to/python3.12"
    fail "No Python 3.11 or newer was found. Install one, or name it: make PYTHON=/path/to/python3.12"
fi
echo "Making $folder with $("$python" --version)"
"$python" -m venv --clear "$folder" || { rm -rf "$folder"; fail "The virtual environment could not be made; the reason stands above."; }
