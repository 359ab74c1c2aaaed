"""Which explanation can be believed on which pack: the tables of docs/explanation.md.

python -m benchmarks.explanation [PACK=SRC ...] [--limit N] [--sanity M], by default toybox=toybox:test, 60 pictures, 10 of them for the randomised weights.
Pictures of the toybox bring the true mask of their object. Four minutes for the pack toybox on one core.
Expected on toybox: Grad-CAM, Integrated Gradients and occlusion are believed; RSP lies on the object most of all (83 % of its positive map) but its order
deletes no faster than a random one.
"""

import argparse
import sys
import time
from dataclasses import dataclass, field

import torch

from core.explanation import EXPLANATIONS, OF_NORM, explain
from core.explanation.common import classes_of, norm_of
from core.explanation.faithfulness import area, deletion, edge_maps, energy, hits, insertion, probability_of, random_maps, sanity
from core.images import toybox
from core.images.preprocess import stack
from core.images.sources import named_sources, open_source, read
from core.packs import load_pack

ORDERS = 3  # random ones, whose mean is the floor
SHARES = (0.05, 0.5, 1.0)  # of the layers whose weights are shuffled, from the head
SMALL = 0.3  # rank correlation with a network of shuffled weights that still counts as another map
BATCH = 20
HEADS = ("method", "deletion", "insertion", "hit, %", "positive map on the object, %", "negative map on the object, %", "rank correlation", "ms", "believed")


@dataclass
class Measured:
    """What one method gave on N pictures: (N,) tensors by name, and the (shares, M) rank correlations."""

    title: str
    values: dict = field(default_factory=dict)
    correlations: torch.Tensor | None = None
    milliseconds: float | None = None

    def add(self, **values):
        for name, value in values.items():
            self.values[name] = torch.cat([self.values[name], value]) if name in self.values else value

    def percent(self, name):
        """Return the mean in %, over pictures that have the value."""
        there = [v for v in self.values.get(name, torch.empty(0)).tolist() if v == v]
        return f"{100 * sum(there) / len(there):.1f}" if there else "-"


def measured(pack, images, masks, *, sanity_on):
    """Measure every method, a random order and edges. Args: images: (N, 3, S, S), preprocessed; masks: (N, S, S) bool or None. Returns: [Measured]."""
    network, block = pack.network, pack.selection.selected
    rows = {name: Measured(entry.title) for name, entry in EXPLANATIONS.items()}
    floors = {f"{floor}{' (norm)' * of_norm}": of_norm for floor in ("random order", "edges") for of_norm in (False, True)}
    rows |= {name: Measured(name) for name in floors}
    generator = torch.Generator().manual_seed(0)
    for first in range(0, len(images), BATCH):
        batch, mask = images[first : first + BATCH], None if masks is None else masks[first : first + BATCH]
        probability, norm = probability_of(network, classes_of(network, batch)), _relative(norm_of(network, block), batch)
        for name in EXPLANATIONS:
            began = time.perf_counter()
            maps = explain(name, network, batch, block=block if name in OF_NORM else None)
            rows[name].milliseconds = 1000 * (time.perf_counter() - began) / len(batch)
            _judge(rows[name], norm if name in OF_NORM else probability, batch, [maps], mask)
        blind = [random_maps(batch, generator=generator) for _ in range(ORDERS)]
        for name, of_norm in floors.items():
            _judge(rows[name], norm if of_norm else probability, batch, blind if name.startswith("random") else [edge_maps(batch)], mask)
    for name in EXPLANATIONS:
        at = block if name in OF_NORM else None
        rows[name].correlations = sanity(
            lambda *given, name=name, at=at, **target: explain(name, *given, block=at, **target), network, images[:sanity_on], shares=SHARES
        )
    rows["edges"].correlations = torch.ones(len(SHARES), sanity_on)
    return rows


def table(rows):
    """Return the Markdown table of what `measured` returned."""
    lines = [HEADS, tuple("---" for _ in HEADS)]
    for name, row in rows.items():
        correlation = "-" if row.correlations is None else ", ".join(f"{c:.2f}" for c in row.correlations.mean(1))
        speed = "-" if row.milliseconds is None else f"{row.milliseconds:.0f}"
        areas = (f"{row.values[key].mean():.3f}" for key in ("deletion", "insertion"))
        lines.append((row.title, *areas, *(row.percent(key) for key in ("hit", "positive", "negative")), correlation, speed, verdict(rows, name)))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def verdict(rows, name):
    """Say "yes", or what a method fails: each comparison by picture, with a mean beyond two standard errors."""
    if name not in EXPLANATIONS:
        return "-"
    row, end = rows[name].values, " (norm)" * (name in OF_NORM)
    failed = []
    for floor in ("random order", "edges"):
        other = rows[floor + end].values
        failed += [f"{key} against {floor}" for key, sign in (("deletion", -1), ("insertion", 1)) if not _above(sign * (row[key] - other[key]))]
    if "positive" in row and not _above(row["positive"] - row["share"]):
        failed.append("on the object")
    if rows[name].correlations[-1].mean().abs() >= SMALL:
        failed.append("shuffled weights")
    return "no: " + ", ".join(failed) if failed else "yes"


def _judge(row, measure, batch, maps, mask):
    ways = {way.__name__: torch.stack([area(way(measure, batch, order)) for order in maps]).mean(0) for way in (deletion, insertion)}
    row.add(**ways)
    if mask is not None:
        mean = {key: torch.stack([of(order) for order in maps]).mean(0) for key, of in _places(mask).items()}
        row.add(**mean, share=mask.float().mean((1, 2)))


def _places(mask):
    return {
        "hit": lambda m: hits(m, mask).float(),
        "positive": lambda m: energy(m, mask),
        "negative": lambda m: torch.where(m.amin((1, 2)) < 0, energy(-m, mask), torch.nan),
    }


def _relative(norm, batch):
    """Return the measure of a norm as a share of the whole picture's."""
    with torch.no_grad():
        whole = norm(batch)
    return lambda images: norm(images) / whole


def _above(differences):
    """Tell whether the mean lies above zero by more than two standard errors."""
    return bool(differences.mean() > 2 * differences.std() / len(differences) ** 0.5)


def _pictures(spec, preprocessing, limit):
    """Return (pictures (N, 3, S, S) uint8, masks (N, S, S) bool or None); toys are drawn at the size of the input."""
    kind, _, split = spec.partition(":")
    if kind != "toybox":
        return read(open_source(spec), preprocessing, stop=limit).images, None
    toys = [toybox.draw(split, index, size=preprocessing.size) for index in range(limit)]
    return stack([toy.image for toy in toys]), torch.stack([torch.from_numpy(toy.mask) for toy in toys])


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explanation", description=__doc__.split("\n")[0])
    parser.add_argument("pairs", nargs="*", default=["toybox=toybox:test"], metavar="PACK=SRC")
    parser.add_argument("--limit", type=int, default=60, help="pictures a pack (default 60)")
    parser.add_argument("--sanity", type=int, default=10, help="of them, for the randomised weights (default 10)")
    options = parser.parse_args(arguments)
    for name, spec in named_sources(options.pairs).items():
        pack = load_pack(name, device="cpu")
        images, masks = _pictures(spec, pack.preprocessing, options.limit)
        rows = measured(pack, pack.preprocessing.normalise(images), masks, sanity_on=min(options.sanity, len(images)))
        share = "no masks" if masks is None else f"the object covers {100 * masks.float().mean():.1f} %"
        print(f"## {name}, {spec}\n\n{len(images)} pictures, {share}; selected block {pack.selection.selected}\n\n{table(rows)}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
