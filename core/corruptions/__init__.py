"""Corruptions by name: in the paper's order fifteen common ones and four extra ones, on which to tune, then those of others. It needs no torch.

A corruption is f(images, severity, *, generator) -> images, all pictures at once; `corrupt` checks what goes in and clips what comes out.
Its first lines are the published severities: a picture whose longer side has at most 64 pixels takes those made for 32 x 32, a larger one
those for 224 x 224.
"""

from core.corruptions.formulas import FORMULAS
from core.errors import InputError
from core.table import Entry, look_up, with_formulas

_PAPER = "Hendrycks & Dietterich, ICLR 2019"

CORRUPTIONS = {
    "gaussian_noise": Entry("Gaussian noise", "core.corruptions.noise:gaussian_noise", paper=_PAPER),
    "shot_noise": Entry("Shot noise", "core.corruptions.noise:shot_noise", paper=_PAPER),
    "impulse_noise": Entry("Impulse noise", "core.corruptions.noise:impulse_noise", paper=_PAPER),
    "defocus_blur": Entry("Defocus blur", "core.corruptions.blur:defocus_blur", paper=_PAPER),
    "glass_blur": Entry("Glass blur", "core.corruptions.blur:glass_blur", paper=_PAPER),
    "motion_blur": Entry("Motion blur", "core.corruptions.blur:motion_blur", paper=_PAPER),
    "zoom_blur": Entry("Zoom blur", "core.corruptions.blur:zoom_blur", paper=_PAPER),
    "snow": Entry("Snow", "core.corruptions.weather:snow", paper=_PAPER),
    "frost": Entry("Frost (procedural)", "core.corruptions.weather:frost", paper=_PAPER),
    "fog": Entry("Fog", "core.corruptions.weather:fog", paper=_PAPER),
    "brightness": Entry("Brightness", "core.corruptions.weather:brightness", paper=_PAPER),
    "contrast": Entry("Contrast", "core.corruptions.digital:contrast", paper=_PAPER),
    "elastic_transform": Entry("Elastic transform", "core.corruptions.digital:elastic_transform", paper=_PAPER),
    "pixelate": Entry("Pixelate", "core.corruptions.digital:pixelate", paper=_PAPER),
    "jpeg_compression": Entry("JPEG compression", "core.corruptions.digital:jpeg_compression", paper=_PAPER),
    "speckle_noise": Entry("Speckle noise", "core.corruptions.noise:speckle_noise", paper=_PAPER),
    "gaussian_blur": Entry("Gaussian blur", "core.corruptions.blur:gaussian_blur", paper=_PAPER),
    "spatter": Entry("Spatter", "core.corruptions.weather:spatter", paper=_PAPER),
    "saturate": Entry("Saturate", "core.corruptions.digital:saturate", paper=_PAPER),
    "color_quant": Entry("Color quantization", "core.corruptions.quantization:color_quant", paper="Kar et al., CVPR 2022"),
}
CORRUPTIONS = with_formulas(CORRUPTIONS, FORMULAS)
COMMON, EXTRA = tuple(CORRUPTIONS)[:15], tuple(CORRUPTIONS)[15:]
GROUPS = {"noise": COMMON[:3], "blur": COMMON[3:7], "weather": COMMON[7:11], "digital": COMMON[11:], "extra": EXTRA}  # the paper's
SEVERITIES = (1, 2, 3, 4, 5)


def corrupt(images, name, severity, *, generator):
    """Corrupt every picture.

    Args:
        images: (N, 3, H, W) float in [0, 1]; not changed. Half precision is computed in single.
        name: of a line of CORRUPTIONS; severity: a whole number from 1 to 5.
        generator: a `torch.Generator`, of the CPU for the same result on every device. Deterministic corruptions do not use it.
    Returns: the same shape, dtype and device, in [0, 1], each value k / 255.
    Raises: InputError for a name or a severity that there is not; ValueError for anything but such images.
    Source: Hendrycks & Dietterich, ICLR 2019, as released. As there, values are clipped and cut, not rounded, to 8 bits: here, once
        for all. What float arithmetic leaves a thousandth of a step below a whole number counts as that number.
    """
    from core.corruptions.common import truncated

    entry = look_up(CORRUPTIONS, name, kind="corruption")
    if isinstance(severity, bool) or severity not in SEVERITIES:
        raise InputError(f"The severity is {severity!r}; give a whole number from 1 to 5.", key="corruption.severity", severity=str(severity))
    if images.dim() != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ValueError(f"Pictures are (N, 3, H, W) float in [0, 1]; these are {tuple(images.shape)} {images.dtype}.")
    if not images.numel():
        return images.clone()
    low, high = images.aminmax()
    if not (low >= 0 and high <= 1):  # also where a value is not a number
        raise ValueError("Pictures are float in [0, 1]; a value of these is outside, or not a number. Divide uint8 pictures by 255.")
    exact = images if images.element_size() >= 4 else images.float()
    found = entry.load()(exact, int(severity), generator=generator)
    return truncated(found, out=found if found.data_ptr() != exact.data_ptr() else None).to(images.dtype)
