"""Distance to the k-th nearest training picture among normalised penultimate features.

Source: Sun et al., ICML 2022.
"""

import torch

from core.detectors.detector import Detector
from core.errors import InputError

ROWS = 1024  # pictures compared with the bank at once, so that memory does not grow with their number


def unit(x):
    """Set each row to length 1. Args: (N, D). Returns: (N, D) float64; a zero row stays zero."""
    return torch.nn.functional.normalize(x.double(), dim=1)


def highest_products(features, bank, *, k):
    """Return the k highest inner products of each feature, set to length 1, with a bank as it is.

    Double precision throughout: single precision saves a quarter of the time, but a picture's score then depends on those beside it.

    Args: features: (N, D); bank: (M, D) float64, M >= k. Returns: (N, k) float64, falling.
    Raises: InputError if the bank is smaller than k.
    """
    if not 1 <= k <= len(bank):
        raise InputError(f"The {k}-th neighbour cannot be found in a bank of {len(bank)} pictures; choose a smaller k.", key="knn.k", k=k)
    return torch.cat([(unit(part) @ bank.T).topk(k, dim=1).values for part in features.split(ROWS)])


def kth_distance(features, bank, *, k=50):
    """Return the Euclidean distance of each feature, set to length 1, to its k-th nearest neighbour in a bank.

    Args: features: (N, D); bank: (M, D) of length 1, M >= k. Returns: (N,) float64 in [0, 2]; lower = more ID.
    Raises: InputError if the bank is smaller than k.
    """
    return (2 - 2 * highest_products(features, bank, k=k)[:, -1]).clamp_min(0).sqrt()


class KNN(Detector):
    """Score by how near the k-th nearest training picture is, among penultimate features of length 1. Args: k: which neighbour."""

    def __init__(self, *, k=50):
        self.k = k

    def fit(self, reference):
        self._bank = unit(reference.bank.features)
        return self

    def score(self, activations):
        return -kth_distance(activations.features, self._bank.to(activations.features.device), k=self.k)
