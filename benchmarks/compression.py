"""How far attribution maps move when a network is compressed, and what attribution matching wins: the tables of docs/compression.md.

python -m benchmarks.compression levels [PACK=SRC ...] [--data PACK=SRC] [--limit N] [--slow M]
python -m benchmarks.compression finetuning [PACK=SRC ...] [--data PACK=SRC] [--seeds K] [--steps S] [--prune NAME=SHARE ...]
By default toybox=toybox:test with training pictures toybox=toybox:train; accuracy and Grad-CAM on 200 pictures, slower maps on the first 40.
Three minutes for the levels of toybox on one core, two and a half for each seed of each pruning of the fine-tuning.
Expected on toybox: int8 and half of the weights pruned by magnitude hardly move a map; without 40 % of the channels, fine-tuning brings answers
back and not maps (Integrated Gradients 0.41), and matching adds 0.03 to that.
"""

import argparse
import sys
import time

import torch

from core.compression import compress
from core.compression.command import CALIBRATED, object_masks
from core.compression.drift import drift
from core.compression.matching import MATCHING, Finetuning, finetune
from core.compression.size import bytes_of
from core.explanation import EXPLANATIONS
from core.images.sources import named_sources, open_source, read
from core.packs import load_pack

LEVELS = [("magnitude", share) for share in (0.3, 0.5, 0.7, 0.9)] + [("structured", share) for share in (0.2, 0.4, 0.6)] + [("int8", None)]
OTHERS = {"toybox": "toybox-standard", "cifar10": "cifar10-standard-resnet18"}  # another training of the same classes: how far apart maps can be
HELD_OUT, TRAINED = 2000, 4000  # pictures that the packs kept from training; pictures after them to fine-tune on
FAST = "gradcam"
SHOWN = ("spearman", "spearman_same_class", "energy_after")


def measured(network, small, images, labels, masks, *, methods, slow):
    """Return (accuracy in %, share of the same class in %, {method: figures}): Grad-CAM on all pictures, other methods on the first `slow`."""
    found = {}
    for name in methods:
        count = len(images) if name == FAST else slow
        found[name] = drift(network, small, images[:count], method=name, masks=None if masks is None else masks[:count]).figures(labels[:count])
    return found[FAST]["accuracy_after"], found[FAST]["same_class"], found


def levels(pack, images, labels, masks, sample, *, slow):
    """Print the table of every way and level, a line as soon as it is measured."""
    methods = (FAST, "integrated_gradients")
    titles = [EXPLANATIONS[name].title for name in methods]
    heads = [f"{title}: {what}" for title in titles for what in ("rank correlation", "same class", "on the object, %")]
    _line("compressed", "kB", "accuracy, %", "same class, %", *heads)
    _line(*["---"] * (4 + len(heads)))
    rows = [("not at all", None, None), *((_title(name, share), name, share) for name, share in LEVELS)]
    for title, name, share in rows:
        small = pack.network if name is None else compress(name, pack.network, sample, **({} if share is None else {"amount": share}))
        size = bytes_of(small, bits=8 if name == "int8" else 32)
        _line(title, f"{size / 1000:.0f}", *_cells(measured(pack.network, small, images, labels, masks, methods=methods, slow=slow)))
    if pack.name in OTHERS:
        other = load_pack(OTHERS[pack.name], device="cpu").network
        _line("another training", "-", *_cells(measured(pack.network, other, images, labels, masks, methods=methods, slow=slow)))


def finetuning(pack, images, labels, masks, train, *, slow, seeds, steps, prunings):
    """Print what each fine-tuning of each pruned network keeps, and the differences of matching and plain, seed by seed."""
    methods = (FAST, "integrated_gradients", "rsp")
    titles = [EXPLANATIONS[name].title for name in methods]
    heads = [f"{title}: {what}" for title in titles for what in ("rank correlation", "same class", "on the object, %")]
    _line("pruned", "fine-tuned", "seed", "accuracy, %", "same class, %", *heads, "s")
    _line(*["---"] * (6 + len(heads)))
    sample = pack.preprocessing.normalise(train.images[:1])
    for name, share in prunings:
        pruned = compress(name, pack.network, sample, amount=share)
        title = _title(name, share)
        _line(title, "none", "-", *_cells(measured(pack.network, pruned, images, labels, masks, methods=methods, slow=slow)), "-")
        gains = []
        for seed in range(seeds):
            pair = []
            for matching in (0.0, MATCHING):
                recipe, began = Finetuning(steps=steps, seed=seed, matching=matching), time.process_time()
                small = finetune(pruned, pack.network, train.images, train.labels, pack.preprocessing, recipe)
                seconds = time.process_time() - began
                found = measured(pack.network, small, images, labels, masks, methods=methods, slow=slow)
                _line(title, "matching" if matching else "plain", str(seed), *_cells(found), f"{seconds:.0f}")
                pair.append(_numbers(found))
            gains.append([b - a for a, b in zip(*pair, strict=True)])
        _line(title, "matching - plain", "mean (SD)", *(f"{_mean(column)}" for column in zip(*gains, strict=True)), "-")


def _numbers(found):
    accuracy, same, maps = found
    return [accuracy, same, *(torch.nan if row[key] is None else row[key] for row in maps.values() for key in SHOWN)]


def _cells(found):
    accuracy, same, maps = found
    yield from (f"{accuracy:.1f}", f"{same:.1f}")
    for row in maps.values():
        yield from ("-" if row[key] is None else f"{row[key]:.1f}" if key == "energy_after" else f"{row[key]:.3f}" for key in SHOWN)


def _mean(values):
    values = torch.tensor(values)
    spread = f" ({values.std():.3f})" if len(values) > 1 else ""
    return f"{values.mean():+.3f}{spread}"


def _title(name, share):
    return name if share is None else f"{name} {100 * share:g} %"


def _line(*cells):
    print(f"| {' | '.join(cells)} |", flush=True)


def _share(text):
    name, _, share = text.partition("=")
    return name, float(share)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compression", description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("levels", "finetuning"))
    parser.add_argument("pairs", nargs="*", default=["toybox=toybox:test"], metavar="PACK=SRC")
    parser.add_argument("--data", action="append", metavar="PACK=SRC", help="training pictures (default toybox=toybox:train)")
    parser.add_argument("--limit", type=int, default=200, help="pictures a pack (default 200)")
    parser.add_argument("--slow", type=int, default=40, help="of them, for all methods but Grad-CAM (default 40)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--prune", type=_share, action="append", metavar="NAME=SHARE", help="default structured=0.4 and magnitude=0.9")
    options = parser.parse_args(arguments)
    data = named_sources(options.data or ["toybox=toybox:train"])
    for name, spec in named_sources(options.pairs).items():
        pack = load_pack(name, device="cpu")
        batch = read(open_source(spec), pack.preprocessing, stop=options.limit)
        masks = object_masks(spec, len(batch.images), pack.preprocessing.size)
        images, count = pack.preprocessing.normalise(batch.images), CALIBRATED if options.what == "levels" else TRAINED
        train = read(open_source(data[name]), pack.preprocessing, start=HELD_OUT, stop=HELD_OUT + count)
        covers = "no masks" if masks is None else f"the object covers {100 * masks.float().mean():.1f} %"
        print(f"## {name}, {spec}: {len(images)} pictures, {covers}\n", flush=True)
        if options.what == "levels":
            levels(pack, images, batch.labels, masks, pack.preprocessing.normalise(train.images), slow=options.slow)
        else:
            prunings = options.prune or [("structured", 0.4), ("magnitude", 0.9)]
            shared = {"slow": options.slow, "seeds": options.seeds, "steps": options.steps, "prunings": prunings}
            finetuning(pack, images, batch.labels, masks, train, **shared)
        print(flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
