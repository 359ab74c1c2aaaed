"""Where this project keeps what a person makes with it, and where a page may read."""

import os
from pathlib import Path

from core.errors import InputError


def data_home():
    """Return the folder of results and packs: ~/.local/share/blockscope unless XDG_DATA_HOME says otherwise."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "blockscope"


def allowed_roots():
    """Return the folders that paths typed into a page may lie in: those of BLOCKSCOPE_ROOTS (separated as in PATH) and BLOCKSCOPE_DATA.

    The folder of what people make is not one of them: names that nobody can guess keep one person's files from another's.
    """
    named = [*os.environ.get("BLOCKSCOPE_ROOTS", "").split(os.pathsep), os.environ.get("BLOCKSCOPE_DATA", "")]
    return [Path(folder).expanduser().resolve() for folder in named if folder]


def within_roots(path):
    """Return a path with its links followed. Raises: InputError if it then lies outside `allowed_roots`, whether it exists or not."""
    try:
        found = Path(path).expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a home that nobody has, a zero byte
        found = None
    if found is None or found.is_relative_to(data_home().resolve()) or not any(found.is_relative_to(root) for root in allowed_roots()):
        raise InputError(
            f"{path} is in no folder that may be read from here; upload the file, or let whoever runs this add its folder to BLOCKSCOPE_ROOTS.",
            key="path.outside",
            path=str(path),
        )
    return found
