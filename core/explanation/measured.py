"""Which explanation can be believed on which pack, as measured: `assets/faithfulness.toml`, which `benchmarks/explanation.py --save` writes.

Reading it needs no torch. What a figure means and how believing is decided stands in docs/explanation.md.
"""

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from core.errors import InputError
from core.packs import describe

FILE = Path(__file__).parents[2] / "assets" / "faithfulness.toml"
WEIGHTS = "weights.safetensors"
WHY_NOT = {
    "deletion_random": "deletion against random order",
    "deletion_edges": "deletion against edges",
    "insertion_random": "insertion against random order",
    "insertion_edges": "insertion against edges",
    "object": "on the object",
    "weights": "shuffled weights",
}


@dataclass(frozen=True)
class Faithfulness:
    """What one method gave on the pictures of one source, means over them.

    Attributes:
        pictures: how many; shuffled: of them, for `correlation`; source: which, such as toybox:test.
        deletion, insertion: areas under the class's probability, in [0, 1], or under the norm as a share of the whole picture's (norm_ methods);
            deletion: lower is better, insertion: higher is better. random, edges: {"deletion", "insertion"} of the floors, an order that knows
            nothing and one that knows the picture alone.
        hit, positive: percent of pictures whose highest pixel is on the object, and of the positive map that is; None where no true masks are there.
        object: percent of the picture that the object covers, or None.
        correlation: Spearman's, in [-1, 1], with the map of wholly shuffled weights; near 0 is better.
        believed: whether all comparisons hold; why_not: of `WHY_NOT`, what does not.
    """

    pictures: int
    shuffled: int
    source: str
    deletion: float
    insertion: float
    random: dict
    edges: dict
    correlation: float
    believed: bool
    why_not: tuple
    hit: float | None = None
    positive: float | None = None
    object: float | None = None


def measured(pack):
    """Return {method: `Faithfulness`} of a pack by its name or folder; {} where none was measured, or the network has changed since."""
    try:
        found = describe(pack)
    except InputError:
        return {}
    told = _read().get(found.name)
    if told is None or told["weights"] != found.facts.get("files", {}).get(WEIGHTS):
        return {}
    of_all = {f.name: told[f.name] for f in fields(Faithfulness) if f.name in told}
    return {name: Faithfulness(**of_all, **{**row, "why_not": tuple(row["why_not"])}) for name, row in told["methods"].items()}


@cache
def _read():
    return tomllib.loads(FILE.read_text("utf-8"))
