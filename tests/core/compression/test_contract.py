"""What every compression does on every family; a new line of the table is tested by being there."""

import pytest
import torch
from torchvision.models import VisionTransformer

from core.compression import COMPRESSIONS, compress
from core.compression.drift import drift
from core.compression.matching import Finetuning, finetune
from core.compression.size import bytes_of
from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.networks.build import create

FAMILIES = ("cifar_resnet18", "cifar_vgg16_bn", "resnet50", "vit")


@pytest.fixture(scope="module")
def networks():
    """Return one network a family, with random weights; the transformer is torchvision's, small."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = {name: create(name, classes=4, **({} if name == "resnet50" else {"width": 4})) for name in FAMILIES[:3]}
        made["vit"] = VisionTransformer(image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32, num_classes=4).eval()
        torch.nn.init.normal_(made["vit"].heads.head.weight)  # torchvision begins with zeros, which no class depends on
    return made


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_smaller_copy_that_explanations_run_on(name, family, networks, pictures):
    network, images = networks[family], pictures[:2]
    before = [v.clone() for v in network.state_dict().values()]
    small = compress(name, network, images, **({} if name == "int8" else {"amount": 0.2}))
    assert list(small.state_dict()) == list(network.state_dict()) and not small.training
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    assert bytes_of(small, bits=8 if name == "int8" else 32) < bytes_of(network)
    with torch.no_grad():
        assert not torch.equal(small(images), network(images))
    found = drift(network, small, images)
    assert torch.isfinite(found.spearman).all() and found.spearman.max() < 1


@pytest.mark.parametrize("family", FAMILIES)
def test_attributions_can_be_matched(family, networks, generator):
    network = networks[family]
    small = compress("structured", network, torch.zeros(1, 3, 32, 32), amount=0.2)
    images = torch.randint(0, 256, (4, 3, 32, 32), generator=generator, dtype=torch.uint8)
    found = finetune(small, network, images, torch.arange(4), Preprocessing(32), Finetuning(steps=1, batch_size=4, matching=100.0))
    assert all(torch.isfinite(p).all() for p in found.parameters())


def test_an_unknown_name_lists_the_known_ones(networks, pictures):
    with pytest.raises(InputError, match="magnitude, structured"):
        compress("distil", networks["vit"], pictures)
