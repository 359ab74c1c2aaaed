"""Turn a batch of decoded pictures into rows: everything that scoring needs, in one object that can travel to another machine."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import torch

from core.images.preprocess import Preprocessing
from core.probe import probe
from core.verdict import ID, OOD, Judge

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
        precision: of the forward pass, as `core.probe.probe` takes it.
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
        return pa.schema([*FIXED, *((f"score_{d}", pa.float64()) for d in self.columns), ("error", pa.string())])

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

    def measure(self, batch):
        """Return the Activations, on the CPU, of the pictures of a batch that could be read."""
        inputs = self.preprocessing.normalise(batch.images.to(self.device))
        return probe(self.network, inputs, means=(self.judge.reference.middle,), precision=self.precision).to("cpu")

    def _found(self, batch):
        """Return {column: N values} of pictures that could be read."""
        said = self.judge.opinions(self.measure(batch), detector=self.detector, keep=self.keep)
        confidence, labels = said.probabilities.max(1)
        classes = self.classes or [str(c) for c in range(said.probabilities.shape[1])]
        return {
            "label": batch.labels.numpy(),
            "domain": list(batch.domains),
            "class": [classes[i] for i in labels.tolist()],
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
