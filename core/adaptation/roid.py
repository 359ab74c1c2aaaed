"""ROID: a soft likelihood ratio on pictures that are sure and unlike the average, agreement with a second view, and a steady pull to the source.

The best single choice on most streams, and it needs no picture of the source.

Source: Marsden, Döbler & Yang, WACV 2024, and its code: logits are multiplied by the smoothed prior of their batch; views without blur and noise.
"""

import torch
from torch.nn import functional as F

from core.adaptation.augment import augment
from core.adaptation.losses import entropy, min_max, symmetric_cross_entropy
from core.adaptation.method import Method, descend
from core.adaptation.norms import batch_statistics, norm_parameters


def soft_likelihood_ratio(logits, *, clip=0.99, eps=1e-5):
    """Return -sum p log(p / (1 - p)), whose gradient does not fade for sure pictures. Args: (N, C). Returns: (N,); lower = surer."""
    p = logits.softmax(1).clamp(max=clip)
    return -(p * (p / (1 - p) + eps).log()).sum(1)


def weights(logits, average, *, temperature):
    """Say how much each picture counts. Args: (N, C); average: (C,) probabilities. Returns: (N,), 0 for those that are like the average."""
    probabilities = logits.softmax(1)
    unlike = min_max(1 - F.cosine_similarity(average[None], probabilities))
    sure = min_max(-entropy(logits))
    return torch.where(unlike < unlike.mean(), 0.0, (unlike * sure / temperature).exp())


def with_prior(logits):
    """Multiply logits by the batch's mean probabilities, smoothed towards equal ones. Args, returns: (N, C). Source: section 3.4."""
    prior = logits.softmax(1).mean(0)
    smooth = max(1 / len(logits), 1 / logits.shape[1]) / prior.max()
    return logits * (prior + smooth) / (1 + smooth * logits.shape[1])


class ROID(Method):
    """Sharpen predictions that are sure and unlike the average, ask for agreement with a second view, and pull steadily back to the source."""

    needs = ("norm",)

    def __init__(self, network, preprocessing, *, lr=1e-3, temperature=1 / 3, momentum=0.9, keep=0.99, **shared):
        """Args: temperature: of the weights; momentum: of the average probabilities; keep: share of the adapted weights, the rest is the source's."""
        super().__init__(network, preprocessing, **shared)
        self.temperature, self.momentum, self.keep = temperature, momentum, keep
        self.tuned = norm_parameters(batch_statistics(self.network))
        self.start = [p.detach().clone() for p in self.tuned]
        self.optimiser = torch.optim.Adam(self.tuned, lr)
        self.average = None

    def step(self, images):
        logits = self.classify(images)
        with torch.no_grad():
            average = logits.new_full(logits.shape[1:], 1 / logits.shape[1]) if self.average is None else self.average
            weight = weights(logits, average, temperature=self.temperature)
        kept = weight > 0  # never empty: one is as unlike the average as any
        view = self.classify(augment(images[kept], self.generator, blur=False, border="reflection"))
        loss = soft_likelihood_ratio(logits[kept]) + symmetric_cross_entropy(view, logits[kept])
        descend(self.optimiser, (weight[kept] * loss).sum() / len(images))
        with torch.no_grad():
            for p, source in zip(self.tuned, self.start, strict=True):
                p.lerp_(source, 1 - self.keep)
            self.average = self.momentum * average + (1 - self.momentum) * logits.softmax(1).mean(0)
            return with_prior(logits)
