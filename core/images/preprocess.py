"""From a picture to what a network sees: resize, crop, recompress, normalise.

A network that was trained on JPEG pictures tells known from unknown by compression alone if its
inputs are lossless. `Preprocessing.jpeg` puts every input through the same JPEG, so that this
difference cannot decide a verdict.
"""

import io
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from core.errors import InputError


@dataclass(frozen=True)
class Preprocessing:
    """How pictures become inputs.

    Attributes:
        size: height and width of the input in pixels.
        mean, std: per channel, of values in [0, 1].
        jpeg: quality 1-95 of the JPEG (4:2:0 chroma) that the resized picture goes through, or None.
        resize: what the short side is scaled to before the centre of `size` is cut out, as ImageNet networks are tested (256 for 224);
            None for `size`, which keeps the whole short side. A picture that has the size of the input is taken as it is.
    """

    size: int = 32
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    jpeg: int | None = None
    resize: int | None = None

    def __post_init__(self):
        if not 1 <= self.size <= 4096:
            raise InputError(f"The input size is {self.size}; give a whole number of pixels from 1 to 4,096.", key="preprocessing.size")
        if self.jpeg is not None and not 1 <= self.jpeg <= 95:
            raise InputError(f"The JPEG quality is {self.jpeg}; give a whole number from 1 to 95, or none.", key="preprocessing.jpeg")
        if self.resize is not None and not self.size <= self.resize <= 4096:
            raise InputError(f"The short side is scaled to {self.resize}; give {self.size}, the input size, to 4,096.", key="preprocessing.resize")
        if len(self.mean) != 3 or len(self.std) != 3 or min(self.std) <= 0:
            raise InputError("Mean and standard deviation need three numbers each, the latter above 0.", key="preprocessing.normal")

    def see(self, picture):
        """Turn an RGB `PIL.Image` into the pixels the network sees: the short side to `resize` or `size`, centre crop, JPEG.

        Returns: (size, size, 3) uint8 array.
        """
        if picture.size != (self.size, self.size):
            picture = _fit(picture, self.size, self.size / (self.resize or self.size))
        if self.jpeg:
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=self.jpeg, subsampling="4:2:0")
            picture = Image.open(buffer, formats=("JPEG",))
        return np.array(picture)

    def normalise(self, images):
        """Args: images: (N, 3, H, W) uint8, or float in [0, 1]. Returns: float, zero mean and unit deviation per channel."""
        if images.dtype == torch.uint8:
            images = images.float() / 255
        mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        return (images - mean) / std

    def pixels(self, images):
        """Undo `normalise`. Args: images: (N, 3, H, W) float. Returns: (N, H, W, 3) uint8 array, rounded and cut to 0..255."""
        mean, std = (images.new_tensor(v).view(1, 3, 1, 1) for v in (self.mean, self.std))
        values = ((images * std + mean) * 255).round().clamp(0, 255)
        return values.permute(0, 2, 3, 1).to(torch.uint8).cpu().numpy()


def stack(pixels):
    """Stack (H, W, 3) uint8 arrays to one (N, 3, H, W) uint8 tensor."""
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()


def _fit(picture, size, share):
    """Scale the central square, of a share of the short side, to (size, size)."""
    width, height = picture.size
    side = share * min(width, height)
    left, top = (width - side) / 2, (height - side) / 2
    return picture.resize((size, size), Image.Resampling.BICUBIC, box=(left, top, left + side, top + side))
