"""Blocks are found by structure alone, so every family of networks is one line here."""

import pytest
import torch
from torch import nn

from core.blocks import as_map, find_blocks, find_head, positions
from core.errors import InputError
from core.networks import NETWORKS
from core.networks.build import create

pytestmark = pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")  # of GoogLeNet


def stages(lengths, first=1, name="layer{}"):
    return tuple(f"{name.format(i)}.{j}" for i, n in enumerate(lengths, first) for j in range(n))


def features(*numbers):
    return tuple(f"features.{n}" for n in numbers)


VGG11, VGG11_BN = features(1, 4, 7, 9, 12, 14, 17, 19), features(2, 6, 10, 13, 17, 20, 24, 27)
TORCHVISION = {
    "resnet18": stages((2, 2, 2, 2)),
    "vgg11": VGG11,
    "vgg11_bn": VGG11_BN,
    "alexnet": features(1, 4, 7, 9, 11),
    "mobilenet_v3_small": features(*range(1, 12)),
    "vit_b_16": tuple(f"encoder.layers.encoder_layer_{i}" for i in range(12)),
    "swin_t": tuple(f"features.{2 * i + 1}.{j}" for i, n in enumerate((2, 2, 6, 2)) for j in range(n)),
    "convnext_tiny": tuple(f"features.{2 * i + 1}.{j}" for i, n in enumerate((3, 3, 9, 3)) for j in range(n)),
    "googlenet": tuple(f"inception{name}" for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")),
    "squeezenet1_1": features(3, 4, 6, 7, 9, 10, 11, 12),
    "densenet121": tuple(f"features.denseblock{i}" for i in (1, 2, 3, 4)),
    "efficientnet_v2_s": stages((2, 4, 4, 6, 9, 15), name="features.{}"),
}
OURS = {
    "cifar_resnet20": stages((3, 3, 3)),
    "cifar_resnet32": stages((5, 5, 5)),
    "cifar_resnet44": stages((7, 7, 7)),
    "cifar_resnet56": stages((9, 9, 9)),
    "cifar_resnet18": stages((2, 2, 2, 2)),
    "cifar_resnet34": stages((3, 4, 6, 3)),
    "cifar_vgg11": VGG11,
    "cifar_vgg11_bn": VGG11_BN,
    "cifar_vgg16": features(1, 3, 6, 8, 11, 13, 15, 18, 20, 22, 25, 27, 29),
    "cifar_vgg16_bn": features(2, 5, 9, 12, 16, 19, 22, 26, 29, 32, 36, 39, 42),
    "wrn28_10": stages((4, 4, 4)),
    "wrn40_2": stages((6, 6, 6)),
    "resnext29": stages((3, 3, 3)),
}


def test_every_network_of_ours_is_expected_below():
    assert set(OURS) == set(NETWORKS)


@pytest.mark.parametrize("arch", [*TORCHVISION, *OURS])
def test_blocks_of_known_families(arch):
    with torch.device("meta"):
        network = create(arch)
    expected = {**TORCHVISION, **OURS}[arch]
    assert find_blocks(network) == expected
    assert set(expected) <= {name for name, _ in network.named_modules()}


@pytest.mark.parametrize(
    ("arch", "head"), [("resnet18", "fc"), ("vgg11", "classifier.6"), ("vit_b_16", "heads.head"), ("googlenet", "fc"), ("squeezenet1_1", None)]
)
def test_the_head_is_the_last_linear_layer(arch, head):
    with torch.device("meta"):
        assert find_head(create(arch)) == head


class HandWritten(nn.Module):
    """As people write them: no lists, activations as functions."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Linear(5, 2)

    def forward(self, x):
        return self.fc(self.second(self.first(x).relu()).relu().mean((2, 3)))


def test_a_hand_written_network_has_its_convolutions_as_blocks():
    assert find_blocks(HandWritten()) == ("first", "second")


def test_a_run_of_convolution_norm_activation_is_named_by_its_end():
    run = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(4, 2))
    assert find_blocks(run) == ("2", "4")


def test_a_network_without_maps_is_refused():
    with pytest.raises(InputError, match="no blocks that can be measured"):
        find_blocks(nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(), nn.Linear(5, 2)))


def test_positions_of_maps_tokens_and_channels_last():
    assert positions(nn.Conv2d(3, 4, 3), torch.empty(2, 4, 5, 5)) == (2, 3)
    assert positions(nn.ReLU(), torch.empty(2, 4, 5, 5)) == (2, 3)
    assert positions(nn.Sequential(nn.Linear(4, 4)), torch.empty(2, 5, 5, 4)) == (1, 2)
    assert positions(nn.Linear(4, 4), torch.empty(2, 9, 4)) == (1,)
    with pytest.raises(InputError, match=r"shape \(2, 4\); maps and tokens have 4 or 3 axes"):
        positions(nn.Linear(4, 4), torch.empty(2, 4))


@pytest.mark.parametrize("module", [nn.MaxPool2d(2), nn.Dropout2d()], ids=lambda m: type(m).__name__)
def test_positions_behind_pooling_and_dropout(module):
    assert positions(module, torch.empty(2, 4, 5, 5)) == (2, 3)


def test_the_first_of_several_outputs_is_the_map():
    x = torch.zeros(1)
    assert as_map(x) is x and as_map((x, None)) is x
