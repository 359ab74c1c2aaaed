"""What a whole source measures, in a few megabytes: class means, shared covariance, and a uniform sample for a bank of neighbours.

Each part is a sufficient statistic that merges: pieces of a source may be measured anywhere, in any order, and merged in any grouping.
Moments come out the same but for rounding; the sample is the same to the last bit, as a picture's place in the source alone decides whether it is in it.

Source: Chan, Golub & LeVeque, 1979, for merging moments; bottom-k sampling, Cohen & Kaplan, PODC 2007.
"""

from dataclasses import dataclass, fields
from functools import reduce

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from core.errors import InputError
from core.scoring.decoding import decoded

FEATURES = "features"  # the name of the penultimate features beside those of blocks
BANK = 2000


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of class means and of the covariance that classes share.

    Attributes: counts: (C,) float64; means: (C, D) float64, zero for a class without pictures; scatter: (D, D) float64, the sum over pictures of
        the outer product of what is left of each without its class mean.
    """

    counts: torch.Tensor
    means: torch.Tensor
    scatter: torch.Tensor

    @classmethod
    def of(cls, x, labels, classes):
        """Args: x: (N, D); labels: (N,) in [0, classes)."""
        x = x.double()
        counts = torch.bincount(labels, minlength=classes).double()
        sums = x.new_zeros(classes, x.shape[1]).index_add_(0, labels, x)
        means = sums / counts.clamp_min(1)[:, None]
        centred = x - means[labels]
        return cls(counts, means, centred.T @ centred)

    @property
    def covariance(self):
        """Return the (D, D) shared covariance: the mean over pictures, as maximum likelihood has it."""
        return self.scatter / self.counts.sum()

    def merge(self, other):
        counts = self.counts + other.counts
        share = (other.counts / counts.clamp_min(1))[:, None]
        apart = other.means - self.means
        means = self.means + share * apart  # (C, D); of a class that only one side has, that side's
        between = (apart * self.counts[:, None] * share).T @ apart
        return Moments(counts, means, self.scatter + other.scatter + between)


@dataclass(frozen=True)
class Sample:
    """The pictures with the lowest keys: a uniform sample without replacement. Rows lie in the order of their keys.

    Attributes: keys: (n,) int64; rows: (n, D) float32; labels: (n,) int64; size: how many are kept at most, a tensor.
    """

    keys: torch.Tensor
    rows: torch.Tensor
    labels: torch.Tensor
    size: torch.Tensor

    @classmethod
    def of(cls, rows, labels, places, *, size=BANK, seed=0):
        """Args: rows: (N, D); labels, places: (N,) int64, places in the source; size: of the sample; seed: of the keys."""
        return cls(_keys(places, seed), rows.float(), labels, torch.tensor(size))._lowest()

    def merge(self, other):
        keys, rows, labels = (torch.cat([getattr(self, k), getattr(other, k)]) for k in ("keys", "rows", "labels"))
        return Sample(keys, rows, labels, self.size)._lowest()

    def _lowest(self):
        first = self.keys.argsort()[: int(self.size)]
        return Sample(self.keys[first], self.rows[first], self.labels[first], self.size)


@dataclass(frozen=True)
class Statistics:
    """Attributes: moments: {features or the name of a block: `Moments`}; sample: `Sample` of the features."""

    moments: dict
    sample: Sample

    @classmethod
    def of(cls, measured, labels, places, *, size=BANK, seed=0):
        """Args: measured: `Activations`; labels: (N,), where below 0 the network's own answer counts; places: (N,) in the source."""
        classes = measured.logits.shape[1]
        if len(labels) and (top := int(labels.max())) >= classes:
            message = f"A picture has the label {top} and the network has {classes} classes, from 0; give a source with its labels, or none."
            raise InputError(message, key="statistics.label", label=top, classes=classes)
        labels = torch.where(labels < 0, measured.logits.argmax(1), labels)
        vectors = {FEATURES: measured.features, **measured.means}
        moments = {name: Moments.of(x, labels, classes) for name, x in vectors.items()}
        return cls(moments, Sample.of(measured.features, labels, places, size=size, seed=seed))

    @property
    def pictures(self):
        return int(self.moments[FEATURES].counts.sum())

    def merge(self, other):
        moments = {name: m.merge(other.moments[name]) for name, m in self.moments.items()}
        return Statistics(moments, self.sample.merge(other.sample))

    def to_bytes(self):
        """Return the statistics as safetensors: what a file of them holds."""
        tensors = {f"moments.{name}.{f.name}": getattr(m, f.name) for name, m in self.moments.items() for f in fields(m)}
        tensors |= {f"sample.{f.name}": getattr(self.sample, f.name) for f in fields(self.sample)}
        return save_tensors({k: v.contiguous() for k, v in tensors.items()})

    @classmethod
    def from_bytes(cls, data):
        tensors = load_tensors(data)
        names = [k.removeprefix("moments.").removesuffix(".counts") for k in tensors if k.endswith(".counts")]
        moments = {name: Moments(*(tensors[f"moments.{name}.{f.name}"] for f in fields(Moments))) for name in names}
        return cls(moments, Sample(*(tensors[f"sample.{f.name}"] for f in fields(Sample))))


def merged(statistics):
    """Return one `Statistics` of several, or None of none."""
    return reduce(lambda one, other: one.merge(other) if one else other, statistics, None)


def measure_shards(scorer, source, plan, shards, *, size=BANK, seed=0, workers=0, progress=None):
    """Yield the `Statistics` of each batch of some shards. Args: as `core.scoring.shards.score_shards`; size, seed: of the sample."""
    for first, batch in decoded(source, scorer.preprocessing, [plan.bounds(s) for s in shards], size=plan.batch, workers=workers):
        total = len(batch.names) + len(batch.errors)
        if batch.names:
            places = np.delete(np.arange(first, first + total), list(batch.missing))
            yield Statistics.of(scorer.measure(batch.images), batch.labels, torch.from_numpy(places), size=size, seed=seed)
        if progress:
            progress(total)


def difference(estimate, whole):
    """Tell how far moments of a part are from those of the whole.

    Returns: {means: the root mean square, over classes that both have, of the Mahalanobis distance between their means under the whole's covariance,
        divided by the root of D, so that 1 is a standard deviation in every direction; covariance: the relative difference in Frobenius norm}.
    """
    both = (estimate.counts > 0) & (whole.counts > 0)
    apart = (estimate.means - whole.means)[both]
    ridge = 1e-3 * whole.covariance.diagonal().mean() * torch.eye(apart.shape[1], dtype=apart.dtype)  # as `core.detectors.mahalanobis`
    squared = (apart * torch.linalg.solve(whole.covariance + ridge, apart.T).T).sum(1)
    change = torch.linalg.matrix_norm(estimate.covariance - whole.covariance) / torch.linalg.matrix_norm(whole.covariance)
    return {"means": float((squared.mean() / apart.shape[1]).sqrt()), "covariance": float(change)}


def _keys(places, seed):
    """Return a key for each place: 64 bits of SplitMix64, which gives no two places the same. Source: Steele et al., OOPSLA 2014."""
    with np.errstate(over="ignore"):
        start = _mixed(np.array([seed], np.uint64))
        return torch.from_numpy(_mixed(places.numpy().astype(np.uint64) + start).view(np.int64))


def _mixed(x):
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
