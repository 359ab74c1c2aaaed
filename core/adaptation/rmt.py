"""RMT: a student on two views learns from its EMA teacher, is drawn to the source's class means, and rehearses labelled source pictures.

Source: Döbler, Marsden & Yang, CVPR 2023, and its code. replay=0 is its variant that sees no source picture while it adapts. The published
warm-up takes 50,000 // 128 = 390 batches; the default is that of a quick set-up with a thousand pictures.
"""

import copy

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from core.adaptation.augment import augment
from core.adaptation.losses import symmetric_cross_entropy
from core.adaptation.method import Method, descend
from core.adaptation.norms import batch_statistics
from core.adaptation.source_pictures import Shuffled, prototypes, warm_up
from core.adaptation.teacher import follow
from core.blocks import find_head


def contrastive(views, *, temperature):
    """Return how far the views of one picture are from each other, measured by those of all others.

    Args: views: (N, V, D), V views of each of N pictures. Returns: a scalar, nats.
    Source: Khosla et al., NeurIPS 2020, equation 2, each picture a class of its own.
    """
    n, v, _ = views.shape
    x = F.normalize(views.flatten(0, 1), dim=1)
    alike = x @ x.T / temperature  # (N * V, N * V)
    itself = torch.eye(n * v, dtype=torch.bool, device=x.device)
    log = alike - alike.masked_fill(itself, -torch.inf).logsumexp(1, keepdim=True)
    picture = torch.arange(n, device=x.device).repeat_interleave(v)
    positive = (picture[:, None] == picture) & ~itself
    return -(log * positive).sum(1).mean() / (v - 1)


class RMT(Method):
    """Teach a student on two views by its EMA teacher, draw it to the source's class means, and rehearse labelled source pictures."""

    needs = ("head", "pictures", "labels")

    def __init__(
        self,
        network,
        preprocessing,
        *,
        lr=1e-3,
        momentum=0.999,
        warmup=25,
        source_batch=128,
        replay=1.0,
        contrast=1.0,
        temperature=0.1,
        width=128,
        **shared,
    ):
        """Args:
        momentum: of the teacher; warmup: batches; source_batch: pictures in one; replay, contrast: weights of those losses;
        temperature: of the contrast; width: of the two-layer projector before it.
        """
        super().__init__(network, preprocessing, **shared)
        self.momentum, self.replay, self.contrast, self.temperature = momentum, replay, contrast, temperature
        self.teacher = copy.deepcopy(batch_statistics(self.network))
        self.network.requires_grad_(True)
        self.batches = Shuffled(source_batch)
        classes = self.network.get_submodule(find_head(self.network)).out_features
        means = prototypes(lambda x: self.features(x)[0], self.source, classes, batch_size=source_batch, device=self.device)
        self.means = means[~means.isnan().any(1)].float().to(self.device)  # (classes seen, D)
        self.projector = nn.Sequential(self._linear(self.means.shape[1], width), nn.ReLU(), self._linear(width, width)).to(self.device)
        self.optimiser = torch.optim.Adam([*self.network.parameters(), *self.projector.parameters()], lr)
        warm_up(self, self.optimiser, self.batches, warmup, peak=lr, momentum=momentum)

    def step(self, images):
        features, logits = self.features(images)
        other, other_logits = self.features(augment(images, self.generator))
        with torch.no_grad():
            taught = self.classify(images, self.teacher)
            nearest = F.cosine_similarity(features[:, None], self.means, dim=2).argmax(1)
        agree = 0.5 * (symmetric_cross_entropy(logits, taught) + symmetric_cross_entropy(other_logits, taught)).mean()
        views = self.projector(torch.stack([self.means[nearest], features, other], 1))
        loss = agree + self.contrast * contrastive(views, temperature=self.temperature)
        if self.replay:
            pixels, labels = self.batches.next(self)
            loss = loss + self.replay * F.cross_entropy(self.classify(pixels), labels, ignore_index=-1)
        descend(self.optimiser, loss)
        follow(self.teacher, self.network, self.momentum)
        return (logits + taught) / 2  # the paper's sum has the same order; so confidence keeps its meaning

    def _linear(self, inputs, outputs):
        """Return a layer with torch's usual first weights, but from our own generator: the global one is everybody's."""
        layer = skip_init(nn.Linear, inputs, outputs, device=self.generator.device)
        for p in layer.parameters():
            nn.init.uniform_(p, -(inputs**-0.5), inputs**-0.5, generator=self.generator)
        return layer
