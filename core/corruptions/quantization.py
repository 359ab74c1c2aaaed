"""What few bits do to colours."""

from core.corruptions.common import at


def color_quant(images, severity, *, generator):
    """Keep the highest bits of every channel; the others become 0. Severity: how many are kept, at any size.

    Source: Kar et al., CVPR 2022, as released.
    """
    bits = at(images, severity, (5, 4, 3, 2, 1), (5, 4, 3, 2, 1))
    step = 2 ** (8 - bits)  # of 255
    return (images * 255 + 1e-3).div(step, rounding_mode="floor").mul_(step / 255)
