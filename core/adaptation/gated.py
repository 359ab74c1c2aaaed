"""DPLOT that learns only from pictures which look known to the source model.

The gate is a frozen copy of the source that normalises with the statistics of the batch, as DPLOT's student does. It measures Energy with the
selected norm of each picture and its flip; the p-value is the share of source pictures, measured in batches of their own, whose mean
over the views is no higher. Above `accept` a picture drives both losses; below `reject` it is taken for unknown and, where `push` is not 0,
its entropy is driven up; between the two it changes nothing. All are predicted. The gate never learns, so that it cannot be ruined by what the
student learns, and its threshold comes from the source, so that it needs no guess at how many pictures of a batch are unknown.

Source: our own, after Yu et al. (DPLOT, CVPR 2024; the selected norm, CVPR 2023). Driving up the entropy of what is taken for unknown is
Gao et al., CVPR 2024 (unified entropy), who split each batch in two by a mixture of two Gaussians; p-values as Bates et al., Annals of Statistics 2023.
"""

import copy
from typing import Any

import torch

from core.adaptation.dplot import DPLOT
from core.adaptation.losses import entropy
from core.adaptation.norms import batch_statistics
from core.adaptation.source_pictures import pixels_of
from core.conformal import conformal_p
from core.detectors.logits import energy
from core.detectors.selected_norm import logits_with_norm
from core.probe import linear_head, probe
from core.selection import select_block


class GatedDPLOT(DPLOT):
    """Let DPLOT learn from pictures that look known to the source model, and drive up the entropy of those that look unknown.

    Attributes, of the last batch: accepted: (N,) bool, whether a picture drove the adaptation; rejected: (N,) bool, whether it was taken for
    unknown; p_values: (N,) float64 in (0, 1], low = unfamiliar. All on the CPU, None before the first batch. gate: `SourceGate`.
    """

    fixed = DPLOT.fixed | {"gate"}

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
        accept=0.2,
        reject=0.05,
        push=1.0,
        **shared,
    ):
        """Args:
        accept: a picture drives the adaptation if its p-value is above it, so that of clean source pictures that share is left out; 0 accepts all.
        reject: it is taken for unknown if its p-value is at most this; push: weight of driving up the entropy of those. Others: as `DPLOT`.
        """
        options = {"momentum": momentum, "warmup": warmup, "source_batch": source_batch, "threshold": threshold, "paired": paired, "blocks": blocks}
        super().__init__(network, preprocessing, lr=lr, lr_all=lr_all, **options, **shared)
        self.accept, self.reject, self.push = accept, reject, push
        self.gate = SourceGate(self.origin, preprocessing, self.source.images, views=self.views, batch_size=source_batch)
        self.accepted: Any = None
        self.rejected: Any = None
        self.p_values: Any = None

    def step(self, images):
        p_values = self.gate.p_values(self.views(images), len(images))
        self.p_values, self.accepted, self.rejected = p_values, p_values > self.accept, p_values <= min(self.reject, self.accept)
        logits, taught = self.look(images)
        self.learn(logits, taught, len(images))
        return self.predict(logits, taught, len(images))

    def learn(self, logits, taught, n):
        count = int(self.accepted.sum())
        if not count:
            return
        views = len(logits) // n
        kept, unknown = (rows.to(logits.device).repeat(views) for rows in (self.accepted, self.rejected))
        pushed = self.push * entropy(logits[unknown]).sum() / len(logits) if self.push and unknown.any() else 0.0
        self.descend(entropy(logits[kept]).mean() - pushed, self.agreement(logits[kept], taught[kept], count))

    @staticmethod
    def needs_with_blocks(_):
        return ("head", "pictures")


class SourceGate:
    """How familiar pictures look to the source model. Attributes: block: the one whose norm is read; calibration: (M,) scores of source pictures."""

    def __init__(self, network, preprocessing, images, *, views, batch_size):
        """Args: network: the source model; images: (M, 3, S, S) of its source; views: pixels -> the V views of each; batch_size: about that."""
        self.preprocessing, self.head = preprocessing, tuple(t.cpu().double() for t in linear_head(network))
        self.network = batch_statistics(copy.deepcopy(network).eval().requires_grad_(False))
        device = next(network.parameters()).device
        self.block = select_block(network, images, preprocessing, device=device).selected
        parts = images.tensor_split(-(-len(images) // batch_size))  # no small last one: its statistics would be poor
        self.calibration = torch.cat([self.scores(views(pixels_of(part, device)), len(part)) for part in parts])

    def scores(self, views, n):
        """Return the mean Energy with the selected norm. Args: views: (V * n, 3, S, S) in [0, 1]. Returns: (n,) float64, higher = more ID."""
        seen = probe(self.network, self.preprocessing.normalise(views)).to("cpu")
        energies = energy(logits_with_norm(seen.features, seen.norm(self.block), *self.head)).split(n)
        return sum(energies) / len(energies)

    def p_values(self, views, n):
        """Return the (n,) p-values of pictures, float64 in (0, 1], low = unfamiliar. Args: as `scores`."""
        return conformal_p(self.calibration, self.scores(views, n))
