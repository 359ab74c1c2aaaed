"""Cut a source into shards, and score each into a Parquet file of its own.

A shard is a range of the source, a whole number of batches. Batch i is always rows i * size to (i + 1) * size of the source, whoever scores it
and wherever a run begins again, and so every run gives the same rows to the last bit. A shard's file is there whole or not at all, and says
in its metadata which order it belongs to: scoring a shard twice, after a crash or on two machines, changes nothing.
"""

import ctypes
import io
import json
import os
import sys
from dataclasses import asdict, dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.parquet as pq

from core.images.places import place, write_whole
from core.scoring.decoding import decoded
from core.verdict import ID, OOD

MARK = b"blockscope"  # the key of a file's metadata that holds what `Part` says
PICTURES = 5000


@dataclass(frozen=True)
class Plan:
    """How pictures 0 to `stop` of a source are cut up: shards of `shard` pictures, each of batches of `batch`."""

    stop: int
    shard: int
    batch: int

    @classmethod
    def of(cls, stop, *, shard=PICTURES, batch=256):
        """Return the plan whose shards are about as long as asked, in whole batches."""
        return cls(stop, max(1, round(shard / batch)) * batch, batch)

    @cached_property
    def shards(self):
        return range(-(-self.stop // self.shard))

    def bounds(self, shard):
        return shard * self.shard, min((shard + 1) * self.shard, self.stop)


@dataclass(frozen=True)
class Part:
    """One shard's file: how many pictures were scored and could not be read, how many were called ID and OOD, and in which process."""

    order: str
    shard: int
    pictures: int
    errors: int
    id: int
    ood: int
    process: int


def part_name(shard):
    return f"part-{shard:05d}.parquet"


def score_shards(scorer, source, plan, shards, folder, *, order, workers=0, progress=None):
    """Score some shards and write a file of each.

    Args:
        scorer: a `core.scoring.scorer.Scorer`; source: pictures; plan: a `Plan` of them; shards: numbers of shards, rising.
        folder: path or URL of a folder that is there; order: the fingerprint of what is asked, see `core.scoring.order`.
        workers: processes that decode, 0 for a thread; progress: called with the number of pictures in each batch.
    Yields: a `Part` as soon as its file is there.
    """
    folder, rows = place(folder), []
    waiting = iter(shards)
    shard = next(waiting, None)
    for first, batch in decoded(source, scorer.preprocessing, [plan.bounds(s) for s in shards], size=plan.batch, workers=workers):
        rows.append(scorer.score(batch))
        if progress:
            progress(rows[-1].num_rows)
        if first + plan.batch >= plan.bounds(shard)[1]:
            yield _write(folder, order, shard, pa.Table.from_batches(rows, scorer.schema))
            rows, shard = [], next(waiting, None)
            _give_back()


def read_part(folder, shard):
    """Return the `Part` of a shard's file, or None where there is none that is whole."""
    try:
        with (place(folder) / part_name(shard)).open("rb") as file:
            kept = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError):
        return None
    return Part(**json.loads(kept[MARK])) if MARK in kept else None


def _give_back():
    """Return freed memory to the system, which glibc does not where small pieces in use lie among it: a process grew by a quarter over 50,000 pictures."""
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def _write(folder, order, shard, rows):
    verdicts = rows.column("verdict").to_pylist()
    known, unknown = verdicts.count(ID), verdicts.count(OOD)
    part = Part(order, shard, known + unknown, len(verdicts) - known - unknown, known, unknown, os.getpid())
    buffer = io.BytesIO()
    pq.write_table(rows.replace_schema_metadata({**(rows.schema.metadata or {}), MARK: json.dumps(asdict(part))}), buffer, compression="zstd")
    write_whole(folder / part_name(shard), buffer.getbuffer())
    return part
