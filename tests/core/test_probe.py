"""The probe measures what slow loops measure, and leaves the network as it was."""

import copy
import math
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core.errors import InputError
from core.images.preprocess import Preprocessing
from core.probe import activity_maps, concatenate, feature_norm, linear_head, probe, probe_all, twin

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


def outputs_of(network, images, names):
    """Return what modules put out, by ordinary hooks on a copy in eval mode."""
    network, kept = copy.deepcopy(network).eval(), {}
    for name in names:
        network.get_submodule(name).register_forward_hook(lambda _, inputs, output, name=name: kept.update({name: (inputs[0], output)}))
    with torch.no_grad():
        network(images)
    return kept


def slow_norm(channels):
    """Return FeatureNorm of one picture whose channels are lists of numbers, without torch."""
    return sum(math.sqrt(sum(max(value, 0) ** 2 for value in channel)) for channel in channels) / len(channels)


def fingerprint(network):
    hooks = [(name, kind) for name, m in network.named_modules() for kind in HOOKS if getattr(m, kind)]
    return hooks, [m.training for m in network.modules()], {k: v.clone() for k, v in network.state_dict().items()}


def assert_unchanged(network, before):
    hooks, training, state = fingerprint(network)
    assert hooks == before[0] == [] and training == before[1]
    assert all(torch.equal(v, before[2][k]) for k, v in state.items())


def with_random_head(network):
    """Fill the head, which torchvision leaves at zero."""
    weight = linear_head(network)[0]
    weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(1)))
    return network.eval()


@pytest.fixture
def vit():
    from torchvision.models import VisionTransformer

    return with_random_head(VisionTransformer(image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=8, mlp_dim=16, num_classes=3))


@pytest.fixture
def swin():
    from torchvision.models import SwinTransformer

    sizes = {"patch_size": [4, 4], "embed_dim": 8, "depths": [2, 2], "num_heads": [2, 2], "window_size": [4, 4]}
    return with_random_head(SwinTransformer(**sizes, num_classes=3))


def test_feature_norm_by_hand():
    # channel 0: sqrt(3^2 + 4^2) = 5, the -7 is cut off; channel 1: all negative, 0; their mean is 2.5
    x = torch.tensor([[[[3.0, -7.0], [0.0, 4.0]], [[-1.0, -2.0], [-3.0, -4.0]]]])
    assert feature_norm(x).tolist() == [2.5]


@pytest.mark.parametrize("arch", ["cifar_resnet20", "cifar_vgg11_bn", "wrn40_2"])
def test_probe_equals_slow_loops_around_an_ordinary_forward_pass(tiny, pictures, arch):
    network = tiny(arch)
    found = probe(network, pictures[:2], means=("layer1.1",) if arch != "cifar_vgg11_bn" else ("features.6",))
    kept = outputs_of(network, pictures[:2], [*found.blocks, "linear"])
    with torch.no_grad():
        assert torch.equal(found.logits, network(pictures[:2]))
    assert torch.equal(found.features, kept["linear"][0])
    for block in found.blocks:
        slow = [slow_norm(picture.flatten(1).tolist()) for picture in kept[block][1]]
        assert found.norm(block).tolist() == pytest.approx(slow, rel=1e-5)
    for block, mean in found.means.items():
        torch.testing.assert_close(mean, kept[block][1].mean((2, 3)))


def test_tokens_of_a_vision_transformer_are_positions(vit, pictures):
    found = probe(vit, pictures[:2], means=("encoder.layers.encoder_layer_0",))
    kept = outputs_of(vit, pictures[:2], [*found.blocks, "heads.head"])
    tokens = kept["encoder.layers.encoder_layer_0"][1]
    assert tokens.shape == (2, 17, 8)  # 4 x 4 patches and the class token, 8 channels
    assert found.norms[:, 0].tolist() == pytest.approx([slow_norm(picture.T.tolist()) for picture in tokens], rel=1e-5)
    torch.testing.assert_close(found.means["encoder.layers.encoder_layer_0"], tokens.mean(1))
    torch.testing.assert_close(found.features, kept["heads.head"][0])
    torch.testing.assert_close(found.logits, vit(pictures[:2]).detach())


def test_channels_of_a_swin_transformer_are_last(swin, pictures):
    found = probe(swin, pictures[:2], means=("features.1.0",))
    kept = outputs_of(swin, pictures[:2], ["features.1.0", "head"])
    x = kept["features.1.0"][1]
    assert x.shape == (2, 8, 8, 8) and found.blocks == ("features.1.0", "features.1.1", "features.3.0", "features.3.1")
    assert found.norms[:, 0].tolist() == pytest.approx([slow_norm(picture.flatten(0, 1).T.tolist()) for picture in x], rel=1e-5)
    torch.testing.assert_close(found.means["features.1.0"], x.mean((1, 2)))
    torch.testing.assert_close(found.features, kept["head"][0])


@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_left_alone(tiny, pictures, training):
    network = tiny().train(training)
    before = fingerprint(network)
    probe(network, pictures, means=("layer1.0",))
    activity_maps(network, pictures, ["layer1.0"])
    assert_unchanged(network, before)


def test_the_network_is_left_alone_by_a_forward_pass_that_fails(tiny):
    network = tiny().train()
    before = fingerprint(network)
    with pytest.raises(RuntimeError):
        probe(network, torch.zeros(1, 5, 32, 32))  # five channels: the first convolution raises
    assert_unchanged(network, before)

    def burst(*_):
        raise ArithmeticError("in the middle")

    network.layer3.forward = burst
    with pytest.raises(ArithmeticError):
        probe(network, torch.zeros(1, 3, 32, 32))
    assert_unchanged(network, before)


def test_the_network_is_left_alone_where_a_block_is_an_empty_list(tiny, pictures):
    network = tiny("cifar_resnet18")
    before = fingerprint(network)
    probe(network, pictures, blocks=("layer1.0.shortcut",))
    assert_unchanged(network, before)


def test_a_network_in_train_mode_is_probed_as_in_eval_mode(tiny, pictures):
    network = tiny()
    calm = probe(network, pictures)
    assert torch.equal(probe(network.train(), pictures).logits, calm.logits)
    with torch.no_grad():  # with the statistics of the batch the logits are others, so the line above can fail
        assert not torch.allclose(network(pictures), calm.logits, atol=1e-3)


def test_threads_probe_one_network_at_once(tiny, generator):
    network = tiny()
    inputs = [torch.randn(n, 3, 32, 32, generator=generator) for n in (3, 5)]
    expected = [probe(network, x) for x in inputs]
    found, gate = [[], []], threading.Barrier(2)

    def work(i):
        gate.wait()
        found[i].extend(probe(network, inputs[i]) for _ in range(8))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(2):
        assert len(found[i]) == 8
        assert all(torch.equal(a.norms, expected[i].norms) and torch.equal(a.logits, expected[i].logits) for a in found[i])


def test_bf16_is_close_to_fp32(tiny, pictures):
    network = tiny()
    full, half = probe(network, pictures), probe(network, pictures, precision="bf16")
    assert half.norms.dtype == half.logits.dtype == half.features.dtype == torch.float32
    assert not torch.equal(half.logits, full.logits)
    torch.testing.assert_close(half.norms, full.norms, rtol=0.02, atol=0)
    torch.testing.assert_close(half.logits, full.logits, rtol=0.05, atol=0.05)
    with pytest.raises(InputError, match="no precision named 'fp8'; the known ones are bf16, fp32"):
        probe(network, pictures, precision="fp8")


@given(st.integers(0, 2**31), st.floats(0.01, 100))
def test_norms_scale_with_the_map(seed, factor):
    x = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(feature_norm(factor * x), factor * feature_norm(x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(feature_norm(x.flip(2, 3)), feature_norm(x))  # where a response is does not matter


def test_batch_order_does_not_matter(tiny, pictures):
    network, order = tiny(), [4, 2, 0, 5, 1, 3]
    mixed, straight = probe(network, pictures[order], means=("layer1.0",)), probe(network, pictures, means=("layer1.0",))[order]
    for a, b in ((mixed.logits, straight.logits), (mixed.norms, straight.norms), (mixed.means["layer1.0"], straight.means["layer1.0"])):
        torch.testing.assert_close(a, b)


class Fork(nn.Module):
    """Defines two blocks and runs one."""

    def __init__(self):
        super().__init__()
        self.used, self.idle, self.fc = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.used(x).mean((2, 3)))


def test_a_block_that_is_not_there_is_answered_with_those_that_are(pictures):
    with pytest.raises(InputError, match=r"no block 'elsewhere'; this network's blocks are used, idle\."):
        probe(Fork(), pictures, blocks=("elsewhere",))
    with pytest.raises(InputError, match=r"no block 'elsewhere'"):
        probe(Fork(), pictures, blocks=("used",), means=("elsewhere",))
    with pytest.raises(InputError, match=r"no block 'idle'; this network's blocks are used\."):
        probe(Fork(), pictures, blocks=("used",)).norm("idle")


def test_a_block_that_does_not_run_is_named(pictures):
    with pytest.raises(InputError, match="does not reach the block 'idle'; leave it out"):
        probe(Fork(), pictures)


def test_a_mean_of_a_block_that_does_not_run_is_named(pictures):
    with pytest.raises(InputError, match="does not reach the block 'idle'"):
        probe(Fork(), pictures, blocks=("used",), means=("idle",))


class Twisted(Fork):
    """Uses its linear layer in the middle, so that it gives no logits."""

    def forward(self, x):
        return self.fc(self.used(x).mean((2, 3))).exp()


def test_features_fall_back_to_the_mean_of_the_last_block(pictures):
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = probe(network, pictures)
    torch.testing.assert_close(found.features, outputs_of(network, pictures, ["2"])["2"][1].mean((2, 3)))
    network = Twisted()
    found = probe(network, pictures, blocks=("used",))
    torch.testing.assert_close(found.features, outputs_of(network, pictures, ["used"])["used"][1].mean((2, 3)))


class Squeezed(nn.Module):
    """Ends in a convolution; its only linear layer weighs channels (squeeze and excitation)."""

    def __init__(self):
        super().__init__()
        self.conv, self.excite, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4, 4), nn.Conv2d(4, 2, 1)

    def forward(self, x):
        x = self.conv(x).relu()
        return self.last(x * self.excite(x.mean((2, 3))).sigmoid()[..., None, None]).mean((2, 3))


def test_the_head_gives_the_logits_of_the_features(pictures):
    network = Squeezed()
    found = probe(network, pictures)
    try:
        weight, bias = linear_head(network)
    except InputError:
        return
    assert weight.shape == (2, found.features.shape[1])


def test_the_head_turns_features_into_logits(tiny, pictures):
    network = tiny()
    found = probe(network, pictures)
    weight, bias = linear_head(network)
    torch.testing.assert_close(found.features @ weight.T + bias, found.logits)
    unbiased = nn.Sequential(nn.Linear(3, 2, bias=False))
    assert linear_head(unbiased)[1].tolist() == [0, 0]
    with pytest.raises(InputError, match="no linear head"):
        linear_head(nn.Sequential(nn.Conv2d(3, 2, 1)))


def test_a_twin_shares_weights_and_nothing_else(tiny):
    network = tiny().train()
    other, modules = twin(network)
    assert all(a is b for a, b in zip(network.parameters(), other.parameters(), strict=True))
    assert all(a is b for a, b in zip(network.buffers(), other.buffers(), strict=True))
    assert not any(m.training for m in other.modules()) and all(m.training for m in network.modules())
    assert list(modules) == [name for name, _ in network.named_modules()]
    assert not {id(m) for m in modules.values()} & {id(m) for m in network.modules()}


def test_a_layer_used_under_two_names_stays_one_in_the_twin(pictures):
    shared = nn.Conv2d(3, 3, 1)
    network = nn.Sequential(shared, shared, nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    other, modules = twin(network)
    assert modules["0"] is modules["1"] is not shared
    assert torch.equal(other(pictures), network(pictures))


def test_many_pictures_are_probed_in_batches(tiny, generator):
    network, preprocessing = tiny(), Preprocessing(32)
    images = torch.randint(0, 256, (7, 3, 32, 32), generator=generator, dtype=torch.uint8)
    seen = []
    found = probe_all(network, images, preprocessing, batch_size=3, means=("layer2.0",), progress=lambda done, total: seen.append((done, total)))
    whole = probe(network, preprocessing.normalise(images), means=("layer2.0",))
    assert seen == [(3, 7), (6, 7), (7, 7)] and len(found) == 7 and found.blocks == whole.blocks
    for a, b in ((found.logits, whole.logits), (found.features, whole.features), (found.norms, whole.norms)):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(found.means["layer2.0"], whole.means["layer2.0"])


def test_activations_are_taken_apart_and_joined(tiny, pictures):
    found = probe(tiny(), pictures, means=("layer1.0",))
    joined = concatenate([found[:2], found[torch.tensor([2, 3])], found[torch.arange(6) > 3]])
    assert torch.equal(joined.logits, found.logits) and torch.equal(joined.norms, found.norms)
    assert torch.equal(joined.features, found.features) and torch.equal(joined.means["layer1.0"], found.means["layer1.0"])
    assert torch.equal(found.norm("layer2.1"), found.norms[:, found.blocks.index("layer2.1")])


def test_activity_maps_show_the_response_over_channels(tiny, pictures):
    network = tiny()
    found = activity_maps(network, pictures, ["layer2.0"])["layer2.0"]
    expected = outputs_of(network, pictures, ["layer2.0"])["layer2.0"][1].relu().square().sum(1).sqrt()  # (6, 16, 16)
    torch.testing.assert_close(found, expected / expected.amax((1, 2), keepdim=True))


def test_activity_maps_lay_tokens_out_without_the_class_token(vit, pictures):
    name = "encoder.layers.encoder_layer_1"
    found = activity_maps(vit, pictures, [name])[name]
    tokens = outputs_of(vit, pictures, [name])[name][1].relu().square().sum(2).sqrt()[:, 1:].reshape(6, 4, 4)
    torch.testing.assert_close(found, tokens / tokens.amax((1, 2), keepdim=True))
