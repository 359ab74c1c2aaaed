import io

import numpy as np
import pytest
from PIL import Image

from core.images.sources import open_source


@pytest.fixture(scope="session")
def files():
    """Return the bytes of 24 PNG pictures: toys that the network knows, toys that it does not, and noise."""

    def png(array):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "PNG")
        return buffer.getvalue()

    known, near = open_source("toybox:test"), open_source("toybox:near")
    noise = np.random.default_rng(0).integers(0, 256, (8, 40, 30, 3), np.uint8)
    return [png(source[i].data) for source in (known, near) for i in range(8)] + [png(array) for array in noise]
