"""fDBD: the mean distance of a feature to the decision boundaries of the classes it was not given, in units of its distance to the mean feature.

Source: Liu & Qin, ICML 2024.
"""

import torch

from core.detectors.detector import Detector, linear_head


class FDBD(Detector):
    """Score by the mean distance of a feature to the boundaries of the other classes, in units of its distance to the mean feature.

    Two classes whose rows of the head are identical have no boundary between them; its distance counts as 0.
    """

    def fit(self, reference):
        features = reference.bank.features.double()
        weight, _ = linear_head(reference)
        gaps = torch.cdist(weight, weight, compute_mode="donot_use_mm_for_euclid_dist").to(features.device)  # (C, C), exactly 0 for identical rows
        self._per_gap = torch.where(gaps > 0, 1 / gaps, 0)
        self._mean = features.mean(0)
        return self

    def score(self, activations):
        per_gap, mean = (t.to(activations.features.device) for t in (self._per_gap, self._mean))
        logits = activations.logits.double()
        highest, first = logits.max(1)
        distances = (highest[:, None] - logits) * per_gap[first]  # (N, C); 0 to the own class
        length = (activations.features.double() - mean).norm(dim=1).clamp_min(1e-8)
        return distances.sum(1) / (max(1, logits.shape[1] - 1) * length)
