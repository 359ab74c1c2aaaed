"""ViM: the energy less a virtual logit, the length of what the principal subspace of known features leaves over.

Source: Wang et al., CVPR 2022.
"""

import torch

from core.detectors.detector import Detector, linear_head
from core.detectors.logits import energy
from core.errors import InputError


def principal_dim(width):
    """Return how many principal directions ViM takes from features of a width D: fewer than D, so that something is left over.

    Source: the released code's 1000 for D >= 2048, and 512 where D is 768 or more; half of D below, which is OpenOOD's 256 at 512.
    """
    return 1000 if width >= 2048 else 512 if width >= 768 else width // 2


class ViM(Detector):
    """Score by the energy less a virtual logit, the length of what the principal subspace of known features leaves over.

    Args: dim: how many principal directions, fewer than features; by default as `principal_dim`.
    """

    def __init__(self, *, dim=None):
        self.dim = dim

    def fit(self, reference):
        features, logits = reference.bank.features.double(), reference.bank.logits.double()
        weight, bias = (t.to(features.device) for t in linear_head(reference))
        width = features.shape[1]
        dim = principal_dim(width) if self.dim is None else self.dim
        if not 0 <= dim < width:
            raise InputError(f"ViM cannot take {dim} principal directions of {width} features; choose fewer than {width}.", key="vim.dim", dim=dim)
        self._origin = -torch.linalg.pinv(weight) @ bias  # where all logits are as near to 0 as can be
        centred = features - self._origin
        self._rest = torch.linalg.eigh(centred.T @ centred).eigenvectors[:, : width - dim]  # eigenvalues rise; (D, D - dim)
        left_over = (centred @ self._rest).norm(dim=1).mean()
        # known features that fill no more than the principal subspace leave rounding errors over, which must not be blown up
        self._alpha = logits.amax(1).mean() / left_over.clamp_min(1e-9 * centred.norm(dim=1).mean() + 1e-30)
        return self

    def score(self, activations):
        origin, rest, alpha = (t.to(activations.features.device) for t in (self._origin, self._rest, self._alpha))
        return energy(activations.logits) - alpha * ((activations.features.double() - origin) @ rest).norm(dim=1)
