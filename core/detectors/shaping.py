"""Energy after shaping the activations: ReAct, ASH-B, ASH-S and SCALE.

All shape the pooled penultimate features, as OpenOOD and ASH's released ImageNet networks do; pytorch-ood shapes the map before it is
pooled, which gives other numbers. Percentiles are OpenOOD's, for ASH-S, which it has not, pytorch-ood's.
"""

import numpy as np
import torch

from core.detectors.detector import Detector, linear_head
from core.detectors.logits import energy
from core.errors import InputError


def strongest(x, percentile):
    """Keep the strongest (100 - percentile) % of each row, at least one. Args: (N, D). Returns: (N, D), zero elsewhere."""
    width = x.shape[1]
    values, places = x.topk(max(1, width - round(width * percentile / 100)), dim=1)
    return torch.zeros_like(x).scatter(1, places, values)


def ash_b(x, *, percentile=90.0):
    """Give the strongest features of a picture one value each, which keeps their sum over all.

    Args: x: (N, D) >= 0. Returns: (N, D) float64. A zero stays zero: the released code fills, where fewer than its share
        respond at all, whichever zeros come first.
    Source: Djurisic et al., ICLR 2023.
    """
    x = x.double()
    kept = strongest(x, percentile) > 0
    return kept * (x.sum(1) / kept.sum(1).clamp_min(1))[:, None]


def ash_s(x, *, percentile=65.0):
    """Keep the strongest features of a picture, times exp(sum of all / sum of these).

    Args: x: (N, D) >= 0. Returns: (N, D) float64. Source: Djurisic et al., ICLR 2023.
    """
    x = x.double()
    kept = strongest(x, percentile)
    return kept * _ratio(x, kept).exp()


def scale(x, *, percentile=85.0):
    """Multiply all features of a picture by exp(sum of all / sum of the strongest).

    Args: x: (N, D) >= 0. Returns: (N, D) float64. Source: Xu et al., ICLR 2024.
    """
    x = x.double()
    return x * _ratio(x, strongest(x, percentile)).exp()


def _ratio(x, kept):
    """Return (N, 1) sums of x over sums of what was kept of it: at least 1, or 0 where all is 0."""
    return x.sum(1, keepdim=True) / kept.sum(1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)


class _Shaped(Detector):
    """The energy of the logits that the head gives for shaped features."""

    def __init__(self, *, percentile):
        self.percentile = percentile

    def fit(self, reference):
        self._head = linear_head(reference)
        return self

    def _shape(self, x):
        """Return (N, D) features as the head is to see them. Args: x: (N, D) float64."""
        raise NotImplementedError

    def score(self, activations):
        weight, bias = (t.to(activations.features.device) for t in self._head)
        return energy(self._shape(activations.features.double()) @ weight.T + bias)


class _ShapedPositive(_Shaped):
    def fit(self, reference):
        if (reference.bank.features < 0).any():
            raise InputError(
                "This network's features can be negative, and shaping them with ASH or SCALE makes sense only after a ReLU; choose another detector.",
                key="detector.negative",
            )
        return super().fit(reference)


class ReAct(_Shaped):
    """Score by the energy once features are cut off above a percentile of all features of the bank; they may be negative. Source: Sun et al., NeurIPS 2021."""

    def __init__(self, *, percentile=90.0):
        super().__init__(percentile=percentile)

    def fit(self, reference):
        self._ceiling = float(np.percentile(reference.bank.features.double().cpu().numpy(), self.percentile))
        return super().fit(reference)

    def _shape(self, x):
        return x.clamp(max=self._ceiling)


class ASHB(_ShapedPositive):
    """Score by the energy once the strongest features share the sum of all evenly and the others are 0."""

    def __init__(self, *, percentile=90.0):
        super().__init__(percentile=percentile)

    def _shape(self, x):
        return ash_b(x, percentile=self.percentile)


class ASHS(_ShapedPositive):
    """Score by the energy once the strongest features are raised by exp(sum of all / sum of these) and the others are 0."""

    def __init__(self, *, percentile=65.0):
        super().__init__(percentile=percentile)

    def _shape(self, x):
        return ash_s(x, percentile=self.percentile)


class SCALE(_ShapedPositive):
    """Score by the energy once all features are raised by exp(sum of all / sum of the strongest)."""

    def __init__(self, *, percentile=85.0):
        super().__init__(percentile=percentile)

    def _shape(self, x):
        return scale(x, percentile=self.percentile)
