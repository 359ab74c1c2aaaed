"""A scorer that costs next to nothing: a tiny network, its detectors fitted on noise, and pictures of which two are broken."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.packs.build import make_reference
from core.scoring.scorer import Scorer
from core.verdict import Judge

PICTURES, BROKEN = 150, (7, 100)


@pytest.fixture(scope="session")
def scorer(tiny):
    """Return a `Scorer`; read only."""
    network, preprocessing = tiny(), Preprocessing(32)
    noise = open_source("noise:uniform")
    bank, held_out = read(noise, preprocessing, stop=60), read(noise, preprocessing, start=60, stop=120)
    reference = make_reference(network, preprocessing, bank, held_out, two_passes=False)[0]
    names = ("consensus", "energy", "knn")
    return Scorer(network, preprocessing, Judge(reference, names), tuple("abcdefghij"), names, "consensus", 0.8, "fp32", torch.device("cpu"))


@pytest.fixture(scope="session")
def encoded():
    pixels = np.random.default_rng(0).integers(0, 256, (PICTURES, 32, 32, 3), dtype=np.uint8)
    return [b"no picture" if i in BROKEN else _png(p) for i, p in enumerate(pixels)]


@pytest.fixture
def pictures(tmp_path, encoded):
    """Return the path of a Parquet file of pictures, in small row groups that no shard fits."""
    path = tmp_path / "pictures.parquet"
    pq.write_table(pa.table({"image": encoded, "label": [i % 10 for i in range(PICTURES)]}), path, row_group_size=37)
    return path


def _png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
