"""Fine-tune a compressed network so that it answers as before, and, with attribution matching, for the same reasons.

Source: Park et al., "Attribution Preservation in Network Compression for Reliable Network Interpretation", NeurIPS 2020: weighted collapsed attribution
matching, sensitivity-weighted. At one block, a_k = the sum over positions of d logit / d F_k, A = ReLU(sum_k a_k F_k), for the class that the large network
names; the loss adds `matching` times the mean over positions of the squared difference of A / ||A|| of both networks. The large one is in eval mode and has no
gradient, the small one's is of second order.
What differs: cross-entropy with labels alone beside it (the paper adds distillation), no channels dropped at random, a block where they take the last pool.
"""

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from core.blocks import NORMS, as_map, find_blocks
from core.compression.pruning import weights_of
from core.errors import InputError
from core.explanation.common import as_channels, block_of, classes_of, gradient_of_classes, respond
from core.explanation.gradcam import channel_map
from core.jobs import Stopped
from core.probe import twin
from core.training.trainer import augment


@dataclass(frozen=True)
class Finetuning:
    """Hyper-parameters: SGD with Nesterov momentum, its rate falling from `rate` to 0 along a cosine; `crop` and `flip` as in training.

    `matching` weighs the attributions beside the cross-entropy: 100 as released, 0 for cross-entropy alone.
    """

    steps: int = 200
    batch_size: int = 64
    rate: float = 0.02
    momentum: float = 0.9
    matching: float = 0.0
    crop: int = 4
    flip: bool = True
    seed: int = 0


MATCHING = 100.0


def finetune(small, large, images, labels, preprocessing, recipe, *, block=None, progress=None, stop=None):
    """Fine-tune a copy of a pruned network; what is pruned stays zero.

    Args: small: the pruned network, and large: the one it came from; neither is changed. images: (N, 3, S, S) uint8. labels: (N,) int64.
        preprocessing: normalises. recipe: `Finetuning`. block: where attributions are matched, by default the last one with positions that the class
        depends on. progress: called with (steps done, steps in all). stop: a `threading.Event`.
    Returns: the fine-tuned copy, in eval mode. The same recipe gives the same pictures in the same order, with matching or without.
    Raises: InputError for pictures without labels, an unknown block, or a loss that stops being a number; Stopped after `stop`.
    """
    if not len(labels) or labels.min() < 0:
        raise InputError("Fine-tuning needs pictures with labels; give a source that has them.", key="compression.labels")
    small = copy.deepcopy(small).eval()
    device = next(small.parameters()).device
    kept = _kept(small)
    run, twins = twin(small)
    run.train()  # the twin alone: its batch normalisation measures anew what pruning has shifted
    taps = []
    if recipe.matching:
        block = _block(large, preprocessing.normalise(images[:2].to(device)), block)
        twins[block].register_forward_hook(lambda _, __, output: taps.append(as_map(output)))
        for module in twins.values():
            if isinstance(module, nn.MultiheadAttention):
                module.register_forward_pre_hook(_unfused, with_kwargs=True)
    optimiser = torch.optim.SGD(small.parameters(), recipe.rate, momentum=recipe.momentum, nesterov=True)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.steps)
    generator = torch.Generator().manual_seed(recipe.seed)
    for step in range(recipe.steps):
        if stop is not None and stop.is_set():
            raise Stopped
        chosen = torch.randint(len(images), (recipe.batch_size,), generator=generator)
        pixels = augment(images[chosen].to(device), recipe.crop, flip=recipe.flip, generator=generator)
        batch, truth = preprocessing.normalise(pixels), labels[chosen].to(device)
        taps.clear()
        logits = as_map(run(batch))
        loss = F.cross_entropy(logits, truth)
        if recipe.matching:
            classes = classes_of(large, batch)
            loss = loss + recipe.matching * distance(of_large(large, batch, block, classes), _collapsed(twins[block], taps[0], logits, classes, graph=True))
        if not torch.isfinite(loss):
            raise InputError(f"The loss became {loss.item()} in step {step + 1}; lower the learning rate.", key="compression.diverged", step=step + 1)
        optimiser.zero_grad(set_to_none=True)
        _send_back(loss)
        for values, where in kept.values():
            if values.grad is not None:
                values.grad.mul_(where)
        optimiser.step()
        schedule.step()
        if progress:
            progress(step + 1, recipe.steps)
    small.zero_grad(set_to_none=True)
    return small


def of_large(network, images, block, classes):
    """Return the (N, P) collapsed attributions of a block's P positions, each picture's of length 1 (or 0), without a gradient."""
    output, logits, module = respond(network, images, block)
    return _collapsed(module, output, logits, classes, graph=False).detach()


def distance(one, other):
    """Return the mean squared difference of two (N, P) attributions. With length 1 each it lies in [0, 2 / P]."""
    return (one - other).square().mean()


def _collapsed(module, output, logits, classes, *, graph):
    """Collapse a block's channels, weighted by how the class's logit depends on them: (N, P), of length 1."""
    if graph:
        slope = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), output, create_graph=True)[0]
    else:
        slope = gradient_of_classes(output, logits, classes)
    layer, slope = as_channels(module, output), as_channels(module, slope)
    return F.normalize((layer * slope.sum((2, 3), keepdim=True)).sum(1).relu().flatten(1), dim=1)


def _send_back(loss):
    """Compute gradients. Raises: InputError where a layer has no second derivative, as attention that is fused outside of `nn.MultiheadAttention`."""
    try:
        loss.backward()
    except RuntimeError as error:
        if "derivative" not in str(error):
            raise
        raise InputError(
            "A layer of this network has no second derivative, so attributions cannot be matched; fine-tune it plainly.", key="compression.derivative"
        ) from error


def _unfused(_, given, options):
    """Let attention compute its weights step by step: fused attention has no second derivative."""
    return given, {**options, "need_weights": True}


def _block(network, images, block):
    """Return the block to match at: the one that is named, or the last whose positions the class depends on."""
    chosen = block_of(network, block)
    if block is None and channel_map(network, images, chosen, classes_of(network, images)) is None:
        return find_blocks(network)[-2]
    return chosen


def _kept(network):
    """Return {id: (values, 1 where they may change)}: zeros among the weights stay, and so do bias and normalisation of a channel that is all zero."""
    found = {id(values): (values, values.detach() != 0) for _, _, values in weights_of(network)}
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            found[id(layer.bias)] = layer.bias, layer.weight.detach().flatten(1).any(1)
        elif isinstance(layer, NORMS) and layer.weight is not None and layer.bias is not None:
            alive = (layer.weight.detach() != 0) | (layer.bias.detach() != 0)
            found |= {id(values): (values, alive) for values in (layer.weight, layer.bias)}
    return found
