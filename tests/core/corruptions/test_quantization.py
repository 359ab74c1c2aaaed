import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from core.corruptions import SEVERITIES, corrupt


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("side", [16, 80])
def test_as_pillow_cuts_bits_off(severity, side):
    levels = torch.arange(256, dtype=torch.uint8).repeat(3 * side * side // 256 + 1)[: 3 * side * side].view(1, 3, side, side)
    ours = corrupt(levels.float() / 255, "color_quant", severity, generator=None).mul(255).round().byte()
    theirs = ImageOps.posterize(Image.fromarray(levels[0].permute(1, 2, 0).numpy()), 6 - severity)
    np.testing.assert_array_equal(ours[0].permute(1, 2, 0).numpy(), np.asarray(theirs))


def test_so_many_colours_are_left():
    every = (torch.arange(256.0) / 255).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    for severity in SEVERITIES:
        assert len(corrupt(every, "color_quant", severity, generator=None).unique()) == 2 ** (6 - severity)
