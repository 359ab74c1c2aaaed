"""NAC-UE: how often training pictures have put each neuron into the state that a picture puts it into.

A neuron's state is the sigmoid of its output times the gradient, with respect to it, of KL(uniform || softmax). The training pictures'
states fill a histogram for each neuron; a picture's score is the mean, over neurons, of how full the bins are that it falls into.

Source: Liu et al., ICLR 2024. What differs: one layer, the pooled penultimate features, where the paper takes several;
there the gradient has a closed form, so that nothing is run backwards. Steepness, bins and filling are the released code's for this layer
of a CIFAR-10 network; other networks were given other steepnesses there (3000 on ImageNet), tuned on OOD pictures. Implementations place
the bins differently: here they are evenly wide; the released code has them dense around 1/2, pytorch-ood near 0 and 1 ("geometric").
"""

import math

import torch

from core.detectors.detector import Detector, linear_head
from core.errors import unknown

SPACINGS = ("even", "geometric")


def states(features, logits, weight):
    """Return each neuron's output times the gradient of KL(uniform || softmax), before the sigmoid.

    Args: features: (N, D); logits: (N, C), of these features; weight: (C, D). Returns: (N, D) float64.
    """
    p = logits.double().softmax(1)
    return features.double() * ((p - 1 / p.shape[1]) @ weight.double())


def inner_edges(bins, *, steepness, spacing):
    """Return the edges between a histogram's bins, in terms of the states before the sigmoid: (bins - 1,) float64, rising.

    The sigmoid is taken back from the edges once instead of being applied to every state.
    """
    if spacing not in SPACINGS:
        raise unknown("spacing", spacing, SPACINGS)
    if spacing == "even":
        edges = torch.arange(1, bins, dtype=torch.float64) / bins
    else:
        half = torch.logspace(-6, math.log10(0.5), bins // 2 + 1, dtype=torch.float64)[1:]
        edges = torch.cat([half, 1 - half[:-1].flip(0)])
    return torch.special.logit(edges) / steepness


class NAC(Detector):
    """Score by how often training pictures have put each neuron into the state that a picture puts it into, mean over neurons.

    Args: steepness: of the sigmoid; bins: of each histogram, an even number; full: pictures that fill a bin; spacing: even or geometric.
    """

    def __init__(self, *, steepness=100.0, bins=50, full=50, spacing="even"):
        self.steepness, self.bins, self.full, self.spacing = steepness, bins, full, spacing

    def fit(self, reference):
        self._weight = linear_head(reference)[0]
        self._edges = inner_edges(self.bins, steepness=self.steepness, spacing=self.spacing)
        places = self._places(reference.bank)
        counts = places.flatten().bincount(minlength=places.shape[1] * self.bins)
        self._coverage = (counts.double() / self.full).clamp_max(1)
        return self

    def score(self, activations):
        places = self._places(activations)
        return self._coverage.to(places.device)[places].mean(1)

    def _places(self, activations):
        """Return the (N, D) places of each neuron's state in all neurons' histograms, one after the other."""
        device = activations.features.device
        found = states(activations.features, activations.logits, self._weight.to(device))
        return torch.bucketize(found, self._edges.to(device)) + self.bins * torch.arange(found.shape[1], device=device)
