#!/bin/sh
# See to it that there is a Postgres for the tests of the store of runs, which start a server of their own.
# Needs nothing if one is found; installs on Debian and Ubuntu as root or with sudo that asks for no password.
set -eu
for initdb in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb; do
    if [ -x "$initdb" ]; then exit 0; fi
done
. "$(dirname "$0")/apt.sh"
need_apt Postgres "install postgresql, or the tests that need it are skipped"
# Only the programs are wanted: while this file is there, the package makes and starts no database of its own.
folder=/etc/postgresql-common/createcluster.d
$root mkdir -p "$folder"
echo "create_main_cluster = false" | $root tee "$folder/blockscope.conf" >/dev/null
trap '$root rm -f "$folder/blockscope.conf"' EXIT
$root apt-get install -q -y --no-install-recommends postgresql
