"""How often a counterfactual is found, how large it is and how long it takes: the table of docs/explanation.md.

python -m benchmarks.counterfactual [PACK] [--limit N]: by default the pack toybox, 30 pictures a line; seconds of one core.
Expected on toybox: a smooth change is found for all; a verdict takes a smaller one than a class.
"""

import argparse
import itertools
import sys
import time
from statistics import median

from core.explanation.counterfactual import counterfactual
from core.images import toybox
from core.images.preprocess import stack
from core.packs import load_pack
from core.verdict import ID, OOD, Judge

HEADS = ("pictures", "turns", "basis", "found", "median change, of 255", "largest", "median cells of 64", "median s", "slowest s")
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


def row(pack, judge, split, kind, basis, limit):
    """Return the cells of one line. Patches come from the next picture of another class, or of the other split."""
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
    sizes = [f"{of(one.size for one in turned):.1f}" if turned else "-" for of in (median, max)]
    cells = f"{median(one.cells[0] for one in turned):g}" if turned and basis == "patches" else "-"
    turns = kind if kind == "class" else "ID to OOD" if split == "test" else "OOD to ID"
    return (f"toybox:{split}", turns, basis, f"{len(turned)} of {limit}", *sizes, cells, f"{median(times):.1f}", f"{max(times):.1f}")


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.counterfactual", description=__doc__.split("\n")[0])
    parser.add_argument("pack", nargs="?", default="toybox")
    parser.add_argument("--limit", type=int, default=30, help="pictures a line (default 30)")
    options = parser.parse_args(arguments)
    pack = load_pack(options.pack, device="cpu")
    judge = Judge(pack.reference, ("consensus",))
    for cells in (HEADS, ["---"] * len(HEADS)):
        print(f"| {' | '.join(cells)} |")
    for line in LINES:
        print(f"| {' | '.join(row(pack, judge, *line, options.limit))} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
