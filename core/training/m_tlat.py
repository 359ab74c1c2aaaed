"""M-TLAT: Mixup with targeted labelling adversarial training.

Of four pictures two are blended; the labels of the other two, blended, are a target. The blend is attacked towards the target, and
what comes out carries most of the blend's label and a part of the target's.

Source: Laugros, Caplier & Ospici, ECCV Workshops 2020 (arXiv 2008.08384). Each picture draws its eps, from 0 to the greatest; the greatest
is by default that of Adversarial-Mixup, so that both attack alike. The part of the target in the label is our choice.
"""

import torch

from core.training.draw import blend, blended_cross_entropy, shares
from core.training.fgsm import fgsm


def loss(classify, images, labels, *, generator, alpha=1.0, eps=2 / 255, part=0.1):
    """Return the mean cross-entropy of blends that were attacked towards the label of another blend, and carry a part of it.

    Args: as `core.training.standard.loss`; alpha: of the Beta(alpha, alpha) of both blends, above 0; eps: the greatest change of a pixel,
        of its range of 1; part: of the target in the label, a fraction. Returns: scalar tensor, nats.
    """
    second, third, fourth = (torch.randperm(len(images), generator=generator).to(images.device) for _ in range(3))
    share, target_share = (shares(len(images), alpha, generator).to(images.device) for _ in range(2))
    steps = eps * torch.rand(len(images), generator=generator)

    def towards(logits):
        return blended_cross_entropy(logits, target_share, labels[third], labels[fourth])

    attacked = fgsm(classify, blend(share, images, images[second]), lambda logits: towards(logits).sum(), steps, down=True)
    logits = classify(attacked)
    return ((1 - part) * blended_cross_entropy(logits, share, labels, labels[second]) + part * towards(logits)).mean()
