"""Score shards on a Ray cluster: a Ray Data pipeline whose items are numbers of shards and whose results are counts.

The fitted scorer and the opened source travel once, through Ray's object store, so that every process judges by the very same numbers and none
lists the source again. Each process scores whole shards as the local engine does and writes their files itself; what comes back are `Part`s.
Ray starts a process that dies anew and gives its shard to another: as a shard's file is whole or absent and always the same, nothing is lost or doubled.
"""

import copy
import logging
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from core.errors import InputError
from core.scoring import shards as local
from core.scoring.statistics import Statistics, merged
from core.scoring.statistics import measure_shards as measure_locally

MERGED = 16  # statistics of shards that one task merges into one


def score_shards(scorer, source, plan, shards, folder, *, order, workers=None, ray_address=None, gpus=None, progress=None):
    """Score some shards on Ray and write a file of each.

    Args: as `core.scoring.shards.score_shards`, but
        folder: a URL, or a path that is the same folder on every machine; so is what the source reads.
        workers: processes that score, by default one a core, or as many as `gpus` allows; ray_address: of a running cluster, by default Ray starts
        on this machine; gpus: for each process, such as 0.5, by default 1 where the scorer's device is CUDA; progress: called a shard.
    Yields: a `Part` as soon as its file is there, in any order.
    Raises: InputError if Ray is not installed or the cluster cannot be reached.
    """
    rows = run(ShardScorer, (scorer, source, plan, str(folder), order), shards, scorer.device, workers=workers, ray_address=ray_address, gpus=gpus)
    for row in rows:
        counts: dict[str, Any] = {name: value if isinstance(value, str) else int(value) for name, value in row.items()}
        part = local.Part(**counts)
        if progress:
            progress(part.pictures + part.errors)
        yield part


def measure_shards(scorer, source, plan, shards, *, size, seed, workers=None, ray_address=None, gpus=None, progress=None):
    """Yield `Statistics`, each of many shards, whose union are the shards. Args: as `score_shards`; size, seed: of the sample.

    Each process merges a shard's batches, further tasks of the cluster merge `MERGED` shards each: the driver takes one result for so many.
    """
    given, options = (scorer, source, plan, size, seed), {"workers": workers, "ray_address": ray_address, "gpus": gpus}
    for row in run(ShardStatistician, given, shards, scorer.device, then=_merge_rows, **options):
        found = Statistics.from_bytes(row["statistics"])
        if progress:
            progress(found.pictures)
        yield found


def run(kind, given, shards, device, *, then=None, workers=None, ray_address=None, gpus=None):
    """Let processes of a kind work on shards.

    Args: kind: a `ShardWorker`; given: what it is made with; then: what tasks make of each `MERGED` of its rows; workers, ray_address, gpus: as
        `score_shards`. Yields: rows as dicts.
    """
    ray = connect(ray_address)
    gpus = float(device.type == "cuda") if gpus is None else gpus
    scorer, *others = given
    scorer = replace(scorer, network=copy.deepcopy(scorer.network).cpu())  # a process without this GPU could not read it
    size = min(workers or _room(ray, gpus), len(shards))
    rows = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards)).map_batches(
        kind,
        fn_constructor_args=tuple(ray.put(value) for value in (scorer, *others)),
        batch_size=1,
        num_cpus=0 if gpus else 1,
        num_gpus=gpus or None,
        compute=ray.data.ActorPoolStrategy(size=size),
    )
    if then:
        rows = rows.map_batches(then, batch_size=MERGED, num_cpus=0.1)
    yield from rows.iter_rows()


def connect(address=None):
    """Return the module ray, connected to a cluster or to one that it starts on this machine.

    Raises: InputError if it is not installed, or no cluster answers there.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        message = "The engine ray needs the package ray; run pip install -r requirements-ray.txt, or leave --engine out."
        raise InputError(message, key="scoring.no_ray") from error
    if not ray.is_initialized():
        code = {"runtime_env": {"py_modules": [str(Path(__file__).parents[1])]}} if address else {"include_dashboard": False}
        try:
            ray.init(address, log_to_driver=False, configure_logging=False, **code)
        except ConnectionError as error:
            raise InputError(f"No Ray cluster answers at {address}; check --ray-address.", key="scoring.ray_address", address=str(address)) from error
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    return ray


class ShardWorker:
    """What one process of the cluster keeps."""

    def __init__(self, scorer, source, *others):
        import ray

        torch.set_num_threads(max(1, int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))))
        scorer, self.source, *self.others = ray.get([scorer, source, *others])
        self.scorer = scorer.to(scorer.device)

    def rows(self, shard):
        """Return what comes of a shard, rows as dicts."""
        raise NotImplementedError

    def __call__(self, batch):
        rows = [row for shard in batch["shard"] for row in self.rows(int(shard))]
        return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}


class ShardScorer(ShardWorker):
    def rows(self, shard):
        plan, folder, order = self.others
        return map(asdict, local.score_shards(self.scorer, self.source, plan, [shard], folder, order=order))


class ShardStatistician(ShardWorker):
    def rows(self, shard):
        plan, size, seed = self.others
        parts = list(measure_locally(self.scorer, self.source, plan, [shard], size=size, seed=seed))
        return [{"statistics": merged(parts).to_bytes()}] if parts else []


def _merge_rows(batch):
    return {"statistics": [merged(map(Statistics.from_bytes, batch["statistics"])).to_bytes()]}


def _room(ray, gpus):
    """Return how many processes the cluster has room for."""
    there = ray.cluster_resources()
    return max(1, int(there.get("GPU", 0) / gpus) if gpus else int(there.get("CPU", 1)))
