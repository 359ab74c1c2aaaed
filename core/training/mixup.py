"""Mixup: blends of two pictures that carry the blend of their labels.

Source: Zhang, Cisse, Dauphin & Lopez-Paz, ICLR 2018, equation 1; alpha is 1 for CIFAR-10 there. Here each pair draws a share of its own.
"""

import torch

from core.training.draw import blend, blended_cross_entropy, shares


def loss(classify, images, labels, *, generator, alpha=1.0):
    """Return the mean cross-entropy of blends lambda x_i + (1 - lambda) x_j with lambda y_i + (1 - lambda) y_j, lambda ~ Beta(alpha, alpha).

    Args: as `core.training.standard.loss`; alpha: above 0, small for blends that are nearly one picture. Returns: scalar tensor, nats.
    """
    share = shares(len(images), alpha, generator).to(images.device)
    other = torch.randperm(len(images), generator=generator).to(images.device)
    logits = classify(blend(share, images, images[other]))
    return blended_cross_entropy(logits, share, labels, labels[other]).mean()
