"""DPLOT: entropy on the domain-specific blocks, and agreement of a picture and its flip with their teacher's mean on all of them.

Set-up: selection of the blocks (see `core.adaptation.selection`), then a warm-up on source pictures, of which the teacher keeps what it
learnt while the student goes back to the source, as the released script does.
Per batch: gradients of both losses are taken from one forward graph, before either optimiser moves a weight. The released code steps in
between, through a graph whose weights have changed, which torch refuses.

Source: Yu et al., CVPR 2024, and its code. The published warm-up takes 50,000 // 128 = 390 batches; the default is that of a quick set-up
with a thousand pictures.
"""

import copy

import torch

from core.adaptation.losses import entropy, symmetric_cross_entropy
from core.adaptation.method import Method, gradients, step_by
from core.adaptation.norms import batch_statistics
from core.adaptation.selection import block_parameters, select_blocks
from core.adaptation.source_pictures import Shuffled, warm_up
from core.adaptation.teacher import follow
from core.errors import InputError


class DPLOT(Method):
    """Minimise the entropy on the domain-specific blocks alone, and the disagreement of a picture and its flip with their teacher's mean on all.

    Attributes: selection: `core.adaptation.selection.BlockSelection`, or None where blocks were given; selected_blocks: their names.
    """

    needs = ("head", "pictures", "labels")

    def __init__(
        self,
        network,
        preprocessing,
        *,
        lr=1e-3,
        lr_all=1e-4,
        momentum=0.999,
        warmup=25,
        source_batch=128,
        threshold=0.75,
        paired=True,
        blocks=None,
        **shared,
    ):
        """Args:
        lr, lr_all: of the entropy on the selected blocks, and of the agreement on all; momentum: of the teacher; warmup: batches;
        source_batch: pictures in one; threshold: of the selection; paired: whether a picture and its flip are one pair, not so where left
        and right matter, as in letters; blocks: names, selected before, instead of a selection.
        """
        if blocks:
            self.needs = self.needs_with_blocks(warmup)
        super().__init__(network, preprocessing, **shared)
        self.momentum, self.paired = momentum, paired
        batch_statistics(self.network)
        known = block_parameters(self.network)
        if wrong := [b for b in blocks or () if b not in known]:
            raise InputError(f"There is no block {wrong[0]!r}; this network's blocks are {', '.join(known)}.", key="blocks.unknown", name=wrong[0])
        of = 0 if blocks else len(known) * len(self.source.images.split(source_batch))
        total = of + warmup
        self.selection = None if blocks else select_blocks(self, threshold=threshold, batch_size=source_batch, total=total)
        self.selected_blocks = tuple(blocks) if self.selection is None else self.selection.selected
        self._warm_up(warmup, lr, source_batch, before=of, total=total)
        self.all = list(self.network.requires_grad_(True).parameters())
        self.tuned = [p for block in self.selected_blocks for p in known[block]]
        self.optimiser, self.optimiser_all = torch.optim.Adam(self.tuned, lr), torch.optim.Adam(self.all, lr_all)

    def step(self, images):
        logits, taught = self.look(images)
        self.learn(logits, taught, len(images))
        return self.predict(logits, taught, len(images))

    def predict(self, logits, taught, n):
        """Return the (n, C) mean logits of student and teacher over the views: what the paper sums, so that confidence keeps its meaning."""
        return torch.stack([*logits.split(n), *taught.split(n)]).mean(0)

    def look(self, images):
        """Return the (V * N, C) logits of student and teacher, view after view; those of the student carry a graph."""
        views = self.views(images)
        logits = self.classify(views)
        with torch.no_grad():
            return logits, self.classify(views, self.teacher)

    def views(self, images):
        return torch.cat([images, images.flip(3)]) if self.paired else images

    def learn(self, logits, taught, n):
        """Learn from a batch. Args: logits, taught: (V * n, C), as `look`; n: pictures."""
        self.descend(entropy(logits).mean(), self.agreement(logits, taught, n))

    def descend(self, uncertainty, disagreement):
        """Take one step down each loss, both from the same graph, and let the teacher follow."""
        first = gradients(uncertainty, self.tuned, retain_graph=True)
        second = gradients(disagreement, self.all)
        step_by(self.optimiser, self.tuned, first)
        step_by(self.optimiser_all, self.all, second)
        follow(self.teacher, self.network, self.momentum)

    @staticmethod
    def needs_with_blocks(warmup):
        return ("pictures",) if warmup else ()

    @staticmethod
    def agreement(logits, taught, n):
        """Return the symmetric cross-entropy of each view to the teacher's mean logits over the views, summed over the views. Args: n: pictures."""
        mean = sum(taught.split(n)) / (len(taught) // n)
        return sum(symmetric_cross_entropy(view, mean).mean() for view in logits.split(n))

    def _warm_up(self, steps, lr, size, *, before, total):
        start = self.network
        self.network, self.teacher = copy.deepcopy(start).requires_grad_(True), copy.deepcopy(start)
        optimiser = torch.optim.Adam(self.network.parameters(), lr)
        warm_up(self, optimiser, Shuffled(size), steps, peak=lr, momentum=self.momentum, before=before, total=total)
        self.network = start
