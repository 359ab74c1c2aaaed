"""Prune a copy of a network: single weights, or whole output channels.

Pruned values are zeroed, not cut out, so that the copy keeps its architecture, fits its pack and runs as fast as before; `core.compression.size` counts what
a file without them takes. A pruned channel is zero behind its batch normalisation too: in a chain of layers the copy computes what a network without the
channel would, and in a residual sum the shortcut passes alone.
"""

import copy
from inspect import signature

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from core.blocks import WEIGHTED
from core.errors import InputError
from core.explanation.tape import Tape
from core.probe import twin


def magnitude(network, images, *, amount=0.5):
    """Zero the smallest weights of all convolutions, linear layers and attention projections together.

    Args: network: never changed. images: not used. amount: share of these weights, in [0, 1); biases and norms stay. Weights that equal the last one go too.
    Returns: the pruned copy, in eval mode. Raises: InputError for an amount out of range.
    Source: Han et al., NeurIPS 2015, one shot; one threshold on |w| for the whole network.
    """
    small = _copied(network, amount)
    weights = [values for _, _, values in weights_of(small)]
    count = round(amount * sum(values.numel() for values in weights))
    if count:
        with torch.no_grad():
            every = torch.cat([values.abs().flatten() for values in weights]).cpu().numpy()
            threshold = float(np.partition(every, count - 1)[count - 1])  # ten times as fast as torch.kthvalue on a hundred million
            for values in weights:
                values.masked_fill_(values.abs() <= threshold, 0)
    return small


def structured(network, images, *, amount=0.5, norm=1):
    """Zero the output channels with the smallest weights, the same share in every convolution and linear layer but the last, which names the classes.

    Args: network: never changed. images: (N, 3, S, S), of which one shows which normalisation follows a layer. amount: share of the channels, in [0, 1).
        norm: 1 or 2, of a channel's weights.
    Returns: the pruned copy, in eval mode. Raises: InputError for an amount out of range.
    Source: Li et al., ICLR 2017, section 3.1, without retraining between layers; here the layers that end in a residual sum are pruned too, each by
        its own weights. The projections of queries, keys and values stay whole. What is not batch normalisation reads a pruned channel as a zero.
    """
    small = _copied(network, amount)
    after = _norms_after(small, images[:1])
    layers = [m for m in small.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    for layer in layers[:-1]:
        strength = torch.linalg.vector_norm(layer.weight.detach().flatten(1), norm, dim=1)
        gone = strength.argsort()[: round(amount * len(strength))]
        with torch.no_grad():
            for values in (layer.weight, layer.bias, *after.get(id(layer.weight), ())):
                if values is not None:
                    values[gone] = 0
    return small


def weights_of(network):
    """Yield (layer, name, values) of the matrices and kernels of convolutions, linear layers and attention projections: all that is pruned and rounded."""
    for layer in network.modules():
        if isinstance(layer, WEIGHTED):
            for name, values in layer.named_parameters(recurse=False):
                if values.ndim > 1:
                    yield layer, name, values


def _copied(network, amount):
    if not 0 <= amount < 1:
        raise InputError(f"The share to prune is {amount:g}; give a number from 0 to below 1, such as 0.5.", key="compression.amount", amount=amount)
    return copy.deepcopy(network).eval()


def _norms_after(network, images):
    """Return {id of a convolution's weight: (running mean, weight, bias) of the batch normalisation that reads the convolution's output}."""
    tape = Tape()
    with torch.no_grad(), tape:
        twin(network)[0](images)
    kernels, found = {}, {}
    for step in tape.steps:
        if step.function is F.conv2d:
            kernels[id(step.output)] = step.given[1]
        elif step.function is F.batch_norm and id(step.given[0]) in kernels:
            given = signature(F.batch_norm).bind(*step.given, **step.options).arguments
            found[id(kernels[id(step.given[0])])] = tuple(given.get(name) for name in ("running_mean", "weight", "bias"))
    return found
