"""P-values that were computed before: what `python -m core score` writes, one Parquet file or a folder of them."""

import json
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import InputError

JUDGED = b"blockscope.judged"  # as `core.scoring.scorer` writes it, which needs torch


@dataclass(frozen=True)
class Scored:
    """Pictures that were scored. Attributes: names, p_values: of those that could be read, in their order; detector; known: held-out pictures, or None."""

    names: tuple
    p_values: tuple
    detector: str | None
    known: int | None


def read_scored(source):
    """Read p-values. Args: source: a path or a binary file. Raises: InputError if it is not what `score` writes, or holds no p-value."""
    try:
        tables = [pq.read_table(file, columns=["name", "p_value"]) for file in (_files(source) if isinstance(source, str | Path) else [source])]
        rows = [(str(n), float(p)) for t in tables for n, p in zip(*(t.column(c).to_pylist() for c in ("name", "p_value")), strict=True) if p is not None]
        facts = json.loads((tables[0].schema.metadata or {}).get(JUDGED, b"{}"))
        names, p_values = (tuple(row[k] for row in rows) for k in (0, 1))
        found = Scored(names, p_values, facts.get("detector"), facts.get("held_out")) if rows else None
        if found and not all(0 <= p <= 1 for p in found.p_values):
            raise ValueError("a p-value that is none")
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise InputError("This file has no p-values: take the Parquet file that python -m core score --out wrote.", key="watch.scored") from error
    if found is None:
        raise InputError("No picture in this file has a p-value.", key="watch.empty")
    return found


def is_scored(source):
    """Tell whether a source is a Parquet file, or a folder of such, with p-values and without pictures."""
    try:
        columns = pq.read_schema(_files(source)[0]).names
    except (pa.ArrowException, OSError, IndexError):
        return False
    return "p_value" in columns and "image" not in columns


def _files(path):
    """Return the file, or those of a folder that `score` wrote, in order."""
    return sorted(Path(path).glob("part-*.parquet")) if Path(path).is_dir() else [Path(path)]
