"""Choose the blocks that may be tuned by entropy without moving what the classes look like: the domain-specific ones.

Each block alone is tuned on noisy source pictures; where the class means of the features then still point where they did, the block deals
with the look of pictures and not with what is in them. It takes minutes on a CPU: a pass down and two up for each block. Keep the result.

Source: Yu et al., DPLOT, CVPR 2024, section 3.2, and its code: noise of 0.5 on pixels in [0, 1], not clipped; batch statistics.
"""

import copy
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from core.adaptation.losses import entropy, min_max
from core.adaptation.method import descend
from core.adaptation.norms import inside
from core.adaptation.source_pictures import pixels_of, prototypes, still_wanted
from core.blocks import find_blocks, find_head


@dataclass(frozen=True)
class BlockSelection:
    """Which blocks were selected and why.

    Attributes: blocks: K names; similarity: K mean cosines between class means before and after; scaled: those, from 0 to 1 over the blocks;
        selected: names of the blocks with scaled > threshold; pictures: how many of the source were used.
    """

    blocks: tuple
    similarity: tuple
    scaled: tuple
    selected: tuple
    threshold: float
    pictures: int


def block_parameters(network):
    """Return {block: its parameters}, for the blocks that have some, by exact names: layer1.1 has none of layer1.10.

    A block of a plain network such as VGG is named by the layer that ends it; its parameters are those of the layers since the block before.
    """
    blocks = find_blocks(network)
    if any(True for name in blocks for _ in network.get_submodule(name).children()):
        found = {block: [p for name, p in network.named_parameters() if inside(name, block)] for block in blocks}
    else:
        found, since = {}, []
        for name, module in network.named_modules():
            since += module.parameters(recurse=False)
            if name in blocks:
                found[name], since = since, []
    return {block: parameters for block, parameters in found.items() if parameters}


def select_blocks(method, *, threshold=0.75, noise=0.5, lr=1e-3, batch_size=128, before=0, total=None):
    """Tune each block alone and compare the class means.

    Args:
        method: a `core.adaptation.method.Method` with a source, whose `network` works on batch statistics; it is not changed, only its
            generator advances.
        threshold: of the scaled similarity, 0 to 1; noise: standard deviation, of pixels in [0, 1]; lr: of Adam.
        before, total: of the progress, where this is one part of the set-up.
    Returns: BlockSelection. At least the most similar block is selected; all of them where they do not differ.
    Raises: Stopped, between two batches.
    """
    network, source = method.network, method.source
    blocks, g = tuple(block_parameters(network)), method.generator
    batches = source.images.split(batch_size)
    classes = network.get_submodule(find_head(network)).out_features
    total = total or len(blocks) * len(batches)

    def means(of):
        return prototypes(lambda x: method.features(x, of)[0], source, classes, batch_size=batch_size, device=method.device)

    first, found = means(network), []
    seen = ~first.isnan().any(1)
    for k, block in enumerate(blocks):
        tuned = copy.deepcopy(network).requires_grad_(False)
        optimiser = torch.optim.Adam([p.requires_grad_() for p in block_parameters(tuned)[block]], lr)
        order = torch.randperm(len(source.images), generator=g, device=g.device).cpu()
        for i, chosen in enumerate(order.split(batch_size)):
            still_wanted(method, before + k * len(batches) + i, total)
            pixels = pixels_of(source.images[chosen], method.device)
            pixels = pixels + noise * torch.randn(pixels.shape, generator=g, device=g.device).to(pixels)
            with torch.enable_grad():
                descend(optimiser, entropy(method.classify(pixels, tuned)).mean())
        found.append(F.cosine_similarity(first[seen], means(tuned)[seen]).mean())
    similarity = torch.stack(found)
    scaled = min_max(similarity, equal=1.0)
    selected = tuple(b for b, s in zip(blocks, scaled.tolist(), strict=True) if s > threshold)
    return BlockSelection(blocks, tuple(similarity.tolist()), tuple(scaled.tolist()), selected, threshold, len(source.images))
