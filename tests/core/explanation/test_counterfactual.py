"""Found means that the judge itself says so; the pieces against other implementations."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import dct
from scipy.stats import t as student

from core.errors import InputError
from core.explanation.aim import class_aim, log_share, verdict_aim
from core.explanation.counterfactual import counterfactual, waves
from core.images import toybox
from core.images.preprocess import stack
from core.jobs import start
from core.packs import load_pack
from core.probe import Activations, probe
from core.verdict import ID, OOD, Judge


@pytest.fixture(scope="module")
def judge(pack):
    return Judge(pack.reference, ("consensus", "nac"))


def toy(index, split="test"):
    return toybox.draw(split, index, size=32).image


def judged(pack, judge, pixels, **options):
    return judge.judge(pack.probe(stack([pixels])), pack.classes, **options)[0]


def check(found, pack, judge, pixels):
    """Check that what is told of a counterfactual is so."""
    after, difference = judged(pack, judge, found.pixels), found.pixels.astype(float) - pixels
    assert found.pixels.dtype == np.uint8 and found.pixels.shape == pixels.shape
    assert (after.label, after.verdict) == (found.after.label, found.after.verdict) and found.before == judged(pack, judge, pixels)
    assert found.size == pytest.approx(np.sqrt((difference**2).mean())) and found.changed.shape == (32, 32)
    np.testing.assert_allclose(np.square(found.changed).mean(), found.size**2, rtol=1e-4)


@pytest.mark.parametrize(("split", "verdict"), (("test", OOD), ("near", ID)))
def test_a_smooth_change_turns_the_verdict(split, verdict, pack, judge):
    pixels = toy(1, split)
    found = counterfactual(pack, judge, pixels, kind="verdict", steps=25)
    check(found, pack, judge, pixels)
    assert found.found and found.before.verdict != verdict and found.after.verdict == verdict and found.cells is None and 0 < found.size < 30


def test_a_smooth_change_turns_the_class_to_the_runner_up(pack, judge):
    pixels = toy(2)
    found = counterfactual(pack, judge, pixels, kind="class", steps=25)
    check(found, pack, judge, pixels)
    assert found.found and found.after.label == np.argsort(found.before.probabilities)[-2] and found.size < 40


def test_a_named_class_and_threshold_are_held_to(pack, judge):
    assert counterfactual(pack, judge, toy(2), kind="class", target=6, steps=25).after.label == 6
    strict = counterfactual(pack, judge, toy(2), kind="verdict", keep=0.8, steps=12)
    assert strict.found and strict.after == judged(pack, judge, strict.pixels, keep=0.8)
    assert judged(pack, judge, strict.pixels).threshold < strict.after.threshold


@pytest.mark.parametrize(("kind", "other"), (("class", (3, "test")), ("verdict", (2, "near"))))
def test_patches_turn_class_and_verdict(kind, other, pack, judge):
    pixels, other = toy(2), toy(*other)
    found = counterfactual(pack, judge, pixels, kind=kind, basis="patches", other=other)
    check(found, pack, judge, pixels)
    exchanged, total = found.cells
    cells = found.pixels.reshape(8, 4, 8, 4, 3).swapaxes(1, 2), pixels.reshape(8, 4, 8, 4, 3).swapaxes(1, 2)
    differ = (cells[0] != cells[1]).any((2, 3, 4))
    assert found.found and total == 64 and differ.sum() == exchanged < 40
    assert (cells[0][differ] == other.reshape(8, 4, 8, 4, 3).swapaxes(1, 2)[differ]).all()
    if kind == "class":
        assert found.after.label == judged(pack, judge, other).label
    else:
        assert found.after.verdict == OOD


def test_nothing_found_is_said(pack, judge):
    found = counterfactual(pack, judge, toy(2), kind="class", steps=4, bound=0.6)
    check(found, pack, judge, toy(2))
    assert not found.found and found.after.label == found.before.label and found.size < 0.8


def test_a_detector_without_gradients_is_followed_by_the_norm(pack, judge):
    found = counterfactual(pack, judge, toy(2), kind="verdict", detector="nac", steps=3)
    assert found.after.detector == "nac" and 0 < found.size


def test_what_was_asked_wrongly_is_answered(pack, judge):
    pixels = toy(2)
    for options, sentence in (
        ({"kind": "colour"}, "no kind named 'colour'"),
        ({"kind": "class", "basis": "words"}, "no basis named 'words'"),
        ({"kind": "verdict", "detector": "odin"}, "odin reads a second pass"),
        ({"kind": "verdict", "detector": "knn"}, "no detector named 'knn'"),
        ({"kind": "class", "basis": "patches"}, "Patches come from another picture"),
        ({"kind": "class", "basis": "patches", "other": pixels}, "The picture is duck already"),
        ({"kind": "verdict", "basis": "patches", "other": toy(3)}, "The other picture is ID, which this one is not to turn to"),
        ({"kind": "class", "target": 2}, "The picture is duck already"),
        ({"kind": "class", "target": 10}, "10 classes, counted from 0"),
    ):
        with pytest.raises(InputError, match=sentence):
            counterfactual(pack, judge, pixels, **options)


def test_the_shared_network_and_randomness_stay(pack, judge):
    weights, state = [v.clone() for v in pack.network.state_dict().values()], torch.random.get_rng_state()
    one, same = (counterfactual(pack, judge, toy(3), kind="verdict", steps=4).pixels for _ in range(2))
    assert (one == same).all() and torch.equal(torch.random.get_rng_state(), state)
    assert all(map(torch.equal, weights, pack.network.state_dict().values())) and all(p.grad is None for p in pack.network.parameters())
    assert not any(m._forward_hooks for m in pack.network.modules())


def test_a_job_can_be_stopped(pack, judge):
    def work(job):
        def report(done, total):
            if done == 2:
                job.stop.set()
            job.report(done, total)

        return counterfactual(pack, judge, toy(2), kind="verdict", progress=report)

    job = start(work).wait(60)
    assert job.stopped and (job.done, job.total) == (2, 60)


@pytest.mark.parametrize("name", ("cifar10", "toybox-m-tlat", "cifar10-standard-vgg16"))
def test_packs(name):
    pack = load_pack(name, device="cpu")
    judge = Judge(pack.reference, ("consensus",))
    found = counterfactual(pack, judge, toy(2), kind="verdict", steps=2)
    check(found, pack, judge, toy(2))


@given(st.floats(-1e4, 1e4))
def test_log_share_is_students(z):
    assert log_share(torch.tensor(z, dtype=torch.float64)).item() == pytest.approx(student(2).logcdf(z), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(("size", "frequencies"), ((32, 8), (5, 9)))
def test_waves_are_the_orthonormal_cosines(size, frequencies):
    theirs = dct(np.eye(size), norm="ortho", axis=0)[:frequencies]
    np.testing.assert_allclose(waves(size, frequencies).numpy(), theirs, atol=1e-6)


def test_aims_rise_towards_the_turn(pack, judge):
    logits = torch.tensor([[3.0, 1.0, 2.0], [0.0, 1.0, 5.0]])
    aim = class_aim(2)
    made = Activations(("a",), logits, logits, logits[:, :1], {})
    assert aim.measure(made).tolist() == [-1, 4] and aim.turned(made).tolist() == [False, True]
    known, unknown = (pack.probe(stack([toy(i, split) for i in range(8)])) for split in ("test", "noise"))
    towards = {goal: verdict_aim(judge, {ID: OOD, OOD: ID}[goal], detector="consensus", keep=0.95) for goal in (ID, OOD)}
    assert towards[ID].measure(known).min() > towards[ID].measure(unknown).max()
    assert torch.equal(towards[ID].measure(known), -towards[OOD].measure(known))
    assert torch.equal(towards[ID].turned(known), ~towards[OOD].turned(known)) and towards[OOD].turned(unknown).all()


def test_the_probe_with_gradients_measures_the_same(pack):
    images = pack.preprocessing.normalise(stack([toy(2)])).requires_grad_()
    plain = probe(pack.network, images.detach(), means=("layer2.1",))
    with_gradients = probe(pack.network, images, means=("layer2.1",), gradients=True)
    for name in ("logits", "features", "norms"):
        torch.testing.assert_close(getattr(with_gradients, name).detach(), getattr(plain, name))
    slope = torch.autograd.grad(with_gradients.norms.sum(), images)[0]
    assert torch.isfinite(slope).all() and slope.any() and not plain.norms.requires_grad
