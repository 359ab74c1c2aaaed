"""ContraCAM: what makes a picture unlike other pictures, without a class.

score(x) = cos(z(x), z(x_0)) / t - log sum exp(cos(z(x), z(other)) / t), where x_0 is the picture as it was given. The channels of a block are weighted by
the mean gradient of the score, negative weights left out; the ReLU of their sum is scaled to [0, 1]. What was found is hidden behind the mean colour, the
rest is searched again, and the mask is the highest value so far. The other pictures are masked by their own maps, so that their backgrounds count as others.

Source: Mo, Kang, Sohn, Li & Shin, NeurIPS 2021, after the released code. Different from it: z are the penultimate features of a classifier, not a contrastive
projection; other pictures are a fixed set, so that a picture has the same map in any company; a picture is left out of its own sum, where the released code
counts it as exp(0); maps are enlarged bilinearly, and the mean colour is that of the normalisation.
"""

from functools import lru_cache

import torch
from torch import nn
from torch.nn import functional as F

from core.blocks import find_head
from core.errors import InputError
from core.explanation.common import as_channels, enlarged, respond, where_placed
from core.images import toybox
from core.images.preprocess import Preprocessing, stack
from core.probe import twin

TOYS = 2 * len(toybox.KNOWN)  # two of each kind


def contracam(network, images, *, target=None, block=None, others=None, iterations=3, temperature=1.0):
    """Mask what sets pictures apart from others, whatever their class.

    Args: network, images: as `core.explanation.explain`. target: not used. block: as `core.explanation.gradcam.gradcam`.
        others: (M, 3, S, S) preprocessed pictures, at least two, of the kind that the network sees; by default 20 drawn toys.
        iterations: how often what was found is hidden and the rest searched. temperature: t, of the cosines; lower = the most similar others alone.
    Returns: (N, S, S) float32 in [0, 1]; higher = sets the picture apart.
    Raises: InputError for an unknown block, one whose positions the features do not depend on, or others that do not fit the pictures.
    """
    others = _toys(images.shape[-1]).to(images) if others is None else others
    if others.ndim != 4 or others.shape[1:] != images.shape[1:] or len(others) < 2:
        found = "x".join(map(str, others.shape))
        raise InputError(
            f"ContraCAM compares with at least two other pictures of the same size, prepared alike; their shape is {found}.",
            key="explanation.others",
            shape=found,
        )
    features = _without_head(network)
    batch = torch.cat([others, images])
    return where_placed(network, block, lambda name: _masks(features, batch, len(others), name, iterations, temperature))[len(others) :]


def _masks(features, batch, others, block, iterations, temperature):
    """Return (N, S, S) masks of all pictures, of which the first are the others; None where only a class token counts."""
    own = torch.eye(len(batch), others, dtype=torch.bool, device=batch.device)
    mask = torch.zeros_like(batch[:, 0], dtype=torch.float32)
    original, seen = None, []
    for _ in range(iterations):
        output, z, module = respond(features, batch * (1 - mask[:, None]).to(batch), block)
        with torch.enable_grad():
            z = F.normalize(z.flatten(1).float(), dim=1)  # (N, D)
            original = z.detach() if original is None else original
            seen.append(z[:others].detach())
            unlike = torch.cat([(z @ other.T / temperature).masked_fill(own, -torch.inf) for other in seen], 1)  # (N, M * iterations so far)
            score = (z * original).sum(1) / temperature - unlike.logsumexp(1)
            gradient = torch.autograd.grad(score.sum(), output)[0]
        layer, slope = as_channels(module, output.detach()), as_channels(module, gradient)
        if gradient.any() and not slope.any():
            return None
        weights = slope.mean((2, 3), keepdim=True).clamp_min(0)
        found = enlarged((layer * weights).sum(1).clamp_min(0), batch.shape[-1])
        low, high = found.amin((1, 2), keepdim=True), found.amax((1, 2), keepdim=True)
        mask = torch.maximum(mask, (found - low) / (high - low).clamp_min(1e-12))
    return mask


def _without_head(network):
    """Return a twin of the network that returns its penultimate features, or its logits where it has no linear head."""
    run, head = twin(network)[0], find_head(network)
    if head:
        parent, _, name = head.rpartition(".")
        run.get_submodule(parent)._modules[name] = nn.Identity()
    return run


@lru_cache(maxsize=4)
def _toys(size):
    """Draw the other pictures: (TOYS, 3, size, size) float, normalised as is usual for photographs. Shared: never changed."""
    return Preprocessing(size=size).normalise(stack([toybox.draw("val", index, size=size).image for index in range(TOYS)]))
