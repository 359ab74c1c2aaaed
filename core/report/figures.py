"""Every figure of a report by name: what sentences print and what the table of facts lists, formatted in one place."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.explanation import EXPLANATIONS, OF_NORM
from core.handoff import DELTA
from core.words import names, read

NUMBERS = {  # kind: (factor, format); a unit stands in the words
    "whole": (100, "g"),
    "percent": (100, ".1f"),
    "fine": (100, ".2f"),
    "points": (100, ".2f"),
    "score": (1, ".4g"),
    "number": (1, ".3f"),
    "count": (1, ",d"),
}
ROWS, COLUMNS = ("upper", "middle", "lower"), ("left", "centre", "right")
UNITS = {"whole": "%", "percent": "%", "fine": "%"}
TABLE = {  # group: {attribute of `Facts`: kind}
    "verdict": {
        "verdict": "word",
        "detector": "detector",
        "score": "score",
        "threshold": "score",
        "p_value": "fine",
        "keep": "whole",
        "held_out": "count",
    },
    "class": {"class_name": "class", "confidence": "percent", "runner_up": "class", "runner_up_confidence": "percent", "classes": "count"},
    "detectors": {"single": "count", "same": "count"},
}
BLOCK = {"block": "plain", "norm_ratio": "number", "norm": "number", "norm_mean": "number", "norm_higher": "percent"}
TRUST = {  # attribute of `HandOff`: kind
    "temperature": "number",
    "calibrated": "percent",
    "ece": "points",
    "ece_calibrated": "points",
    "fitted": "count",
    "told": "count",
    "risk": "whole",
    "share": "whole",
    "p_both": "fine",
    "p_least": "fine",
    "coverage": "percent",
}


@dataclass(frozen=True)
class Figure:
    """One fact. Attributes: value: a number, a name or a pair; kind: of `NUMBERS`, or how a name is said; group: what it stands under in the table."""

    value: Any
    kind: str
    group: str

    def text(self, words):
        """Say the figure, without its unit. Args: words: a catalogue of names and of the report."""
        if self.kind in NUMBERS:
            factor, form = NUMBERS[self.kind]
            return format(factor * self.value, form) if math.isfinite(self.value) else words["none"]
        if self.kind == "pixel":
            return "{}, {}".format(*self.value)
        return map_title(self.value, words) if self.kind == "explanation" else words.get(f"{self.kind}.{self.value}", str(self.value))

    @property
    def unit(self):
        return UNITS.get(self.kind, "")


def map_title(method, words):
    """Say the name of an explanation, by the table's title where the catalogue has none."""
    return words.get(f"explanation.{method}", EXPLANATIONS[method].title)


def place(one, pixel):
    """Name the ninth of the picture that a pixel of a map lies in: "upper_left" to "lower_right", "middle_centre" in the middle."""
    column, row = (3 * at // len(one.values) for at in pixel)
    return f"{ROWS[row]}_{COLUMNS[column]}"


def figures(facts):
    """Return {name: `Figure`} of all facts, in the order of the table; those of a map are named "METHOD.NAME"."""
    f, hand_off = facts, facts.hand_off
    found = {name: Figure(getattr(f, name), kind, group) for group, kinds in TABLE.items() for name, kind in kinds.items()}
    if f.strictest:
        found |= {"strictest": Figure(f.strictest, "detector", "detectors"), "strictest_p": Figure(f.members[f.strictest], "fine", "detectors")}
        found |= {f"member.{name}": Figure(p, "fine", "detectors") for name, p in f.members.items()}
    found |= {name: Figure(getattr(f, name), kind, "block") for name, kind in BLOCK.items()}
    if hand_off:
        found |= {name: Figure(getattr(hand_off, name), kind, "trust") for name, kind in TRUST.items()}
        found["sureness"] = Figure(1 - DELTA, "whole", "trust")
    for one in f.maps:
        values = {
            "method": (one.method, "explanation"),
            "measure": ("norm" if one.method in OF_NORM else "class", "measure"),
            **({"at_block": (one.block, "plain")} if one.method in OF_NORM else {}),
            "place": (place(one, one.peak), "place"),
            "peak": (one.peak, "pixel"),
            "positive": (one.positive, "percent"),
            "low_place": (place(one, one.trough), "place"),
            "trough": (one.trough, "pixel"),
            **{name: (getattr(one, name), "number") for name in ("deletion", "random_deletion", "insertion", "random_insertion")},
        }
        found |= {f"{one.method}.{name}": Figure(value, kind, one.method) for name, (value, kind) in values.items()}
    if f.maps:
        found |= {name: Figure(getattr(f, name), "count", "maps") for name in ("orders", "steps")}
    made = {"file": f.file, "pack": f.pack, "arch": f.arch, "training": f.training, "weights": f.weights or "-", "pack_hash": f.pack_hash, "made": f.made}
    found |= {name: Figure(value, "plain", "identity") for name, value in made.items()}
    return found


def catalogue(language):
    """Return {key: words} of a report: its own and the names that core says. Raises: InputError for an unknown language."""
    return names(language) | read(Path(__file__).parent, language)
