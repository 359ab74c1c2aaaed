"""Detectors that read the logits alone. Double precision: single precision ties confident pictures at 1."""

import torch

from core.detectors.detector import Detector


def msp(logits):
    """Return the maximum softmax probability. Args: (N, C). Returns: (N,) float64 in [1/C, 1]; higher = more ID.

    Source: Hendrycks & Gimpel, ICLR 2017.
    """
    return logits.double().softmax(1).amax(1)


def max_logit(logits):
    """Return the highest logit. Args: (N, C). Returns: (N,) float64; higher = more ID. Source: Hendrycks et al., ICML 2022."""
    return logits.double().amax(1)


def energy(logits, *, temperature=1.0):
    """Return the (negative free) energy T * logsumexp(logits / T). Args: (N, C). Returns: (N,) float64; higher = more ID.

    Source: Liu et al., NeurIPS 2020, equation 4, with the sign turned.
    """
    return temperature * torch.logsumexp(logits.double() / temperature, 1)


def gen(logits, *, gamma=0.1, top=100):
    """Return the generalised entropy of the highest probabilities, sum of p^gamma * (1 - p)^gamma, with its sign turned.

    Args: (N, C); gamma: in (0, 1); top: how many, all C if there are no more. Returns: (N,) float64 <= 0; higher = more ID.

    Source: Liu et al., CVPR 2023, GEN.
    """
    p = logits.double().softmax(1)
    p = p.topk(min(top, p.shape[1]), dim=1).values
    return -(p * (1 - p)).pow(gamma).sum(1)


class MSP(Detector):
    """Score by the highest softmax probability."""

    def score(self, activations):
        return msp(activations.logits)


class MaxLogit(Detector):
    """Score by the highest logit, before the softmax compares it with the others."""

    def score(self, activations):
        return max_logit(activations.logits)


class Energy(Detector):
    """Score by the logarithm of the sum of all exponentiated logits, at a temperature."""

    def __init__(self, *, temperature=1.0):
        self.temperature = temperature

    def score(self, activations):
        return energy(activations.logits, temperature=self.temperature)


class GEN(Detector):
    """Score by how sure the highest probabilities are, by a generalised entropy in which small ones count."""

    def __init__(self, *, gamma=0.1, top=100):
        self.gamma, self.top = gamma, top

    def score(self, activations):
        return gen(activations.logits, gamma=self.gamma, top=self.top)
