import threading

import pytest
import torch
from torch import nn

from core.adaptation import make
from core.adaptation.method import Method
from core.adaptation.norms import batch_statistics
from core.adaptation.selection import block_parameters, select_blocks
from core.jobs import Stopped


class Unit(nn.Module):
    """Two layers and a skip. `deaf` adds a constant to all features alike, so that tuning it moves nothing that a class mean points to."""

    def __init__(self, channels, *, deaf=False):
        super().__init__()
        self.conv1, self.norm, self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1), nn.BatchNorm2d(channels), nn.Conv2d(channels, channels, 1)
        self.share = 1e-4 if deaf else 1.0

    def forward(self, x):
        return x + self.share * self.conv2(self.norm(self.conv1(x)).relu())


class Units(nn.Module):
    def __init__(self, count=3, deaf=()):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, 1, 1)
        self.layer1 = nn.Sequential(*(Unit(6, deaf=i in deaf) for i in range(count)))
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.layer1(self.stem(x)).mean((2, 3)))


@pytest.fixture
def units():
    def made(*given, **options):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return Units(*given, **options).eval()

    return made


def method_of(network, preprocessing, source, **options):
    method = Method(network, preprocessing, source=source, **options)
    batch_statistics(method.network)
    return method


def test_a_block_that_moves_nothing_is_the_domains(units, preprocessing, source):
    found = select_blocks(method_of(units(deaf=(1,)), preprocessing, source), lr=1e-2, batch_size=8)
    assert found.blocks == ("layer1.0", "layer1.1", "layer1.2") and found.pictures == 40
    assert found.scaled[1] == 1 and min(found.scaled) == 0 and "layer1.1" in found.selected
    assert found.similarity[1] > 0.9999 > max(found.similarity[0], found.similarity[2])
    assert found.selected == tuple(b for b, s in zip(found.blocks, found.scaled, strict=True) if s > 0.75)


def test_each_block_alone_is_tuned_as_by_hand(units, preprocessing, source, monkeypatch):
    """One batch of all pictures, without noise: one step of Adam on the block, class means before and after."""
    network = units()
    method = method_of(network, preprocessing, source)
    found = select_blocks(method, noise=0.0, batch_size=40, lr=1e-2)
    pixels = source.images.float() / 255

    def means(of):
        with torch.no_grad():
            features, _ = method.features(pixels, of)
        return torch.stack([features[source.labels == c].mean(0) for c in range(3)])

    for block, similarity in zip(found.blocks, found.similarity, strict=True):
        tuned = method_of(network, preprocessing, source).network.requires_grad_(True)
        own = list(tuned.get_submodule(block).parameters())
        p = method.classify(pixels, tuned).softmax(1)
        gradients = torch.autograd.grad(-(p * p.log()).sum(1).mean(), own)
        with torch.no_grad():
            for q, g in zip(own, gradients, strict=True):
                q -= 1e-2 * g / (g.abs() + 1e-8)
        expected = torch.cosine_similarity(means(method.network), means(tuned)).mean().item()
        assert similarity == pytest.approx(expected, abs=1e-4)


def test_blocks_are_matched_by_their_whole_name(units):
    network = units(12)
    found = block_parameters(network)
    assert len(found) == 12 and len(found["layer1.1"]) == 6
    assert {id(p) for p in found["layer1.1"]}.isdisjoint(id(p) for p in found["layer1.10"])


def test_a_plain_networks_block_holds_the_layers_since_the_one_before(network, tiny):
    found = block_parameters(network)
    assert [[tuple(p.shape) for p in ps] for ps in found.values()] == [[(6, 3, 3, 3), (6,), (6,), (6,)], [(8, 6, 3, 3), (8,), (8,), (8,)]]
    vgg = tiny("cifar_vgg11_bn", width=4)
    assert sum(len(ps) for ps in block_parameters(vgg).values()) == len(list(vgg.features.parameters()))


def test_blocks_that_do_not_differ_are_all_selected(units, preprocessing, source):
    found = select_blocks(method_of(units(), preprocessing, source), lr=0.0, batch_size=16)
    assert found.selected == found.blocks and set(found.scaled) == {1.0}


def test_progress_and_stop(units, preprocessing, source):
    seen, stop = [], threading.Event()

    def progress(done, total):
        seen.append((done, total))
        if done == 4:
            stop.set()

    with pytest.raises(Stopped):
        select_blocks(method_of(units(), preprocessing, source, progress=progress, stop=stop), batch_size=16)
    assert seen == [(i, 9) for i in range(5)]


def test_the_methods_network_is_not_changed(units, preprocessing, source):
    method = method_of(units(), preprocessing, source)
    before = [p.clone() for p in method.network.parameters()]
    select_blocks(method, batch_size=16)
    assert all(torch.equal(p, q) and not p.requires_grad for p, q in zip(method.network.parameters(), before, strict=True))


def test_dplot_tells_what_was_selected(units, preprocessing, source):
    method = make("dplot", units(), preprocessing, source=source, warmup=1, source_batch=16)
    assert method.selected_blocks == method.selection.selected
