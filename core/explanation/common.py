"""What several explanations share: which class, which block, and a block's map with its gradient."""

import torch
from torch.nn import functional as F

from core.blocks import as_map, find_blocks, positions
from core.errors import InputError
from core.probe import square, twin


def forward_of(network):
    """Return a twin of the network, in eval mode, that returns logits alone: (N, 3, S, S) -> (N, C)."""
    run = twin(network)[0]
    return lambda images: as_map(run(images))


def classes_of(network, images, target=None):
    """Return the (N,) int64 classes to explain: the predicted ones unless `target` names one, or one a picture. Raises: InputError if out of range."""
    with torch.no_grad():
        logits = forward_of(network)(images)
    if target is None:
        return logits.argmax(1)
    target = torch.as_tensor(target, device=images.device).expand(len(images))
    if not 0 <= target.min() <= target.max() < logits.shape[1]:
        count = logits.shape[1]
        raise InputError(f"This network has {count} classes, counted from 0; choose one of them.", key="explanation.target", count=count)
    return target


def block_of(network, block=None):
    """Return the name of the block, by default the last. Raises: InputError for an unknown one."""
    if block is None:
        return find_blocks(network)[-1]
    if block not in dict(network.named_modules(remove_duplicate=False)):
        known = ", ".join(find_blocks(network))
        raise InputError(f"There is no block {block!r}; this network's blocks are {known}.", key="blocks.unknown", name=block)
    return block


def respond(network, images, block):
    """Run the network up to its logits and keep a block's output as the start of a graph.

    Returns: (the block's output, which requires a gradient; logits (N, C); the block's module).
    Raises: InputError if the forward pass does not reach the block.
    """
    run, twins = twin(network)
    kept = []

    def cut(_, __, output):
        kept.append(as_map(output).detach().requires_grad_())
        onward = kept[-1].clone()  # what comes next may work in place
        return onward if isinstance(output, torch.Tensor) else (onward, *output[1:])

    twins[block].register_forward_hook(cut)
    with torch.enable_grad():
        logits = as_map(run(images))
    if not kept:
        raise InputError(f"The forward pass does not reach the block {block!r}; leave it out.", key="blocks.unreached", name=block)
    return kept[-1], logits, twins[block]


def where_placed(network, block, make):
    """Make a map at a block, by default the last one whose positions count: a transformer's class reads its last block at the class token alone.

    Args: make: a function of a block's name, which returns None where only a class token counts.
    Returns: what `make` returned. Raises: InputError for an unknown block, or a given one where only a class token counts.
    """
    chosen = block_of(network, block)
    made = make(chosen)
    if made is None and block is None:
        chosen = find_blocks(network)[-2]
        made = make(chosen)
    if made is None:
        raise InputError(
            f"The class reads {chosen} at its class token alone, which has no place in the picture; choose an earlier block.",
            key="explanation.block",
            name=chosen,
        )
    return made


def gradient_of_classes(output, logits, classes):
    """Return d logit_class / d output for each picture: the shape of `output`."""
    with torch.enable_grad():
        return torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), output)[0]


def as_channels(module, x):
    """Lay a block's output out as (N, C, h, w): tokens as the square they come from, without a class token."""
    over = positions(module, x)
    if over == (1,):
        return square(x.transpose(1, 2))
    return x if over == (2, 3) else x.permute(0, 3, 1, 2)


def enlarged(maps, size):
    """Scale (N, h, w) maps to (N, size, size) float32, bilinearly."""
    return F.interpolate(maps[:, None].float(), (size, size), mode="bilinear", align_corners=False)[:, 0]


def norm_of(network, block):
    """Return a function that measures the FeatureNorm of a block: (N, 3, S, S) -> (N,), with gradients."""
    run, twins = twin(network)
    kept = []

    def measure(module, _, output):
        x = as_map(output)
        # vector_norm has a gradient where a channel is silent; the root of a sum of squares has none
        kept.append(torch.linalg.vector_norm(x.float().relu(), dim=positions(module, x)).mean(1))

    twins[block].register_forward_hook(measure)

    def norm(images):
        kept.clear()
        run(images)
        if not kept:
            raise InputError(f"The forward pass does not reach the block {block!r}; leave it out.", key="blocks.unreached", name=block)
        return kept[-1]

    return norm
