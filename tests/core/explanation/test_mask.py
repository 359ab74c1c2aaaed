"""Masks against slow formulas, a network whose evidence is known, and the packs."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from core.explanation.mask import class_distortion, destroys, find_masks, keeps
from core.images import toybox
from core.images.preprocess import stack
from core.jobs import Stopped, start
from core.packs import load_pack


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def slow_distortion(before, after, target):
    """Compute the score of one picture from probabilities, class by class."""
    p, q = softmax(before), softmax(after)

    def apart(a, b):
        return a * np.log((a + 1e-7) / (b + 1e-7)) + (1 - a) * np.log((1 - a + 1e-7) / (1 - b + 1e-7))

    rest = [k for k in range(len(p)) if k != target]
    others = np.mean([apart(p[k] / p[rest].sum(), q[k] / q[rest].sum()) for k in rest])
    return np.log((apart(p[target], q[target]) + 1e-7) / (others + 1e-7) + 1)


LOGITS = st.lists(st.floats(-6, 6), min_size=4, max_size=4)


@given(LOGITS, LOGITS, st.integers(0, 3))
def test_class_distortion_is_the_slow_formula(before, after, target):
    tensors = (torch.tensor([v], dtype=torch.float64) for v in (before, after))
    found = class_distortion(*tensors, torch.tensor([target]))
    assert found.item() == pytest.approx(slow_distortion(np.array(before), np.array(after), target), rel=1e-3, abs=1e-5)


def test_the_score_tells_a_lost_class_from_a_fooled_network():
    before = torch.tensor([[4.0, 1.0, 0.5, 0.0]])
    lost, fooled = torch.tensor([[-2.0, 1.0, 0.5, 0.0]]), torch.tensor([[-2.0, 1.0, 0.5, 6.0]])
    of = torch.tensor([0])
    assert class_distortion(before, lost, of) > 5 + class_distortion(before, fooled, of)
    assert class_distortion(before, before, of) == pytest.approx(np.log(2))  # nothing moved: 1e-7 over 1e-7


def test_both_tests_by_hand():
    """Class 0 falls from 1/2 to 1/4 while the others, 3:1 among themselves, turn to 1:3: half the sum of differences is 1/2."""
    before, after = torch.tensor([[4.0, 3.0, 1.0]]).log(), torch.tensor([[2.0, 1.5, 4.5]]).log()
    of = torch.tensor([0])
    assert keeps(before, after, of).item() == pytest.approx(np.log2(1.25) + np.log2(1.75))
    assert destroys(before, after, of).item() == pytest.approx(np.log2(1.5) - np.log2(1.25))
    assert destroys(after, before, of).item() == pytest.approx(np.log2(1.5))  # a class that rises is not destroyed


@pytest.fixture
def corner():
    """Return a network whose class 0 is how much red changes from pixel to pixel in the upper left quarter; class 1 is the rest."""
    network = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 32, 2))
    with torch.no_grad():
        network[0].weight.zero_()
        network[0].weight[0, 0] = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
        network[3].weight.zero_()
        network[3].weight[0].view(32, 32)[:16, :16] = 0.02
        network[3].bias.copy_(torch.tensor([-1.0, 1.0]))
    return network


def test_masks_find_the_evidence(corner):
    images, board = torch.zeros(2, 3, 32, 32), torch.ones(8, 8)
    board[::2, ::2] = board[1::2, 1::2] = -1
    images[:, 0, 4:12, 4:12] = board  # what speaks for class 0
    images[:, 0, 20:28, 20:28] = 2 * board  # as red, where it does not count
    found = find_masks(corner, images, target=0, steps=60)
    for masks in (found.keep, found.remove):
        assert (masks[:, 4:12, 4:12].mean((1, 2)) > 0.7).all() and (masks[:, 16:].mean((1, 2)) < 0.05).all()
        assert 0 <= masks.min() and masks.max() <= 1
    assert (found.confidence_kept > 0.9 * found.confidence).all() and (found.confidence_removed < 0.5 * found.confidence).all()


def test_what_is_returned_belongs_together(tiny, pictures):
    network = tiny()
    found = find_masks(network, pictures, target=3, steps=3)
    with torch.no_grad():
        for shown, confidence in ((pictures, found.confidence), (found.kept, found.confidence_kept), (found.removed, found.confidence_removed)):
            torch.testing.assert_close(network(shown).softmax(1)[:, 3], confidence)
        torch.testing.assert_close(class_distortion(network(pictures), network(found.removed), found.classes), found.cds, rtol=1e-3, atol=1e-4)
    assert found.classes.tolist() == [3] * 6
    whole = find_masks(network, pictures[:1], steps=0)
    assert (whole.keep == 1).all()
    torch.testing.assert_close(whole.kept, pictures[:1])


def test_the_seed_decides_and_nothing_else(tiny, pictures):
    network, before = tiny(), torch.random.get_rng_state()
    one, same, other = (find_masks(network, pictures[:1], steps=6, seed=seed).keep for seed in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other) and torch.equal(torch.random.get_rng_state(), before)


def test_a_job_can_be_stopped(tiny, pictures):
    def work(job):
        def report(done, total):
            if done == 2:
                job.stop.set()
            job.report(done, total)

        return find_masks(tiny(), pictures[:1], steps=50, progress=report)

    job = start(work).wait(60)
    assert job.stopped and (job.done, job.total) == (2, 50)
    with pytest.raises(Stopped):
        job.report(3, 50)


def test_threads_share_a_network(tiny, pictures):
    network = tiny()
    weights = [v.clone() for v in network.state_dict().values()]
    alone = find_masks(network, pictures[:1], steps=3).keep
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda _: find_masks(network, pictures[:1], steps=3).keep, range(3)))
    assert all(torch.equal(each, alone) for each in found) and all(map(torch.equal, weights, network.state_dict().values()))
    assert not any(m._forward_hooks for m in network.modules()) and all(p.grad is None for p in network.parameters())


def test_on_a_trained_network_removing_destroys_and_keeping_keeps():
    pack = load_pack("toybox-m-tlat", device="cpu")
    image = stack([toybox.draw("test", 2, size=32).image])
    found = find_masks(pack.network, pack.preprocessing.normalise(image), steps=40)
    assert (found.confidence_removed < 0.5 * found.confidence).all() and (found.confidence_kept > 0.6 * found.confidence).all()
    assert (found.keep.mean((1, 2)) < 0.5).all() and (found.cds > found.cds_reverse).all()


@pytest.mark.parametrize("name", ("toybox", "cifar10", "cifar10-standard-vgg16"))
def test_packs(name):
    pack = load_pack(name, device="cpu")
    images = pack.preprocessing.normalise(stack([toybox.draw("test", 2, size=32).image]))
    found = find_masks(pack.network, images, steps=2)
    assert found.keep.shape == (1, 32, 32) and all(torch.isfinite(value).all() for value in vars(found).values())
