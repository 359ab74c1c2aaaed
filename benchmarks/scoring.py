"""Streaming `score` against the plain forward pass on decoded tensors, its memory at 5,000 and 50,000 pictures, and what bf16 changes.

Expected: throughput at least 0.85 x of the plain pass; peak memory within 15 %; in bf16 fewer than 0.1 % of the verdicts another.
Pictures are `cifar10_train.parquet` of BLOCKSCOPE_DATA where that is set, else the toybox's, drawn into a file first.
"""

import io
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from benchmarks.harness import Row, interleaved, ratio, summary
from core.detectors import ONE_PASS
from core.images.sources import batches, data_folder, open_source
from core.packs import load_pack
from core.scoring.scorer import AT_ONCE, Scorer
from core.scoring.shards import Plan, score_shards
from core.verdict import Judge

PICTURES, BATCH = 5120, 256
MEMORY = (5000, 50_000)
ROOT = Path(__file__).parents[1]
CHILD = "import sys; from core.cli import main; main(sys.argv[1:]); print(open('/proc/self/status').read())"


def rows(*, repetitions=5, quick=False):
    """Measure throughput, memory and bf16. Returns: a list of `Row`."""
    with tempfile.TemporaryDirectory() as folder:
        file = _pictures(Path(folder), 1000 if quick else 10_000)
        few = 512 if quick else PICTURES
        found = [row for pack in ("cifar10", "toybox") for row in _throughput(pack, file, few, folder, 2 if quick else repetitions)]
        if Path("/proc/self/status").exists():
            found += _memory(file, (500, 1000) if quick else MEMORY, folder)
        return found + [row for pack in ("cifar10", "toybox") for row in _precision(pack, file, few)]


def _scorer(name, names=ONE_PASS, **options):
    pack = load_pack(name)
    return Scorer(pack.network, pack.preprocessing, Judge(pack.reference, names), pack.classes, names, "consensus", 0.95, "fp32", pack.device, **options)


def _throughput(name, file, count, folder, repetitions):
    """Score the same pictures from decoded tensors by the network alone, and from the file with all that `score` does."""
    scorer, source, plan = _scorer(name), open_source(file), Plan.of(count, batch=BATCH)
    size = AT_ONCE if scorer.device.type == "cpu" else BATCH  # the pass alone is quicker so too, and is measured at its best
    decoded = [scorer.preprocessing.normalise(b.images.to(scorer.device)) for b in batches(source, scorer.preprocessing, size=size, stop=count)]
    settle = torch.cuda.synchronize if scorer.device.type == "cuda" else (lambda: None)

    def plain():
        with torch.no_grad():
            for batch in decoded:
                scorer.network(batch).cpu()

    def score(chosen, **options):
        list(score_shards(chosen, source, plan, plan.shards, folder, order="", **options))

    single = replace(scorer, judge=Judge(scorer.judge.reference, ("consensus",)), detectors=("consensus",))
    timed = {"plain": plain, "all": lambda: score(scorer), "consensus": lambda: score(single)}
    seconds = interleaved(timed, repetitions=repetitions, warm_up=1, settle=settle)
    title = f"{name}, {count} pictures, {size} at once, {scorer.device.type}"
    for key, what in (("all", f"score with {len(ONE_PASS)} detectors"), ("consensus", "score with the consensus alone")):
        yield summary("scoring", f"{title}: throughput of {what}", seconds["plain"] / seconds[key], "x", "of the plain forward pass on decoded tensors")
        yield summary("scoring", f"{title}: {what}", count / seconds[key], "pictures/s")
    yield summary("scoring", f"{title}: plain forward pass", count / seconds["plain"], "pictures/s")


def _memory(file, counts, folder):
    """Compare the peak memory of `score` on few and on many pictures, each in a fresh process."""
    peaks = [_peak(file, count, folder) for count in counts]
    for count, peak in zip(counts, peaks, strict=True):
        yield Row("scoring", f"toybox, {count} pictures: peak memory of score", peak, peak, peak, "MiB", 1)
    growth = peaks[-1] / peaks[0]
    yield Row("scoring", f"peak memory at {counts[-1]} pictures", growth, growth, growth, "x", 1, f"of that at {counts[0]}")


def _peak(file, count, folder):
    """Return the peak resident memory in MiB of a process that scores so many pictures.

    Read from /proc: what `wait` tells counts the process that it was started from too.
    """
    source, out = Path(folder) / f"{count}.parquet", Path(folder) / f"scores-{count}.parquet"
    _repeat(file, source, count)
    command = ["score", "--pack", "toybox", "--detectors", "consensus", "--device", "cpu", "--images", source, "--out", out]
    done = subprocess.run([sys.executable, "-c", CHILD, *command], cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout.split("VmHWM:")[1].split()[0]) / 1024


def _precision(name, file, count):
    """Count the verdicts that bf16 changes, on known pictures and on unknown ones, and time it."""
    scorer = _scorer(name, ("consensus",))
    for what, source in (("the file", open_source(file)), ("toybox:near", open_source("toybox:near"))):
        some = list(batches(source, scorer.preprocessing, size=BATCH, stop=count))
        verdicts = {p: np.concatenate([_verdicts(replace(scorer, precision=p), b) for b in some]) for p in ("fp32", "bf16", "auto")}
        for precision in ("bf16", "auto"):
            share = 100 * float((verdicts["fp32"] != verdicts[precision]).mean())
            yield Row("scoring", f"{name}, {len(verdicts['fp32'])} pictures of {what}: verdicts that {precision} changes", share, share, share, "%", 1)
    timed = {p: lambda p=p: [_verdicts(replace(scorer, precision=p), b) for b in some] for p in ("fp32", "bf16", "auto")}
    seconds = interleaved(timed, repetitions=3, warm_up=1)
    for precision in ("bf16", "auto"):
        yield ratio("scoring", f"{name}: judging decoded pictures in {precision}", seconds, precision, "fp32", "against fp32")


def _verdicts(scorer, batch):
    return scorer.score(batch).column("verdict").to_numpy(zero_copy_only=False)


def _pictures(folder, count):
    """Return a Parquet file of pictures: the photos where they are, else so many toys."""
    root = data_folder()
    if root and (root / "cifar10_train.parquet").is_file():
        return root / "cifar10_train.parquet"
    file, toys = folder / "toys.parquet", open_source("toybox:train")
    with pq.ParquetWriter(file, pa.schema([("image", pa.binary())])) as out:
        for start in range(0, count, 1000):
            out.write_table(pa.table({"image": [_png(item.data) for item in toys.items(start, min(start + 1000, count))]}))
    return file


def _repeat(file, target, count):
    """Write so many pictures of a file into another, from the first again where there are too few."""
    with pq.ParquetFile(file) as pictures, pq.ParquetWriter(target, pa.schema([("image", pa.binary())])) as out:
        while count:
            for rows in pictures.iter_batches(1000, columns=["image"]):
                out.write_table(pa.Table.from_batches([rows.slice(0, count)]).cast(pa.schema([("image", pa.binary())])))
                count -= min(count, len(rows))
                if not count:
                    break


def _png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
