"""Train a network on a source of pictures and build its pack: what `python -m core train` and `build` do."""

import platform
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch

from core.detectors.logits import msp
from core.device import pick_device
from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.images.sources import named_sources, open_source, read, source_id
from core.jobs import Stopped
from core.metrics import auroc_columns
from core.networks import build as networks
from core.packs import describe, load_pack
from core.packs.build import build
from core.provenance import command_line
from core.table import look_up
from core.training import METHODS
from core.training.processes import processes, rank
from core.training.trainer import Curve, Recipe, logits_of, train

WATCHED = 500  # pictures of each set that the curves follow


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


def train_pack(options, *, progress, log, stop=None, sets=None):
    """Train as the parsed command line says and write the pack to `options.out`; a checkpoint beside it lets a killed run resume.

    Args: options: of `core.cli.parse`; progress: as `core.training.trainer.train`; log: told what is being done; stop: a `threading.Event`
        that ends the run; sets: the `Sets` that the options name, where they have been read before.
    Returns: the figures of the pack, percentages, or None in a process that torchrun started beside the first.
    Raises: InputError for sources, options or labels that do not work; Stopped after `stop`, the checkpoint being there.
    """
    method = look_up(METHODS, options.method, kind="training method")
    device = pick_device(options.device)
    preprocessing = preprocessing_of(options)
    settings = _settings(method, options)
    plain = {name: getattr(options, name) for name in ("epochs", "batch_size", "peak", "seed", "precision", "ema", "method")}
    recipe = Recipe(**plain, settings=settings)
    sets = sets or read_sets(options, preprocessing, log=log, train=options.limit)
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from the global generator
        torch.manual_seed(options.seed)
        network = networks.create(options.arch, classes=len(sets.classes), width=options.width)
    out = Path(options.out)
    checkpoint = checkpoint_of(out)
    if not options.resume:
        checkpoint.unlink(missing_ok=True)
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
            stop=stop,
            watch=partial(_apart, sets=sets, preprocessing=preprocessing, device=own, precision=options.precision) if sets.unknown else None,
        )
    if stop is not None and stop.is_set():
        raise Stopped
    if not first:
        return None
    facts = {
        "arch": options.arch,
        "width": options.width,
        "classes": list(sets.classes),
        "training": {
            "method": options.method,
            **({"settings": settings} if settings else {}),
            "command": command_line(options.arguments),
            "pictures": len(sets.train.images),
            **{name: plain[name] for name in ("epochs", "batch_size", "peak", "seed", "precision", "ema")},
            "device": f"{device} ({platform.machine()})",
            "hours": round(sum(curve.seconds) / 3600, 2),
            "loss": [round(x, 4) for x in curve.loss],
            "accuracy": [round(100 * x, 2) for x in curve.accuracy],
            **({"auroc": {name: [round(100 * x[name], 2) for x in curve.watched] for name in curve.watched[0]}} if curve.watched else {}),
            "versions": {name: version(name) for name in ("torch", "torchvision", "numpy", "pillow")},
        },
    }
    figures = measure_pack(out, network.to(memory_format=torch.contiguous_format), facts, sets, preprocessing, options, device, log)
    checkpoint.unlink(missing_ok=True)
    return figures


def preprocessing_of(options):
    """Return the `Preprocessing` that the parsed command line names."""
    return Preprocessing(options.size, options.mean, options.std, options.jpeg)


def curve_of(folder):
    """Return the `Curve` that a pack remembers of its training, without its seconds. Args: folder: of the pack."""
    training = describe(folder).facts["training"]
    auroc = training.get("auroc", {})
    watched = [{name: values[i] / 100 for name, values in auroc.items()} for i in range(len(next(iter(auroc.values()), [])))]
    return Curve(training["loss"], [x / 100 for x in training["accuracy"]], [], watched)


def checkpoint_of(out):
    """Return where a training keeps its checkpoint. Args: out: the folder that its pack will be written to."""
    return Path(out).parent / f".{Path(out).name}.checkpoint.pt"


def _apart(network, *, sets, preprocessing, device, precision):
    """Return the AUROC of the maximum softmax for each unknown set, against held-out pictures: {set: fraction}."""
    options = {"device": device, "precision": precision}
    known = msp(logits_of(network, sets.held_out.images[:WATCHED], preprocessing, **options)).numpy()[:, None]
    scores = {name: msp(logits_of(network, batch.images[:WATCHED], preprocessing, **options)).numpy()[:, None] for name, batch in sets.unknown.items()}
    return {name: float(auroc_columns(known, of)[0]) for name, of in scores.items()}


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

    Returns: its figures. What training says of itself stays as it is; the command that measured is told beside it.
    """
    old, device = load_pack(options.pack), pick_device(options.device)
    sets = read_sets(options, old.preprocessing, log=log, train=options.bank)
    if sets.classes != old.classes:
        raise InputError(f"The pack knows {', '.join(old.classes)}; the source has {', '.join(sets.classes)}.", key="build.classes")
    facts = {k: old.facts[k] for k in ("arch", "width", "options", "classes", "training") if k in old.facts}
    facts["measured"] = command_line(options.arguments)
    network = old.network.to(memory_format=torch.contiguous_format)
    return measure_pack(Path(options.out or describe(options.pack).folder), network, facts, sets, old.preprocessing, options, device, log)


def read_sets(options, preprocessing, *, log, train=None, progress=None):
    """Read the pictures that the parsed command line names.

    Args: train: how many training pictures; all by default; progress: called with (pictures read, pictures in all). Returns: Sets.
    """
    data, validation = open_source(options.data), open_source(options.val)
    classes = tuple(options.classes.split(",")) if options.classes else data.classes
    if not classes:
        raise InputError("The source has no class names; add --classes a,b,c.", key="training.names")
    if not 0 < options.holdout < len(data):
        raise InputError(f"--holdout is {options.holdout}; keep fewer than the {len(data)} pictures there are.", key="training.holdout")
    found = {"held_out": {"source": source_id(options.data)}, "jigsaw": {"source": source_id(options.data), "puzzle_seed": options.seed}}
    named = named_sources(options.ood)
    found |= {name: {"source": source_id(spec)} for name, spec in named.items()}
    wanted = {
        "held_out": (data, 0, options.holdout),
        "train": (data, options.holdout, len(data) if train is None else min(options.holdout + train, len(data))),
        "validation": (validation, 0, min(options.val_limit or len(validation), len(validation))),
    }
    for name, spec in named.items():
        source = open_source(spec)
        wanted[f"unknown {name}"] = source, 0, min(options.ood_limit, len(source))
    before, total, batches = 0, sum(stop - start for _, start, stop in wanted.values()), {}

    def told(done, _):
        if progress:
            progress(before + done, total)

    log("reading pictures")
    for name, (source, start, stop) in wanted.items():
        batches[name] = read(source, preprocessing, start=start, stop=stop, progress=told)
        before += stop - start
    unknown = {name: batches[f"unknown {name}"] for name in named}
    return Sets(batches["train"], batches["held_out"], batches["validation"], unknown, tuple(classes), found)


def measure_pack(out, network, facts, sets, preprocessing, options, device, log):
    """Measure a network on `Sets` and write its pack.

    Args: out: folder; facts: as `core.packs.build.build`; options: bank (pictures of it), seed and border. Returns: its figures.
    """
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
