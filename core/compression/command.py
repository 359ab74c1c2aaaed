"""What `python -m core compress` does beyond reading its options."""

from argparse import Namespace
from pathlib import Path

import torch
from safetensors.torch import save as save_tensors

from core.compression import PRUNINGS, compress
from core.compression.drift import drift
from core.compression.int8 import tensors
from core.compression.matching import MATCHING, Finetuning, finetune
from core.compression.size import bytes_of, zeros_of
from core.disk import write_whole
from core.errors import InputError
from core.explanation import EXPLANATIONS, OF_NORM
from core.images import toybox
from core.images.sources import open_source, read, source_id
from core.packs import load_pack
from core.provenance import command_line
from core.table import look_up
from core.training.command import Sets, measure_pack

CALIBRATED = 256  # pictures that int8 takes its ranges from
TOYBOX = "toybox:"


def compress_pack(options, *, progress, log):
    """Compress the network of a pack, measure what its answers and maps lose, and save it.

    Args: options: of the command; progress: of what -> called with (done, total); log: told what is being done.
    Returns: the document that the command prints. Raises: InputError for what the command was given wrongly.
    """
    methods = list(dict.fromkeys(options.method.split(",")))
    for name in methods:
        look_up(EXPLANATIONS, name, kind="explanation")
    _check(options)
    pack = load_pack(options.pack, device=options.device)
    normalise = pack.preprocessing.normalise
    measured = read(open_source(options.images), pack.preprocessing, stop=options.limit, progress=progress("reading"))
    if not len(measured.labels):
        raise InputError(f"No picture of {options.images} can be read.", key="source.empty", spec=str(options.images))
    images, sets = normalise(measured.images).to(pack.device), _sets(options, pack, measured, progress)
    sample = images if sets is None else normalise(sets.train.images[:CALIBRATED]).to(pack.device)
    small = pack.network
    if options.prune:
        log(f"pruning {100 * options.amount:g} % ({options.prune})")
        small = compress(options.prune, small, sample, amount=options.amount)
    if options.finetune != "none":
        recipe = Finetuning(steps=options.steps, seed=options.seed, matching=MATCHING * (options.finetune == "matching"))
        log(f"fine-tuning for {recipe.steps} steps on {len(sets.train.images)} pictures")
        small = finetune(small, pack.network, sets.train.images, sets.train.labels, pack.preprocessing, recipe, progress=progress("fine-tuning"))
    if options.int8:
        small = compress("int8", small, sample)
    masks = object_masks(options.images, len(images), pack.preprocessing.size) if not measured.errors else None
    found = {}
    for name in methods:
        block = pack.selection.selected if name in OF_NORM else None
        found[name] = drift(pack.network, small, images, method=name, masks=masks, block=block, progress=progress(f"explaining by {name}"))
    answers = found[methods[0]].figures(measured.labels)
    document = {
        "pack": pack.name,
        "prune": options.prune,
        "amount": options.amount if options.prune else None,
        "finetune": options.finetune,
        "int8": options.int8,
        "pictures": len(images),
        "zero_weights": round(100 * zeros_of(small), 2),
        "bytes": {"before": bytes_of(pack.network), "after": bytes_of(small, bits=8 if options.int8 else 32)},
        "accuracy": {"before": answers["accuracy_before"], "after": answers["accuracy_after"]},
        "same_class": answers["same_class"],
        "maps": [{"method": name, "title": EXPLANATIONS[name].title, **_of_map(each.figures())} for name, each in found.items()],
        "out": options.out,
    }
    if options.out:
        _save(options, pack, small, sets, log)
    return document


def lines(document):
    """Return what the command says to people, as lines of cells."""
    before, after = document["bytes"]["before"], document["bytes"]["after"]
    accuracy = document["accuracy"]
    told = "unknown (no labels)" if accuracy["before"] is None else f"{accuracy['before']} % before, {accuracy['after']} % after"
    rows = [
        (f"size {before:,} bytes before, {after:,} after; {document['zero_weights']} % of the weights are zero",),
        (f"accuracy {told}; {document['same_class']} % of {document['pictures']} pictures keep their class",),
        ("map", "rank correlation, higher moved less", "of those that keep their class", "cosine", "on the object before, %", "after, %"),
    ]
    for row in document["maps"]:
        numbers = (row[key] for key in ("spearman", "spearman_same_class", "cosine", "energy_before", "energy_after"))
        rows.append((row["title"], *("-" if value is None else f"{value:g}" for value in numbers)))
    return rows + ([(f"saved in {document['out']}",)] if document["out"] else [])


def object_masks(spec, count, size):
    """Return (N, size, size) bool, where the objects of the first pictures of a toybox source are, or None for another source."""
    if not str(spec).startswith(TOYBOX):
        return None
    split = str(spec).removeprefix(TOYBOX)
    return torch.stack([torch.from_numpy(toybox.draw(split, index, size=size).mask) for index in range(count)])


def _check(options):
    if not options.prune and not options.int8:
        raise InputError(f"Say how to compress: --prune {' or --prune '.join(PRUNINGS)}, or --int8.", key="compression.nothing")
    if not options.data and (options.int8 or options.finetune != "none" or _is_pack(options.out)):
        raise InputError("int8, fine-tuning and saving a pack need labelled training pictures; add --data SRC.", key="compression.data")
    if options.int8 and _is_pack(options.out):
        raise InputError("A pack cannot hold int8 weights; give --out a name that ends in .safetensors.", key="compression.out")


def _is_pack(out):
    return bool(out) and Path(out).suffix != ".safetensors"


def _sets(options, pack, measured, progress):
    """Return the `Sets` of --data, the measured pictures among them, or None without --data."""
    if not options.data:
        return None
    data = open_source(options.data)
    if data.classes and tuple(data.classes) != pack.classes:
        raise InputError(f"The pack knows {', '.join(pack.classes)}; the source has {', '.join(data.classes)}.", key="build.classes")
    if not 0 < options.holdout < len(data):
        raise InputError(f"--holdout is {options.holdout}; keep fewer than the {len(data)} pictures there are.", key="training.holdout")
    few = options.finetune == "none" and not _is_pack(options.out)  # int8 alone
    stop = options.holdout + (min(CALIBRATED, options.data_limit) if few else options.data_limit)
    train = read(data, pack.preprocessing, start=options.holdout, stop=stop, progress=progress("reading"))
    held_out = read(data, pack.preprocessing, stop=options.holdout, progress=progress("reading")) if _is_pack(options.out) else None
    source = {"source": source_id(options.data)}
    return Sets(train, held_out, measured, {}, pack.classes, {"held_out": source, "jigsaw": {**source, "puzzle_seed": options.seed}})


def _save(options, pack, small, sets, log):
    """Write a pack around the small network, or its weights alone."""
    if not _is_pack(options.out):
        state = tensors(small) if options.int8 else {name: value.detach().cpu().contiguous() for name, value in small.state_dict().items()}
        write_whole(options.out, save_tensors(state))
        return
    facts = {name: pack.facts[name] for name in ("arch", "width", "options", "classes", "training") if name in pack.facts}
    facts["compressed"] = {"pack": pack.name, "command": command_line(options.arguments)}
    measuring = Namespace(bank=len(sets.train.images), seed=options.seed, border=pack.selection.border)
    small = small.to(memory_format=torch.contiguous_format)
    measure_pack(Path(options.out), small, facts, sets, pack.preprocessing, measuring, pack.device, log)


def _of_map(figures):
    return {key: value for key, value in figures.items() if not key.startswith("accuracy") and key != "same_class"}
