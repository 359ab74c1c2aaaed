"""What `python -m core score` does beyond reading its options."""

from dataclasses import replace

import torch

from core.detectors import ONE_PASS
from core.disk import saying, whole
from core.errors import InputError
from core.images.places import Remote, place, write_whole
from core.images.sources import open_source
from core.scoring import ENGINES, MEASURERS
from core.scoring.order import claim, clear, fingerprint, order_of, sweep
from core.scoring.scorer import Scorer
from core.scoring.shards import Plan, part_name
from core.scoring.statistics import Statistics, difference, merged
from core.table import look_up
from core.verdict import Judge


def score_pictures(options, network, preprocessing, reference, classes, *, keep, device, progress=None):
    """Score a source into a Parquet file, or into a folder of them.

    Args: options: of the command; classes: names, or None; keep: a fraction; progress: called with (done, total).
    Returns: the document that the command prints.
    Raises: InputError for what the command was given wrongly.
    """
    engine = look_up(ENGINES, options.engine, kind="engine")
    asked = _asked(options, engine)
    names = ONE_PASS if options.detectors == "all" else tuple(options.detectors.split(","))
    judge = Judge(reference, tuple(dict.fromkeys([*names, options.detector])))
    scorer = Scorer(network, preprocessing, judge, classes, names, options.detector, keep, options.precision, device)
    if asked.get("gpus"):  # of the cluster, whatever this machine has
        scorer = replace(scorer, device=torch.device("cuda"))
    source = open_source(options.images)
    plan = Plan.of(min(options.limit or len(source), len(source)), shard=options.shard_size, batch=options.batch_size)
    out, folder = _places(options.out)
    order = order_of(scorer, source, plan)
    done = claim(folder, order, plan, resume=options.resume)
    resumed = len(done)
    count = sum(part.pictures + part.errors for part in done.values())

    def report(pictures):
        nonlocal count
        count += pictures
        if progress:
            progress(count, plan.stop)

    missing = [shard for shard in plan.shards if shard not in done]
    if missing:
        for part in engine.load()(scorer, source, plan, missing, folder, order=fingerprint(order), progress=report, **asked):
            done[part.shard] = part
    sweep(folder)
    if out:
        join(folder, plan, out, scorer.schema)
        clear(folder, len(plan.shards))
        folder.rmdir()
    totals = {key: sum(getattr(part, key) for part in done.values()) for key in ("pictures", "errors", "id", "ood")}
    how = {"engine": options.engine, "shard_size": plan.shard, "shards": len(plan.shards), "workers": asked["workers"], "resumed": resumed}
    return {"out": str(out or options.out), **totals, **how}


def gather_statistics(options, pack, *, device, progress=None):
    """Measure a source's `Statistics` with a pack's network, write them, and compare the pack's bank with them.

    Args: options: of the command; pack; progress: called with (done, total). Returns: the document that the command prints.
    Raises: InputError if no picture can be read.
    """
    engine = look_up(MEASURERS, options.engine, kind="engine")
    asked = _asked(options, engine)
    scorer = Scorer(pack.network, pack.preprocessing, Judge(pack.reference, ()), pack.classes, (), "", 0.5, options.precision, device)
    if asked.get("gpus"):
        scorer = replace(scorer, device=torch.device("cuda"))
    source = open_source(options.images)
    plan = Plan.of(min(options.limit or len(source), len(source)), shard=options.shard_size, batch=options.batch_size)
    count = 0

    def report(pictures):
        nonlocal count
        count += pictures
        if progress:
            progress(count, plan.stop)

    parts = engine.load()(scorer, source, plan, list(plan.shards), size=options.sample, seed=options.seed, progress=report, **asked)
    found = merged(parts)
    if not found:
        raise InputError(f"No picture of {options.images} can be read.", key="source.empty", spec=str(options.images))
    out = place(options.out)
    with saying(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, found.to_bytes())
    bank = Statistics.of(pack.reference.bank, pack.reference.bank_labels, torch.arange(len(pack.reference.bank)))
    apart = {name: {k: round(v, 6) for k, v in difference(bank.moments[name], m).items()} for name, m in found.moments.items()}
    return {"out": str(options.out), "pictures": found.pictures, "errors": plan.stop - found.pictures, "sample": len(found.sample.keys), "bank": apart}


def join(folder, plan, out, schema):
    """Join the parts of all shards in order into one Parquet file, holding one at a time; the file is there whole or not at all."""
    import pyarrow.parquet as pq

    with whole(out) as beside, pq.ParquetWriter(beside, schema, compression="zstd") as file:
        for shard in plan.shards:
            file.write_table(pq.read_table(folder / part_name(shard)).cast(schema))


def _asked(options, engine):
    """Return the engine's parameters with what the command says of them. Raises: InputError for one that belongs to another engine."""
    given = {name: value for e in ENGINES.values() for name in e.parameters if (value := getattr(options, name)) is not None}
    if wrong := [name for name in given if name not in engine.parameters]:
        flag = f"--{wrong[0].replace('_', '-')}"
        raise InputError(f"The engine {options.engine} takes no {flag}; leave it out or choose another --engine.", key="scoring.option", option=flag)
    return {**engine.parameters, **given}


def _places(spec):
    """Return (the one file to write or None, the folder of parts)."""
    out = place(spec)
    if not str(spec).endswith(".parquet"):
        return None, out
    if isinstance(out, Remote):
        message = f"One file is written on this machine only; leave .parquet off {spec} for a folder of Parquet files there."
        raise InputError(message, key="scoring.one_file", out=str(spec))
    return out, out.with_name(f"{out.name}.parts")
