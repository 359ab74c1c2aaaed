"""The random views of CoTTA, which RoTTA, RMT and, in part, ROID use too: colours, a small turn, shift and zoom, a blur, a flip, noise.

Source: Wang et al., CVPR 2022, and its code. As there, one draw holds for the whole batch. Ours differs in one thing: turn, shift, zoom and
flip are one resampling of the picture, whose edge goes on beyond its border, in place of padding, resampling and cropping.
"""

import math

import torch
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as tv

RANGES = {"brightness": (0.6, 1.4), "contrast": (0.7, 1.3), "saturation": (0.5, 1.5), "hue": (-0.06, 0.06), "gamma": (0.7, 1.3)}
CHANGES = {
    "brightness": tv.adjust_brightness,
    "contrast": tv.adjust_contrast,
    "saturation": tv.adjust_saturation,
    "hue": tv.adjust_hue,
    "gamma": lambda images, power: tv.adjust_gamma(images.clamp_min(1e-8), power),
}
TURN, SHIFT, ZOOM = 15.0, 1 / 8, (0.9, 1.1)  # degrees; of the side: a sixteenth of the padded picture, which is twice as wide; factor


def augment(images, generator, *, blur=True, border="border"):
    """Draw another view of a batch.

    Args: images: (N, 3, H, W) in [0, 1]; generator: a `torch.Generator`; blur: whether to blur and add noise, as CoTTA and not ROID does;
        border: what lies beyond the picture, "border" for its edge or "reflection".
    Returns: as images; they are not changed.
    """

    def draw(low, high):
        return low + (high - low) * torch.rand((), generator=generator, device=generator.device).item()

    names = list(RANGES)
    x = images.clamp(0, 1)
    for i in torch.randperm(len(names), generator=generator, device=generator.device).tolist():
        x = CHANGES[names[i]](x, draw(*RANGES[names[i]]))
    turn, zoom = math.radians(draw(-TURN, TURN)), draw(*ZOOM)
    across, down = draw(-SHIFT, SHIFT), draw(-SHIFT, SHIFT)
    sigma, mirror = draw(0.001, 0.5), draw(0, 1) < 0.5
    x = resample(x, turn=turn, zoom=zoom, across=across, down=down, mirror=mirror, border=border)
    if blur:
        x = tv.gaussian_blur(x, [5, 5], [sigma, sigma])
        x = x + 0.005 * torch.randn(x.shape, generator=generator, device=generator.device).to(x)
    return x.clamp(0, 1)


def resample(images, *, turn, zoom, across, down, mirror, border):
    """Turn (radians, anticlockwise), zoom, shift (of the side, to the right and down) and mirror pictures, bilinear. Returns: as images."""
    height, width = images.shape[2:]
    cos, sin, flip = math.cos(turn) / zoom, math.sin(turn) / zoom, -1.0 if mirror else 1.0
    x, y = -2 * across, -2 * down  # from where a pixel is to where it comes from; the side is 2 long
    theta = [
        [flip * cos, -sin * height / width, cos * x - sin * y * height / width],
        [flip * sin * width / height, cos, sin * x * width / height + cos * y],
    ]
    theta = images.new_tensor(theta).expand(len(images), 2, 3)
    return F.grid_sample(images, F.affine_grid(theta, images.shape, align_corners=False), padding_mode=border, align_corners=False)
