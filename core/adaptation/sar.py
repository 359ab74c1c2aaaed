"""SAR: entropy of sure pictures, minimised where the loss is flat, and a restart when it has become suspiciously low.

Source: Niu et al., ICLR 2023, and its code. With ten classes entropies below `floor`, which was set for ImageNet, are not suspicious: it may
restart in every batch and then equals BN-1.
"""

import math

import torch

from core.adaptation.losses import entropy
from core.adaptation.method import Method, gradients, step_by
from core.adaptation.norms import batch_statistics, norm_parameters

TOP = ("layer4", "blocks.9", "blocks.10", "blocks.11", "norm")  # the layers near the output that the authors leave as they are


class SAR(Method):
    """Minimise the entropy of sure pictures where the loss is flat, and start anew when it has become suspiciously low."""

    needs = ("norm",)

    def __init__(self, network, preprocessing, *, lr=1e-3, inertia=0.9, rho=0.05, margin=0.4, momentum=0.9, floor=0.2, **shared):
        """Args: inertia: of SGD; rho: length of the climb; margin: as EATA's; momentum, floor: of the average loss that calls for a restart, nats."""
        super().__init__(network, preprocessing, **shared)
        self.rho, self.margin, self.momentum, self.floor = rho, margin, momentum, floor
        self.tuned = norm_parameters(batch_statistics(self.network), without=TOP)
        self.optimiser = torch.optim.SGD(self.tuned, lr, momentum=inertia)
        self.average = None

    def step(self, images):
        logits = self.classify(images)
        sure = self.margin * math.log(logits.shape[1])
        unsure = entropy(logits)
        kept = unsure < sure
        if kept.any():
            start = [p.detach().clone() for p in self.tuned]
            self._climb(gradients(unsure[kept].mean(), self.tuned))
            again = entropy(self.classify(images))[kept]
            again = again[again < sure]
            there = gradients(again.mean(), self.tuned) if len(again) else None
            with torch.no_grad():
                for p, then in zip(self.tuned, start, strict=True):
                    p.copy_(then)
            if there is not None:
                step_by(self.optimiser, self.tuned, there)
                loss = again.detach().mean().item()
                self.average = loss if self.average is None else self.momentum * self.average + (1 - self.momentum) * loss
            if self.average is not None and self.average < self.floor:
                self.reset()
        return logits

    @torch.no_grad()
    def _climb(self, up):
        length = torch.stack([g.norm() for g in up]).norm()
        for p, g in zip(self.tuned, up, strict=True):
            p.add_(self.rho * g / (length + 1e-12))
