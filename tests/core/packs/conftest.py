"""A pack built around an untrained network: everything but good verdicts."""

import pytest
import torch

from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.networks.build import create
from core.packs.build import build


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """Return (folder of a small pack, the figures that building returned, the network)."""
    folder = tmp_path_factory.mktemp("packs") / "small"
    preprocessing = Preprocessing(size=32, jpeg=75)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = create("cifar_resnet20", classes=10, width=8)
    toys = open_source("toybox:train")
    figures = build(
        folder,
        network=network,
        preprocessing=preprocessing,
        bank=read(toys, preprocessing, stop=80),
        held_out=read(toys, preprocessing, start=80, stop=160),
        validation=read(open_source("toybox:test"), preprocessing, stop=40),
        unknown={"noise": read(open_source("toybox:noise"), preprocessing, stop=20)},
        facts={"arch": "cifar_resnet20", "width": 8, "classes": list(toys.classes), "training": {"method": "none"}},
    )
    return folder, figures, network
