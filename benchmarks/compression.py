"""How far attribution maps move when a network is compressed, and what attribution matching wins: the tables of docs/compression.md.

python -m benchmarks.compression [RUN ...] [--pack PACK --source SRC --data SRC] [--limit N] [--slow M] [--steps S --seeds K]
Accuracy and Grad-CAM on 200 pictures, slower maps on the first 40.
Three minutes for the levels of toybox on one core, two and a half for each seed of each pruning of the fine-tuning.
Expected on toybox: int8 and half of the weights pruned by magnitude hardly move a map; without 40 % of the channels, fine-tuning brings answers
back and not maps (Integrated Gradients 0.41), and matching adds 0.03 to that.
"""

import sys
import time

from benchmarks.measured import main, number
from core.compression import compress
from core.compression.command import CALIBRATED, object_masks
from core.compression.drift import drift
from core.compression.matching import MATCHING, Finetuning, finetune
from core.compression.size import bytes_of
from core.explanation import EXPLANATIONS
from core.images.sources import open_source, read
from core.packs import load_pack

RUNS = {
    "toybox": {},
    "cifar10": {"pack": "cifar10", "source": "data:cifar10_test", "data": "data:cifar10_train"},
    "finetuning": {"steps": 200},
}
LEVELS = [("magnitude", share) for share in (0.3, 0.5, 0.7, 0.9)] + [("structured", share) for share in (0.2, 0.4, 0.6)] + [("int8", None)]
OTHERS = {"toybox": "toybox-standard", "cifar10": "cifar10-standard-resnet18"}  # another training of the same classes: how far apart maps can be
HELD_OUT, TRAINED = 2000, 4000  # pictures that the packs kept from training; pictures after them to fine-tune on
FAST = "gradcam"
METHODS = (FAST, "integrated_gradients", "rsp")  # the last after fine-tuning alone
SHOWN_AS = {"spearman": "rank correlation", "spearman_same_class": "same class", "energy_after": "on the object, %"}
SHOWN = tuple(SHOWN_AS)


def measured(network, small, images, labels, masks, *, methods, slow):
    """Return accuracy and share of the same class in %, and figures of each method's maps: Grad-CAM on all pictures, others on the first `slow`."""
    found = {}
    for name in methods:
        count = len(images) if name == FAST else slow
        found[name] = drift(network, small, images[:count], method=name, masks=None if masks is None else masks[:count]).figures(labels[:count])
    maps = {name: {what: row[what] for what in SHOWN} for name, row in found.items()}
    return {"accuracy": found[FAST]["accuracy_after"], "same_class": found[FAST]["same_class"], "maps": maps}


def levels(pack, images, labels, masks, sample, *, slow):
    """Return a row for each way and level."""
    rows = []
    for name, share in [(None, None), *LEVELS]:
        small = pack.network if name is None else compress(name, pack.network, sample, **({} if share is None else {"amount": share}))
        size = bytes_of(small, bits=8 if name == "int8" else 32)
        rows.append({"title": _title(name, share), "bytes": size, **measured(pack.network, small, images, labels, masks, methods=METHODS[:2], slow=slow)})
    if pack.name in OTHERS:
        other = load_pack(OTHERS[pack.name], device="cpu").network
        found = measured(pack.network, other, images, labels, masks, methods=METHODS[:2], slow=slow)
        rows.append({"title": "another training", "bytes": None, **found})
    return rows


def finetuning(pack, images, labels, masks, train, *, slow, seeds, steps, prunings):
    """Return a row for each fine-tuning of each pruned network."""
    sample, rows = pack.preprocessing.normalise(train.images[:1]), []
    for name, share in prunings:
        pruned = compress(name, pack.network, sample, amount=share)
        runs = [("none", None, None), *((title, seed, weight) for seed in range(seeds) for title, weight in (("plain", 0.0), ("matching", MATCHING)))]
        for title, seed, weight in runs:
            small, began = pruned, time.process_time()
            if seed is not None:
                recipe = Finetuning(steps=steps, seed=seed, matching=weight)
                small = finetune(pruned, pack.network, train.images, train.labels, pack.preprocessing, recipe)
            facts = {"title": _title(name, share), "finetuned": title, "seed": seed, "seconds": None if seed is None else time.process_time() - began}
            rows.append({**facts, **measured(pack.network, small, images, labels, masks, methods=METHODS, slow=slow)})
            print(rows[-1]["title"], title, seed, file=sys.stderr, flush=True)
    return rows


def measure(
    *,
    pack="toybox",
    source="toybox:test",
    data="toybox:train",
    limit=200,
    slow=40,
    steps=0,
    seeds=3,
    prunings=("structured=0.4", "magnitude=0.9"),
):
    """Compress a pack's network by `LEVELS`, or fine-tune it pruned where there are `steps`. Args: data: training pictures; slow: of `limit`, for slow maps."""
    loaded = load_pack(pack, device="cpu")
    batch = read(open_source(source), loaded.preprocessing, stop=limit)
    masks = object_masks(source, len(batch.images), loaded.preprocessing.size)
    train = read(open_source(data), loaded.preprocessing, start=HELD_OUT, stop=HELD_OUT + (TRAINED if steps else CALIBRATED))
    given = loaded, loaded.preprocessing.normalise(batch.images), batch.labels, masks
    facts = {"pictures": len(batch.images), "object": None if masks is None else 100 * masks.float().mean()}
    if not steps:
        return {**facts, "rows": levels(*given, loaded.preprocessing.normalise(train.images), slow=slow)}
    shares = [(name, float(share)) for name, _, share in (one.partition("=") for one in prunings)]
    return {**facts, "rows": finetuning(*given, train, slow=slow, seeds=seeds, steps=steps, prunings=shares)}


def tables(runs):
    """Return the table of each run; "on the object" stands where there are masks."""
    return {f"compression_{name}": list((_tuned if "finetuned" in run["rows"][0] else _levels)(run)) for name, run in runs.items()}


def _levels(run):
    shown = SHOWN[: None if run["object"] else 2]
    yield ["compressed", "kB", "accuracy, %", "same class, %", *_heads(METHODS[:2], shown)]
    for row in run["rows"]:
        size = "-" if row["bytes"] is None else f"{row['bytes'] / 1000:.0f}"
        yield [row["title"], size, number(row["accuracy"]), number(row["same_class"]), *_maps(row, METHODS[:2], shown)]


def _tuned(run):
    shown = ("spearman", "energy_after")
    yield ["pruned", "fine-tuned", "seed", "accuracy, %", *_heads(METHODS, shown), "CPU s"]
    for row in run["rows"]:
        seed = "-" if row["seed"] is None else f"{row['seed']}"
        yield [row["title"], row["finetuned"], seed, number(row["accuracy"]), *_maps(row, METHODS, shown), number(row["seconds"], 0)]


def _heads(methods, shown):
    return [f"{EXPLANATIONS[name].title}: {SHOWN_AS[what]}" for name in methods for what in shown]


def _maps(row, methods, shown):
    return [number(row["maps"][name][what], 1 if what == "energy_after" else 3) for name in methods for what in shown]


def _title(name, share):
    return "not at all" if name is None else name if share is None else f"{name} {100 * share:g} %"


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
