import threading

import pytest
import torch

from core.adaptation import make
from core.adaptation.losses import entropy
from core.adaptation.method import gradients
from core.errors import InputError
from core.jobs import Stopped

QUICK = {"warmup": 2, "source_batch": 16}


@pytest.fixture
def resnet(tiny):
    return tiny(width=4, classes=3)


@pytest.fixture
def method(resnet, preprocessing, source):
    return make("dplot", resnet, preprocessing, source=source, blocks=("layer1.0", "layer2.1"), **QUICK)


def two_forward_gradients(method, images):
    """Return both gradients, each from a forward pass of its own."""
    views = torch.cat([images, images.flip(3)])
    with torch.no_grad():
        taught = method.classify(views, method.teacher)
    first = gradients(entropy(method.classify(views)).mean(), method.tuned)
    mean = ((taught[: len(images)] + taught[len(images) :]) / 2).softmax(1)
    loss = 0
    for logits in method.classify(views).split(len(images)):
        p = logits.softmax(1)
        loss = loss - 0.5 * (mean * p.log() + p * mean.log()).sum(1).mean()
    return first, gradients(loss, method.all)


def test_both_gradients_are_those_of_two_forward_passes(method, images):
    for p in method.all:  # away from the teacher, where agreement has a gradient
        p.data.add_(0.05 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    first, second = two_forward_gradients(method, images)
    start = [p.detach().clone() for p in method.all]
    tuned = {id(p) for p in method.tuned}
    method.adapt(images)
    entropies = iter(first)
    for p, then, g in zip(method.all, start, second, strict=True):
        expected, sure = then - 1e-4 * g / (g.abs() + 1e-8), g.abs() > 1e-5
        if id(p) in tuned:
            e = next(entropies)
            expected, sure = expected - 1e-3 * e / (e.abs() + 1e-8), sure & (e.abs() > 1e-5)
        assert torch.allclose(p[sure], expected[sure], atol=1e-5)
    assert next(entropies, None) is None


def test_the_prediction_is_student_and_teacher_over_both_views(method, images):
    with torch.no_grad():
        networks, views = (method.network, method.teacher), torch.cat([images, images.flip(3)])
        expected = sum(sum(method.classify(views, net).split(24)) for net in networks) / 4
    assert torch.allclose(method.adapt(images), expected, atol=1e-4)


def test_without_pairs_each_picture_is_seen_once(resnet, preprocessing, source, images):
    method = make("dplot", resnet, preprocessing, source=source, blocks=("layer1.0",), paired=False, **QUICK)
    with torch.no_grad():
        expected = (method.classify(images) + method.classify(images, method.teacher)) / 2
    assert torch.allclose(method.adapt(images), expected, atol=1e-4)


def test_after_the_warm_up_the_student_is_the_source_and_the_teacher_is_not(method, resnet, preprocessing, images):
    assert all(torch.equal(p, q) for p, q in zip(method.network.parameters(), resnet.parameters(), strict=True))
    assert not all(torch.equal(p, q) for p, q in zip(method.teacher.parameters(), resnet.parameters(), strict=True))


def test_the_teacher_follows(method, images):
    before = [p.clone() for p in method.teacher.parameters()]
    method.adapt(images)
    for now, then, student in zip(method.teacher.parameters(), before, method.network.parameters(), strict=True):
        assert torch.allclose(now, 0.999 * then + 0.001 * student, atol=1e-6)


def test_only_the_selected_blocks_take_the_first_step(method, resnet):
    expected = sum(len(list(resnet.get_submodule(b).parameters())) for b in ("layer1.0", "layer2.1"))
    assert len(method.tuned) == expected and len(method.all) == len(list(resnet.parameters()))


def test_given_blocks_need_no_selection_and_no_labels(resnet, preprocessing, images):
    method = make("dplot", resnet, preprocessing, blocks=("layer1.0",), warmup=0)
    assert method.selection is None and method.selected_blocks == ("layer1.0",) and method.adapt(images).isfinite().all()


def test_an_unknown_block_is_answered_by_the_known_ones(resnet, preprocessing, source):
    with pytest.raises(InputError, match=r"no block 'layer1'.*layer1\.0, layer1\.1"):
        make("dplot", resnet, preprocessing, source=source, blocks=("layer1",))


def test_set_up_reports_and_can_be_stopped(resnet, preprocessing, source):
    seen, stop = [], threading.Event()
    make("dplot", resnet, preprocessing, source=source, blocks=("layer1.0",), progress=lambda *at: seen.append(at), **QUICK)
    assert seen == [(0, 2), (1, 2)]
    stop.set()
    with pytest.raises(Stopped):
        make("dplot", resnet, preprocessing, source=source, blocks=("layer1.0",), stop=stop, **QUICK)


def test_a_labelled_source_picture_of_a_class_beyond_the_head_is_left_out(network, preprocessing, source):
    more = type(source)(source.images, torch.where(source.labels == 2, 7, source.labels), (), (), ())
    assert make("dplot", network, preprocessing, source=more, **QUICK).selected_blocks
