"""Normalisation layers of a copy that adapts: whose statistics they use, and their scales and shifts."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from core.blocks import NORMS
from core.errors import InputError


def batch_statistics(network):
    """Let every batch norm normalise with the batch at hand, in place; a network without any stays as it is. Returns: the network."""
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            layer.track_running_stats = False
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    return network


def norm_parameters(network, *, without=()):
    """Return the scales and shifts of all normalisation layers, and let them alone take gradients.

    Args: without: names of modules that stay as they are with all that is in them.
    Raises: InputError if there are none.
    """
    network.requires_grad_(False)
    layers = [m for name, m in network.named_modules() if isinstance(m, NORMS) and not any(inside(name, outer) for outer in without)]
    found = [p.requires_grad_() for m in layers for p in (m.weight, m.bias) if p is not None]
    if not found:
        raise InputError("This network has no normalisation with a scale and a shift that may change; choose a method that needs none.", key="adaptation.norm")
    return found


def inside(name, outer):
    """Tell whether a module or parameter is, or lies in, another: layer1.1.conv is in layer1.1, not so layer1.10."""
    return name == outer or name.startswith(f"{outer}.")


def replace_batch_norms(network, kind, **options):
    """Put `kind(layer, **options)` in place of every batch norm, in place. Returns: the network."""
    for name, layer in list(network.named_modules()):
        if isinstance(layer, _BatchNorm):
            parent, _, child = name.rpartition(".")
            setattr(network.get_submodule(parent), child, kind(layer, **options))
    return network


class OwnNorm(_BatchNorm):
    """A batch norm that says itself which statistics it uses; parameters and stored statistics are those of the layer it replaces."""

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, layer):
        super().__init__(layer.num_features, layer.eps, affine=False)
        if layer.running_mean is None:
            raise InputError("A batch norm of this network keeps no statistics of its training; choose bn or tent.", key="adaptation.statistics")
        self.weight, self.bias = layer.weight, layer.bias
        self.running_mean, self.running_var = layer.running_mean.clone(), layer.running_var.clone()
        self.train(layer.training)

    def _check_input_dim(self, _):
        """Take maps of any number of axes: it stands in for 1-D, 2-D and 3-D layers."""

    def normalise(self, x, mean, var):
        """Args: x: (N, C, ...); mean, var: (C,). Returns: as x."""
        if not (mean.requires_grad or var.requires_grad):  # three times as fast, but no gradient goes through the statistics
            return F.batch_norm(x, mean, var, self.weight, self.bias, eps=self.eps)
        shape = (1, -1, *[1] * (x.ndim - 2))
        x = (x - mean.view(shape)) * (var.view(shape) + self.eps).rsqrt()
        return x if self.weight is None else x * self.weight.view(shape) + self.bias.view(shape)


class BlendedNorm(OwnNorm):
    """Statistics of the source and of the batch, blended anew in each batch.

    Source: Schneider et al., NeurIPS 2020; the variance of the batch is the unbiased one, that of the source alone where a channel has one value.
    """

    def __init__(self, layer, *, alpha):
        super().__init__(layer)
        self.alpha = alpha

    def forward(self, x):
        if x.numel() == x.shape[1]:
            return self.normalise(x, self.running_mean, self.running_var)
        var, mean = torch.var_mean(x, [0, *range(2, x.ndim)])
        return self.normalise(x, self.running_mean.lerp(mean, self.alpha), self.running_var.lerp(var, self.alpha))


class MovingNorm(OwnNorm):
    """Statistics that move towards the batch in train mode, and are used as they then are; in eval mode they stay.

    Source: Yuan et al., CVPR 2023, RoTTA's robust batch normalisation, eq. 2-3; biased variance.
    """

    def __init__(self, layer, *, alpha):
        super().__init__(layer)
        self.alpha = alpha

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            batch_var, batch_mean = torch.var_mean(x, [0, *range(2, x.ndim)], correction=0)
            mean, var = mean.lerp(batch_mean, self.alpha), var.lerp(batch_var, self.alpha)
            self.running_mean, self.running_var = mean.detach(), var.detach()
        return self.normalise(x, mean, var)


def has_batch_norm(network):
    return any(isinstance(m, _BatchNorm) for m in network.modules())


def has_norm(network):
    return any(isinstance(m, NORMS) and isinstance(m.weight, nn.Parameter) for m in network.modules())
