#!/bin/sh
# See to it that there is a Chromium for the tests in a real browser, and a font with Korean letters where we install it.
# Needs nothing if one is found; installs on Debian and Ubuntu as root or with sudo that asks for no password.
set -eu
for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
if [ "$(id -u)" = 0 ]; then
    root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    root=no
fi
if [ "$root" = no ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "No Chromium was found, and it cannot be installed from here: install chromium or google-chrome, or the tests in a real browser are skipped." >&2
    exit 1
fi
echo "Installing Chromium for the tests in a real browser"
export DEBIAN_FRONTEND=noninteractive
$root apt-get update -q
$root apt-get install -q -y --no-install-recommends chromium fonts-noto-cjk
