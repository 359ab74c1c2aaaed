"""Batch statistics in place of those of the training; nothing is learnt, so that no batch leaves a trace.

BN-1 hurts where a batch is small, of one class, or of several domains. BN-alpha keeps most of the source's and so works for one picture.
"""

import torch

from core.adaptation.method import Method
from core.adaptation.norms import BlendedNorm, batch_statistics, replace_batch_norms


class BN(Method):
    """Normalise with the mean and variance of each batch instead of those of the training. Source: Nado et al., 2020 (arXiv 2006.10963)."""

    needs = ("batch norm",)

    def __init__(self, network, preprocessing, **shared):
        super().__init__(network, preprocessing, **shared)
        batch_statistics(self.network)

    @torch.no_grad()
    def step(self, images):
        return self.classify(images)


class BNAlpha(Method):
    """Normalise with a blend of the training's statistics and the batch's. Source: Schneider et al., NeurIPS 2020, where 1 - alpha is N / (N + n)."""

    needs = ("batch norm",)

    def __init__(self, network, preprocessing, *, alpha=0.1, **shared):
        """Args: alpha: share of the batch in the statistics, from 0 (source) to 1."""
        super().__init__(network, preprocessing, **shared)
        replace_batch_norms(self.network, BlendedNorm, alpha=alpha)

    @torch.no_grad()
    def step(self, images):
        return self.classify(images)
