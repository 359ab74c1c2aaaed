"""Train a network on a source of pictures and build its pack: what `python -m core train` does."""

import platform
import shlex
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch

from core.device import pick_device
from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.networks import build as networks
from core.packs.build import build
from core.table import look_up
from core.training import METHODS
from core.training.trainer import Recipe, train


def train_pack(options, *, progress, log):
    """Train as the parsed command line says and write the pack to `options.out`; a checkpoint beside it lets a killed run resume.

    Returns: the figures of the pack, percentages. Raises: InputError for sources, options or labels that do not work.
    """
    method = look_up(METHODS, options.method, kind="training method")
    device = pick_device(options.device)
    preprocessing = Preprocessing(options.size, options.mean, options.std, options.jpeg)
    recipe = Recipe(epochs=options.epochs, seed=options.seed, precision=options.precision)
    data, validation = open_source(options.data), open_source(options.val)
    classes = tuple(options.classes.split(",")) if options.classes else data.classes
    if not classes:
        raise InputError("The source has no class names; add --classes a,b,c.", key="training.names")
    if not 0 < options.holdout < len(data):
        raise InputError(f"--holdout is {options.holdout}; keep fewer than the {len(data)} pictures there are.", key="training.holdout")
    unknown = {}
    for pair in options.ood:
        name, _, spec = pair.partition("=")
        unknown[name] = read(open_source(spec), preprocessing, stop=options.ood_limit)
    log("reading pictures")
    held_out = read(data, preprocessing, stop=options.holdout)
    known, measured = read(data, preprocessing, start=options.holdout), read(validation, preprocessing)
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from the global generator
        torch.manual_seed(options.seed)
        network = networks.create(options.arch, classes=len(classes), width=options.width)
    out = Path(options.out)
    checkpoint = out.parent / f".{out.name}.checkpoint.pt"
    loss = method.load()
    log(f"training {options.arch} of width {options.width} for {options.epochs} epochs on {len(known.images)} pictures on {device}")
    network, curve = train(
        network,
        known.images,
        known.labels,
        preprocessing,
        recipe,
        loss=loss,
        validation=(measured.images, measured.labels),
        device=device,
        checkpoint=checkpoint,
        progress=progress,
    )
    network = network.to(memory_format=torch.contiguous_format)
    facts = {
        "arch": options.arch,
        "width": options.width,
        "classes": list(classes),
        "training": {
            "method": options.method,
            "command": command_line(),
            "pictures": len(known.images),
            "epochs": options.epochs,
            "seed": options.seed,
            "precision": options.precision,
            "device": f"{device} ({platform.machine()})",
            "hours": round(sum(curve.seconds) / 3600, 2),
            "loss": [round(x, 4) for x in curve.loss],
            "accuracy": [round(100 * x, 2) for x in curve.accuracy],
            "versions": {name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
        },
    }
    bank = replace(known, **{name: getattr(known, name)[: options.bank] for name in ("images", "labels", "names", "domains")})
    arguments = {"preprocessing": preprocessing, "bank": bank, "held_out": held_out, "validation": measured, "unknown": unknown}
    figures = build(out, network=network, facts=facts, device=device, seed=options.seed, border=options.border, log=log, **arguments)
    checkpoint.unlink(missing_ok=True)
    return figures


def command_line():
    """Return the command that was run, with data paths cut to their names."""
    words = [word if "/" not in word or "=" in word else Path(word).name for word in sys.argv[1:]]
    words = [f"{word.split('=')[0]}={Path(word.split('=')[1]).name}" if "=" in word else word for word in words]
    return shlex.join(["python", "-m", "core", *words])
