import math

import pytest
import torch
from torchvision.transforms.v2 import functional as tv

from core.adaptation.augment import augment, resample
from tests.core.adaptation.conftest import seeded

STILL = {"turn": 0.0, "zoom": 1.0, "across": 0.0, "down": 0.0, "mirror": False, "border": "border"}


@pytest.fixture
def rainbow():
    return torch.rand(3, 3, 16, 16, generator=seeded(1))


@pytest.mark.parametrize("options", [{}, {"blur": False, "border": "reflection"}])
def test_a_view_is_another_picture_in_range(rainbow, options):
    before = rainbow.clone()
    found = augment(rainbow, seeded(), **options)
    assert found.shape == rainbow.shape and 0 <= found.min() and found.max() <= 1 and torch.equal(rainbow, before)
    assert torch.equal(found, augment(rainbow, seeded(), **options)) and not torch.allclose(found, augment(rainbow, seeded(1), **options), atol=0.01)


def test_standing_still_and_mirroring(rainbow):
    assert torch.allclose(resample(rainbow, **STILL), rainbow, atol=1e-5)
    assert torch.allclose(resample(rainbow, **STILL | {"mirror": True}), rainbow.flip(3), atol=1e-5)


def test_a_shift_goes_right_and_down(rainbow):
    moved = resample(rainbow, **STILL | {"across": 2 / 16, "down": 1 / 16})
    assert torch.allclose(moved[:, :, 1:, 2:], rainbow[:, :, :-1, :-2], atol=1e-5)
    assert torch.allclose(moved[:, :, 0, 2:], rainbow[:, :, 0, :-2], atol=1e-5)  # the edge goes on


@pytest.mark.parametrize(("turn", "zoom"), [(10.0, 1.0), (0.0, 1.1), (-15.0, 0.9)])
@pytest.mark.parametrize("size", [(16, 16), (16, 24)])
def test_turn_and_zoom_are_torchvisions(turn, zoom, size):
    x = torch.rand(1, 3, *size, generator=seeded(2))
    found = resample(x, **STILL | {"turn": math.radians(turn), "zoom": zoom})
    expected = tv.affine(x, angle=-turn, translate=[0, 0], scale=zoom, shear=[0.0, 0.0], interpolation=tv.InterpolationMode.BILINEAR)
    inner = (slice(None), slice(None), slice(5, -5), slice(5, -5))
    assert torch.allclose(found[inner], expected[inner], atol=1e-4)
