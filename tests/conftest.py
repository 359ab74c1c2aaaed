"""Fixtures that several tests share. Torch is imported where it is used, so that tests without it start at once."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import settings

SHARED = Path(__file__).parents[2] / "shared"

settings.register_profile("quick", max_examples=40, deadline=None)  # the first example pays for imports: no deadline
settings.register_profile("repeatable", parent=settings.get_profile("quick"), derandomize=True)
settings.register_profile("thorough", parent=settings.get_profile("quick"), max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def data():
    """Return the folder of picture sets and checkpoints."""
    folder = Path(os.environ.get("BLOCKSCOPE_DATA", SHARED / "data"))
    if not folder.is_dir():
        pytest.skip("no picture sets here: set BLOCKSCOPE_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def reference():
    """Return the folder of numbers that were measured with other code on the same weights and pictures."""
    if not (SHARED / "reference").is_dir():
        pytest.skip("no reference numbers beside the repository")
    return SHARED / "reference"


@pytest.fixture(scope="session")
def pack():
    """Return the pack of toys that ships, on the CPU; read only."""
    from core.packs import load_pack

    return load_pack("toybox", device="cpu")


@pytest.fixture(scope="session")
def trust(pack):
    """Return the `core.trust.Trust` of the pack; read only."""
    from core.trust import Trust

    return Trust(pack.reference)


@pytest.fixture
def generator():
    import torch

    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def tiny():
    """Return a function that makes one of our networks, narrow, with random weights and lived-in batch-norm statistics."""
    import torch
    from torch import nn

    from core.networks.build import create

    def make(arch="cifar_resnet20", *, width=4, **options):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = create(arch, width=width, **options)
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.normal_(std=0.2)
                    module.running_var.uniform_(0.5, 2)
        return network

    return make


@pytest.fixture
def pictures(generator):
    """Return (6, 3, 32, 32) normalised pictures."""
    import torch

    return torch.randn(6, 3, 32, 32, generator=generator)


def _measured(features, norms, weight):
    from core.probe import Activations

    blocks, means = ("early", "middle", "late"), {"middle": features.clone()}
    perturbed = Activations(blocks, 1.02 * features @ weight.T, 1.02 * features, norms, {})
    return Activations(blocks, features @ weight.T, features, norms, means, perturbed)


def _clusters(seed=0, *, bank=300, held_out=600, fresh=600, shifted=200):
    """Measure pictures that never were: six features for each of three classes and six for unknown pictures, after a ReLU.

    Unknown pictures differ in everything that a detector reads: another direction, a shorter feature, a weaker response.
    """
    import torch

    from core.reference import Reference

    generator = torch.Generator().manual_seed(seed)
    groups = torch.eye(4).repeat_interleave(6, 1)  # which of the 24 features respond: to each class, and to unknown pictures
    weight = 0.3 * groups[:3] + 0.1 * torch.randn(3, 24, generator=torch.Generator().manual_seed(1))  # of one network, whatever the seed

    def features(means):
        return (means + 0.4 * torch.randn(means.shape, generator=generator)).relu()

    def known(n):
        labels = torch.randint(0, 3, (n,), generator=generator)
        norms = 6 + torch.randn(n, 3, generator=generator)
        return _measured(features(1.5 * groups[labels]), norms, weight), labels

    def unknown(n):
        return _measured(features(groups[3].expand(n, -1)), 3 + 0.5 * torch.randn(n, 3, generator=generator), weight)

    made = Reference(*known(bank), *known(held_out), {}, "late", "middle", (weight, torch.zeros(3)), unknown(bank))
    return SimpleNamespace(reference=made, fresh=known(fresh)[0], shifted=unknown(shifted))


@pytest.fixture(scope="session")
def clusters():
    """Return `reference`, `fresh` known and `shifted` unknown measured pictures; read only."""
    return _clusters()


@pytest.fixture(scope="session")
def make_clusters():
    return _clusters
