"""What a network sees of a picture."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from core.errors import InputError
from core.images.preprocess import Preprocessing, stack


@pytest.fixture
def noise():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8))


def test_a_picture_of_the_right_size_is_not_touched(noise):
    assert np.array_equal(Preprocessing(32).see(noise), np.asarray(noise))


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_jpeg_preprocessing_equals_decoding_its_own_jpeg(noise, quality):
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=quality, subsampling=2)  # 2 is 4:2:0
    seen = Preprocessing(32, jpeg=quality).see(noise)
    assert np.array_equal(seen, np.asarray(Image.open(file))) and not np.array_equal(seen, np.asarray(noise))


def test_a_big_picture_is_cropped_to_its_centre():
    wide = np.zeros((100, 300, 3), np.uint8)
    wide[:, :100], wide[:, 100:200], wide[:, 200:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    for turned in (wide, np.ascontiguousarray(wide.transpose(1, 0, 2))):
        picture = Image.fromarray(turned)
        seen = Preprocessing(32).see(picture)
        assert seen.shape == (32, 32, 3) and (seen[2:-2, 2:-2] == (0, 255, 0)).all()
        size, box = ((96, 32), (32, 0, 64, 32)) if picture.width > picture.height else ((32, 96), (0, 32, 32, 64))
        crop = picture.resize(size, Image.Resampling.BICUBIC).crop(box)  # the usual way, which resizes what is then thrown away
        assert np.abs(seen.astype(int) - np.asarray(crop).astype(int)).max() <= 1


def test_the_whole_short_side_is_seen():
    tall = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 3, 2).repeat(90, 0)  # dark left, bright right
    row = Preprocessing(16).see(Image.fromarray(tall))[8, :, 0].astype(int)
    assert row[0] < 12 and row[-1] > 243 and (np.diff(row) > 0).all()


def test_a_small_picture_is_enlarged():
    seen = Preprocessing(32).see(Image.new("RGB", (5, 9), (7, 80, 200)))
    assert (seen == (7, 80, 200)).all() and seen.shape == (32, 32, 3)


def test_normalised_values_by_hand():
    preprocessing = Preprocessing(1, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 2.0))
    pixel = torch.tensor([255, 0, 51], dtype=torch.uint8).view(1, 3, 1, 1)
    assert preprocessing.normalise(pixel).flatten().tolist() == pytest.approx([1, -1, 0.1])
    assert torch.equal(preprocessing.normalise(pixel.float() / 255), preprocessing.normalise(pixel))
    assert preprocessing.normalise(pixel.double() / 255).dtype == torch.float64


def test_stacking_moves_the_channels_to_the_front():
    pixels = np.arange(2 * 4 * 5 * 3, dtype=np.uint8).reshape(2, 4, 5, 3)
    images = stack(list(pixels))
    assert images.shape == (2, 3, 4, 5) and images.dtype == torch.uint8 and images.is_contiguous()
    assert images[1, 2, 3, 4] == pixels[1, 3, 4, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "The input size is 0; give a whole number of pixels from 1 to 4,096"),
        ({"size": 5000}, "The input size is 5000"),
        ({"mean": (0.5, 0.5)}, "need three numbers each"),
        ({"std": (0.5, 0.0, 0.5)}, "the latter above 0"),
    ],
)
def test_impossible_values_are_explained(options, message):
    with pytest.raises(InputError, match=message):
        Preprocessing(**options)


@pytest.mark.parametrize("quality", [0, -3, 200])
def test_an_impossible_quality_is_explained(quality):
    with pytest.raises(InputError, match="quality"):
        Preprocessing(jpeg=quality)


def test_a_margin_is_cut_off_as_torchvision_does():
    from torchvision.transforms import v2

    side = np.linspace(0, 9, 300)
    waves = 127 + 120 * np.sin(side)[:, None, None] * np.cos(side[:200] * np.array([1, 2, 3])[:, None]).T[None]  # (300, 200, 3), no square
    picture = Image.fromarray(waves.astype(np.uint8))
    theirs = v2.Compose([v2.Resize(60, interpolation=v2.InterpolationMode.BICUBIC), v2.CenterCrop(48)])(picture)
    ours = Preprocessing(48, resize=60).see(picture)
    assert np.abs(ours.astype(int) - np.asarray(theirs).astype(int)).max() <= 4
    assert np.abs(Preprocessing(48).see(picture).astype(int) - np.asarray(theirs).astype(int)).max() > 30


def test_a_margin_leaves_a_picture_of_the_inputs_size_alone(noise):
    assert np.array_equal(Preprocessing(32, resize=40).see(noise), np.asarray(noise))
    with pytest.raises(InputError, match="The short side is scaled to 31; give 32, the input size, to 4,096"):
        Preprocessing(32, resize=31)
