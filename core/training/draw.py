"""What training methods draw and blend: shares from a Beta distribution, pictures and labels by them."""

import numpy as np
import torch
from torch.nn import functional as F


def shares(count, alpha, generator):
    """Draw from Beta(alpha, alpha); torch's own Beta takes no generator. Args: alpha: above 0. Returns: (count,) float32 in [0, 1]."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return torch.from_numpy(np.random.default_rng(seed).beta(alpha, alpha, count).astype(np.float32))


def blend(share, one, other):
    """Return share * one + (1 - share) * other. Args: share: (N,) fractions; one, other: (N, 3, H, W)."""
    share = share.view(-1, 1, 1, 1)
    return share * one + (1 - share) * other


def blended_cross_entropy(logits, share, one, other):
    """Return (N,) cross-entropies, nats, with share of label `one` and 1 - share of label `other`. Args: one, other: (N,) int64."""
    ours, theirs = (F.cross_entropy(logits, labels, reduction="none") for labels in (one, other))
    return share * ours + (1 - share) * theirs
