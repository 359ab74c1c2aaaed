"""What `python -m core counterfactual` does beyond reading its options."""

import time
from pathlib import Path

from PIL import Image

from core.disk import whole
from core.errors import InputError, unknown
from core.explanation.counterfactual import counterfactual
from core.images.sources import Item
from core.packs import load_pack
from core.verdict import as_row


def turn_picture(options, *, keep, progress):
    """Search for the smallest change of one picture and write the changed one.

    Args: options: of the command; keep: a fraction. Returns: the document that the command prints.
    Raises: InputError for what the command was given wrongly.
    """
    if options.out and Path(options.out).suffix.lower() != ".png":
        raise InputError(f"The changed picture is written as PNG, not into {options.out}; end its name in .png.", key="explanation.out", out=str(options.out))
    pack = load_pack(options.pack, device=options.device)
    if options.target is not None and options.target not in pack.classes:
        raise unknown("class", options.target, pack.classes)
    pixels, other = (_seen(pack, file) for file in (options.picture, options.other))
    began = time.perf_counter()
    found = counterfactual(
        pack,
        pack.judge,
        pixels,
        kind=options.kind,
        basis=options.basis,
        other=other,
        target=None if options.target is None else pack.classes.index(options.target),
        detector=options.detector,
        keep=keep,
        seed=options.seed,
        progress=progress,
    )
    if options.out:
        with whole(options.out) as beside:
            Image.fromarray(found.pixels).save(beside, Image.registered_extensions().get(Path(options.out).suffix.lower(), "PNG"))
    return {
        "file": str(options.picture),
        "pack": pack.name,
        "kind": found.kind,
        "basis": found.basis,
        "other": options.other,
        "found": found.found,
        "size": round(found.size, 3),
        "cells": found.cells,
        **{when: _row(verdict) for when, verdict in (("before", found.before), ("after", found.after))},
        "out": options.out,
        "seconds": round(time.perf_counter() - began, 3),
    }


def lines(document):
    """Return the cells of the lines for people."""
    size = f"changed by {document['size']:.1f} of 255 (root mean square)"
    if document["cells"]:
        size += ", {} of {} cells exchanged".format(*document["cells"])
    rows = (("before", document["before"]), ("after", document["after"]))
    told = [(name, row["class"], f"{100 * row['confidence']:.1f} %", row["verdict"], f"p = {row['p_value']:.3f}") for name, row in rows]
    return [("turned" if document["found"] else f"nothing that was tried turns the {document['kind']}", size), *told]


def _row(verdict):
    return {name: value for name, value in as_row(verdict, "").items() if name not in ("file", "error")}


def _seen(pack, file):
    return None if file is None else pack.preprocessing.see(Item(str(file), Path(file)).open(near=pack.preprocessing.size))
