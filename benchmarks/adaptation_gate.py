"""Does it help DPLOT to learn only from pictures that a gate takes for known? Error and OOD detection on streams with unknown pictures in them.

    python -m benchmarks.adaptation_gate --data DATA --part test

Expect two to five minutes a line on one core; runs that are in the output already are not repeated, and `--pictures 10 --batch 20` makes it small.
Known and unknown pictures go through the same JPEG (32x32, quality 75, 4:2:0) before they are corrupted. One seed.
"""

import argparse
import json
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from benchmarks.measured import table
from core.adaptation import make
from core.adaptation.gated import SourceGate
from core.adaptation.stream import CLEAN, Stream
from core.detectors.logits import energy
from core.detectors.selected_norm import logits_with_norm
from core.images.preprocess import Preprocessing
from core.images.sources import Batch, open_source, read
from core.metrics import auroc_columns
from core.networks import build
from core.probe import probe

SEED = 1
SHARES = (0.5, 0.2, 0.0)
OF_EACH = 250  # unknown pictures of a set; those of all sets come round again when they are used up
PREPROCESSING = Preprocessing(32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 75)


@dataclass(frozen=True)
class Part:
    """What one part of the study is made of: the network, the corruptions (severity 5) and the OOD sets, which share the unknown pictures
    equally; `start`: of the known ones, in the test split."""

    arch: str
    weights: str
    corruptions: tuple
    sets: tuple
    start: int


PARTS = {
    "development": Part(
        "cifar_resnet44",
        "akamaster_resnet44",
        ("speckle_noise", "gaussian_blur", "spatter", "saturate"),
        ("tiny_imagenet", "imagenet_crop", "mnist", "fashion_mnist"),
        0,
    ),
    "test": Part(
        "cifar_resnet56", "akamaster_resnet56", ("gaussian_noise", "contrast", "pixelate", "fog"), ("textures", "sun_scenes", "gtsrb", "chars74k"), 2000
    ),
}
METHODS = {  # title: (name in the table, parameters, whether the gate is told the truth)
    "source": ("source", {}, False),
    "BN": ("bn", {}, False),
    "TENT": ("tent", {}, False),
    "DPLOT": ("dplot", {}, False),
    "gated": ("dplot_gated", {"push": 0.0}, False),
    "gated, push": ("dplot_gated", {"push": 1.0}, False),
    "truth": ("dplot_gated", {"push": 0.0}, True),
    "truth, push": ("dplot_gated", {"push": 1.0}, True),
}


class Truth:
    """A gate that is told which pictures are known: for measurement only."""

    def p_values(self, views, n):
        return self.known.double()


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptation_gate", description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the CIFAR-10 and OOD Parquet files and the checkpoints")
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--method", choices=METHODS, action="append", help="default: all")
    parser.add_argument("--share", type=float, action="append", help=f"of unknown pictures; default {SHARES}")
    parser.add_argument("--clean", action="store_true", help="a stream without corruption in place of the corrupted one")
    parser.add_argument("--pictures", type=int, default=250, help="known pictures, each shown under every corruption (default 250)")
    parser.add_argument("--batch", type=int, default=100, help="pictures of a batch, known and unknown together (default 100)")
    parser.add_argument("--source-pictures", type=int, default=1000, help="for the gate and the warm-up (default 1000)")
    parser.add_argument("--selection-pictures", type=int, default=256, help="of these, for the selection of DPLOT's blocks (default 256)")
    parser.add_argument("--warmup", type=int, default=0, help="batches (default 0)")
    parser.add_argument("--out", type=Path, default=Path("docs/adaptation_gate.json"))
    options = parser.parse_args(arguments)
    found = json.loads(options.out.read_text("utf-8")) if options.out.is_file() else {"blocks": {}, "runs": []}
    for part in options.part or PARTS:
        for share in options.share or SHARES:
            for method in options.method or METHODS:
                facts = {"part": part, "stream": CLEAN if options.clean else "corrupted", "share": share, "method": method}
                facts |= {"pictures": options.pictures, "batch": options.batch, "warmup": options.warmup, "seed": SEED}
                if share == 0 and method.startswith("truth") or any(facts.items() <= run.items() for run in found["runs"]):
                    continue
                blocks = _blocks(found["blocks"], part, options)
                found["runs"].append({**facts, **measured(part, method, share, blocks, options)})
                options.out.parent.mkdir(parents=True, exist_ok=True)
                options.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
                print(json.dumps(found["runs"][-1]), file=sys.stderr, flush=True)
    for part in PARTS:
        print(f"{part}\n\n{table(rows([run for run in found['runs'] if run['part'] == part]))}\n")
    return 0


def rows(runs):
    """Return the runs as rows of cells, the worst stream first: error, AUROC of student, output and gate, then accepted known / unknown pictures, in %."""
    methods = list(METHODS)
    lines = ["stream, unknown, method, error, at the end, student, at the end, output, gate, accepted, batches".split(", ")]
    for run in sorted(runs, key=lambda run: (run["stream"] == CLEAN, -run["share"], methods.index(run["method"]))):
        figures = (_shown(run[key]) for key in ("error", "error_end", "auroc", "auroc_end", "auroc_output", "auroc_gate"))
        shares = " / ".join(_shown(run[key]) for key in ("accepted_known", "accepted_unknown") if run[key] is not None)
        lines.append([run["stream"], f"{run['share']:.0%}", run["method"], *figures, shares, str(run["batches"])])
    return lines


def measured(part, title, share, blocks, options):
    """Let one method adapt to one stream. Returns: figures in percent, means over batches; `_end`: over the last quarter of the batches.

    auroc: of Energy with the selected norm by the student after each batch, on that batch; auroc_output: of the Energy of the predictions.
    """
    network, source = _source(part, options)
    name, parameters, told = METHODS[title]
    given = {**parameters, "source": source, "blocks": blocks, "warmup": options.warmup} if name.startswith("dplot") else {}
    method = make(name, network, PREPROCESSING, **given)
    judge = method.gate if name == "dplot_gated" else _gate(part, options.data, options.source_pictures)
    if told:
        method.gate = Truth()
    rows, began = [], time.perf_counter()
    for batch in _stream(part, share, options):
        if told:
            method.gate.known = batch.known
        logits, known = method.adapt(batch.images), batch.known
        row = {"error": (logits.argmax(1) != batch.labels)[known].double().mean().item()}
        if share:
            seen = probe(method.network, PREPROCESSING.normalise(batch.images))
            row["auroc"] = _auroc(energy(logits_with_norm(seen.features, seen.norm(judge.block), *judge.head)), known)
            row["auroc_output"] = _auroc(energy(logits.double()), known)
        if name == "dplot_gated":
            row["auroc_gate"] = _auroc(method.p_values, known) if share else None
            row["accepted_known"] = method.accepted[known].double().mean().item()
            row["accepted_unknown"] = method.accepted[~known].double().mean().item() if share else None
        rows.append(row)
    last = rows[-max(1, len(rows) // 4) :]
    keys = ("error", "auroc", "auroc_output", "auroc_gate", "accepted_known", "accepted_unknown")
    ends = {f"{key}_end": _mean(last, key) for key in ("error", "auroc")}
    return {**{key: _mean(rows, key) for key in keys}, **ends, "batches": len(rows), "seconds": round(time.perf_counter() - began)}


def _stream(part, share, options):
    corruptions = (CLEAN,) if options.clean else PARTS[part].corruptions
    pictures = options.pictures * (len(PARTS[part].corruptions) if options.clean else 1)
    known = _read(options.data / "cifar10_test.parquet", pictures, PARTS[part].start)
    unknown = _unknown(part, options.data) if share else None
    return Stream(known.images, known.labels, corruptions, batch_size=options.batch, seed=SEED, unknown=unknown, share=share)


def _blocks(kept, part, options):
    """Select DPLOT's blocks once for each network, and keep them."""
    key = f"{PARTS[part].arch}, {options.selection_pictures} pictures"
    if key not in kept:
        network, source = _source(part, options)
        few = Batch(source.images[: options.selection_pictures], source.labels[: options.selection_pictures], (), (), ())
        kept[key] = list(make("dplot", network, PREPROCESSING, source=few, warmup=0).selected_blocks)
    return tuple(kept[key])


def _source(part, options):
    return _network(part, options.data), _read(options.data / "cifar10_train.parquet", options.source_pictures)


@cache
def _network(part, data):
    return build.load(PARTS[part].arch, data / "checkpoints" / f"{PARTS[part].weights}.safetensors").eval()


@cache
def _gate(part, data, pictures):
    """Return a gate whose selected norm judges the methods that have none; it adapts nothing."""
    images = _read(data / "cifar10_train.parquet", pictures).images
    return SourceGate(_network(part, data), PREPROCESSING, images, views=lambda pixels: pixels, batch_size=128)


@cache
def _read(file, pictures, start=0):
    return read(open_source(file), PREPROCESSING, start=start, stop=start + pictures)


@cache
def _unknown(part, data):
    """Return the unknown pictures of all sets, shuffled, the same number of each."""
    images = torch.cat([_read(data / "ood" / f"{name}.parquet", OF_EACH).images for name in PARTS[part].sets])
    return images[torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED))]


def _auroc(scores, known):
    return float(auroc_columns(scores[known, None].numpy(), scores[~known, None].numpy())[0])


def _mean(rows, key):
    values = [row[key] for row in rows if row.get(key) is not None]
    return round(100 * sum(values) / len(values), 2) if values else None


def _shown(value):
    return "" if value is None else f"{value:.1f}"


if __name__ == "__main__":
    sys.exit(main())
