"""The fast gradient sign method: the change of at most eps in each pixel that raises a loss most, to first order.

Source: Goodfellow, Shlens & Szegedy, ICLR 2015, section 4.
"""

import torch


def fgsm(classify, images, objective, eps, *, down=False):
    """Move each picture by eps in every pixel, so that an objective rises, or falls with `down`.

    Args:
        classify: (N, 3, H, W) pixels in [0, 1] -> (N, C) logits; images: such pixels; objective: logits -> scalar, a sum over pictures.
        eps: of a pixel's range of 1; a float, or (N,) for each picture its own.
    Returns: (N, 3, H, W) in [0, 1], detached. The images and the parameters' gradients are not touched.
    """
    moved = images.detach().clone().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(objective(classify(moved)), moved)
    step = torch.as_tensor(eps, dtype=images.dtype, device=images.device).view(-1, 1, 1, 1) * gradient.sign()
    return (images.detach() + (-step if down else step)).clamp(0, 1)
