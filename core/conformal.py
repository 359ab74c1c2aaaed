"""Thresholds and p-values from the scores of held-out known pictures. Scores are higher = more ID.

Source: Vovk, Gammerman & Shafer, 2005; Bates et al., Annals of Statistics 2023, equation 2.
"""

import torch

from core.errors import InputError


def conformal_p(calibration, scores):
    """Return the share of held-out known pictures that score no higher, each score counted as one of them.

    Args: calibration: (n,); scores: (N,), float64.
    Returns: (N,) float64 in [1 / (n + 1), 1]; at most uniform for known pictures, low = unfamiliar.
    """
    return (1 + torch.searchsorted(calibration.sort().values, scores, right=True)).double() / (len(calibration) + 1)


def left_out_p(scores):
    """Return the conformal p-value of each calibration score against the others. Args: (n,). Returns: (n,) float64 in (0, 1]."""
    return torch.searchsorted(scores.sort().values, scores, right=True).double() / len(scores)


def threshold_at(calibration, keep=0.95):
    """Return the threshold that keeps a share of known pictures: ID if score > threshold.

    Args: calibration: (n,) scores; keep: a fraction in (0, 1).
    Returns: float, the largest number that at least `keep` of the scores lie above.
    Raises: InputError if keep is no such fraction.
    """
    if not 0 < keep < 1:
        raise InputError(f"The share of known pictures to keep is {keep}; choose one between 0 and 1.", key="threshold.keep", keep=keep)
    dropped = int((1 - keep) * len(calibration) + 1e-9)
    value = calibration.double().sort().values[dropped]
    return torch.nextafter(value, value.new_tensor(-torch.inf)).item()
