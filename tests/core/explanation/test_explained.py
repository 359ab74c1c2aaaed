"""One map of one picture: regions and places add up, and a better order than random ones is told from a worse one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core.explanation import OF_NORM
from core.explanation.explained import Explained, draw, place, regions, weigh
from core.images import toybox
from core.images.preprocess import stack
from core.packs import load_pack


@pytest.fixture(scope="module")
def pack():
    return load_pack("toybox-m-tlat", device="cpu")


@pytest.fixture(scope="module")
def image(pack):
    return pack.preprocessing.normalise(stack([toybox.draw("test", 2).image]))


@given(arrays(np.float32, st.tuples(st.integers(1, 40)).map(lambda s: s * 2), elements=st.floats(-8, 8, width=32)), st.integers(1, 12))
def test_regions_add_up_to_the_map(values, side):
    total = np.abs(values).sum(dtype=np.float64)
    found = regions(values, side)
    assert found.shape == (min(side, len(values)),) * 2
    assert found.sum() * total == pytest.approx(values.sum(dtype=np.float64), abs=1e-6 * max(total, 1))
    assert np.abs(found).sum() <= 1 + 1e-9


def test_a_region_is_where_the_pixel_is():
    values = np.zeros((32, 32), np.float32)
    values[30, 1], values[0, 0] = 3, -1
    assert regions(values)[7, 0] == 0.75 and regions(values)[0, 0] == -0.25
    assert place(values) == ((2, 0), 1 / 1024)
    assert place(np.ones((32, 32), np.float32))[1] == 0.5


@pytest.mark.parametrize("method", ("gradcam", "norm_occlusion"))
def test_the_map_is_measured_on_the_very_picture(pack, image, method):
    found = weigh(draw(method, pack, image), pack, image)
    column, row = found.peak
    assert found.values[row, column] == found.values.max() and 0 <= found.positive <= 1
    assert found.block == (pack.selection.selected if method in OF_NORM else None)
    assert found.insertion > found.deletion


def test_an_order_that_does_worse_than_random_is_told():
    made = [Explained("gradcam", None, np.eye(2, dtype=np.float32), 0.1, *areas, 0.3, 0.6) for areas in ((0.2, 0.9), (0.5, 0.9), (0.2, 0.5))]
    assert [(one.deletes, one.inserts) for one in made] == [(True, True), (False, True), (True, False)]
