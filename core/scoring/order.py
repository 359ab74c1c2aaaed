"""What is asked of a scoring run, so that parts of an earlier run are taken only where every row would come out the same."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch

from core import disk
from core.disk import saying
from core.errors import InputError
from core.images.places import place, write_whole
from core.scoring.shards import part_name, read_part

MANIFEST = "_scoring.json"  # readers of a folder of Parquet files pass over names that begin so


def order_of(scorer, source, plan):
    """Return all that decides the rows, as JSON knows it."""
    order = {
        "network": network_hash(scorer),
        "preprocessing": asdict(scorer.preprocessing),
        "classes": list(scorer.classes or ()),
        "detectors": list(scorer.columns),
        "detector": scorer.detector,
        "keep": scorer.keep,
        "precision": scorer.precision,
        "device": scorer.device.type,
        "torch": torch.__version__,
        "source": source.facts,
        **asdict(plan),
    }
    return json.loads(json.dumps(order))  # as it will be read back: tuples are lists


def network_hash(scorer):
    """Return the SHA-256 of the network's weights and of the measured pictures that its detectors are fitted on."""
    digest, reference = hashlib.sha256(str(scorer.network).encode()), scorer.judge.reference
    for part in (reference.bank, reference.held_out, reference.puzzles):
        if part is not None:
            for tensor in (part.logits, part.features, part.norms, *part.means.values()):
                digest.update(tensor.cpu().numpy())
    for name, tensor in scorer.network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def fingerprint(order):
    return hashlib.sha256(json.dumps(order, sort_keys=True).encode()).hexdigest()


def claim(folder, order, plan, *, resume=True):
    """Take a folder for an order and find what is done of it.

    Args: folder: path or URL, made where there is none; resume: whether shards that are done are kept, else the folder is begun anew.
    Returns: {shard: `Part`} of the shards that are done.
    Raises: InputError if the folder holds parts of another order.
    """
    folder = place(folder)
    with saying(folder):
        folder.mkdir(parents=True, exist_ok=True)
    manifest, done = folder / MANIFEST, {}
    found = json.loads(manifest.read_bytes()) if manifest.exists() else None
    if found is not None and resume:
        if changed := [name for name in order if found["order"].get(name) != order[name]]:
            raise InputError(
                f"{folder} holds parts of another order (what differs: {', '.join(changed)}); give another --out, or --no-resume to begin anew.",
                key="scoring.other_order",
                folder=str(folder),
                changed=", ".join(changed),
            )
        parts = ((shard, read_part(folder, shard)) for shard in plan.shards)
        done = {shard: part for shard, part in parts if part is not None and part.order == fingerprint(order)}
    elif found is not None:
        clear(folder, found["shards"])
    document = {"order": order, "shards": len(plan.shards)}
    write_whole(manifest, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())
    return done


def clear(folder, shards):
    """Remove a run's parts and its manifest, the manifest last."""
    for shard in range(shards):
        (folder / part_name(shard)).unlink(missing_ok=True)
    sweep(folder)
    (folder / MANIFEST).unlink(missing_ok=True)


def sweep(folder):
    """Remove what processes that were killed while they wrote have left."""
    if isinstance(folder, Path):
        disk.sweep(folder)
