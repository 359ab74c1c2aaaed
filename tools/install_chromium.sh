#!/bin/sh
# See to it that there is a Chromium for the tests in a real browser, and a font with Korean letters where we install it.
# Needs nothing if one is found; installs on Debian and Ubuntu as root or with sudo that asks for no password.
set -eu
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
. "$(dirname "$0")/apt.sh"
need_apt Chromium "install chromium or google-chrome, or the tests in a real browser are skipped"
$root apt-get install -q -y --no-install-recommends chromium fonts-noto-cjk
