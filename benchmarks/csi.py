"""Does contrastive training tell unknown pictures apart better than as much standard training? The tables of docs/csi.md.

python -m benchmarks.csi [RUN ...] [--training NAME] [--seed 0] [--keep FOLDER]
Expected on toybox: CSI beats standard training of as many epochs, and loses to standard training of as many passes. Six minutes a training on one core.

Labelled CSI (Tack et al., NeurIPS 2020), cut down: one stage instead of two, one crop a picture instead of two, joint labels of class and rotation in
the contrastive term alone, no colour jitter. It is here and not in `core.training` because it did not pay.
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.measured import main, number
from core.cli import parse
from core.conformal import conformal_p
from core.detectors import DETECTORS
from core.detectors.odin import perturbation
from core.evaluation import evaluate, figures
from core.metrics import measure as metrics
from core.networks.build import create
from core.packs import load_pack
from core.packs.build import build
from core.probe import probe_all
from core.training import standard
from core.training.command import preprocessing_of, read_sets
from core.training.trainer import Recipe, train

SETS = ("near", "textures", "noise", "letters")
RUNS = {name: {"training": name} for name in ("standard-8", "csi", "standard-32")}
CONVENTION = "id_positive"
TRAININGS = {"csi": 8, "standard-8": 8, "standard-32": 32}  # epochs; a step of CSI takes four passes
TURNS = 4  # quarter turns, the shifts
SHOWN = ("consensus", "msp", "knn")
LIMIT, BATCH = 6000, 128
PICTURES = f"train --limit {LIMIT} --holdout 1000 --bank 500 --ood-limit 600 --data toybox:train --val toybox:test --out -".split()


class Heads(nn.Module):
    """A classifier with two more heads on its penultimate features; in eval mode it returns the logits alone."""

    def __init__(self, network, width=128):
        super().__init__()
        self.network, size = network, network.linear.in_features
        self.shift = nn.Linear(size, TURNS)
        self.project = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, width))

    def forward(self, images):
        if not self.training:
            return self.network(images)
        kept = []
        hook = self.network.linear.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
        logits = self.network(images)
        hook.remove()
        return torch.cat([logits, self.shift(kept[0]), self.project(kept[0])], 1)


def csi(classify, images, labels, *, generator, temperature=0.07):
    """Return cross-entropy of the class (upright pictures) + of the turn + contrast of joint labels. Args, Returns: as `core.training.standard.loss`."""
    turns = torch.arange(TURNS).repeat_interleave(len(images))
    found = classify(torch.cat([torch.rot90(images, k, (2, 3)) for k in range(TURNS)])).float()
    logits, shift, z = found.split((found.shape[1] - TURNS - 128, TURNS, 128), 1)
    return F.cross_entropy(logits[: len(images)], labels) + F.cross_entropy(shift, turns) + contrast(z, TURNS * labels.repeat(TURNS) + turns, temperature)


def contrast(z, labels, temperature):
    """Return the supervised contrastive loss, nats. Args: z: (N, D); labels: (N,). Source: Khosla et al., NeurIPS 2020, equation 2."""
    own = torch.eye(len(z), dtype=torch.bool)
    z = F.normalize(z, dim=1)
    logs = (z @ z.T / temperature).masked_fill(own, -1e9).log_softmax(1)
    alike = (labels[:, None] == labels) & ~own
    has = alike.any(1)
    return -((logs * alike).sum(1)[has] / alike.sum(1)[has]).mean()


@torch.no_grad()
def turned(network, images, preprocessing):
    """Return the projections (4, N, 128) and the logits of the turns (4, N, 4) of pictures (N, 3, S, S) uint8 in each turn."""
    network.network.linear, head = nn.Identity(), network.network.linear
    z, shift = [], []
    for k in range(TURNS):
        batches = [network.network(preprocessing.normalise(torch.rot90(batch, k, (2, 3)))) for batch in images.split(250)]
        z.append(torch.cat([network.project(features) for features in batches]))
        shift.append(torch.cat([network.shift(features) for features in batches])[:, k])
    network.network.linear = head
    return torch.stack(z), torch.stack(shift)


def scores(measured, bank):
    """Return {name: (N,)}, higher = more ID: the scores of the paper, section 2.3, each turn over its mean among the bank. Args: as `turned` returns."""
    (z, shift), (known, usual) = measured, bank
    near = (F.normalize(z, dim=2) @ F.normalize(known, dim=2).mT).amax(2) * z.norm(dim=2) / known.norm(dim=2).mean(1, keepdim=True)  # (4, N)
    sure = shift / usual.mean(1, keepdim=True)
    return {"s_con, upright": near[0], "s_con-SI": near.sum(0), "s_cls-SI": sure.sum(0), "s_CSI": (near + sure).sum(0)}


def trained(name, sets, preprocessing, seed, checkpoint):
    """Return the trained `Heads`; standard training leaves the two heads alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Heads(create("cifar_resnet18", classes=len(sets.classes), width=16))
    recipe = Recipe(TRAININGS[name], batch_size=BATCH, peak=0.2, seed=seed, precision="bf16", ema=0.99, method=name)

    def loss(classify, images, labels, **options):
        if name == "csi":
            return csi(classify, images, labels, **options)
        return standard.loss(lambda pixels: classify(pixels)[:, : len(sets.classes)], images, labels, **options)

    validation = sets.validation.images[:500], sets.validation.labels[:500]
    options = {"loss": loss, "validation": validation, "checkpoint": checkpoint}
    return train(network, sets.train.images, sets.train.labels, preprocessing, recipe, **options)[0].float()


def judged(name, network, sets, preprocessing, folder):
    """Return (accuracy in %, {score: {set: (AUROC, FPR@95TPR) in %}}) on validation pictures against all unknown sets."""
    bank = replace(sets.train, **{part: getattr(sets.train, part)[:500] for part in ("images", "labels", "names", "domains")})
    facts = {"arch": "cifar_resnet18", "width": 16, "classes": list(sets.classes), "training": {"method": name}}
    build(
        folder,
        network=network.network.to(memory_format=torch.contiguous_format),
        preprocessing=preprocessing,
        bank=bank,
        held_out=sets.held_out,
        validation=sets.validation,
        unknown=sets.unknown,
        facts=facts,
        border="crop",
    )
    pack = load_pack(folder, device="cpu")
    known = probe_all(pack.network, sets.validation.images, preprocessing, means=(pack.reference.middle,), perturb=perturbation(preprocessing))
    found = evaluate(pack.judge, {one: pack.reference.unknown[one] for one in SETS}, known=known, labels=sets.validation.labels)
    table = figures(found, convention=CONVENTION, resamples=0)
    rows = {DETECTORS[one].title: {of: (row["auroc"], row["fpr95"]) for of, row in table[one].items()} for one in SHOWN}
    if name == "csi":
        near = turned(network, bank.images, preprocessing)
        held, known, *unknown = (
            scores(turned(network, images, preprocessing), near)
            for images in (sets.held_out.images, sets.validation.images, *(sets.unknown[one].images for one in SETS))
        )
        calibration = pack.judge.known_scores["consensus"]

        def with_csi(consensus, score):
            return conformal_p(calibration, torch.from_numpy(consensus)).log() + conformal_p(held["s_CSI"], score).log()

        for score in held:
            rows[score] = {of: _measured(known[score], values[score]) for of, values in zip(SETS, unknown, strict=True)}
        both = with_csi(found.known["consensus"], known["s_CSI"])
        rows["consensus with s_CSI"] = {
            of: _measured(both, with_csi(found.unknown[of]["consensus"], values["s_CSI"])) for of, values in zip(SETS, unknown, strict=True)
        }
    return 100 * found.accuracy, rows


def _measured(known, unknown):
    found = metrics(known.double().numpy(), unknown.double().numpy())
    return 100 * found.auroc, 100 * found.fpr95


def measure(*, training="standard-8", seed=0, keep=""):
    """Train once on the toybox and judge. Args: training: of `TRAININGS`; keep: folder for checkpoint and pack, from which a killed run goes on."""
    of = parse([*PICTURES, *(word for name in SETS for word in ("--ood", f"{name}=toybox:{name}"))])
    preprocessing = preprocessing_of(of)
    sets = read_sets(of, preprocessing, log=lambda line: print(line, file=sys.stderr), train=of.limit)
    with tempfile.TemporaryDirectory() as thrown:
        folder, began = Path(keep or thrown), time.process_time()
        network = trained(training, sets, preprocessing, seed, folder / f"{training}-{seed}.pt")
        minutes = (time.process_time() - began) / 60
        accuracy, rows = judged(training, network, sets, preprocessing, folder / f"{training}-{seed}")
    pictures = {"known": len(sets.validation.images), **{name: len(sets.unknown[name].images) for name in SETS}}
    return {"convention": CONVENTION, "pictures": pictures, "cpu_minutes": minutes, "accuracy": accuracy, "rows": rows}


def tables(runs):
    """Return one table of all runs."""
    lines = [["training", ">passes", ">CPU minutes", ">accuracy, %", "score", *SETS, "mean"]]
    for run in runs.values():
        name, epochs = run["settings"]["training"].partition("-")[0], TRAININGS[run["settings"]["training"]]
        passes = epochs * (LIMIT - LIMIT % BATCH) * (TURNS if name == "csi" else 1)  # an epoch leaves out the batch that is not full
        facts = [f"{name.replace('csi', 'CSI')}, {epochs} epochs", f"{round(passes, -3):,}", number(run["cpu_minutes"]), number(run["accuracy"], 2)]
        for title, row in run["rows"].items():
            cells = [*row.values(), [sum(values) / len(row) for values in zip(*row.values(), strict=True)]]
            lines.append([*facts, title, *(f"{auroc:.1f} / {fpr95:.1f}" for auroc, fpr95 in cells)])
            facts = [""] * len(facts)
    return {"csi": lines} if runs else {}


if __name__ == "__main__":
    sys.exit(main(sys.modules[__name__]))
