"""Do perturbation masks keep and destroy the class, and what does the cross-check win? The table of docs/explanation.md.

python -m benchmarks.masks [PACK] [--limit N] [--check 0.5,0,1]: toybox:test, by default 60 pictures of the pack toybox; a minute a row on one core.
Expected on toybox: the class of all is kept and that of 57 of 60 destroyed; the cross-check wins a little in the Class Distortion Score and no more.
"""

import argparse
import sys
import time

import torch

from core.explanation.mask import find_masks
from core.images import toybox
from core.images.preprocess import stack
from core.packs import load_pack

BATCH = 20
HEADS = ("check", "class kept, %", "class destroyed, %", "area of keep, %", "of remove, %", "CDS mean (std), median", "reverse CDS", "s of one core a picture")


def row(pack, images, check):
    """Return the cells of one line."""
    began, found = time.process_time(), []
    for first in range(0, len(images), BATCH):
        found.append(find_masks(pack.network, images[first : first + BATCH], check=check))
    seconds = (time.process_time() - began) / len(images)
    joined = {name: torch.cat([getattr(part, name) for part in found]) for name in vars(found[0])}
    kept, destroyed = ((joined[f"confidence_{what}"] >= 0.5 * joined["confidence"]).float().mean() for what in ("kept", "removed"))
    areas = (f"{100 * joined[name].mean():.1f}" for name in ("keep", "remove"))
    scores = (f"{joined[s].mean():.2f} ({joined[s].std():.2f}), {joined[s].median():.2f}" for s in ("cds", "cds_reverse"))
    return (f"{check:g}", f"{100 * kept:.1f}", f"{100 * (1 - destroyed):.1f}", *areas, *scores, f"{seconds:.1f}")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.masks", description=__doc__.split("\n")[0])
    parser.add_argument("pack", nargs="?", default="toybox")
    parser.add_argument("--limit", type=int, default=60, help="pictures (default 60)")
    parser.add_argument("--check", default="0.5,0,1", help="weights of the cross-check, separated by commas (default 0.5,0,1)")
    options = parser.parse_args(arguments)
    pack = load_pack(options.pack, device="cpu")
    toys = [toybox.draw("test", index, size=pack.preprocessing.size).image for index in range(options.limit)]
    images = pack.preprocessing.normalise(stack(toys))
    for cells in (HEADS, ["---"] * len(HEADS)):
        print(f"| {' | '.join(cells)} |")
    for check in options.check.split(","):
        print(f"| {' | '.join(row(pack, images, float(check)))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
