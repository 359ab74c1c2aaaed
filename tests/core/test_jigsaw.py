"""A puzzle keeps the pixels of its tiles and never is the picture itself."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InputError
from core.jigsaw import jigsaw, permutations, shuffle


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def numbered(n, channels, height, width, dtype=torch.float64):
    """Return pictures in which no two values are the same, so that a pixel tells where it came from; 0 is left for blanks."""
    return (torch.arange(n * channels * height * width).reshape(n, channels, height, width) + 1).to(dtype)


@st.composite
def puzzles(draw):
    height, width = draw(st.integers(4, 17)), draw(st.integers(4, 17))
    tiles = draw(st.integers(2, min(4, height, width)))
    return draw(st.integers(1, 3)), draw(st.integers(1, 3)), height, width, tiles, draw(st.integers(0, 1000))


@given(puzzles())
def test_every_pixel_of_the_tiles_is_kept_and_the_border_is_blank(puzzle):
    n, channels, height, width, tiles, seed = puzzle
    images = numbered(n, channels, height, width)
    laid = jigsaw(images, generator=seeded(seed), tiles=tiles)
    tall, wide = tiles * (height // tiles), tiles * (width // tiles)
    for picture, result in zip(images, laid, strict=True):
        for before, after in zip(picture, result, strict=True):  # a channel keeps its own pixels
            assert torch.equal(before[:tall, :wide].flatten().sort().values, after[:tall, :wide].flatten().sort().values)
        assert not torch.equal(result[:, :tall, :wide], picture[:, :tall, :wide])
    assert laid.shape == images.shape
    assert not laid[:, :, tall:].any() and not laid[:, :, :, wide:].any()


@given(puzzles())
def test_with_border_crop_no_pixel_is_blank_or_made_up(puzzle):
    n, channels, height, width, tiles, seed = puzzle
    images = numbered(n, channels, height, width, torch.float32)
    laid = jigsaw(images, generator=seeded(seed), tiles=tiles, border="crop")
    assert laid.shape == images.shape
    assert all(torch.isin(after, before).all() for before, after in zip(images, laid, strict=True))
    if height % tiles == width % tiles == 0:  # then nothing is cropped and both borders are one
        assert torch.equal(laid, jigsaw(images, generator=seeded(seed), tiles=tiles, border="zero"))


def test_a_cifar_picture_keeps_tiles_of_ten_pixels_and_two_blank_rows():
    laid = jigsaw(numbered(1, 3, 32, 32), generator=seeded())
    assert not laid[..., 30:, :].any() and not laid[..., 30:].any() and laid[..., :30, :30].all()


def test_tiles_are_laid_by_hand():
    image = torch.tensor([[[[1, 2], [3, 4]]]])
    assert shuffle(image, torch.tensor([[3, 0, 1, 2]])).tolist() == [[[[4, 1], [2, 3]]]]  # place 0 shows tile 3
    odd = torch.tensor([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]])
    assert shuffle(odd, torch.tensor([[3, 0, 1, 2]])).tolist() == [[[[5, 1, 0], [2, 4, 0], [0, 0, 0]]]]
    # crop: tiles of 2 x 2 from the 4 x 4 picture with its last row and column repeated, cut to 3 x 3
    assert shuffle(odd, torch.tensor([[3, 0, 1, 2]]), border="crop").tolist() == [[[[9, 9, 1], [9, 9, 4], [3, 3, 7]]]]


@given(st.integers(2, 5), st.integers(1, 4), st.integers(1, 4), st.sampled_from(["zero", "crop"]))
def test_the_identity_order_gives_the_picture_back(tiles, tall, wide, border):
    images = numbered(2, 3, tiles * tall, tiles * wide, torch.float32)
    assert torch.equal(shuffle(images, torch.arange(tiles**2).repeat(2, 1), border=border), images)


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_orders_are_permutations_but_never_the_identity(seed, tiles):
    orders = permutations(200, tiles, generator=seeded(seed))  # of 2 x 2 tiles, one in 24 would be it
    identity = torch.arange(tiles**2)
    assert torch.equal(orders.sort(1).values, identity.expand_as(orders))
    assert not (orders == identity).all(1).any()


def test_every_order_but_the_identity_is_as_likely():
    orders = permutations(23_000, 2, generator=seeded())
    _, counts = orders.unique(dim=0, return_counts=True)
    assert len(counts) == 23 and counts.min() > 850 and counts.max() < 1150  # 1,000 each, standard deviation 31


@pytest.mark.parametrize("border", ["zero", "crop"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.bfloat16, torch.int16])
def test_dtype_is_kept_and_the_pictures_are_not_changed(dtype, border, generator):
    images = torch.randint(0, 256, (2, 3, 8, 11), generator=generator).to(dtype)
    before = images.clone()
    laid = jigsaw(images, generator=seeded(), border=border)
    assert laid.dtype == dtype and torch.equal(images, before)


@pytest.mark.parametrize("dtype", [torch.float64, torch.int64])
def test_border_crop_keeps_large_and_fine_values(dtype, generator):
    images = torch.randint(2**40, 2**41, (1, 3, 6, 6), generator=generator).to(dtype)
    laid = jigsaw(images, generator=seeded(), border="crop")
    assert torch.equal(laid.flatten().sort().values, images.flatten().sort().values)


def test_the_seed_makes_the_puzzle():
    images = numbered(4, 1, 9, 9)
    assert torch.equal(jigsaw(images, generator=seeded(5)), jigsaw(images, generator=seeded(5)))
    assert not torch.equal(jigsaw(images, generator=seeded(5)), jigsaw(images, generator=seeded(6)))


def test_pictures_get_orders_of_their_own():
    laid = jigsaw(numbered(1, 1, 9, 9).repeat(4, 1, 1, 1), generator=seeded())
    assert len(laid.flatten(1).unique(dim=0)) == 4


@pytest.mark.parametrize("tiles", [0, 1, 6])
def test_tiles_that_make_no_puzzle_are_refused(tiles):
    with pytest.raises(InputError, match=f"{tiles} x {tiles} tiles cannot be cut; choose from 2 to 5 tiles a side"):
        jigsaw(torch.zeros(1, 3, 5, 8), generator=seeded(), tiles=tiles)


def test_an_unknown_border_is_refused():
    with pytest.raises(InputError, match="no border named 'mirror'; the known ones are crop, zero"):
        jigsaw(torch.zeros(1, 3, 6, 6), generator=seeded(), border="mirror")
