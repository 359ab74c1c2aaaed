"""What cameras and computers do: contrast, elastic warps, pixels, JPEG, saturation. Source of all: Hendrycks & Dietterich, ICLR 2019, as released."""

import io

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from core.corruptions.common import SMALL, at, coarse, columns, gaussian, uniform

FEW = 64  # pictures, up to which a JPEG encoder that is there at once is quicker than one that is quick


def contrast(images, severity, *, generator):
    """Pull every value towards its channel's mean. Severity: what is left of the distance."""
    left = at(images, severity, (0.75, 0.5, 0.4, 0.3, 0.15), (0.4, 0.3, 0.2, 0.1, 0.05))
    means = images.mean((2, 3), keepdim=True)
    return (images - means).mul_(left).add_(means)


def elastic_transform(images, severity, *, generator):
    """Warp by a random affine map, then by a smooth random field.

    Severity: the field's strength, its Gaussian's sigma and how far the map moves three anchors, as shares of the shorter side; as
    published, the shares for 224 are of 244 pixels. Differs: OpenCV rounds the map's positions to 1/32 pixel.
    """
    strength, sigma, shift = at(
        images,
        severity,
        ((0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
        ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
    )
    height, width = images.shape[-2:]
    side = min(height, width) * (1 if max(height, width) <= SMALL else 244 / 224)
    warped = sampled(images, _affine(images, shift * side, generator).permute(0, 2, 3, 1), corners=True)
    if not strength:
        return warped
    field = coarse((len(images), 2, height, width), images, generator, reach=strength * side)
    field = gaussian(field, sigma * side, edge="reflect", truncate=3.0)
    field[:, 0] += torch.arange(width).to(images)
    field[:, 1] += torch.arange(height).to(images)[:, None]
    return sampled(warped, field.permute(0, 2, 3, 1), corners=False)


def _affine(images, shift, generator):
    """Return (N, 2, H, W), x and y of where each pixel comes from when three anchors move by up to `shift` pixels."""
    height, width = images.shape[-2:]
    x, y, arm = width // 2, height // 2, max(1, min(height, width) // 3)
    anchors = images.new_tensor([(x + arm, y + arm), (x + arm, y - arm), (x - arm, y - arm)])
    moved = anchors + uniform((len(images), 3, 2), images, generator, low=-shift, high=shift)
    # three equations a picture, in double precision on the CPU: some devices have neither
    back = torch.linalg.solve(F.pad(moved, (0, 1), value=1.0).cpu().double(), anchors.cpu().double().expand(len(images), 3, 2))
    along, down, start = back.to(images)[..., None, None].unbind(1)  # (N, 2, 1, 1) each
    return (along * torch.arange(width).to(images) + start) + down * torch.arange(height).to(images)[:, None]


def sampled(images, places, *, corners):
    """Read pictures bilinearly at places beyond which they are mirrored.

    Args: places: (N, H, W, 2) x and y in pixels, fastest where all x lie before all y in memory; corners: the mirror is the border's pixel
        itself, not its outer edge.
    """
    sizes = places.new_tensor(images.shape[:-3:-1])  # (W, H)
    places = places * (2 / (sizes - 1).clamp(min=1)) - 1 if corners else (2 * places + 1) * (1 / sizes) - 1
    return F.grid_sample(images, places, mode="bilinear", padding_mode="reflection", align_corners=corners)


def pixelate(images, severity, *, generator):
    """Shrink by a box filter and enlarge again. Severity: the share of the side that is left."""
    left = at(images, severity, (0.95, 0.9, 0.85, 0.75, 0.65), (0.6, 0.5, 0.4, 0.3, 0.25))
    height, width = images.shape[-2:]
    down, across = (_boxes(size, max(1, int(size * left))) for size in (height, width))
    up, along = (_boxes(max(1, int(size * left)), size) for size in (height, width))
    pixels = (images * 255).round_()
    for matrix in (across, along):  # Pillow shrinks, and enlarges, first across and then down; each time it rounds to 8 bits, halves up
        pixels = (pixels @ torch.from_numpy(matrix).to(images).T).add_(0.5 + 1e-4).floor_()
        pixels = columns(torch.from_numpy(down if matrix is across else up).to(images), pixels).add_(0.5 + 1e-4).floor_()
    return pixels.div_(255)


def _boxes(size, target):
    """Return (target, size) weights of Pillow's BOX filter: the mean of the pixels whose centres lie in the target pixel."""
    scale = size / target
    support = 0.5 * max(scale, 1.0)
    centres = (np.arange(target)[:, None] + 0.5) * scale
    pixels = np.arange(size)
    inside = (pixels >= np.floor(centres - support + 0.5)) & (pixels < np.floor(centres + support + 0.5))
    distances = (pixels - centres + 0.5) / max(scale, 1.0)
    weights = (inside & (distances > -0.5) & (distances <= 0.5)).astype(float)
    return weights / weights.sum(1, keepdims=True)


def jpeg_compression(images, severity, *, generator):
    """Save as JPEG, 4:2:0 chroma, and read again; on the CPU, picture by picture, with the very pixels that Pillow gives. Severity: the quality."""
    quality = at(images, severity, (80, 65, 58, 50, 40), (25, 18, 15, 10, 7))
    pixels = (images * 255).round().byte().cpu()
    found = _through_pillow(pixels, quality) if len(pixels) <= FEW else _through_torchvision(pixels, quality)
    return found.to(images.device, images.dtype) / 255


def _through_pillow(pixels, quality):
    found = torch.empty_like(pixels)
    for picture, into in zip(pixels, found, strict=True):
        buffer = io.BytesIO()
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(buffer, "JPEG", quality=quality)
        into.copy_(torch.from_numpy(np.array(Image.open(buffer))).permute(2, 0, 1))
    return found


def _through_torchvision(pixels, quality):
    """Do the same faster, after an import that takes seconds."""
    from torchvision.io import decode_jpeg, encode_jpeg

    return torch.stack(decode_jpeg(encode_jpeg(list(pixels), quality=quality)))


def saturate(images, severity, *, generator):
    """Change the saturation of HSV. Severity: its factor and what is added.

    A grey pixel has hue 0, as in scikit-image: where something is added, it turns red.
    """
    factor, added = at(images, severity, ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)), ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)))
    value, low = images.amax(1, keepdim=True), images.amin(1, keepdim=True)
    span = value - low
    tiny = torch.finfo(images.dtype).tiny
    changed = (factor * span / value.clamp(min=tiny) + added).clamp_(0, 1)
    # a channel's distance from the value, as a share of the span, is the hue's: it stays
    distance = (value - images) / span.clamp(min=tiny)
    grey = images.new_tensor((0.0, 1.0, 1.0)).view(1, 3, 1, 1)
    return value - value * changed * torch.where(span > 0, distance, grey)
