"""Turn a batch of decoded pictures into rows: everything that scoring needs, in one object that can travel to another machine."""

import json
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch

from core.images.preprocess import Preprocessing
from core.probe import probe_all
from core.verdict import ID, OOD, Judge

MARGIN = 0.01  # of the p-value, about the threshold: bf16 moved those near it by 0.0075 at most (docs/scale.md)
JUDGED = b"blockscope.judged"  # the key of a file's metadata that says who decided, and how many held-out pictures the p-values are against
AT_ONCE = 64  # pictures in a forward pass on a CPU: the maps of more leave its cache, and large ones are given back to the system each time
FIXED = (
    ("name", pa.string()),
    ("label", pa.int64()),
    ("domain", pa.string()),
    ("class", pa.string()),
    ("confidence", pa.float64()),
    ("verdict", pa.string()),
    ("p_value", pa.float64()),
)


@dataclass(frozen=True)
class Scorer:
    """Score pictures with a network and a judge.

    Attributes:
        network: on `device`; preprocessing; judge: a `core.verdict.Judge`, fitted; classes: a name for each logit, or None for their numbers.
        detectors: whose scores become columns; detector: who decides; keep: the share of known pictures called ID, in (0, 1).
        precision: of the forward pass: fp32, bf16, or auto, which is bf16 and then fp32 for the pictures whose verdict it leaves in doubt.
    """

    network: torch.nn.Module
    preprocessing: Preprocessing
    judge: Judge
    classes: tuple | None
    detectors: tuple
    detector: str
    keep: float
    precision: str
    device: torch.device

    def to(self, device):
        """Return the same scorer with its network on another device; the network itself is moved."""
        return replace(self, network=self.network.to(device), device=torch.device(device))

    @cached_property
    def columns(self):
        """Return the detectors that have a column: those asked for that this network can have."""
        return tuple(d for d in dict.fromkeys(self.detectors) if d in self.judge.detectors)

    @cached_property
    def schema(self):
        judged = {"detector": self.detector, "held_out": len(self.judge.reference.held_out)}
        columns = [*FIXED, *((f"score_{d}", pa.float64()) for d in self.columns), ("error", pa.string())]
        return pa.schema(columns, metadata={JUDGED: json.dumps(judged)})

    def score(self, batch):
        """Score one `core.images.sources.Batch`.

        Returns: a RecordBatch with a row for every picture in the source's order. One that could not be read has its name and
            its error, and null elsewhere. Scores are higher = more ID.
        """
        found = self._found(batch) if batch.names else {}
        names = {"name": list(batch.names), "error": [None] * len(batch.names)}
        rows = pa.RecordBatch.from_arrays([pa.array({**names, **found}.get(f.name, []), f.type) for f in self.schema], schema=self.schema)
        if not batch.errors:
            return rows
        failed = {"name": [name for name, _ in batch.errors], "error": [sentence for _, sentence in batch.errors]}
        bad = [pa.array(failed.get(f.name, [None] * len(batch.errors)), f.type) for f in self.schema]
        both = pa.concat_batches([rows, pa.RecordBatch.from_arrays(bad, schema=self.schema)])
        return both.take(pa.array(_places(len(batch.names), batch.missing)))

    def measure(self, images, *, precision=None):
        """Return the Activations, on the CPU, of (N, 3, S, S) uint8 pictures."""
        precision = precision or ("bf16" if self.precision == "auto" else self.precision)
        size = AT_ONCE if self.device.type == "cpu" else len(images)
        options = {"means": (self.judge.reference.middle,), "precision": precision}
        return probe_all(self.network, images, self.preprocessing, device=self.device, batch_size=size, **options)

    def _found(self, batch):
        """Return {column: N values} of pictures that could be read."""
        found = self._judged(self.measure(batch.images))
        if self.precision == "auto":
            doubtful = np.abs(found["p_value"] - (1 - self.keep)) < MARGIN
            if doubtful.any():
                again = self._judged(self.measure(batch.images[torch.from_numpy(doubtful)], precision="fp32"))
                for name, values in found.items():
                    values[doubtful] = again[name]
        return {"label": batch.labels.numpy(), "domain": list(batch.domains), **found}

    def _judged(self, measured):
        """Return {column: (N,) array} of what the network and the detectors say."""
        said = self.judge.opinions(measured, detector=self.detector, keep=self.keep)
        confidence, labels = said.probabilities.max(1)
        classes = np.array(self.classes or [str(c) for c in range(said.probabilities.shape[1])], object)
        return {
            "class": classes[labels.numpy()],
            "confidence": confidence.numpy(),
            "verdict": np.where(said.known(self.detector).numpy(), ID, OOD),
            "p_value": said.p_values(self.detector).numpy(),
            **{f"score_{d}": said.scores[d].numpy() for d in self.columns},
        }


def _places(read, missing):
    """Return, for rows that were read and then rows that were not, the order that puts each of the latter into its place."""
    total = read + len(missing)
    order = np.full(total, -1)
    order[list(missing)] = np.arange(read, total)
    order[order < 0] = np.arange(read)
    return order
