"""Do perturbation masks keep and destroy the class, and what does the cross-check win? The table of docs/explanation.md.

python -m benchmarks.masks [--pack PACK] [--limit N] [--checks 0.5 0 1]: pictures of toybox:test; a minute a row on one core.
Expected on toybox: the class of all is kept and that of 57 of 60 destroyed; the cross-check wins a little in the Class Distortion Score and no more.
"""

import sys
import time

import torch

from benchmarks.measured import main
from core.explanation.mask import find_masks
from core.images import toybox
from core.images.preprocess import stack
from core.packs import load_pack

RUNS = {"toybox": {}}
BATCH = 20
HEADS = ["check", "class kept, %", "class destroyed, %", "area of keep, %", "of remove, %", "CDS mean (std), median", "reverse CDS", "s of one core a picture"]


def measure(*, pack="toybox", limit=60, checks=(0.5, 0.0)):
    """Find the masks of `limit` toys. Args: checks: weights of the cross-check."""
    loaded = load_pack(pack, device="cpu")
    toys = [toybox.draw("test", index, size=loaded.preprocessing.size).image for index in range(limit)]
    images = loaded.preprocessing.normalise(stack(toys))
    return {"pictures": limit, "source": "toybox:test", "rows": [row(loaded, images, check) for check in checks]}


def row(pack, images, check):
    """Return the figures of one weight of the cross-check: shares and areas in %."""
    began, found = time.process_time(), []
    for first in range(0, len(images), BATCH):
        found.append(find_masks(pack.network, images[first : first + BATCH], check=check))
    seconds = (time.process_time() - began) / len(images)
    joined = {name: torch.cat([getattr(part, name) for part in found]) for name in vars(found[0])}
    kept, destroyed = ((joined[f"confidence_{what}"] >= 0.5 * joined["confidence"]).float().mean() for what in ("kept", "removed"))
    return {
        "check": check,
        "kept": 100 * kept,
        "destroyed": 100 * (1 - destroyed),
        **{name: 100 * joined[name].mean() for name in ("keep", "remove")},
        **{name: {"mean": joined[name].mean(), "std": joined[name].std(), "median": joined[name].median()} for name in ("cds", "cds_reverse")},
        "seconds": seconds,
    }


def tables(runs):
    """Return the table of each run."""
    return {f"masks_{name}": [HEADS, *(_cells(row) for row in run["rows"])] for name, run in runs.items()}


def _cells(row):
    shares = (f"{row[name]:.1f}" for name in ("kept", "destroyed", "keep", "remove"))
    scores = ("{mean:.2f} ({std:.2f}), {median:.2f}".format(**row[name]) for name in ("cds", "cds_reverse"))
    return [f"{row['check']:g}" + " (no cross-check)" * (row["check"] == 0), *shares, *scores, f"{row['seconds']:.1f}"]


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
