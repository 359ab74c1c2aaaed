"""Attribution matching: its map by hand, what it keeps, and that it does what it is for."""

import threading

import pytest
import torch
from torch.nn import functional as F

from core.compression import compress
from core.compression.matching import Finetuning, distance, finetune, of_large
from core.compression.pruning import weights_of
from core.errors import InputError
from core.explanation.common import classes_of
from core.images.preprocess import Preprocessing
from core.jobs import Stopped

SHORT = {"steps": 3, "batch_size": 8, "rate": 0.01}


@pytest.fixture
def task(generator):
    """Return (images uint8, labels, Preprocessing)."""
    return torch.randint(0, 256, (24, 3, 32, 32), generator=generator, dtype=torch.uint8), torch.arange(24) % 10, Preprocessing(32)


def test_the_map_of_a_pooled_network_is_that_of_its_head(tiny, pictures):
    network, kept = tiny(), []
    network.layer3[-1].register_forward_hook(lambda _, __, output: kept.append(output.detach()))
    classes = classes_of(network, pictures)
    maps = of_large(network, pictures, "layer3.2", classes)
    by_head = torch.einsum("nc,nchw->nhw", network.linear.weight.detach()[classes], kept[0]).relu().flatten(1)  # the pool divides by a constant
    torch.testing.assert_close(maps, F.normalize(by_head, dim=1))
    assert not maps.requires_grad


def test_distances_of_unit_maps():
    one, other = torch.eye(4)[:2], torch.eye(4)[[0, 2]]
    assert distance(one, one) == 0 and distance(one, other) == pytest.approx(2 / 4 / 2)  # half of the pictures are apart


@pytest.mark.parametrize("name", ("magnitude", "structured"))
@pytest.mark.parametrize("matching", (0.0, 100.0))
def test_what_is_pruned_stays_zero_and_nothing_else_changes(name, matching, tiny, task, pictures):
    network = tiny()
    pruned = compress(name, network, pictures, amount=0.5)
    given = [{k: v.clone() for k, v in each.state_dict().items()} for each in (network, pruned)]
    found = finetune(pruned, network, *task, Finetuning(matching=matching, **SHORT))
    for (_, _, before), (_, _, after) in zip(weights_of(pruned), weights_of(found), strict=True):
        assert torch.equal(before == 0, after == 0) and not torch.equal(before, after)
    for each, state in zip((network, pruned), given, strict=True):
        assert all(torch.equal(v, each.state_dict()[k]) for k, v in state.items()) and all(p.grad is None for p in each.parameters())
    assert not any(m.training or m._forward_hooks or m._forward_pre_hooks for m in found.modules())
    if name == "structured":
        gone = ~found.conv1.weight.detach().flatten(1).any(1)
        with torch.no_grad():
            assert gone.sum() == 2 and not found.bn1(found.conv1(pictures))[:, gone].any()


def test_the_same_seed_gives_the_same_network_and_another_one_another(tiny, task, pictures):
    network = tiny()
    pruned = compress("magnitude", network, pictures)
    one, again, other = (finetune(pruned, network, *task, Finetuning(seed=seed, **SHORT)).linear.weight for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_matching_brings_the_attributions_nearer_than_plain_fine_tuning(tiny, task, pictures):
    network = tiny()
    pruned = compress("magnitude", network, pictures, amount=0.7)
    images, labels, preprocessing = task[0][:10], task[1][:10], task[2]
    batch = preprocessing.normalise(images)
    classes = classes_of(network, batch)
    wanted = of_large(network, batch, "layer3.2", classes)
    recipe = {"steps": 15, "batch_size": 10, "rate": 0.02, "crop": 0, "flip": False}
    tuned = (finetune(pruned, network, images, labels, preprocessing, Finetuning(matching=m, **recipe)) for m in (0.0, 100.0))
    plain, matched = (distance(wanted, of_large(each, batch, "layer3.2", classes)).item() for each in tuned)
    assert matched < 0.8 * plain, (plain, matched)


def test_a_network_of_the_same_weights_has_no_attribution_to_match(tiny, task):
    network = tiny()
    still = {"steps": 1, "batch_size": 8, "rate": 0.0}
    found = finetune(network, network, *task, Finetuning(matching=100.0, **still))
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), found.parameters(), strict=True))


class Fused(torch.nn.Module):
    """Attention over the pixels of each picture, in one fused operation, and a head."""

    def __init__(self):
        super().__init__()
        self.block = torch.nn.Conv2d(3, 4, 8, stride=8)
        self.linear = torch.nn.Linear(4, 10)

    def forward(self, images):
        tokens = self.block(images).flatten(2).transpose(1, 2)  # (N, 4, 4, 4) -> (N, 16, 4)
        return self.linear(F.scaled_dot_product_attention(tokens, tokens, tokens).mean(1))


def test_fused_attention_can_only_be_fine_tuned_plainly(task):
    network = Fused()
    finetune(network, network, *task, Finetuning(**SHORT))
    with pytest.raises(InputError, match="no second derivative"):
        finetune(network, network, *task, Finetuning(matching=1.0, **SHORT), block="block")


def test_bad_input_is_said(tiny, task):
    network, (images, labels, preprocessing) = tiny(), task
    with pytest.raises(InputError, match="with labels"):
        finetune(network, network, images, labels - 1, preprocessing, Finetuning(**SHORT))
    with pytest.raises(InputError, match="lower the learning rate"):
        finetune(network, network, *task, Finetuning(steps=30, batch_size=8, rate=1e30))
    with pytest.raises(InputError, match="no block 'layer9'"):
        finetune(network, network, *task, Finetuning(matching=1.0, **SHORT), block="layer9")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        finetune(network, network, *task, Finetuning(**SHORT), stop=stop)
