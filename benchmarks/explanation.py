"""Which explanation can be believed on which pack: the tables of docs/explanation.md.

python -m benchmarks.explanation [RUN ...] [--pack PACK --source SRC] [--limit N] [--sanity M] [--methods NAME ...] [--save]
--save keeps the figures in assets/faithfulness.toml, which the dashboard shows; so do the runs on known pictures.
Pictures of the toybox bring the true mask of their object. Four minutes for the pack toybox on one core.
Expected on toybox: Grad-CAM, Integrated Gradients and occlusion are believed; RSP lies on the object most of all (83 % of its positive map) but its order
deletes no faster than a random one.
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import tomlkit
import torch

from benchmarks.measured import main, number
from core.explanation import EXPLANATIONS, OF_NORM, explain
from core.explanation.common import classes_of, norm_of
from core.explanation.faithfulness import area, deletion, edge_maps, energy, hits, insertion, probability_of, random_maps, sanity
from core.explanation.measured import FILE, WEIGHTS, WHY_NOT
from core.images import toybox
from core.images.preprocess import stack
from core.images.sources import open_source, read
from core.packs import load_pack
from core.table import look_up

RUNS = {
    "toybox": {"save": True},
    "m_tlat": {"pack": "toybox-m-tlat", "save": True},
    "near": {"source": "toybox:near", "limit": 40, "sanity": 5},
    "cifar10": {"pack": "cifar10", "source": "data:cifar10_test", "limit": 40, "save": True},
    "vgg16": {"pack": "cifar10-standard-vgg16", "source": "data:cifar10_test", "limit": 40, "save": True},
}
SEED = 0  # of the random orders
ORDERS = 3  # random ones, whose mean is the floor
SHARES = (0.05, 0.5, 1.0)  # of the layers whose weights are shuffled, from the head
FLOORS = {"random": "random order", "edges": "edges"}
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


def measured(pack, images, masks, *, sanity_on, methods=tuple(EXPLANATIONS)):
    """Measure methods, a random order and edges. Args: images: (N, 3, S, S), preprocessed; masks: (N, S, S) bool or None. Returns: {name: Measured}."""
    network, block = pack.network, pack.selection.selected
    rows = {name: Measured(EXPLANATIONS[name].title) for name in methods}
    floors = {f"{floor}{' (norm)' * of_norm}": of_norm for floor in FLOORS.values() for of_norm in (False, True)}
    rows |= {name: Measured(name) for name in floors}
    generator = torch.Generator().manual_seed(SEED)
    for first in range(0, len(images), BATCH):
        batch, mask = images[first : first + BATCH], None if masks is None else masks[first : first + BATCH]
        probability, norm = probability_of(network, classes_of(network, batch)), _relative(norm_of(network, block), batch)
        for name in methods:
            began = time.process_time()
            maps = explain(name, network, batch, block=block if name in OF_NORM else None)
            rows[name].milliseconds = 1000 * (time.process_time() - began) / len(batch)
            _judge(rows[name], norm if name in OF_NORM else probability, batch, [maps], mask)
        blind = [random_maps(batch, generator=generator) for _ in range(ORDERS)]
        for name, of_norm in floors.items():
            _judge(rows[name], norm if of_norm else probability, batch, blind if name.startswith("random") else [edge_maps(batch)], mask)
    for name in methods:
        at = block if name in OF_NORM else None
        rows[name].correlations = sanity(
            lambda *given, name=name, at=at, **target: explain(name, *given, block=at, **target), network, images[:sanity_on], shares=SHARES
        )
    rows["edges"].correlations = torch.ones(len(SHARES), sanity_on)
    return rows


def plain(rows):
    """Return what `measured` returned as plain data: means over pictures, those of the object in %."""

    def mean(values, of=1):
        there = [] if values is None else [v for v in values.tolist() if v == v]
        return of * sum(there) / len(there) if there else None

    return {
        name: {
            "title": row.title,
            **{key: mean(row.values[key]) for key in ("deletion", "insertion")},
            **{key: mean(row.values.get(key), 100) for key in ("hit", "positive", "negative")},
            "correlations": None if row.correlations is None else row.correlations.mean(1),
            "milliseconds": row.milliseconds,
            "why_not": failings(rows, name) if name in EXPLANATIONS else None,
        }
        for name, row in rows.items()
    }


def tables(runs):
    """Return the table of each run."""
    return {f"explanation_{name}": [HEADS, *(_cells(row) for row in run["methods"].values())] for name, run in runs.items()}


def _cells(row):
    failed = row["why_not"]
    believed = "-" if failed is None else "no: " + ", ".join(WHY_NOT[one] for one in failed) if failed else "yes"
    correlations = "-" if row["correlations"] is None else ", ".join(f"{c:.2f}" for c in row["correlations"])
    shares = (number(row[key]) for key in ("hit", "positive", "negative"))
    return [row["title"], number(row["deletion"], 3), number(row["insertion"], 3), *shares, correlations, number(row["milliseconds"], 0), believed]


def failings(rows, name):
    """Return what a method fails, of `WHY_NOT`: each comparison by picture, with a mean beyond two standard errors."""
    row, end = rows[name].values, " (norm)" * (name in OF_NORM)
    failed = []
    for key, floor in FLOORS.items():
        other = rows[floor + end].values
        failed += [f"{way}_{key}" for way, sign in (("deletion", -1), ("insertion", 1)) if not _above(sign * (row[way] - other[way]))]
    if "positive" in row and not _above(row["positive"] - row["share"]):
        failed.append("object")
    if rows[name].correlations[-1].mean().abs() >= SMALL:
        failed.append("weights")
    return failed


def store(pack, rows, spec, masks, *, sanity_on, file=FILE):
    """Keep what `measured` returned for the dashboard; methods that were measured before on the same pictures stay beside it."""
    facts = {
        "source": Path(spec).name if Path(spec).exists() else spec,
        "pictures": len(rows["edges"].values["deletion"]),
        "shuffled": sanity_on,
        "block": pack.selection.selected,
        "weights": pack.facts["files"][WEIGHTS],
        **({} if masks is None else {"object": _rounded(100 * masks.float().mean())}),
    }
    document = tomlkit.parse(file.read_text("utf-8")).unwrap() if file.is_file() else {}
    before = document.get(pack.name, {})
    kept = before.get("methods", {}) if {k: v for k, v in before.items() if k != "methods"} == facts else {}
    found = {name: _figures(rows, name) for name in rows if name in EXPLANATIONS}
    document[pack.name] = {**facts, "methods": {name: {**kept, **found}[name] for name in EXPLANATIONS if name in {**kept, **found}}}
    file.write_text(tomlkit.dumps(dict(sorted(document.items()))), "utf-8")


def _figures(rows, name):
    row, end = rows[name], " (norm)" * (name in OF_NORM)
    failed = failings(rows, name)
    return {
        **{way: _rounded(row.values[way].mean()) for way in ("deletion", "insertion")},
        **{key: {way: _rounded(rows[floor + end].values[way].mean()) for way in ("deletion", "insertion")} for key, floor in FLOORS.items()},
        **{key: _rounded(100 * row.values[key].mean()) for key in ("hit", "positive") if key in row.values},
        "correlation": _rounded(row.correlations[-1].mean()),
        "believed": not failed,
        "why_not": failed,
    }


def _rounded(value):
    return round(float(value), 4)


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


def measure(*, pack="toybox", source="toybox:test", limit=60, sanity=10, methods=tuple(EXPLANATIONS), save=False):
    """Measure methods on the first `limit` pictures of a source. Args: sanity: of them, for the shuffled weights; save: keep it for the dashboard, too."""
    for name in methods:
        look_up(EXPLANATIONS, name, kind="explanation")
    loaded = load_pack(pack, device="cpu")
    images, masks = _pictures(source, loaded.preprocessing, limit)
    sanity = min(sanity, len(images))
    rows = measured(loaded, loaded.preprocessing.normalise(images), masks, sanity_on=sanity, methods=methods)
    if save:
        store(loaded, rows, source, masks, sanity_on=sanity)
    covered = None if masks is None else 100 * masks.float().mean()
    return {"pictures": len(images), "shuffled": sanity, "block": loaded.selection.selected, "object": covered, "seed": SEED, "methods": plain(rows)}


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
