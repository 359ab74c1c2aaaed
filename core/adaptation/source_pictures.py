"""Pictures of the source while a method is set up: batches, warm-up, prototypes."""

import torch

from core.adaptation.losses import symmetric_cross_entropy
from core.adaptation.method import descend
from core.adaptation.teacher import follow
from core.jobs import Stopped


def pixels_of(images, device):
    """Return float pixels in [0, 1] on a device. Args: images: (N, 3, S, S) uint8, or float in [0, 1]."""
    images = images.to(device)
    return images.float() / 255 if images.dtype == torch.uint8 else images.float()


def still_wanted(method, done, total):
    """Report progress of the set-up. Raises: Stopped if it was asked to end."""
    if method.stop is not None and method.stop.is_set():
        raise Stopped
    if method.progress:
        method.progress(done, total)


class Shuffled:
    """Batches of the source without end, in a new order each time round. It holds no picture, so that a snapshot of it is small."""

    def __init__(self, size):
        self.size, self._left = size, torch.empty(0, dtype=torch.int64)

    def next(self, method):
        """Return (pixels (B, 3, S, S) in [0, 1], labels (B,) int64) on the method's device; the last batch of a round may be smaller."""
        if not len(self._left):
            g = method.generator
            self._left = torch.randperm(len(method.source.images), generator=g, device=g.device).cpu()
        chosen, self._left = self._left[: self.size], self._left[self.size :]
        return pixels_of(method.source.images[chosen], method.device), method.source.labels[chosen].to(method.device)


def warm_up(method, optimiser, batches, steps, *, peak, momentum, before=0, total=None):
    """Let student and teacher of a method settle on batch statistics: symmetric cross-entropy on source pictures, learning rate from 0 to peak.

    Args: batches: `Shuffled`; before, total: of the progress, where this is one part of the set-up.
    Source: Döbler et al., CVPR 2023, section 3.3; 50,000 pictures there.
    """
    for i in range(steps):
        still_wanted(method, before + i, total or steps)
        for group in optimiser.param_groups:
            group["lr"] = peak * (i + 1) / steps
        pixels, _ = batches.next(method)
        with torch.no_grad():
            taught = method.classify(pixels, method.teacher)
        descend(optimiser, symmetric_cross_entropy(method.classify(pixels), taught).mean())
        follow(method.teacher, method.network, momentum)
    for group in optimiser.param_groups:
        group["lr"] = peak


@torch.no_grad()
def prototypes(features, source, classes, *, batch_size, device):
    """Return the mean feature of each class.

    Args: features: pixels -> (N, D); source: a Batch with labels; classes: how many there are.
    Returns: (C, D) float64 on the CPU, for not every device knows float64; NaN in the row of a class without pictures.
    """
    total, count = 0.0, torch.zeros(classes, dtype=torch.float64)
    for images, labels in zip(source.images.split(batch_size), source.labels.split(batch_size), strict=True):
        found, known = features(pixels_of(images, device)).cpu().double(), (labels >= 0) & (labels < classes)
        hot = torch.nn.functional.one_hot(torch.where(known, labels, 0), classes).double() * known[:, None]
        total, count = total + hot.T @ found, count + hot.sum(0)
    return total / count[:, None]
