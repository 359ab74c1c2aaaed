"""How often a counterfactual is found, how large it is and how long it takes: the table of docs/explanation.md.

python -m benchmarks.counterfactual [--pack PACK] [--limit N]: by default the pack toybox, 30 pictures a line; seconds of one core, three minutes in all.
Expected on toybox: a smooth change is found for all; a verdict takes a smaller one than a class.
"""

import itertools
import sys
import time
from statistics import median

from benchmarks.measured import main, number
from core.explanation.counterfactual import counterfactual
from core.images import toybox
from core.images.preprocess import stack
from core.packs import load_pack
from core.verdict import ID, OOD, Judge

RUNS = {"toybox": {}}
HEADS = ["pictures", "turns", "basis", "found", "median change, of 255", "largest", "median cells of 64", "median s", "slowest s"]
LINES = (
    ("test", "class", "low_frequency"),
    ("test", "verdict", "low_frequency"),
    ("near", "verdict", "low_frequency"),
    ("test", "class", "patches"),
    ("test", "verdict", "patches"),
    ("near", "verdict", "patches"),
)


def judged(pack, judge, split):
    """Yield (pixels, verdict) of toys that the judge says of what their split is: test ID, near OOD."""
    for index in itertools.count():
        pixels = toybox.draw(split, index, size=pack.preprocessing.size).image
        verdict = judge.judge(pack.probe(stack([pixels])), pack.classes)[0]
        if verdict.verdict == (ID if split == "test" else OOD):
            yield pixels, verdict


def measure(*, pack="toybox", limit=30):
    """Search a counterfactual of `limit` pictures for each of `LINES`."""
    loaded = load_pack(pack, device="cpu")
    judge = Judge(loaded.reference, ("consensus",))
    return {"pictures": limit, "detector": "consensus", "rows": [row(loaded, judge, *line, limit) for line in LINES]}


def row(pack, judge, split, kind, basis, limit):
    """Return the figures of one line. Patches come from the next picture of another class, or of the other split."""
    found, times = [], []
    others = judged(pack, judge, "near" if (split, kind) == ("test", "verdict") else "test")
    for pixels, verdict in itertools.islice(judged(pack, judge, split), limit):
        other = None
        if basis == "patches":
            other = next(o for o, said in others if kind == "verdict" or said.label != verdict.label)
        began = time.process_time()
        found.append(counterfactual(pack, judge, pixels, kind=kind, basis=basis, other=other))
        times.append(time.process_time() - began)
    turned = [one for one in found if one.found]
    return {
        "source": f"toybox:{split}",
        "turns": kind if kind == "class" else "ID to OOD" if split == "test" else "OOD to ID",
        "basis": basis,
        "found": len(turned),
        "size": median(one.size for one in turned) if turned else None,
        "largest": max((one.size for one in turned), default=None),
        "cells": median(one.cells[0] for one in turned) if turned and basis == "patches" else None,
        "seconds": median(times),
        "slowest": max(times),
    }


def tables(runs):
    """Return the table of each run."""
    return {f"counterfactual_{name}": [HEADS, *(_cells(row, run["pictures"]) for row in run["rows"])] for name, run in runs.items()}


def _cells(row, pictures):
    cells = "-" if row["cells"] is None else f"{row['cells']:g}"
    sizes, times = ([number(row[key]) for key in keys] for keys in (("size", "largest"), ("seconds", "slowest")))
    return [row["source"], row["turns"], row["basis"], f"{row['found']} of {pictures}", *sizes, cells, *times]


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
