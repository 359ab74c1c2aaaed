"""What every explanation does; a new line of the table is tested by being there."""

import pytest
import torch

from core.errors import InputError
from core.explanation import CLASSLESS, EXPLANATIONS, OF_NORM, explain
from core.networks.build import create

CHEAP = {
    **dict.fromkeys(("integrated_gradients", "norm_gradients"), {"steps": 4}),
    "contracam": {"iterations": 1},
    "mask": {"steps": 2},
    **dict.fromkeys(("occlusion", "norm_occlusion"), {"window": 16, "stride": 16}),
}


@pytest.fixture(scope="module")
def published():
    """Return two of torchvision's networks, with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = {"resnet50": create("resnet50", classes=4), "vit_b_16": create("vit_b_16", classes=4, image_size=64)}
        torch.nn.init.normal_(networks["vit_b_16"].heads.head.weight)  # torchvision begins with zeros, which no class depends on
    return networks


def state(network):
    return [v.clone() for v in network.state_dict().values()]


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_one_finite_signed_map_a_picture_and_nothing_changed(name, tiny, pictures):
    network = tiny().train()
    weights, given = state(network), pictures.clone()
    maps = explain(name, network, pictures, **CHEAP.get(name, {}))
    assert maps.shape == (6, 32, 32) and maps.dtype == torch.float32 and torch.isfinite(maps).all() and not maps.requires_grad
    assert maps.flatten(1).std(1).min() > 0  # a map that does not vary shows no place
    assert torch.equal(explain(name, network, pictures, **CHEAP.get(name, {})), maps)
    assert torch.equal(pictures, given) and all(torch.equal(a, b) for a, b in zip(weights, state(network), strict=True))
    assert network.training and not any(m._forward_hooks or m._backward_hooks for m in network.modules())
    assert all(p.grad is None and p.requires_grad for p in network.parameters())


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_the_same_picture_has_the_same_map_in_any_company(name, tiny, pictures):
    network = tiny()
    maps = explain(name, network, pictures, **CHEAP.get(name, {}))
    order = torch.tensor([3, 0, 5])
    again = explain(name, network, pictures[order], **CHEAP.get(name, {}))
    torch.testing.assert_close(again, maps[order], rtol=1e-3, atol=1e-4 * maps.abs().max().item())


@pytest.mark.parametrize("name", EXPLANATIONS)
def test_the_class_decides_unless_the_method_knows_none(name, tiny, pictures):
    network = tiny()
    first, second = (explain(name, network, pictures[:2], target=target, **CHEAP.get(name, {})) for target in (0, torch.tensor([1, 1])))
    assert torch.equal(first, second) == (name in (*CLASSLESS, *OF_NORM))


@pytest.mark.parametrize("arch", ("resnet50", "vit_b_16"))
@pytest.mark.parametrize("name", EXPLANATIONS)
def test_networks_of_torchvision(name, arch, published, generator):
    images = torch.randn(2, 3, 64, 64, generator=generator)
    if (name, arch) == ("rsp", "vit_b_16"):
        with pytest.raises(InputError, match="Relative Sectional Propagation has no rule for tokens"):
            explain(name, published[arch], images)
        return
    maps = explain(name, published[arch], images, **CHEAP.get(name, {}))
    assert maps.shape == (2, 64, 64) and torch.isfinite(maps).all() and maps.flatten(1).std(1).min() > 0


def test_maps_without_gradients_around_them(tiny, pictures):
    network = tiny()
    with torch.no_grad():
        quiet = {name: explain(name, network, pictures[:1], **CHEAP.get(name, {})) for name in EXPLANATIONS}
    assert all(torch.equal(explain(name, network, pictures[:1], **CHEAP.get(name, {})), maps) for name, maps in quiet.items())


def test_wrong_names_are_answered(tiny, pictures):
    network = tiny()
    with pytest.raises(InputError, match="no explanation named 'lime'; the known ones are contracam, gradcam"):
        explain("lime", network, pictures)
    for name in ("gradcam", "rsp", *OF_NORM):
        with pytest.raises(InputError, match="no block 'layer9'; this network's blocks are layer1.0"):
            explain(name, network, pictures, block="layer9")
    for target in (10, -1):
        with pytest.raises(InputError, match="This network has 10 classes, counted from 0"):
            explain("gradcam", network, pictures, target=target)
