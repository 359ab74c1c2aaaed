"""torchvision's ImageNet families at their own size, with random weights: blocks are found, measured, and every detector of one pass scores."""

import pytest
import torch

from core.blocks import find_blocks
from core.detectors import DETECTORS, ONE_PASS
from core.images.preprocess import Preprocessing
from core.images.sources import open_source, read
from core.jigsaw import jigsaw
from core.networks.build import create
from core.networks.inputs import usual_preprocessing
from core.packs.pack import head_of
from core.probe import linear_head, probe
from core.reference import Reference
from core.selection import norm_ratio
from core.verdict import Judge

FAMILIES = {"resnet50": 16, "vgg16": 13, "mobilenet_v3_large": 15, "convnext_tiny": 18, "vit_b_16": 12, "swin_t": 12}  # blocks
NEGATIVE = ("mobilenet_v3_large", "convnext_tiny", "vit_b_16", "swin_t")  # whose features have not been through a ReLU
SHAPING = {"ash_b", "ash_s", "scale"}
WIDE = {"mahalanobis", "rmds", "vim"}  # cubic in the 4,096 features of VGG: minutes


@pytest.fixture(scope="module")
def photos(request):
    """Return (3, 3, 224, 224) uint8: photographs where there are some, else toys."""
    preprocessing = Preprocessing(224)
    try:
        source = open_source(request.getfixturevalue("data") / "imagenet_samples_224.parquet")
    except pytest.skip.Exception:
        source = open_source("toybox:test")
    return read(source, preprocessing, stop=3).images


@pytest.fixture(scope="module", params=FAMILIES)
def measured(request, photos):
    """Return (name, network, Activations of three pictures and of puzzles of two)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = create(request.param, classes=5)
    weight = linear_head(network)[0]
    with torch.no_grad():  # torchvision leaves the head of a vision transformer at zero
        weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)) / weight.shape[1] ** 0.5)
    blocks = find_blocks(network)
    images = torch.cat([photos, jigsaw(photos[:2], generator=torch.Generator().manual_seed(0), border="crop")])
    inputs = usual_preprocessing(request.param).normalise(images)
    return request.param, network, probe(network, inputs, means=(blocks[len(blocks) // 2],))


def test_every_block_responds_to_every_picture(measured):
    name, network, found = measured
    assert len(found.blocks) == FAMILIES[name]
    assert torch.isfinite(found.norms).all() and (found.norms > 0).all() and found.norms.shape == (5, FAMILIES[name])
    weight, bias = linear_head(network)
    torch.testing.assert_close(found.features @ weight.T + bias, found.logits, rtol=1e-3, atol=1e-3)
    assert torch.isfinite(norm_ratio(found.norms[:2], found.norms[3:])).all()


def test_every_detector_of_one_pass_fits_and_scores(measured, monkeypatch):
    name, network, found = measured
    middle = next(iter(found.means))
    labels = torch.tensor([0, 1])
    reference = Reference(found[:2], labels, found[1:3], labels, {}, found.blocks[-1], middle, head_of(network), found[3:])
    for detector in ("knn", "nnguide"):  # their usual neighbours are more than the two pictures here
        monkeypatch.setitem(DETECTORS[detector].parameters, "k", 2)
    wanted = tuple(d for d in ONE_PASS if not (name == "vgg16" and d in WIDE))
    judge = Judge(reference, wanted)
    assert set(judge.unavailable) == (SHAPING if name in NEGATIVE else set())
    scores = judge.scores(found)
    assert set(scores) == set(wanted) - set(judge.unavailable)
    assert all(s.shape == (5,) and torch.isfinite(s).all() for s in scores.values())
    assert {v.verdict for v in judge.judge(found, [str(c) for c in range(5)])} <= {"ID", "OOD"}
