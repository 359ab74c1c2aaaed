"""The cost of adapting: every method has its line, and the DPLOT with two student passes is the same method."""

import pytest
import torch

from benchmarks import adaptation
from benchmarks.adaptation import BLOCKS, TwoForwards, rows
from core.adaptation import ADAPTATIONS, dplot
from core.images.preprocess import Preprocessing


@pytest.fixture(scope="module")
def found():
    return rows(quick=True)


def test_every_method_has_its_line(found):
    names = [row.what.split(": ", 1)[1] for row in found if "cpu" in row.what]
    assert names[: len(ADAPTATIONS)] == [entry.title for entry in ADAPTATIONS.values()]
    setups = [entry.title for entry in ADAPTATIONS.values() if "pictures" in entry.needs]
    assert [name.removeprefix("set-up of ") for name in names if name.startswith("set-up")] == setups
    assert any("two student passes against one" in name for name in names) and any("plain pass" in name for name in names)


def test_ratios_and_seconds_are_positive(found):
    assert all(0 < row.low <= row.value <= row.high and row.unit in ("x", "s") for row in found)


def test_two_passes_take_the_gradients_of_one(tiny, monkeypatch, generator):
    """Both of the losses' gradients, while no step has been taken; and the same prediction."""
    network, images = tiny("cifar_resnet18", width=4, classes=3).eval(), torch.rand(12, 3, 32, 32, generator=generator)
    taken = {}
    for kind, module in ((dplot.DPLOT, dplot), (TwoForwards, adaptation)):
        method = kind(network, Preprocessing(32), blocks=BLOCKS, warmup=0)
        for p in method.all:  # away from the teacher, where agreement has a gradient
            p.data.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
        seen = taken[kind] = []
        monkeypatch.setattr(module, "step_by", lambda optimiser, parameters, by, seen=seen: seen.append((len(parameters), by)))
        seen.append(method.adapt(images))
    (*ours, logits), (*theirs, predicted) = taken[dplot.DPLOT], taken[TwoForwards]
    assert len(ours) == len(theirs) == 2 and torch.allclose(logits, predicted, atol=1e-5)
    for (count, one), (number, other) in zip(ours, theirs, strict=True):
        assert count == number == len(one) and any(g.abs().max() > 1e-3 for g in one)
        assert all(torch.allclose(g, h, rtol=1e-4, atol=1e-6) for g, h in zip(one, other, strict=True))


def test_the_entropy_steps_before_the_second_pass(tiny, generator):
    network, images = tiny("cifar_resnet18", width=4, classes=3).eval(), torch.rand(12, 3, 32, 32, generator=generator)
    method, passes = TwoForwards(network, Preprocessing(32), blocks=BLOCKS, warmup=0), []
    method.network.register_forward_pre_hook(lambda module, _: passes.append([p.detach().clone() for p in method.tuned]))
    method.adapt(images)
    assert len(passes) == 2 and not all(torch.equal(p, q) for p, q in zip(*passes, strict=True))
