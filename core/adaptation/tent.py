"""TENT: one step down the mean entropy per batch, on the scales and shifts of the normalisation layers.

It collapses with time where it is never reset; see `core.adaptation.guard`.

Source: Wang et al., ICLR 2021, and its code: batch statistics, Adam, the prediction is that before the step.
"""

import torch

from core.adaptation.losses import entropy
from core.adaptation.method import Method, descend
from core.adaptation.norms import batch_statistics, norm_parameters


class Tent(Method):
    """Take one step down the mean entropy of each batch, on the scales and shifts of the normalisation layers."""

    needs = ("norm",)

    def __init__(self, network, preprocessing, *, lr=1e-3, **shared):
        super().__init__(network, preprocessing, **shared)
        self.optimiser = torch.optim.Adam(norm_parameters(batch_statistics(self.network)), lr)

    def step(self, images):
        logits = self.classify(images)
        descend(self.optimiser, self.loss(logits))
        return logits

    def loss(self, logits):
        """Return what a step goes down, a scalar. Args: logits: (N, C)."""
        return entropy(logits).mean()
