"""EATA: TENT on pictures that are sure and unlike those before, held near the source where the source's weights mattered.

Source: Niu et al., ICML 2022, equations 3-9, and its code. With fisher=0 it is ETA, which needs no pictures of the source. The Fisher
information is the squared gradient of a batch's mean, not the mean of squares, as in the code.
"""

import math

import torch
from torch.nn import functional as F

from core.adaptation.losses import entropy
from core.adaptation.method import Method, descend, gradients
from core.adaptation.norms import batch_statistics, norm_parameters
from core.adaptation.source_pictures import pixels_of, still_wanted


class EATA(Method):
    """Take TENT's step on pictures that are sure and unlike those before, held near the source where the source's weights mattered."""

    needs: tuple[str, ...] = ("norm", "pictures")

    def __init__(
        self, network, preprocessing, *, lr=1e-3, margin=0.4, distance=0.4, momentum=0.9, fisher=1.0, fisher_pictures=2000, fisher_batch=200, **shared
    ):
        """Args:
        margin: pictures with an entropy from margin * ln C on are left out; distance: so are those whose softmax has a cosine with the
            moving average from this on (0.4 on CIFAR-10, 0.05 on ImageNet); momentum: of that average.
        fisher: weight of the pull to the source (1 on CIFAR-10, 2000 on ImageNet); fisher_pictures, fisher_batch: what it is measured on.
        """
        if not fisher:
            self.needs = ("norm",)
        super().__init__(network, preprocessing, **shared)
        self.margin, self.distance, self.momentum, self.fisher = margin, distance, momentum, fisher
        self.tuned = norm_parameters(batch_statistics(self.network))
        self.optimiser = torch.optim.Adam(self.tuned, lr)
        self.start = [p.detach().clone() for p in self.tuned]
        self.importance = self._importance(fisher_pictures, fisher_batch) if fisher else None
        self.average = None

    def step(self, images):
        logits = self.classify(images)
        unsure = entropy(logits)
        probabilities = logits.detach().softmax(1)
        kept = (unsure < self.margin * math.log(logits.shape[1])).nonzero()[:, 0]
        if self.average is not None:
            alike = F.cosine_similarity(self.average[None], probabilities[kept]).abs()
            kept = kept[alike < self.distance]
        if len(kept):  # the mean over none would be NaN and poison every weight
            descend(self.optimiser, self.loss(unsure[kept], logits.shape[1]))
            mean = probabilities[kept].mean(0)
            self.average = mean if self.average is None else self.momentum * self.average + (1 - self.momentum) * mean
        return logits

    def loss(self, unsure, classes):
        """Return the weighted entropy plus the pull to the source. Args: unsure: (K,) entropies of the pictures that are kept."""
        loss = (unsure * (self.margin * math.log(classes) - unsure.detach()).exp()).mean()
        if self.importance is not None:
            terms = zip(self.importance, self.tuned, self.start, strict=True)
            loss = loss + self.fisher * sum((weight * (now - then) ** 2).sum() for weight, now, then in terms)
        return loss

    def _importance(self, pictures, size):
        """Return the Fisher information of each tuned parameter, with the network's own answers as labels."""
        batches = self.source.images[:pictures].split(size)
        total = [torch.zeros_like(p) for p in self.tuned]
        for i, batch in enumerate(batches):
            still_wanted(self, i, len(batches))
            logits = self.classify(pixels_of(batch, self.device))
            found = gradients(F.cross_entropy(logits, logits.argmax(1)), self.tuned)
            total = [t + g**2 for t, g in zip(total, found, strict=True)]
        return [t / len(batches) for t in total]
