"""Round a copy of a network to int8, simulated: every value that int8 could not hold is replaced by the nearest one that it can, and kept as a float.

Weights: symmetric, one scale for each output channel. What a layer reads: one scale and zero point a layer, from the lowest to the highest value of
calibration pictures. Sums, norms and activations between layers stay float, where an int8 engine rounds some of them too. Batch normalisation need not be
folded first: folding multiplies whole output channels, which scales of their own follow.

Why simulated: integer kernels have no gradients, so no map could be drawn of what they compute. Here rounding hands gradients on (straight through)
and clipping stops them. PyTorch's own quantisation (`torch.ao.quantization`) is deprecated in favour of another package.
"""

import copy
from dataclasses import dataclass

import torch

from core.blocks import WEIGHTED
from core.compression.pruning import weights_of
from core.probe import twin

LEVELS = 127  # on each side of zero: -128 has no opposite
BATCH = 64


@dataclass(frozen=True)
class Rounded:
    """Round what a layer reads, as a hook before its forward pass. Attributes: scale, zero: a value v becomes round(v / scale) + zero, within 0 to 255."""

    scale: float
    zero: int

    def __call__(self, _, given):
        read = {id(x): torch.fake_quantize_per_tensor_affine(x, self.scale, self.zero, 0, 255) for x in given}  # attention reads one tensor three times
        return tuple(read[id(x)] for x in given)


def int8(network, images):
    """Round weights, and what each layer reads, to 8 bits.

    Args: network: never changed. images: (N, 3, S, S), preprocessed, to take the ranges from: 100 or more, none of those it is measured on.
    Returns: the rounded copy, in eval mode; its hooks are its own.
    Source: Jacob et al., CVPR 2018, equation 1; scales a channel, Krishnamoorthi, 2018, section 3.1.
    """
    ranges = _ranges(network, images)
    small = copy.deepcopy(network).eval()
    with torch.no_grad():
        for _, _, values in weights_of(small):
            values.copy_(restored(*integers(values)))
    for name, module in small.named_modules():
        if name in ranges:
            module.register_forward_pre_hook(_rounding(*ranges[name]))
    return small


def integers(weight):
    """Return (int8 of the same shape, float32 scale of each output channel): |w| of a channel's largest weight / 127, and 1 for a channel of zeros."""
    scale = weight.detach().flatten(1).abs().amax(1).float() / LEVELS
    scale = torch.where(scale > 0, scale, 1)
    return (weight.detach() / _over(scale, weight)).round().to(torch.int8), scale


def restored(values, scale):
    """Return the float32 weights that int8 values stand for."""
    return values * _over(scale, values)


def tensors(network):
    """Return what a file of the rounded copy holds: int8 weights with their scales, scale and zero point of each layer's input, and all else as it is."""
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    names = {id(value): name for name, value in network.named_parameters()}
    for _, _, values in weights_of(network):
        name = names[id(values)]
        state[name], state[f"{name}.scale"] = (part.cpu().contiguous() for part in integers(values))
    for name, module in network.named_modules():
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, Rounded):
                state[f"{name}.input_scale"], state[f"{name}.input_zero"] = torch.tensor(hook.scale), torch.tensor(hook.zero, dtype=torch.uint8)
    return state


def _rounding(low, high):
    """Return the rounding of a range that always holds zero, so that zero is exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / 255 or 1.0
    return Rounded(scale, round(-low / scale))


def _ranges(network, images):
    """Return {layer: (lowest, highest value that it reads)} over the pictures."""
    run, twins = twin(network)
    found = {}

    def see(name):
        def hook(_, given):
            low, high = (value.item() for value in torch.aminmax(given[0]))
            before = found.get(name, (low, high))
            found[name] = min(low, before[0]), max(high, before[1])

        return hook

    for name, module in twins.items():
        if isinstance(module, WEIGHTED):
            module.register_forward_pre_hook(see(name))
    with torch.no_grad():
        for batch in images.split(BATCH):
            run(batch)
    return found


def _over(scale, weight):
    return scale.view(-1, *[1] * (weight.ndim - 1))
