"""LAME: the network stays as it is; its answers are smoothed over pictures with similar features in the batch.

It helps where a batch holds few classes and ruins answers where it holds them all alike.

Source: Boudiaf et al., CVPR 2022, algorithm 1, and its code: a Gaussian affinity as wide as the mean distance to the k-th neighbour, a
picture counting as its own first.
"""

import torch
from torch.nn import functional as F

from core.adaptation.method import Method

TINY = 1e-10  # added to probabilities before their logarithm, as in the code


def affinity(features, *, neighbours):
    """Return how near pictures are to each other. Args: features: (N, D). Returns: (N, N) in [0, 1], 1 on the diagonal."""
    features = F.normalize(features, dim=1)
    distance = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    width = distance.topk(min(neighbours, len(features)), largest=False).values[:, -1].mean().clamp_min(1e-12)  # 0 where all are alike
    return (-0.5 * (distance / width) ** 2).exp()


def smooth(probabilities, kernel, *, steps):
    """Iterate Y <- softmax(log P + K Y) until its bound hardly falls. Args: (N, C) probabilities, (N, N) affinities. Returns: (N, C), rows add up to 1."""
    log, before = (probabilities + TINY).log(), float("inf")
    found = log.softmax(1)
    for i in range(steps):
        pull = kernel @ found
        found = (log + pull).softmax(1)
        bound = (found * (found.clamp_min(1e-20).log() - log - pull)).sum().item()
        if i > 1 and abs(bound - before) <= 1e-8 * abs(before):
            break
        before = bound
    return found


class LAME(Method):
    """Leave the network as it is, and smooth its answers over pictures with similar features in the batch."""

    needs = ("head",)

    def __init__(self, network, preprocessing, *, neighbours=5, steps=100, **shared):
        super().__init__(network, preprocessing, **shared)
        self.neighbours, self.steps = neighbours, steps

    @torch.no_grad()
    def step(self, images):
        """Return logarithms of the smoothed probabilities, so that their softmax is those."""
        features, logits = self.features(images)
        found = smooth(logits.softmax(1), affinity(features, neighbours=self.neighbours), steps=self.steps)
        return found.clamp_min(1e-20).log()
