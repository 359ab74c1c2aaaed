"""Train a network on a source of pictures and build its pack: what `python -m core train` and `build` do."""

import platform
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import torch

from core.device import pick_device
from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.images.sources import named_sources, open_source, read, source_id
from core.networks import build as networks
from core.packs import describe, load_pack
from core.packs.build import build
from core.provenance import command_line
from core.table import look_up
from core.training import METHODS
from core.training.processes import processes, rank
from core.training.trainer import Recipe, train


@dataclass(frozen=True)
class Sets:
    """The pictures that a pack is made from.

    Attributes: train, held_out, validation: `Batch`es of known pictures; unknown: {name: Batch}; classes: names;
        found: {set of the reference: where its pictures are found again}, for pack.toml.
    """

    train: object
    held_out: object
    validation: object
    unknown: dict
    classes: tuple
    found: dict


def train_pack(options, *, progress, log):
    """Train as the parsed command line says and write the pack to `options.out`; a checkpoint beside it lets a killed run resume.

    Returns: the figures of the pack, percentages, or None in a process that torchrun started beside the first.
    Raises: InputError for sources, options or labels that do not work.
    """
    method = look_up(METHODS, options.method, kind="training method")
    device = pick_device(options.device)
    preprocessing = Preprocessing(options.size, options.mean, options.std, options.jpeg)
    settings = _settings(method, options)
    recipe = Recipe(epochs=options.epochs, seed=options.seed, precision=options.precision, ema=options.ema, method=options.method, settings=settings)
    sets = read_sets(options, preprocessing, log=log)
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from the global generator
        torch.manual_seed(options.seed)
        network = networks.create(options.arch, classes=len(sets.classes), width=options.width)
    out = Path(options.out)
    checkpoint = out.parent / f".{out.name}.checkpoint.pt"
    loss = method.load()
    log(f"training {options.arch} of width {options.width} for {options.epochs} epochs on {len(sets.train.images)} pictures on {device}")
    with processes(device) as own:
        first = rank() == 0
        network, curve = train(
            network,
            sets.train.images,
            sets.train.labels,
            preprocessing,
            recipe,
            loss=loss,
            validation=(sets.validation.images, sets.validation.labels),
            device=own,
            checkpoint=checkpoint,
            progress=progress if first else None,
        )
    if not first:
        return None
    facts = {
        "arch": options.arch,
        "width": options.width,
        "classes": list(sets.classes),
        "training": {
            "method": options.method,
            **({"settings": settings} if settings else {}),
            "command": command_line(),
            "pictures": len(sets.train.images),
            "epochs": options.epochs,
            "seed": options.seed,
            "precision": options.precision,
            "ema": options.ema,
            "device": f"{device} ({platform.machine()})",
            "hours": round(sum(curve.seconds) / 3600, 2),
            "loss": [round(x, 4) for x in curve.loss],
            "accuracy": [round(100 * x, 2) for x in curve.accuracy],
            "versions": {name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
        },
    }
    figures = _measure(out, network.to(memory_format=torch.contiguous_format), facts, sets, preprocessing, options, device, log)
    checkpoint.unlink(missing_ok=True)
    return figures


def _settings(method, options):
    """Return the parameters of a method, as the command line says or as the table has them. Raises: InputError for one that it does not take."""
    given = {name: getattr(options, name) for name in ("alpha", "eps", "reading") if getattr(options, name) is not None}
    if wrong := [name for name in given if name not in method.parameters]:
        takes = ", ".join(f"--{name}" for name in method.parameters) or "none"
        raise InputError(f"{method.title} takes no --{wrong[0]}; it takes: {takes}.", key="training.setting", method=method.title, name=wrong[0], known=takes)
    found = {**method.parameters, **given}
    if not found.get("alpha", 1) > 0 or not 0 <= found.get("eps", 0) <= 1:
        raise InputError("alpha must be above 0 and eps from 0 to 1, of a pixel's range.", key="training.range")
    return found


def build_pack(options, *, log):
    """Measure the network of a pack anew, on the pictures that the command line names, and write the pack to `options.out`.

    Returns: its figures. What training says of itself stays as it is.
    """
    old, device = load_pack(options.pack), pick_device(options.device)
    sets = read_sets(options, old.preprocessing, log=log, train=options.bank)
    if sets.classes != old.classes:
        raise InputError(f"The pack knows {', '.join(old.classes)}; the source has {', '.join(sets.classes)}.", key="build.classes")
    facts = {k: old.facts[k] for k in ("arch", "width", "options", "classes", "training") if k in old.facts}
    network = old.network.to(memory_format=torch.contiguous_format)
    return _measure(Path(options.out or describe(options.pack).folder), network, facts, sets, old.preprocessing, options, device, log)


def read_sets(options, preprocessing, *, log, train=None):
    """Read the pictures that the parsed command line names. Args: train: how many training pictures; all by default. Returns: Sets."""
    data, validation = open_source(options.data), open_source(options.val)
    classes = tuple(options.classes.split(",")) if options.classes else data.classes
    if not classes:
        raise InputError("The source has no class names; add --classes a,b,c.", key="training.names")
    if not 0 < options.holdout < len(data):
        raise InputError(f"--holdout is {options.holdout}; keep fewer than the {len(data)} pictures there are.", key="training.holdout")
    found = {"held_out": {"source": source_id(options.data)}, "jigsaw": {"source": source_id(options.data), "puzzle_seed": options.seed}}
    unknown = {}
    for name, spec in named_sources(options.ood).items():
        unknown[name] = read(open_source(spec), preprocessing, stop=options.ood_limit)
        found[name] = {"source": source_id(spec)}
    log("reading pictures")
    held_out = read(data, preprocessing, stop=options.holdout)
    known = read(data, preprocessing, start=options.holdout, stop=None if train is None else options.holdout + train)
    measured = read(validation, preprocessing)
    return Sets(known, held_out, measured, unknown, tuple(classes), found)


def _measure(out, network, facts, sets, preprocessing, options, device, log):
    bank = replace(sets.train, **{name: getattr(sets.train, name)[: options.bank] for name in ("images", "labels", "names", "domains")})
    return build(
        out,
        network=network,
        facts={**facts, "pictures": sets.found},
        preprocessing=preprocessing,
        bank=bank,
        held_out=sets.held_out,
        validation=sets.validation,
        unknown=sets.unknown,
        device=device,
        seed=options.seed,
        border=options.border,
        log=log,
    )
