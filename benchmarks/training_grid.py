"""Which alpha and eps should the training methods take? Searched without any OOD picture.

    python -m benchmarks.training_grid --data DATA

A slim ResNet-18 is trained for a few epochs on a part of the CIFAR-10 training split for each line of `GRID`. Judged are accuracy on
pictures of that split that were kept from training, and FPR@95TPR of Maximum Softmax on pseudo-OOD pictures made of them: puzzles and noise.
Each line is written down as soon as it is measured; a second start goes on with the next one.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import torch

from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.metrics import fpr
from core.networks import build
from core.probe import probe_all
from core.pseudo import KINDS
from core.training import METHODS
from core.training.trainer import Recipe, accuracy, train

CRITERION = ("puzzles", "noise")
EPS = tuple(n / 255 for n in (2, 4, 8))
GRID = [
    ("standard", {}),
    ("mixup", {"alpha": 1.0}),
    *(("adversarial-mixup", {"alpha": alpha, "eps": eps, "reading": "blend"}) for eps in EPS for alpha in (1.0, 0.3)),
    ("adversarial-mixup", {"alpha": 1.0, "eps": 8 / 255, "reading": "two-term"}),
]
TOLERANCE = 2.0  # points of accuracy below the best of the method that are still taken
KEPT, TRAINED, EPOCHS, WIDTH = 2000, 8000, 6, 16
BATCH, PEAK = 64, 0.1  # many small steps: so few pictures and epochs teach little otherwise


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_grid", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of cifar10_train.parquet")
    parser.add_argument("--out", type=Path, default=Path("docs/training_grid.json"))
    options = parser.parse_args(arguments)
    preprocessing = Preprocessing(32, (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616), 75)
    source = open_source(options.data / "cifar10_train.parquet")
    kept, taught = read(source, preprocessing, stop=KEPT), read(source, preprocessing, start=KEPT, stop=KEPT + TRAINED)
    lines = json.loads(options.out.read_text("utf-8"))["lines"] if options.out.is_file() else []
    done = [(line["method"], line["settings"]) for line in lines]
    for method, settings in GRID:
        if (method, settings) in done:
            continue
        lines.append({"method": method, "settings": settings, **trial(method, settings, taught, kept, preprocessing)})
        print(json.dumps(lines[-1]), file=sys.stderr, flush=True)
        _write(options.out, lines)
    return 0


def trial(method, settings, taught, kept, preprocessing, *, epochs=EPOCHS, width=WIDTH, seed=0):
    """Train once. Args: taught, kept: `Batch`es. Returns: accuracy, FPR@95TPR by kind and their mean as "fpr95" (percent), minutes."""
    began = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build.create("cifar_resnet18", classes=int(taught.labels.max()) + 1, width=width)
    recipe = Recipe(epochs=epochs, batch_size=min(BATCH, len(taught.images)), peak=PEAK, seed=seed, precision="bf16", method=method, settings=settings)
    options = {"loss": METHODS[method].load(), "validation": (kept.images, kept.labels)}
    network, _ = train(network, taught.images, taught.labels, preprocessing, recipe, **options)
    known = softmax(network, kept.images, preprocessing)
    generator = torch.Generator().manual_seed(seed)
    each = {kind: fpr(known, softmax(network, KINDS[kind](kept.images, generator=generator), preprocessing)) for kind in CRITERION}
    return {
        "accuracy": _percent(accuracy(network, kept.images, kept.labels, preprocessing)),
        **{kind: _percent(value) for kind, value in each.items()},
        "fpr95": _percent(sum(each.values()) / len(each)),
        "confidence": _percent(known.mean()),
        "minutes": round((time.perf_counter() - began) / 60, 1),
    }


def choose(lines, method):
    """Return the line with the lowest mean FPR@95TPR among those of a method whose accuracy is at most `TOLERANCE` points below its best.

    Of Adversarial-Mixup only the reading `blend` is asked: which reading is meant is a question for the paper, not for a search.
    """
    of = [line for line in lines if line["method"] == method and line["settings"].get("reading") != "two-term"]
    best = max(line["accuracy"] for line in of)
    return min((line for line in of if line["accuracy"] >= best - TOLERANCE), key=lambda line: line["fpr95"])


def softmax(network, images, preprocessing):
    """Return the (N,) largest softmax outputs of (N, 3, S, S) uint8 pictures."""
    return probe_all(network, images, preprocessing).logits.softmax(1).amax(1).numpy()


def _write(file, lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    setup = {
        "arch": "cifar_resnet18",
        "width": WIDTH,
        "epochs": EPOCHS,
        "trained": TRAINED,
        "kept": KEPT,
        "seed": 0,
        "precision": "bf16",
        "batch_size": BATCH,
        "peak": PEAK,
    }
    whole = {**setup, "criterion": CRITERION, "tolerance": TOLERANCE, "convention": "id_positive", "lines": lines}
    file.with_suffix(".part").write_text(json.dumps(whole, indent=1) + "\n", "utf-8")
    os.replace(file.with_suffix(".part"), file)


def _percent(fraction):
    return round(100 * float(fraction), 2)


if __name__ == "__main__":
    sys.exit(main())
