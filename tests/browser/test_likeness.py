"""Tests that stored pictures of pages tell a page that changed from one that another machine drew."""

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from tests.browser.likeness import FOLDER, LONGER, kept, small, unlike

NAMES = sorted(file.stem for file in FOLDER.glob("*.webp"))


def elsewhere(picture):
    """Draw a page as another machine might: letters a little thinner and softer, everything a little lower from the middle on."""
    large = picture.resize((1280, picture.height * 4), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1.2))
    half = large.height // 2
    large.paste(ImageChops.offset(large, 0, 6).crop((0, half, large.width, large.height)), (0, half))
    noise = np.random.default_rng(0).integers(-6, 7, (large.height, large.width, 1))
    return Image.fromarray(np.clip(np.asarray(large, int) + noise, 0, 255).astype(np.uint8))


def background(picture):
    return tuple(np.median(np.asarray(picture), axis=(0, 1)).astype(int).tolist())


def without(picture, box):
    """Leave an area empty, as if what it showed had not been drawn."""
    changed = picture.copy()
    changed.paste(background(picture), box)
    return changed


def shorter(picture, top, bottom):
    """Leave out a part of the page; what follows moves up."""
    changed = Image.new("RGB", picture.size, background(picture))
    changed.paste(picture.crop((0, 0, picture.width, top)), (0, 0))
    changed.paste(picture.crop((0, bottom, *picture.size)), (0, top))
    return changed


def test_every_picture_is_small():
    assert NAMES and sum(file.stat().st_size for file in FOLDER.glob("*.webp")) < 1_500_000


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith(("en-light", "ko-dark"))])
def test_the_same_page_drawn_elsewhere_passes(name):
    picture = kept(name)
    assert unlike(picture, picture) is None
    assert unlike(elsewhere(picture), picture) is None


@pytest.mark.parametrize("page", sorted({name.split("-")[0] for name in NAMES}))
def test_the_other_theme_the_other_language_and_another_page_fail(page):
    light, dark, korean = (kept(f"{page}-{look}") for look in ("en-light", "en-dark", "ko-light"))
    assert unlike(dark, light) and unlike(light, dark) and unlike(korean.resize(light.size), light)
    other = "blocks" if page != "blocks" else "trust"
    assert unlike(kept(f"{other}-en-light").resize(light.size), light)


@pytest.mark.parametrize("name", ["verdict-en-light", "confidence-en-dark", "detector-ko-light"])
def test_a_chart_or_a_section_that_is_gone_and_text_over_text_fail(name):
    picture = kept(name)
    left, right = 100, 300  # right of the sidebar
    for top in range(150, picture.height - 100, 150):
        if np.asarray(picture.crop((left, top, right, top + 60)), float).std() > 20:  # something stands there
            assert unlike(without(picture, (left, top, right, top + 60)), picture), top
    assert unlike(shorter(picture, 150, 230), picture)
    assert unlike(picture.crop((0, 0, picture.width, round((1 - 2 * LONGER) * picture.height))), picture)
    spilled = picture.copy()
    draw = ImageDraw.Draw(spilled)
    for line in range(5):  # a heading four times as large
        draw.text((left, 30 + 22 * line), "Does the model know", fill=tuple(255 - c for c in background(picture)), font_size=24)
    assert unlike(spilled, picture)


def test_any_width_is_brought_to_the_stored_one():
    assert small(Image.new("RGB", (1280, 1000))).size == (320, 250)
