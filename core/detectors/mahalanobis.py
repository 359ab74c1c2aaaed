"""Distance to the nearest class mean under the classes' shared covariance, on the channel means of a block.

Source: Lee et al., NeurIPS 2018, equation 2, without input noise and without the logistic regression
over layers, which needs OOD pictures. The default block is the reference's middle one.
"""

import torch

from core.detectors.detector import Detector
from core.errors import InputError


def class_statistics(x, labels, *, ridge=1e-3):
    """Return the class means and the shared precision of class-centred vectors.

    Args: x: (N, D); labels: (N,); ridge: added to the diagonal, as a share of its mean, since few pictures make it singular.
    Returns: ((C, D), (D, D)) float64. Multiplying x by a constant leaves distances unchanged.
    """
    x = x.double()
    classes, index = labels.unique(return_inverse=True)
    means = torch.stack([x[index == c].mean(0) for c in range(len(classes))])
    centred = x - means[index]
    covariance = centred.T @ centred / len(x)
    scale = covariance.diagonal().mean().clamp_min(1e-30)
    return means, torch.linalg.inv(covariance + ridge * scale * torch.eye(x.shape[1], dtype=x.dtype, device=x.device))


def nearest_distance(x, means, precision):
    """Return the squared Mahalanobis distance to the nearest mean. Args: (N, D), (C, D), (D, D). Returns: (N,) float64."""
    root = torch.linalg.cholesky(precision)  # |x - m|^2 = |root^T (x - m)|^2
    return torch.cdist(x.double() @ root, means @ root, compute_mode="donot_use_mm_for_euclid_dist").square().amin(1)


class MahalanobisMiddle(Detector):
    """Args: block: a block whose means were probed; by default the reference's middle block. ridge: as `class_statistics`."""

    def __init__(self, *, block=None, ridge=1e-3):
        self.block, self.ridge = block, ridge

    def fit(self, reference):
        self._block = self.block or reference.middle
        self._means, self._precision = class_statistics(self._of(reference.bank), reference.bank_labels, ridge=self.ridge)
        return self

    def score(self, activations):
        x = self._of(activations)
        return -nearest_distance(x, self._means.to(x.device), self._precision.to(x.device))

    def _of(self, activations):
        if self._block not in activations.means:
            raise InputError(f"The means of block {self._block!r} were not probed; ask the probe for them.", key="mahalanobis.means")
        return activations.means[self._block]
