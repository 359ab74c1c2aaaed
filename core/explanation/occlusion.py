"""Occlusion, of the class and of a block's FeatureNorm: what falls when a window of the picture turns to the mean colour.

Source: Zeiler & Fergus, ECCV 2014, by captum. A pixel's value is the mean fall over the windows that hide it.
"""

from core.explanation.common import block_of, classes_of, forward_of, norm_of

AT_ONCE = 64  # pictures in a forward pass


def occlusion(network, images, *, target=None, block=None, window=None, stride=None):
    """Hide windows behind the mean colour and watch how far the class's logit falls.

    Args: network, images, target: as `core.explanation.explain`. block: not used.
        window: its side in pixels, by default an eighth of the picture's; stride: by default half a window.
    Returns: (N, S, S) float32; positive = speaks for the class.
    """
    return _occluded(forward_of(network), images, classes_of(network, images, target), window, stride)


def norm_occlusion(network, images, *, target=None, block=None, window=None, stride=None):
    """Hide windows behind the mean colour and watch how far the FeatureNorm of a block falls.

    Args: network, images, block: as `core.explanation.explain`. target: not used. window, stride: as `occlusion`.
    Returns: (N, S, S) float32; negative = lowers the norm (speaks for unknown).
    """
    return _occluded(norm_of(network, block_of(network, block)), images, None, window, stride)


def _occluded(measure, images, target, window, stride):
    import torch
    from captum.attr import Occlusion

    window = window or max(1, images.shape[-1] // 8)
    stride = stride or max(1, window // 2)
    with torch.no_grad():
        found = Occlusion(measure).attribute(
            images,
            target=target,
            sliding_window_shapes=(images.shape[1], window, window),
            strides=(images.shape[1], stride, stride),
            perturbations_per_eval=max(1, AT_ONCE // len(images)),
        )
    return found[:, 0].float()
