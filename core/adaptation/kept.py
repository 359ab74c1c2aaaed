"""Keep DPLOT's selection of blocks: it costs minutes, and is the same for the same weights.

A pack that ships has it beside its weights, adaptation.json; what is found here is kept in ~/.local/share/blockscope/selections.
"""

import json
from dataclasses import asdict
from typing import Any

from core.adaptation.selection import BlockSelection
from core.disk import write_whole
from core.home import data_home
from core.packs import describe
from core.provenance import pack_hash

FILE = "adaptation.json"


def kept_selection(pack_name):
    """Return the `BlockSelection` that was kept for a pack, or None; one that was made for other weights does not count."""
    description = describe(pack_name)
    digest = pack_hash(description)
    for file in (description.folder / FILE, _place(digest)):
        try:
            found = json.loads(file.read_text("utf-8"))
            if found["pack_hash"] == digest:
                values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in found["selection"].items()}
                return BlockSelection(**values)
        except (OSError, ValueError, KeyError, TypeError):  # not there, or not written by this version: it is made anew
            continue
    return None


def keep_selection(pack_name, selection, *, beside=False, **made_by):
    """Keep a selection. Args: beside: the pack's weights, instead of the person's own folder; **made_by: what it was made with.

    Returns: the file. Raises: InputError where it cannot be written.
    """
    description = describe(pack_name)
    digest = pack_hash(description)
    file = description.folder / FILE if beside else _place(digest)
    document = {"pack_hash": digest, "made_by": made_by, "selection": asdict(selection)}
    write_whole(file, (json.dumps(document, indent=1) + "\n").encode())
    return file


def _place(digest):
    return data_home() / "selections" / f"{digest}.json"
