"""CoTTA: a student learns from its EMA teacher's mean over views, and single weights go back to the source at random.

The slowest method: a batch that looks unfamiliar costs 35 forward passes.

Source: Wang et al., CVPR 2022, and its code. The prediction is the teacher's. `threshold` is the authors' for CIFAR-10; their rule is the 5 %
quantile of the source's confidence on its own pictures, less 0.05.
"""

import copy

import torch
from torch.nn import functional as F

from core.adaptation.augment import augment
from core.adaptation.method import Method, descend
from core.adaptation.norms import batch_statistics
from core.adaptation.teacher import follow


class CoTTA(Method):
    """Teach a student by its EMA teacher's mean over views, while single weights go back to the source at random."""

    def __init__(self, network, preprocessing, *, lr=1e-3, momentum=0.999, threshold=0.92, views=32, restore=0.01, **shared):
        """Args:
        momentum: of the teacher; threshold: mean confidence of the source below which the teacher looks at `views` views;
        restore: share of the weights that goes back to the source in each batch.
        """
        super().__init__(network, preprocessing, **shared)
        self.momentum, self.threshold, self.views, self.share = momentum, threshold, views, restore
        self.anchor = batch_statistics(copy.deepcopy(self.network))  # the source on batch statistics; never changes
        self.teacher = copy.deepcopy(self.anchor)
        self.tuned = list(batch_statistics(self.network).requires_grad_(True).parameters())
        self.optimiser = torch.optim.Adam(self.tuned, lr)

    def step(self, images):
        with torch.no_grad():
            unfamiliar = self.classify(images, self.anchor).softmax(1).amax(1).mean() < self.threshold
            views = (augment(images, self.generator) for _ in range(self.views)) if unfamiliar else [images]
            taught = sum(self.classify(view, self.teacher) for view in views) / (self.views if unfamiliar else 1)
        descend(self.optimiser, F.cross_entropy(self.classify(images), taught.softmax(1)))
        follow(self.teacher, self.network, self.momentum)
        self._go_back()
        return taught

    @torch.no_grad()
    def _go_back(self):
        g = self.generator
        for p, source in zip(self.tuned, self.anchor.parameters(), strict=True):
            drawn = torch.rand(p.shape, generator=g, device=g.device).to(p.device) < self.share
            p.copy_(torch.where(drawn, source, p))
