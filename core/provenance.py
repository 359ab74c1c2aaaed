"""What made a result: the command, the versions, the machine, the pack. Nothing secret and no folder of anybody's is in it."""

import hashlib
import platform
import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from core import VERSION
from core.packs import describe


def provenance(*, pack=None, **facts):
    """Tell what makes a run: to be stored as its `made_by`.

    Args: pack: name or folder of the pack that is measured; facts: whatever else decides the numbers (seed, device, limit), and wins.
    Returns: a dict with command (paths cut to their names), versions, machine, the pack's name and `pack_hash`, and the facts.
    Raises: InputError if there is no such pack.
    """
    libraries = {name: version(name) for name in ("torch", "torchvision", "numpy", "scikit-learn")}
    made_by = {
        "command": command_line(),
        "versions": {"blockscope": VERSION, "python": platform.python_version(), **libraries},
        "machine": platform.machine(),
    }
    if pack is not None:
        description = describe(pack)
        made_by |= {"pack": description.name, "pack_hash": pack_hash(description)}
    return made_by | facts


def pack_hash(description):
    """Return the SHA-256 of a pack's table of files, sorted by name: the same for the same weights and reference, wherever they lie."""
    files = description.facts.get("files", {})
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in sorted(files.items())).encode()).hexdigest()


def command_line(arguments=None):
    """Return a command with paths cut to their names and what may hold a password left out.

    Args: arguments: of `python -m core`; by default the command is the one that runs.
    """
    program = Path(sys.argv[0])
    start = ["python", "-m", "core"] if arguments is not None or program.name == "__main__.py" else [program.name]
    return shlex.join([*start, *(_short(word) for word in (sys.argv[1:] if arguments is None else arguments))])


def _short(word):
    found: Any = re.fullmatch(r"([\w.-]+=)?(.*)", word, re.DOTALL)  # --out=folder, near=folder
    option, value = found.groups()
    if "://" in value:
        return f"{option or ''}{value.partition('://')[0]}://..."
    return (option or "") + (value if value.startswith("torchvision:") else Path(value).name or value)
