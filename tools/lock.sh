#!/bin/sh
# Write requirements.lock anew: lock.sh UV
# Every version and its hashes for Linux, macOS and Windows, Python 3.11 to 3.13, of what requirements.txt and requirements-signin.txt ask for.
set -eu
out=requirements.lock
trap 'rm -f "$out.part"' EXIT
"$1" pip compile requirements.txt requirements-signin.txt --universal --python-version 3.11 --generate-hashes --upgrade --quiet \
    --no-header --no-annotate --no-emit-index-url --no-emit-find-links --output-file "$out.part" >/dev/null
{
    echo "# Written by \`make lock\` of requirements.txt and requirements-signin.txt. Install it with"
    echo "#   python -m pip install --require-hashes -r requirements.lock"
    cat "$out.part"
} > "$out"
