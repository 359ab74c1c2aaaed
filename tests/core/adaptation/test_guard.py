import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from core.adaptation import make
from core.adaptation.guard import Guard, Limits, diversity, drift, effective_classes
from tests.core.adaptation.conftest import seeded


def sure(labels, classes=10):
    return 50 * torch.nn.functional.one_hot(torch.as_tensor(labels), classes).float()


VARIED = sure([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]) / 50
COLLAPSED = sure([3] * 10)


@given(st.integers(0, 1000))
def test_effective_classes_lie_between_one_and_all(seed):
    logits = 5 * torch.randn(6, 4, generator=seeded(seed))
    assert 1 - 1e-9 <= effective_classes(logits) <= 4 + 1e-9


def test_effective_classes_by_hand():
    assert effective_classes(sure([0, 1, 1, 0])) == pytest.approx(2)
    assert diversity(sure([0])) == pytest.approx(0, abs=1e-9) and diversity(VARIED) == pytest.approx(1)
    assert diversity(torch.full((2, 3), float("nan"))) == 0


def test_drift_is_of_the_weights_that_change(network, preprocessing):
    method = make("tent", network, preprocessing)
    assert drift(method) == 0
    with torch.no_grad():
        method.network[1].weight.mul_(2)
    own = [p for m in (network[1], network[4]) for p in (m.weight, m.bias)]
    assert drift(method) == pytest.approx((network[1].weight.norm() / math.sqrt(sum((p**2).sum().item() for p in own))).item(), rel=1e-5)
    assert drift(make("source", network, preprocessing)) == 0


def test_one_signal_is_no_alarm(network, preprocessing):
    guard = Guard(make("tent", network, preprocessing))
    one_class = VARIED[3:4].repeat(10, 1) + torch.tensor([0, 0, 0, 4.0, 0, 0, 0, 0, 0, 0])  # not sure, but of one class
    report = guard.check(one_class)
    assert report.raised == ("diversity",) and not report.alarm and report.went_back is None
    assert not guard.check(VARIED).raised


def test_sure_answers_of_one_class_are_an_alarm_unless_the_source_gives_them_too(network, preprocessing):
    report = Guard(make("tent", network, preprocessing)).check(COLLAPSED)
    assert report.alarm and set(report.raised) == {"diversity", "entropy"}
    sorted_stream = Guard(make("tent", network, preprocessing)).check(COLLAPSED, COLLAPSED)
    assert sorted_stream.raised == ("entropy",) and not sorted_stream.alarm


def test_logits_that_are_no_numbers_are_an_alarm(network, preprocessing):
    assert Guard(make("tent", network, preprocessing)).check(torch.full((4, 3), float("nan"))).alarm


def weights(method):
    return [p.detach().clone() for p in method.network.parameters()]


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_going_back_to_the_source(network, preprocessing, images):
    method = make("tent", network, preprocessing)
    guard, start = Guard(method, action="source"), weights(method)
    method.adapt(images)
    assert guard.check(COLLAPSED).went_back == "source" and equal(weights(method), start)


def test_going_back_to_the_last_good_state_and_then_to_the_source(network, preprocessing, images):
    method = make("tent", network, preprocessing)
    guard, start = Guard(method, action="good", every=2), weights(method)
    for _ in range(2):
        method.adapt(images)
        assert not guard.check(VARIED).raised
    good = weights(method)
    reports = []
    while not reports or not reports[-1].alarm:
        method.adapt(images)
        reports.append(guard.check(COLLAPSED))
    assert 3 <= len(reports) <= 8 and all(r.raised == ("diversity",) for r in reports[:-1])  # one odd batch does not call it
    assert reports[-1].went_back == "good" and equal(weights(method), good)
    method.adapt(images)
    assert guard.check(COLLAPSED).went_back == "source" and equal(weights(method), start)


def test_a_warning_changes_nothing(network, preprocessing, images):
    method = make("tent", network, preprocessing)
    method.adapt(images)
    before = weights(method)
    assert Guard(method).check(COLLAPSED).went_back is None and equal(weights(method), before)


def test_limits_can_be_set(network, preprocessing):
    assert Guard(make("tent", network, preprocessing), limits=Limits(signals=1)).check(COLLAPSED, COLLAPSED).alarm
