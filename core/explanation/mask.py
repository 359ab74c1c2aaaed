"""The smallest part of a picture that keeps the class, and the smallest whose removal destroys it: two soft masks, optimised and cross-checked.

Source: Kim, Kim, Kim & Ro, IEEE TIP 2022, for the terms, the cross-check and the Class Distortion Score; Fong & Vedaldi, ICCV 2017, for a small mask that
is enlarged, and for two games, preservation and deletion. A mask that only fools the network moves all classes; the cross-check asks each mask to pass
the other's test too, with the weight `check`: 0 leaves two separate games, 1 one mask for both, as published.

What differs from the paper. It has sigmoid outputs, where other classes can stay as they are while one falls; a softmax sums to 1, so that they cannot. Other
classes are compared as the distribution among themselves, p_o / sum p_o, and their distance is half the sum of |differences| instead of the mean. What is
taken away is replaced by a Gaussian blur of a twelfth of the side, without its median filter. The mask is small and enlarged, not of the picture's size. It
begins as the whole picture and shrinks (theirs begins empty), by Adam at 0.05 (theirs 0.1), and its area costs less (1 instead of 5).
"""

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from core.explanation.common import classes_of, forward_of
from core.explanation.faithfulness import blurry

RATE = 0.05  # of Adam
TINY = 1e-7  # of the score, as published


@dataclass(frozen=True)
class Masks:
    """What was found for N pictures.

    Attributes:
        keep, remove: (N, S, S) float32 in [0, 1]; 1 = the part that matters.
        kept, removed: (N, 3, S, S) float32, preprocessed: all but the evidence of `keep` blurred; the evidence of `remove` blurred.
        confidence, confidence_kept, confidence_removed: (N,) softmax probability of the class in the whole picture and in these two.
        cds: (N,) >= 0, Class Distortion Score of `removed`: higher = the class moved and the others' shares did not.
        cds_reverse: (N,) >= 0, the same of `kept`: lower = the class stayed.
        classes: (N,) int64.
    """

    keep: torch.Tensor
    remove: torch.Tensor
    kept: torch.Tensor
    removed: torch.Tensor
    confidence: torch.Tensor
    confidence_kept: torch.Tensor
    confidence_removed: torch.Tensor
    cds: torch.Tensor
    cds_reverse: torch.Tensor
    classes: torch.Tensor


def find_masks(network, images, *, target=None, steps=80, side=None, area=1.0, smooth=1.0, check=0.5, noise=0.2, seed=0, progress=None):
    """Optimise both masks of each picture.

    Args:
        network: a classifier, never changed. images: (N, 3, S, S) float, preprocessed. target: as `core.explanation.explain`.
        steps: of Adam. side: of the small masks, by default an eighth of S, at least 16.
        area, smooth: weights of the share of the picture that the mask covers and of the squared differences between its neighbours.
        check: weight in [0, 1] of the other mask's test. noise: deviation of Gaussian noise on each step's pictures, in preprocessed units.
        seed: of the noise, which is the same for every picture. progress: called with (done, total) steps; what it raises ends the work.
    Returns: `Masks`.
    """
    size, classes = images.shape[-1], classes_of(network, images, target)
    run, images = forward_of(network), images.float()
    blurred = blurry(images)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        whole = run(images)
    side = min(size, side or max(16, size // 8))
    # from the whole picture, where both tests are passed, the masks shrink; from the other end the softmax is flat
    small = torch.ones((2, len(images), side, side), device=images.device, requires_grad=True)  # of keep, of remove
    optimiser = torch.optim.Adam([small], lr=RATE)
    own = images.new_tensor([[1.0, check], [check, 1.0]])[..., None]  # of keeping and of removing, for each mask
    for step in range(steps):
        drawn = noise * torch.randn(1, *images.shape[1:], generator=generator).to(images.device)
        with torch.enable_grad():
            masks = _enlarged(small, size)
            pictures = torch.stack([_blend(images, blurred, masks), _blend(blurred, images, masks)])  # (2 tests, 2 masks, N, 3, S, S)
            logits = run(pictures.flatten(0, 2) + drawn).unflatten(0, pictures.shape[:3])
            tests = torch.stack([keeps(whole, logits[0], classes), destroys(whole, logits[1], classes)])  # (2 tests, 2 masks, N)
            rough = (small.diff(dim=2).square().sum((2, 3)) + small.diff(dim=3).square().sum((2, 3))) / side**2
            loss = (own * tests).sum() + (area * masks.mean((2, 3)) + smooth * rough).sum()
        small.grad = torch.autograd.grad(loss, small)[0]
        optimiser.step()
        with torch.no_grad():
            small.clamp_(0, 1)
        if progress:
            progress(step + 1, steps)
    keep, remove = _enlarged(small.detach(), size)
    kept, removed = _blend(images, blurred, keep), _blend(blurred, images, remove)
    with torch.no_grad():
        after_kept, after_removed = run(kept), run(removed)
    sure, sure_kept, sure_removed = (logits.softmax(1).gather(1, classes[:, None])[:, 0] for logits in (whole, after_kept, after_removed))
    scores = class_distortion(whole, after_removed, classes), class_distortion(whole, after_kept, classes)
    return Masks(keep, remove, kept, removed, sure, sure_kept, sure_removed, *scores, classes)


def mask(network, images, *, target=None, block=None, steps=80):
    """Show the evidence that the smallest mask that keeps the class and the smallest whose removal destroys it agree on: their mean.

    Args: network, images, target: as `core.explanation.explain`. block: not used. steps: as `find_masks`.
    Returns: (N, S, S) float32 in [0, 1]; a mask knows evidence for the class alone, none against it.
    """
    return agreed(find_masks(network, images, target=target, steps=steps))


def agreed(masks):
    """Return the evidence that both of `Masks` agree on, their mean: (N, S, S) float32 in [0, 1]."""
    return (masks.keep + masks.remove) / 2


def keeps(before, after, classes):
    """Measure how far a picture of the evidence alone is from keeping its class: 0 where the class stays and the others are silent.

    Args: before: (N, C) logits of the whole picture; after: (..., N, C); classes: (N,). Returns: (..., N) in [0, 2].
    Source: Kim et al., the third and fourth term.
    """
    p, s = _of_class(before, classes), _of_class(after, classes)
    return _bounded(p - s) + _bounded(1 - s)


def destroys(before, after, classes):
    """Measure how far a picture without the evidence is from losing its class and nothing else: -1 where a certain class is gone.

    Args, Source: as `keeps`; the first and second term. Returns: (..., N) in [-1, 1].
    """
    p, q = _of_class(before, classes), _of_class(after, classes)
    apart = (_others(before, classes) - _others(after, classes)).abs().sum(-1) / 2
    return _bounded(apart) - _bounded((p - q).clamp_min(0))


def class_distortion(before, after, classes):
    """Compare how far the class moved with how far the others' shares did.

    Args: before, after: (N, C) logits; classes: (N,).
    Returns: (N,) >= 0: ln(K_class / K_others + 1), 1e-7 added to both; K is the divergence of one-against-rest probabilities, its mean over classes. Not
        bounded where the others do not move, which with two classes is always: give its median too.
    Source: Kim et al., as in their code, with the others' shares among themselves in place of sigmoid outputs.
    """
    target = _divergence(_of_class(before, classes), _of_class(after, classes))
    others = _divergence(_others(before, classes), _others(after, classes)).sum(-1) / max(1, before.shape[-1] - 1)
    return ((target + TINY) / (others + TINY) + 1).log()


def _divergence(p, q):
    p, q = p.double(), q.double()
    return p * ((p + TINY) / (q + TINY)).log() + (1 - p) * ((1 - p + TINY) / (1 - q + TINY)).log()


def _of_class(logits, classes):
    """Return the softmax probability of each picture's class: (..., N, C) -> (..., N)."""
    return logits.softmax(-1).gather(-1, classes.expand(logits.shape[:-1])[..., None])[..., 0]


def _others(logits, classes):
    """Return the shares of the other classes among themselves: (..., N, C), 0 at the class."""
    own = F.one_hot(classes, logits.shape[-1]).bool()
    return logits.masked_fill(own, -math.inf).softmax(-1)


def _bounded(difference):
    return (difference.abs() + 1).log2()


def _blend(inside, outside, masks):
    """Return pictures (..., N, 3, S, S) that are `inside` where masks (..., N, S, S) are 1 and `outside` where they are 0."""
    return outside + masks[..., None, :, :] * (inside - outside)


def _enlarged(small, size):
    """Scale (2, N, side, side) masks to (2, N, size, size)."""
    return F.interpolate(small, (size, size), mode="bilinear", align_corners=False)
