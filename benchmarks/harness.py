"""Time things side by side: each repetition runs every candidate once, in a new order, so that a slow minute hits all of them."""

import os
import platform
import random
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version

import numpy as np

HEADS = ["measurement", "what", ">median", ">quartiles", ">repetitions", "note"]  # of `Row.cells`


@dataclass(frozen=True)
class Row:
    """One line of the report.

    Attributes: group: the measurement it belongs to; what: in words; value: the median; low, high: its quartiles;
        unit: "x" for a ratio, "ms", "s" or another; repetitions; note: what it is measured against, or a remark.
    """

    group: str
    what: str
    value: float
    low: float
    high: float
    unit: str
    repetitions: int
    note: str = ""

    @property
    def cells(self):
        digits = {"x": 3, "%": 3, "s": 2}.get(self.unit, 1)
        value, low, high = (f"{v:.{digits}f}" for v in (self.value, self.low, self.high))
        return (self.group, self.what, f"{value} {self.unit}", f"{low} to {high}", str(self.repetitions), self.note)


def interleaved(candidates, *, repetitions, warm_up=2, settle=lambda: None, seed=0):
    """Time each candidate once in each repetition.

    Args:
        candidates: {name: function without arguments}.
        settle: called before the clock is read, so that work handed to a device has ended.
    Returns: {name: (repetitions,) seconds}.
    """
    order, shuffle = list(candidates), random.Random(seed)
    seconds = {name: [] for name in order}
    for repetition in range(warm_up + repetitions):
        shuffle.shuffle(order)
        for name in order:
            settle()
            began = time.perf_counter()
            candidates[name]()
            settle()
            if repetition >= warm_up:
                seconds[name].append(time.perf_counter() - began)
    return {name: np.array(values) for name, values in seconds.items()}


def ratio(group, what, seconds, name, base, note=""):
    """Compare within each repetition. Returns: the `Row` of name's seconds over base's."""
    return summary(group, what, seconds[name] / seconds[base], "x", note)


def summary(group, what, values, unit, note=""):
    """Return the `Row` with the median and the quartiles of the values."""
    low, middle, high = np.percentile(values, (25, 50, 75))
    return Row(group, what, float(middle), float(low), float(high), unit, len(values), note)


def machine():
    """Return the facts that a number needs beside it."""
    import torch

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "torchvision", "streamlit", "numpy")},
    }


def document(rows):
    """Return all that `--json` writes."""
    return {"machine": machine(), "rows": [asdict(row) for row in rows]}


def _processor():
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
