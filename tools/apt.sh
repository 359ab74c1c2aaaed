# Sourced by the installers beside it.

# Set `root` to what runs a command as root, where Debian packages can be installed; else say what is missing and leave.
# Arguments: what was not found; what to do about it.
need_apt() {
    if [ "$(id -u)" = 0 ]; then
        root=
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
        root="sudo -n"
    else
        root=no
    fi
    if [ "$root" = no ] || ! command -v apt-get >/dev/null 2>&1; then
        echo "No $1 was found, and it cannot be installed from here: $2." >&2
        exit 1
    fi
    echo "Installing $1 for the tests"
    export DEBIAN_FRONTEND=noninteractive
    $root apt-get update -q
}
