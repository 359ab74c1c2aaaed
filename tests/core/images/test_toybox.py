"""Toybox pictures: the same scene again and again, balanced, at any size, with a mask that fits the object."""

import numpy as np
import pytest

from core.errors import InputError
from core.images import toybox
from core.images.toybox_kinds import KINDS

FAR = ("textures", "noise", "letters")
DRAWN = ("train", "val", "test", "near")


@pytest.mark.parametrize("split", toybox.SPLITS)
def test_same_split_and_index_give_the_same_picture(split):
    first, again = toybox.draw(split, 7), toybox.draw(split, np.int64(7))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.mask, again.mask)
    assert first.image.shape == (64, 64, 3) and first.image.dtype == np.uint8
    assert first.mask.shape == (64, 64) and first.mask.dtype == bool


def test_no_two_pictures_are_the_same_within_or_between_splits():
    pictures = {toybox.draw(split, index, size=32).image.tobytes() for split in toybox.SPLITS for index in range(60)}
    assert len(pictures) == 60 * len(toybox.SPLITS)


def test_global_randomness_is_neither_read_nor_moved():
    np.random.seed(0)
    before = np.random.get_state()[1].copy()
    first = toybox.draw("train", 3).image
    assert np.array_equal(before, np.random.get_state()[1])
    np.random.seed(1)
    assert np.array_equal(first, toybox.draw("train", 3).image)


@pytest.mark.parametrize("split", ("train", "val", "test"))
def test_any_ten_pictures_in_a_row_hold_each_known_kind_once(split):
    toys = [toybox.draw(split, index, size=16) for index in range(13, 23)]
    assert sorted(toy.label for toy in toys) == list(range(10))
    assert all(toybox.KNOWN[toy.label] == toy.kind for toy in toys)


@pytest.mark.parametrize("split", ("near", *FAR))
def test_ood_pictures_have_no_label_and_known_kinds_stay_out(split):
    toys = [toybox.draw(split, index, size=16) for index in range(12)]
    assert {toy.label for toy in toys} == {-1}
    assert not {toy.kind for toy in toys} & set(toybox.KNOWN)


def test_each_kind_is_drawn_and_known_and_held_out_are_apart():
    shown = {toybox.draw(split, index, size=16).kind for split in ("train", "near") for index in range(10)}
    assert shown == set(toybox.KNOWN) | set(toybox.HELD_OUT) == set(KINDS)
    assert not set(toybox.KNOWN) & set(toybox.HELD_OUT) and len(toybox.HELD_OUT) >= 4


def test_lengths_are_given_for_every_split():
    assert set(toybox.SIZES) == set(toybox.SPLITS)
    assert {toybox.SIZES[split] for split in ("near", *FAR)} == {600}


@pytest.mark.parametrize("split", DRAWN)
def test_a_larger_picture_shows_the_same_scene(split):
    for index in range(12):
        small, large = toybox.draw(split, index), toybox.draw(split, index, size=128)
        averaged = large.image.reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(averaged - small.image).mean() < 6
        share = large.mask.reshape(64, 2, 64, 2).mean((1, 3))
        both, either = ((share >= 0.5) & small.mask).sum(), ((share >= 0.5) | small.mask).sum()
        assert both / either > 0.9


@pytest.mark.parametrize("split", FAR)
def test_a_larger_far_picture_shows_the_same_scene(split):
    for index in range(8):
        averaged = toybox.draw(split, index, size=128).image.reshape(64, 2, 64, 2, 3).mean((1, 3))
        assert np.abs(averaged - toybox.draw(split, index).image).mean() < 16


@pytest.mark.parametrize("split", DRAWN)
def test_the_mask_covers_a_plausible_part_of_the_picture(split):
    for index in range(60):
        assert 0.08 < toybox.draw(split, index).mask.mean() < 0.75


@pytest.mark.parametrize("split", FAR)
def test_far_pictures_show_no_object(split):
    assert not any(toybox.draw(split, index).mask.any() for index in range(12))


def test_the_mask_is_where_the_object_is(monkeypatch):
    """Paint a triangle magenta, without pattern or outline: the mask is where magenta is."""
    magenta = toybox.Paints(*[(255, 0, 255)] * 5)
    monkeypatch.setattr(toybox, "_paints", lambda rng, favourite: magenta)
    triangle = np.array([(-1, -1), (1, -1), (0, 1)])
    monkeypatch.setattr(toybox, "KINDS", {"triangle": (lambda pen, paints, rng: pen.fill(triangle, paints.body), None)})
    monkeypatch.setattr(toybox, "_KINDS_OF", {"train": ("triangle",)})
    monkeypatch.setattr(toybox, "_line", lambda rng, body: (0.0, None))
    for index in range(12):
        toy = toybox.draw("train", index)
        red, green, blue = toy.image.astype(int).transpose(2, 0, 1)
        looks = (red > 90) & (blue > 90) & (green < 0.45 * np.minimum(red, blue))
        assert (looks & toy.mask).sum() / (looks | toy.mask).sum() > 0.8


def test_a_contact_sheet_lays_pictures_in_rows():
    sheet = np.asarray(toybox.contact_sheet("test", rows=2, columns=3, size=32, start=4))
    assert sheet.shape == (64, 96, 3)
    assert np.array_equal(sheet[32:, 32:64], toybox.draw("test", 8, size=32).image)


def test_an_unknown_split_lists_the_known_ones():
    with pytest.raises(InputError, match="no toybox split named 'dev'; the known ones are letters, near, noise, test"):
        toybox.draw("dev", 0)


@pytest.mark.parametrize("index", (-1, 1.5, "3", None))
def test_an_index_that_does_not_count_is_refused(index):
    with pytest.raises(InputError, match="Toybox pictures are counted from 0"):
        toybox.draw("train", index)


@pytest.mark.parametrize("size", (0, 15, 1025, 64.0, True))
def test_a_silly_size_is_refused(size):
    with pytest.raises(InputError, match="16 to 1024 pixels wide"):
        toybox.draw("train", 0, size=size)
