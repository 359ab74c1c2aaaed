"""Distance to the k-th nearest training picture among normalised penultimate features.

Source: Sun et al., ICML 2022.
"""

import torch

from core.detectors.detector import Detector
from core.errors import InputError


def kth_distance(features, bank, *, k=50):
    """Return the Euclidean distance of each feature to its k-th nearest neighbour in a bank, all set to length 1.

    Args: features: (N, D); bank: (M, D), M >= k. Returns: (N,) float64 in [0, 2]; lower = more ID.
    Raises: InputError if the bank is smaller than k.
    """
    if not 1 <= k <= len(bank):
        raise InputError(f"The {k}-th neighbour cannot be found in a bank of {len(bank)} pictures; choose a smaller k.", key="knn.k", k=k)
    cosine = _unit(features) @ _unit(bank).T  # (N, M)
    return (2 - 2 * cosine.topk(k, dim=1).values[:, -1]).clamp_min(0).sqrt()


def _unit(x):
    return torch.nn.functional.normalize(x.double(), dim=1)


class KNN(Detector):
    def __init__(self, *, k=50):
        self.k = k

    def fit(self, reference):
        self._bank = reference.bank.features
        return self

    def score(self, activations):
        return -kth_distance(activations.features, self._bank.to(activations.features.device), k=self.k)
