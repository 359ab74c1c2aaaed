"""Tests of the gallery: each picture is what `corrupt` makes of it alone, and the four outcomes are told apart."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from core.corruptions import COMMON, CORRUPTIONS, EXTRA, GROUPS, SEVERITIES, corrupt
from core.corruptions.gallery import CLEAN, OUTCOMES, cells, gallery, outcome
from core.errors import InputError
from core.images.sources import open_source


@pytest.fixture(scope="module")
def toy():
    return torch.from_numpy(np.ascontiguousarray(open_source("toybox:test")[2].data[::2, ::2].transpose(2, 0, 1)))  # (3, 32, 32)


def test_the_groups_hold_every_corruption_once_in_the_papers_order():
    assert [name for names in GROUPS.values() for name in names] == list(CORRUPTIONS) == [*COMMON, *EXTRA]
    assert [len(names) for names in GROUPS.values()] == [3, 4, 4, 4, len(CORRUPTIONS) - 15]
    assert all("noise" in name for name in GROUPS["noise"]) and all("blur" in name for name in GROUPS["blur"])


def test_the_clean_picture_comes_first_and_then_each_corruption_from_mild_to_severe():
    assert cells()[0] == CLEAN and len(cells()) == len(set(cells())) == 1 + len(CORRUPTIONS) * len(SEVERITIES)
    assert cells(("fog", "snow"), (2, 5)) == (CLEAN, ("fog", 2), ("fog", 5), ("snow", 2), ("snow", 5))


def test_every_cell_is_what_corrupt_makes_of_the_picture_alone(toy):
    before, found = toy.clone(), gallery(toy, seed=3)
    assert found.shape == (len(cells()), 3, 32, 32) and found.dtype == torch.uint8 and torch.equal(toy, before)
    assert torch.equal(found[0], toy)
    for k, (name, severity) in enumerate(cells()):
        if k:
            alone = corrupt(toy[None].float() / 255, name, severity, generator=torch.Generator().manual_seed(3))
            assert torch.equal(found[k].float(), (255 * alone[0]).round()), (name, severity)


def test_a_picture_does_not_depend_on_which_others_are_asked_for(toy):
    every, some = dict(zip(cells(), gallery(toy), strict=True)), ("snow", "gaussian_noise")
    for cell, image in zip(cells(some, (5,)), gallery(toy, some, (5,)), strict=True):
        assert torch.equal(image, every[cell])


def test_the_seed_decides_what_is_drawn(toy):
    names = ("gaussian_noise", "fog")
    assert torch.equal(gallery(toy, names, seed=1), gallery(toy, names, seed=1))
    assert not torch.equal(gallery(toy, names, seed=1)[1:], gallery(toy, names, seed=2)[1:])


def test_more_severe_noise_is_more_of_the_same(toy):
    grey = torch.full_like(toy, 128)
    noise = gallery(grey, ("gaussian_noise",)).float()[1:] - 127.5  # values are cut, not rounded
    together = torch.corrcoef(noise.flatten(1))
    assert together.min() > 0.98


def test_nothing_but_the_clean_picture(toy):
    assert torch.equal(gallery(toy, ()), toy[None])


@pytest.mark.parametrize(("names", "severities"), [(("rain",), (1,)), (("fog",), (0,)), (("fog",), (6,))])
def test_what_there_is_not_is_an_error(toy, names, severities):
    with pytest.raises(InputError):
        gallery(toy, names, severities)


@pytest.mark.parametrize(
    ("says", "verdict", "expected"), [("duck", "ID", "held"), ("duck", "OOD", "doubted"), ("boat", "OOD", "noticed"), ("boat", "ID", "unnoticed")]
)
def test_outcomes(says, verdict, expected):
    assert outcome(SimpleNamespace(class_name=says, verdict=verdict), "duck") == expected


def test_the_outcomes_are_listed():
    assert OUTCOMES == ("held", "doubted", "noticed", "unnoticed")
