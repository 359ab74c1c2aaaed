"""Where this project keeps what a person makes with it."""

import os
from pathlib import Path


def data_home():
    """Return the folder of results and packs: ~/.local/share/blockscope unless XDG_DATA_HOME says otherwise."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "blockscope"
