"""Integrated Gradients, of the class and of a block's FeatureNorm. The path begins at the mean colour, which is zero after normalisation.

Source: Sundararajan, Taly & Yan, ICML 2017, by captum (Gauss-Legendre steps). The map sums to the measure of the picture less that of the mean
colour (completeness), up to the error of the steps.
"""

from core.explanation.common import block_of, classes_of, forward_of, norm_of

AT_ONCE = 64  # pictures in a forward pass


def integrated_gradients(network, images, *, target=None, block=None, steps=32):
    """Attribute the class's logit to pixels, by its gradients on the way from the mean colour to the picture.

    Args: network, images, target: as `core.explanation.explain`. block: not used. steps: points on the path.
    Returns: (N, S, S) float32, the sum over colours; positive = speaks for the class.
    """
    return _integrated(forward_of(network), images, classes_of(network, images, target), steps)


def norm_gradients(network, images, *, target=None, block=None, steps=32):
    """Attribute the FeatureNorm of a block to pixels, by its gradients on the way from the mean colour to the picture.

    Args: network, images, block: as `core.explanation.explain`. target: not used. steps: points on the path.
    Returns: (N, S, S) float32, the sum over colours; negative = lowers the norm (speaks for unknown).
    """
    return _integrated(norm_of(network, block_of(network, block)), images, None, steps)


def _integrated(measure, images, target, steps):
    from captum.attr import IntegratedGradients

    inner = max(AT_ONCE, len(images))
    found = IntegratedGradients(measure).attribute(images, target=target, n_steps=steps, internal_batch_size=inner)
    return found.detach().sum(1).float()
