"""A pack from anybody's network: weights from a file, pictures from a source, and ID accuracy before anything else.

Known pictures are drawn by lot from the source, since many lie in the order of their classes. Without a second source two fifths are the
bank that detectors are fitted on, two fifths are held out to set thresholds, one fifth is for the figures; then none of them should have been
trained on. With a second one, the first gives the bank, which may be training pictures, and the second the other two.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from core.device import pick_device
from core.errors import InputError, reason
from core.evaluation import least_plausible
from core.images.item import Picked
from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read, source_id
from core.jobs import Stopped
from core.networks.build import create, fill, read_state
from core.networks.guess import fit
from core.networks.inputs import HALF, categories, usual_preprocessing
from core.packs.build import build, measurements
from core.packs.measuring import TWO_PASSES, Measuring, batch_size
from core.probe import probe, probe_all
from core.provenance import command_line

TORCHVISION = "torchvision"  # instead of a file: the newest weights that torchvision has published
SHARES = {"bank": 2, "held_out": 2, "validation": 1}  # of the known pictures
KNOWN = ((64, 5000), (128, 2000), (4096, 1000))  # inputs up to so many pixels: how many known pictures are used unless the order says otherwise
CHECKED = ((64, 500), (128, 200), (4096, 100))  # and how many `check` looks at
CERTAIN, COMPARED = 0.95, 100  # accuracy from which no other normalisation is tried, and how many pictures the others are tried on
NORMALISATIONS = (  # the usual ones: ImageNet's and CIFAR-10's mean and deviation, -1 to 1, and pixels as they are
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
    (HALF, HALF),
    ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
)
FEWEST, SHOWN, DRAWN = 20, 12, 100  # known pictures without which nothing can be set; that a check shows; of each unknown set
UNKNOWN = {"noise": "noise:gaussian", "textures": "toybox:textures", "letters": "toybox:letters"}  # they need no file


@dataclass(frozen=True)
class Order:
    """What a pack is to be made of.

    Attributes:
        weights: a file as `core.networks.build.read_state` takes it, or "torchvision"; arch, width, options: as `core.networks.build.create`.
        images: known pictures, a spec as `core.images.sources.open_source`; val: others that training never saw, or None.
        ood: {name: spec} of unknown pictures, for histograms and figures; drawn ones by default.
        classes: names, or None for those of the pictures' source, else of the published weights, else numbers.
        preprocessing: None for the usual one of the architecture. limit: how many known pictures, fewer for large inputs by default.
        seed: of the draw and of the puzzles; border: of the puzzles that select the block. title: what the pack is called on screen.
    """

    weights: Path | str
    arch: str
    images: str
    width: int | None = None
    options: dict = field(default_factory=dict)
    classes: tuple | None = None
    preprocessing: Preprocessing | None = None
    val: str | None = None
    ood: dict = field(default_factory=dict)
    limit: int | None = None
    seed: int = 0
    border: str = "zero"
    title: str | None = None


@dataclass(frozen=True)
class Check:
    """What a network makes of some known pictures.

    Attributes:
        accuracy: a fraction, or None without labels; pictures: how many were measured; classes: names.
        warning: an InputError that says why no OOD number should be believed yet, or None.
        seen: (n, 3, S, S) uint8, the first pictures as the network sees them; names, labels, predicted, confidence: of each; -1 is no label.
        unreadable: (name, sentence) of pictures that cannot be read.
    """

    accuracy: float | None
    pictures: int
    classes: tuple
    warning: InputError | None
    seen: torch.Tensor
    names: tuple
    labels: tuple
    predicted: tuple
    confidence: tuple
    unreadable: tuple

    @property
    def doubtful(self):
        return self.warning is not None


def network_of(order, device="cpu"):
    """Return (network in eval mode on the device, Preprocessing, class names) of an order.

    Raises: InputError for weights that are missing, damaged, hold code or do not fit, or for names that are not as many as the outputs.
    """
    return _made(order, device)[:3]


def check(order, *, limit=None, device=None, progress=None, stop=None):
    """Measure ID accuracy, and show what the network sees, before any OOD number.

    Where the accuracy leaves room, the other usual means and deviations are tried too: the wrong one costs some points and is easily overlooked.

    Args: limit: how many known pictures, of `order.val` where there are some; by default 500, fewer for large inputs.
    Returns: Check. Raises: InputError as `network_of` and for pictures or labels that do not fit; Stopped once `stop` is set.
    """
    device = pick_device(device)
    network, preprocessing, classes = network_of(order, device)
    source = open_source(order.val or order.images)
    rows = _lot(source, order.seed)[: limit or _of_size(CHECKED, preprocessing.size)]
    batch = _known(source, rows, preprocessing, classes, stop=stop)
    logits = _logits(network, batch.images, preprocessing, device, progress=progress, stop=stop)
    confidence, predicted = logits.double().softmax(1).max(1)
    labelled = batch.labels >= 0
    right = (predicted == batch.labels)[labelled]
    accuracy = right.double().mean().item() if len(right) else None
    warning = _doubt(accuracy, len(right), len(classes))
    if accuracy is not None and accuracy < CERTAIN:
        images, labels = batch.images[labelled][:COMPARED], batch.labels[labelled][:COMPARED]
        others = {mean_std: replace(preprocessing, mean=mean_std[0], std=mean_std[1]) for mean_std in NORMALISATIONS}
        others = {key: _logits(network, images, see, device, stop=stop).argmax(1) == labels for key, see in others.items() if see != preprocessing}
        warning = _better(right[:COMPARED], others) or warning
    shown = slice(SHOWN)
    return Check(
        accuracy,
        len(batch.images),
        classes,
        warning,
        batch.images[shown],
        tuple(source[int(row)].name for row in batch.names[shown]),
        tuple(batch.labels[shown].tolist()),
        tuple(predicted[shown].tolist()),
        tuple(confidence[shown].tolist()),
        tuple((source[int(row)].name, sentence) for row, sentence in batch.errors),
    )


def new_pack(order, out, *, device=None, progress=None, stop=None, log=None):
    """Measure known pictures, choose blocks, set thresholds, and write the pack.

    What was measured is kept in a folder beside until the pack is there, so that the same order goes on where it was stopped.

    Args: out: the pack's folder; progress: called with (done, total) pictures through the network over all stages; stop: a `threading.Event`;
        log: told what is being done.
    Returns: the figures of the pack, percentages; accuracy is None without labels.
    Raises: InputError as `check`, or where `out` holds something else; Stopped soon after `stop` is set.
    """
    device, out, log = pick_device(device), Path(out), log or (lambda line: None)
    if out.exists() and not (out / "pack.toml").is_file():
        raise InputError(f"{out} is there already and is no pack; choose another place.", key="new.out", out=str(out))
    network, preprocessing, classes, made_as = _made(order, device)
    log(f"reading pictures of {order.images}" + (f" and {order.val}" if order.val else ""))
    sets, found = _split(order, preprocessing, classes, stop=stop)
    unknown = {}
    for name, spec in (order.ood or UNKNOWN).items():
        unknown[name] = read(open_source(spec), preprocessing, stop=DRAWN, progress=lambda *_: _halt(stop))
        _need(unknown[name], spec)
        found[name] = {"source": source_id(spec)}
    counts = {name: len(batch.images) for name, batch in sets.items()}
    log(", ".join(f"{name.replace('_', ' ')}: {n} pictures" for name, n in counts.items()) + f", on {device}")
    once, twice = measurements(**counts, unknown=sum(len(batch.images) for batch in unknown.values()))
    measuring = Measuring(building_of(out), total=once + TWO_PASSES * twice, progress=progress, stop=stop)
    facts = {
        **{name: getattr(made_as, name) for name in ("arch", "width", "options") if getattr(made_as, name)},
        "title": order.title,
        "classes": list(classes),
        "training": {"method": "own", "weights": Path(order.weights).name},
        "measured": command_line(arguments_of(order)),
        "pictures": found,
    }
    figures = build(
        out,
        network=network,
        preprocessing=preprocessing,
        **sets,
        unknown=unknown,
        facts=facts,
        device=device,
        seed=order.seed,
        border=order.border,
        log=log,
        probing=measuring,
    )
    measuring.forget()
    return figures


def arguments_of(order):
    """Return the arguments of `python -m core` that make the same pack, but for --out."""
    see, three = order.preprocessing, ("mean", "std")
    single = {name: getattr(order, name) for name in ("weights", "arch", "width", "images", "val", "limit", "seed", "border", "title")}
    seen = {} if see is None else {"size": see.size, "resize": see.resize, "jpeg": see.jpeg, **{n: ",".join(f"{v:g}" for v in getattr(see, n)) for n in three}}
    words = [word for name, value in {**single, **seen}.items() if value is not None for word in (f"--{name}", str(value))]
    words += [word for name, value in order.options.items() for word in ("--option", f"{name}={value}")]
    words += [word for name, spec in order.ood.items() for word in ("--ood", f"{name}={spec}")]
    return ["pack", "new", *words, *(["--classes", ",".join(order.classes)] if order.classes else [])]


def building_of(out):
    """Return where a pack that is being made keeps what it has measured. Args: out: the pack's folder."""
    return Path(out).parent / f".{Path(out).name}.building"


def _made(order, device):
    """Return (network, Preprocessing, class names, Fit) of an order."""
    state, source = _weights(order)
    found = fit(state, order.arch, width=order.width, **order.options)
    network = create(found.arch, classes=found.classes, width=found.width, **found.options)
    network = fill(network, state, arch=order.arch, source=source).to(device)
    preprocessing = order.preprocessing or usual_preprocessing(found.arch, **found.options)
    blank = torch.zeros(1, 3, preprocessing.size, preprocessing.size, dtype=torch.uint8, device=device)
    try:
        logits = probe(network, preprocessing.normalise(blank)).logits
    except (RuntimeError, AssertionError) as error:  # a transformer that takes one size only, a map that shrinks to nothing
        raise InputError(
            f"{order.arch} does not take pictures of {preprocessing.size} pixels ({str(error).splitlines()[0]}); give another size.",
            key="new.size",
            arch=order.arch,
            size=preprocessing.size,
        ) from error
    if not torch.isfinite(logits).all():
        raise InputError(
            f"{order.arch} answers with NaN or infinity, so its weights are damaged or too large; train again or take another file.",
            key="new.nan",
            arch=order.arch,
        )
    return network, preprocessing, _classes(order, logits.shape[1]), found


def _weights(order):
    """Return (state dict, what it is called)."""
    if order.weights != TORCHVISION:
        return read_state(order.weights), Path(order.weights).name
    published = categories(order.arch)
    if published is None:
        raise InputError(
            f"torchvision has published no weights of {order.arch}; give a file, or a classifier of torchvision's.", key="new.published", arch=order.arch
        )
    from torchvision.models import get_model

    try:
        return get_model(order.arch, weights="DEFAULT", progress=False).state_dict(), f"torchvision's {order.arch}"
    except (OSError, RuntimeError) as error:  # URLError is an OSError; a file whose hash is wrong a RuntimeError
        raise InputError(
            f"The weights of {order.arch} could not be downloaded ({reason(error)}); check the network and try again, or give a file.",
            key="weights.download",
            arch=order.arch,
        ) from error


def _classes(order, outputs):
    """Return the names of the outputs: given, published with the weights, the source's, else numbers."""
    if order.classes and len(order.classes) != outputs:
        raise InputError(
            f"{len(order.classes)} class names were given, but the network has {outputs} outputs; name each.",
            key="new.classes",
            given=len(order.classes),
            outputs=outputs,
        )
    offered = (order.classes, categories(order.arch) if order.weights == TORCHVISION else None, open_source(order.images).classes)
    return tuple(next((names for names in offered if names and len(names) == outputs), map(str, range(outputs))))


def _split(order, preprocessing, classes, *, stop):
    """Return ({"bank", "held_out", "validation": Batch}, {set: where its pictures are found again})."""
    limit, total = order.limit or _of_size(KNOWN, preprocessing.size), sum(SHARES.values())
    source = open_source(order.images)
    if order.val is None:
        rows = _lot(source, order.seed)[:limit]
        ends = [len(rows) * SHARES["bank"] // total, len(rows) * (SHARES["bank"] + SHARES["held_out"]) // total]
        parts = {"bank": (source, rows[: ends[0]]), "held_out": (source, rows[ends[0] : ends[1]]), "validation": (source, rows[ends[1] :])}
    else:
        others = open_source(order.val)
        rows, fresh = _lot(source, order.seed)[: limit * SHARES["bank"] // total], _lot(others, order.seed)[: limit - limit * SHARES["bank"] // total]
        end = len(fresh) * SHARES["held_out"] // (SHARES["held_out"] + SHARES["validation"])
        parts = {"bank": (source, rows), "held_out": (others, fresh[:end]), "validation": (others, fresh[end:])}
    if order.val == order.images:
        raise InputError("Both sources of known pictures are the same; leave one out, or give others that training never saw.", key="new.same")
    if (n := sum(len(rows) for _, rows in parts.values())) < FEWEST:
        raise InputError(f"There are {n} known pictures, and thresholds need at least {FEWEST}; add some.", key="new.few", n=n, least=FEWEST)
    sets = {name: _known(of, rows, preprocessing, classes, stop=stop) for name, (of, rows) in parts.items()}
    rows = [int(row) for row in sets["held_out"].names]
    return sets, {"held_out": {"source": source_id(order.val or order.images), "rows": rows}}


def _lot(source, seed):
    """Return all rows of a source in an order drawn by lot."""
    return torch.randperm(len(source), generator=torch.Generator().manual_seed(seed)).tolist()


def _known(source, rows, preprocessing, classes, *, stop):
    """Read some rows of a source as a Batch in their order, with labels that count the network's classes; names are the rows, as text.

    Raises: InputError for too few pictures, or labels that the network has no output for.
    """
    inorder = sorted(rows)  # how it is read fastest
    batch = read(Picked(source, inorder, tuple(map(str, inorder))), preprocessing, progress=lambda *_: _halt(stop))
    _need(batch, source.name)
    place = {name: i for i, name in enumerate(batch.names)}
    order = [place[str(row)] for row in rows if str(row) in place]
    labels = _labels(batch.labels[order], source, classes)
    return replace(batch, images=batch.images[order], labels=labels, names=tuple(batch.names[i] for i in order), domains=tuple(batch.domains[i] for i in order))


def _labels(labels, source, classes):
    """Return labels as indices of the network's classes: by name where the source's names are all among them, else as they are."""
    names = source.classes
    if names and set(names) <= set(classes):
        labels = torch.where(labels < 0, labels, torch.tensor([classes.index(name) for name in names])[labels.clamp_min(0)])
    elif names and len(names) != len(classes):
        raise InputError(
            f"The pictures have the classes {', '.join(names[:5])}, which are not among the network's {len(classes)}: name those as the folders are named.",
            key="new.names",
            names=", ".join(names[:5]),
            outputs=len(classes),
        )
    if len(labels) and (highest := int(labels.max())) >= len(classes):
        raise InputError(
            f"A picture has the label {highest}, but the network has {len(classes)} outputs, from 0; check the labels or the weights.",
            key="new.labels",
            label=highest,
            outputs=len(classes),
        )
    return labels


def _doubt(accuracy, pictures, classes):
    """Return an InputError that says why an accuracy cannot be believed, or None."""
    if accuracy is None or accuracy >= least_plausible(classes):
        return None
    share, guess = f"{100 * accuracy:.1f}", f"{100 / classes:.1f}"
    return InputError(
        f"Only {share} % of {pictures} known pictures are named right, and guessing gives {guess} %: size, mean, deviation or the order of the classes "
        "is more likely wrong than the network, and no OOD number would mean anything.",
        key="new.doubtful",
        accuracy=share,
        n=pictures,
        guess=guess,
    )


def _better(right, others):
    """Return an InputError that names the normalisation with which clearly more pictures are right, or None.

    Args: right: (N,) bool; others: {(mean, std): (N,) bool} of the same pictures. Clearly: the pictures that change to right outnumber those
        that change to wrong by more than two standard deviations of a fair coin.
    """
    gains = {key: ((~right & other).sum().item(), (right & ~other).sum().item()) for key, other in others.items()}
    best = max(gains, key=lambda key: gains[key][0] - gains[key][1], default=None)
    if best is None or gains[best][0] - gains[best][1] <= 2 * max(1, sum(gains[best])) ** 0.5:
        return None
    given, found = (f"{100 * which.double().mean().item():.1f}" for which in (right, others[best]))
    mean, std = (", ".join(f"{value:g}" for value in values) for values in best)
    return InputError(
        f"With mean {mean} and deviation {std} the network names {found} % of {len(right)} known pictures right, with those it was given {given} %: "
        "it was probably trained with the former, and OOD numbers with the latter would mean little.",
        key="new.normalisation",
        mean=mean,
        std=std,
        found=found,
        given=given,
        n=len(right),
    )


def _logits(network, images, preprocessing, device, *, progress=None, stop=None):
    """Return the (N, C) logits of (N, 3, S, S) uint8 pictures, on the CPU."""
    parts, size = [], batch_size(preprocessing.size)
    for part in images.split(size):
        _halt(stop)
        parts.append(probe_all(network, part, preprocessing, device=device, batch_size=size).logits)
        if progress:
            progress(size * (len(parts) - 1) + len(part), len(images))
    return torch.cat(parts)


def _of_size(table, size):
    return next(number for most, number in table if size <= most)


def _need(batch, spec):
    if not batch.names:
        raise InputError(f"No picture of {spec} can be read.", key="source.empty", spec=str(spec))


def _halt(stop):
    if stop is not None and stop.is_set():
        raise Stopped
