"""Distance to the nearest class mean under the classes' shared covariance: of features, of a block's channel means, or relative.

Source: Lee et al., NeurIPS 2018, equation 2, without input noise and without the logistic regression
over layers, which needs OOD pictures. Where that takes every layer, `Mahalanobis` takes the penultimate one, as
OpenOOD's MDS does, and `MahalanobisMiddle` one block, by default the reference's middle one.
"""

import torch

from core.detectors.detector import Detector
from core.errors import InputError


def class_statistics(x, labels, *, ridge=1e-3):
    """Return the class means and a root of the shared precision of class-centred vectors.

    Args: x: (N, D); labels: (N,); ridge: added to the diagonal, as a share of its mean, since few pictures make it singular.
    Returns: ((C, D), (D, D)) float64: |(x - mean) @ root| is the distance. Multiplying x by a constant leaves distances unchanged.
    """
    x = x.double()
    classes, index = labels.unique(return_inverse=True)
    means = torch.stack([x[index == c].mean(0) for c in range(len(classes))])
    centred = x - means[index]
    return means, precision_root(centred.T @ centred / len(x), ridge=ridge)


def precision_root(covariance, *, ridge=1e-3):
    """Return a root R of the precision, R @ R.T = inverse(covariance + ridge). Args: (D, D) float64; ridge: as `class_statistics`."""
    identity = torch.eye(len(covariance), dtype=covariance.dtype, device=covariance.device)
    lower = torch.linalg.cholesky(covariance + ridge * covariance.diagonal().mean().clamp_min(1e-30) * identity)
    return torch.linalg.solve_triangular(lower, identity, upper=False).T


def squared_distances(x, means, root):
    """Return the squared Mahalanobis distances to every mean. Args: (N, D), (C, D), (D, D). Returns: (N, C) float64 >= 0."""
    origin = means.mean(0)  # distances do not depend on it, and around it the terms below stay small
    x, means = (x.double() - origin) @ root, (means - origin) @ root
    return (x.square().sum(1, keepdim=True) - 2 * x @ means.T + means.square().sum(1)).clamp_min(0)


class Mahalanobis(Detector):
    """Score by how near the penultimate feature is to a class mean, under the covariance that the classes share. Args: ridge: as `class_statistics`."""

    def __init__(self, *, ridge=1e-3):
        self.ridge = ridge

    def fit(self, reference):
        self._classes = class_statistics(self._of(reference.bank), reference.bank_labels, ridge=self.ridge)
        return self

    def fit_moments(self, moments):
        """Fit on `core.scoring.statistics.Moments` of any number of pictures instead of a reference's bank."""
        self._classes = moments.means[moments.counts > 0], precision_root(moments.covariance, ridge=self.ridge)
        return self

    def score(self, activations):
        x = self._of(activations)
        return -squared_distances(x, *(t.to(x.device) for t in self._classes)).amin(1)

    def _of(self, activations):
        return activations.features


class MahalanobisMiddle(Mahalanobis):
    """Score by how near the channel means of a block in the middle are to those of a class, under their shared covariance.

    Args: block: a block whose means were probed; by default the reference's middle block. ridge: as `class_statistics`.
    """

    def __init__(self, *, block=None, ridge=1e-3):
        super().__init__(ridge=ridge)
        self.block = block

    def fit(self, reference):
        self._block = self.block or reference.middle
        return super().fit(reference)

    def _of(self, activations):
        if self._block not in activations.means:
            raise InputError(f"The means of block {self._block!r} were not probed; ask the probe for them.", key="mahalanobis.means")
        return activations.means[self._block]


class RMDS(Mahalanobis):
    """Score by how much nearer a feature is to a class than to all classes as one: what makes every picture unusual cancels.

    Source: Ren et al., 2021 (arXiv 2106.09022). Both covariances are means over the pictures, with the same relative ridge.
    """

    def fit(self, reference):
        self._everything = class_statistics(reference.bank.features, torch.zeros_like(reference.bank_labels), ridge=self.ridge)
        return super().fit(reference)

    def score(self, activations):
        x = activations.features
        return super().score(activations) + squared_distances(x, *(t.to(x.device) for t in self._everything))[:, 0]
