"""P-values that were computed before: the Parquet file that `python -m core score` writes."""

import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import InputError

FACTS = b"PANDAS_ATTRS"  # where pandas keeps what is said of a whole table


@dataclass(frozen=True)
class Scored:
    """Pictures that were scored. Attributes: names, p_values: of those that could be read, in the file's order; detector; known: held-out pictures, or None."""

    names: tuple
    p_values: tuple
    detector: str | None
    known: int | None


def read_scored(file):
    """Read p-values. Args: file: a path or a binary file. Raises: InputError if it is not what `score` writes."""
    try:
        table = pq.read_table(file, columns=["name", "p_value"])
        rows = [(str(name), float(p)) for name, p in zip(*(table.column(c).to_pylist() for c in ("name", "p_value")), strict=True) if p is not None and p == p]
        facts = json.loads((table.schema.metadata or {}).get(FACTS, b"{}"))
    except (pa.ArrowException, OSError, ValueError, TypeError, KeyError) as error:
        raise InputError("This file has no p-values: take the Parquet file that python -m core score --out wrote.", key="watch.scored") from error
    if not rows:
        raise InputError("No picture in this file has a p-value.", key="watch.empty")
    names, p_values = zip(*rows, strict=True)
    return Scored(names, p_values, facts.get("detector"), facts.get("held_out"))


def is_scored(path):
    """Tell whether a file is a Parquet file with p-values and without pictures."""
    try:
        columns = pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False
    return "p_value" in columns and "image" not in columns
