"""Packs: a folder with a network, how it sees, what it knows, and what its known pictures measured.

Finding and describing packs reads their `pack.toml` only and needs no torch; `load_pack` imports it.
"""

import os
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.errors import InputError, unknown
from core.home import data_home
from core.packs.facts import check_facts

SHIPPED = Path(__file__).parents[2] / "assets" / "packs"
FORMAT = 1
LONGEST = 2**20  # bytes of a pack.toml: one with 20,000 classes has 600,000
DEEP = re.compile(
    r"""(?<![^\s=,\[\].])(?>(?>"[^"\n]*"|'[^'\n]*'|[^\s=,\[\].]+)[ \t]*\.[ \t]*){20}"""
)  # a key of so many parts; reading it takes their number squared


@dataclass(frozen=True)
class Description:
    """What `pack.toml` says of a pack; `facts` is the whole of it, shared by all who ask: read only."""

    name: str
    folder: Path
    facts: dict

    @property
    def summary(self):
        """Return the line that `python -m core packs` prints of this pack; accuracy in percent, None where it is unknown."""
        facts = self.facts
        return {
            "name": self.name,
            "arch": facts["arch"],
            "training": facts["training"]["method"],
            "accuracy": facts["figures"].get("accuracy"),
            "selected_block": facts["selection"]["selected"],
            "detector": facts["detector"],
            "classes": facts["classes"],
            "bytes": sum(f.stat().st_size for f in self.folder.iterdir() if f.is_file()),
        }


def own_folder():
    """Return the folder of packs that were made in the dashboard: ~/.local/share/blockscope/packs unless XDG_DATA_HOME says otherwise.

    They are found by name only, never listed: a name is all that keeps one person's pack from another's.
    """
    return data_home() / "packs"


def pack_folders():
    """Return the folders that are searched for packs: the shipped ones, then those of BLOCKSCOPE_PACKS (separated as in PATH)."""
    return [SHIPPED, *(Path(p) for p in os.environ.get("BLOCKSCOPE_PACKS", "").split(os.pathsep) if p)]


def list_packs():
    """Return {name: Description} of every pack found, shipped ones first; a broken one is left out here and explained by `describe`."""
    found = {}
    for root in pack_folders():
        for file in sorted(root.glob("[!.]*/pack.toml")):  # one that is being written lies in a hidden folder
            try:
                found.setdefault(file.parent.name, describe(file.parent))
            except InputError:
                continue
    return found


def describe(name_or_folder):
    """Read what a pack says of itself, by name or folder.

    Raises: InputError if there is no such pack, or its pack.toml is damaged, incomplete or of another format.
    """
    places = (root / str(name_or_folder) for root in (*pack_folders(), own_folder()))
    folder = next((place for place in places if _is_file(place / "pack.toml")), Path(name_or_folder))
    file = folder / "pack.toml"
    if not _is_file(file):
        raise unknown("pack", str(name_or_folder), [f.parent.name for root in pack_folders() for f in root.glob("[!.]*/pack.toml")])
    try:
        stamp = _stamp(file)
        facts = _facts(file, stamp)
    except (ValueError, RecursionError, OSError) as error:  # ValueError: also a number of too many digits
        raise InputError(f"{file} is not valid TOML ({error}); build the pack again.", key="pack.damaged", name=folder.name) from error
    if facts.get("format", FORMAT) != FORMAT:
        raise InputError(
            f"{file} has format {str(facts['format'])[:20]}, this version reads {FORMAT}; build the pack again.", key="pack.format", name=folder.name
        )
    try:
        _check(file, stamp)
    except ValueError as error:
        raise InputError(f"{file} is damaged: {error}; build the pack again.", key="pack.damaged", name=folder.name) from error
    return Description(folder.name, folder, facts)


@lru_cache(maxsize=256)  # every page asks for every pack at every click
def _facts(file, stamp):
    """Return the whole of a pack.toml. Raises: ValueError, RecursionError, OSError."""
    if file.stat().st_size > LONGEST:
        raise ValueError(f"it has more than {LONGEST:,} bytes")
    text = file.read_text("utf-8")
    if DEEP.search(text):
        raise ValueError("a key has more than 20 parts")
    return tomllib.loads(text)


@lru_cache(maxsize=256)
def _check(file, stamp):
    check_facts(_facts(file, stamp))


def _stamp(file):
    """Return what changes when a file is written anew."""
    found = file.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _is_file(path):
    try:
        return path.is_file()
    except OSError:  # a name that is too long, a folder that may not be read
        return False


def load_pack(name_or_folder, **options):
    """Load a pack with its network and reference; see `core.packs.pack.load`."""
    from core.packs.pack import load

    return load(name_or_folder, **options)
