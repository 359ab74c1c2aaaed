"""Grad-CAM at any block, without the last ReLU: what speaks against the class is shown too.

Source: Selvaraju et al., ICCV 2017, equations 1 and 2. Each channel is weighted by the mean of its gradient over the positions.
Tokens are laid out as the square they come from; a class token has no place in the picture and is left out.
"""

from core.explanation.common import as_channels, classes_of, enlarged, gradient_of_classes, respond, where_placed


def gradcam(network, images, *, target=None, block=None):
    """Weight a block's channels by how the class's logit depends on them.

    Args: network, images, target: as `core.explanation.explain`. block: by default the last one whose positions the class depends on:
        a transformer's class reads the last block at its class token alone.
    Returns: (N, S, S) float32; positive = speaks for the class.
    Raises: InputError for an unknown block, or one whose positions the class does not depend on.
    """
    classes = classes_of(network, images, target)
    found = where_placed(network, block, lambda name: _map(network, images, name, classes))
    return enlarged(found, images.shape[-1])


def channel_map(network, images, block, classes):
    """Return each channel's share of Grad-CAM, before the sum over channels: (N, C, h, w), or None where all of them depend on a class token alone."""
    output, logits, module = respond(network, images, block)
    gradient = gradient_of_classes(output, logits, classes)
    layer, slope = as_channels(module, output.detach()), as_channels(module, gradient)
    if gradient.any() and not slope.any():
        return None
    return layer * slope.mean((2, 3), keepdim=True)


def _map(network, images, block, classes):
    channels = channel_map(network, images, block, classes)
    return None if channels is None else channels.sum(1)
