"""Pseudo-OOD pictures are made of known ones, by rule."""

import pytest
import torch

from core.pseudo import KINDS, blends, close_ups, negatives, patchworks


@pytest.fixture
def images(generator):
    return torch.randint(0, 256, (12, 3, 32, 32), generator=generator, dtype=torch.uint8)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_contract(kind, images):
    before = images.clone()
    made = KINDS[kind](images, generator=seeded(1))
    assert made.shape == images.shape and made.dtype == torch.uint8
    assert torch.equal(images, before) and torch.equal(made, KINDS[kind](images, generator=seeded(1)))
    assert (made != images).flatten(1).any(1).sum() >= 10  # a blend may meet itself


def test_blends_average_two_pictures(images):
    made = blends(images, generator=seeded())
    for i, result in enumerate(made):
        halves = [(images[i].int() + other.int()) // 2 for other in images]
        assert any(torch.equal(result.int(), half) for half in halves)


def test_patchworks_hold_quarters_of_known_pictures_in_place(images):
    for i, result in enumerate(patchworks(images, generator=seeded())):
        assert torch.equal(result[:, :16, :16], images[i, :, :16, :16])
        for rows, columns in ((slice(16), slice(16, None)), (slice(16, None), slice(16)), (slice(16, None), slice(16, None))):
            assert any(torch.equal(result[:, rows, columns], other[:, rows, columns]) for other in images)


def test_negatives_are_undone_by_negatives(images):
    assert torch.equal(negatives(images, generator=None).int() + images.int(), torch.full_like(images, 255).int())


def test_close_ups_magnify_a_part(images):
    flat = torch.arange(12, dtype=torch.uint8).mul(20)[:, None, None, None].expand(12, 3, 32, 32).clone()
    assert torch.equal(close_ups(flat, generator=seeded()), flat)  # a part of one colour is that colour
    rough = images.float().diff(dim=3).abs().mean()
    assert close_ups(images, generator=seeded()).float().diff(dim=3).abs().mean() < rough / 2
