"""Find the blocks of a network, whatever its family, and its linear head.

A block is where a unit of the architecture hands its map on:
residual, inverted-residual, dense or transformer units where there are any,
else the outputs of convolution (+ norm) + activation of a plain network such as VGG.
Blocks are named as `named_modules` names them and come in the order of definition.
"""

import torch
from torch import nn

from core.errors import InputError

WEIGHTED = (nn.Conv2d, nn.Linear, nn.MultiheadAttention)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, nn.LayerNorm)
POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Dropout2d)
ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish, nn.PReLU)


def find_blocks(network):
    """Name the blocks of a classifier.

    Returns: tuple of module names, in order of definition.
    Raises: InputError if the network has neither composite units nor convolutions.
    """
    names = tuple(_units(network, "", listed=False, kinds=()))
    if names:  # a sibling of a unit is one too, however small: the first stage of EfficientNetV2 has single convolutions
        kinds = tuple({type(network.get_submodule(name)) for name in names})
        names = tuple(_units(network, "", listed=False, kinds=kinds))
    names = names or tuple(_root_units(network)) or tuple(_plain(network))
    if not names:
        raise InputError("This network has no blocks that can be measured: no units and no convolutions.", key="blocks.none")
    return names


def find_head(network):
    """Return the name of the last `nn.Linear`, which gives the logits of nearly every classifier; None where a convolution follows."""
    weighted = [(name, m) for name, m in network.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    return weighted[-1][0] if weighted and isinstance(weighted[-1][1], nn.Linear) else None


def positions(block, output):
    """Tell which axes of a block's output are positions; what is left besides the first are channels.

    (N, C, H, W) -> (2, 3); (N, tokens, C) -> (1,); (N, H, W, C) from a block without convolutions -> (1, 2).
    """
    if output.ndim == 3:
        return (1,)
    if output.ndim == 4:
        convolves = any(isinstance(m, nn.Conv2d) for m in block.modules()) or isinstance(block, NORMS + ACTIVATIONS + POOLS)
        return (2, 3) if convolves else (1, 2)
    raise InputError(f"A block's output has shape {tuple(output.shape)}; maps and tokens have 4 or 3 axes.", key="blocks.shape")


def as_map(output):
    """Take the tensor out of what a block returns (some return a tuple)."""
    return output if isinstance(output, torch.Tensor) else output[0]


def _is_list(module):
    """Tell a container that only runs or holds its children from a unit with a forward of its own."""
    if isinstance(module, nn.Sequential):
        return type(module).forward is nn.Sequential.forward
    return isinstance(module, nn.ModuleList | nn.ModuleDict) and "forward" not in vars(type(module))


def _weights(module):
    return sum(isinstance(m, WEIGHTED) for m in module.modules())


def _units(module, prefix, *, listed, kinds):
    """Yield the outermost units that stand in a list: of one of `kinds`, or with two weighted layers and a forward of their own."""
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        unit = isinstance(child, kinds) or (_weights(child) >= 2 and not isinstance(child, WEIGHTED))
        if listed and unit and not _is_list(child) and not _holds_only_a_list(child):
            yield path
        else:
            yield from _units(child, f"{path}.", listed=_is_list(child), kinds=kinds)


def _holds_only_a_list(module):
    children = list(module.children())
    return len(children) == 1 and isinstance(children[0], nn.ModuleList)


def _root_units(network):
    """Yield the units that are attributes of the network itself, as in GoogLeNet and Inception."""
    for name, child in network.named_children():
        if _weights(child) >= 2 and not _is_list(child) and "aux" not in name.lower():
            yield name


def _plain(network):
    """Yield the last layer of each run convolution, norm, activation; in networks without lists, the convolutions."""
    found, previous = [], ""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            found.append(name)
        elif found and previous == found[-1] and isinstance(module, NORMS + ACTIVATIONS) and name.rpartition(".")[0] == previous.rpartition(".")[0]:
            found[-1] = name
        elif any(True for _ in module.children()):
            continue
        previous = name
    return found
