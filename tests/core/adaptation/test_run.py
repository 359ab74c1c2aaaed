import json
import threading
from dataclasses import asdict

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from core.adaptation import make
from core.adaptation.guard import Guard
from core.adaptation.run import BINS, calibration, drift_of_features, drift_of_weights, expected_calibration_error, ood_watch, run, summarise
from core.adaptation.stream import Stream, StreamBatch
from core.calibration import reliability
from core.jobs import Stopped
from tests.core.adaptation.conftest import seeded, toys


def noise(images, name, severity, *, generator):
    strength = {"little": 0.02, "much": 0.1}[name] * severity
    return (images + strength * torch.randn(images.shape, generator=generator)).clamp(0, 1)


@pytest.fixture
def stream():
    return Stream(*toys(23, seed=6), ("little", "much"), batch_size=10, corrupt=noise)


@pytest.fixture
def tent(network, preprocessing):
    return make("tent", network, preprocessing)


def test_events_tell_what_happened(tent, stream, network, preprocessing):
    events = list(run(tent, stream, before=True, features=4))
    assert [(e.batch, e.domain, e.severity, e.n) for e in events] == list(
        zip(range(1, 7), ["little"] * 3 + ["much"] * 3, [5] * 6, [10, 10, 3] * 2, strict=True)
    )
    wrong = before = labelled = 0
    for event, batch in zip(events, stream, strict=True):
        source = network(preprocessing.normalise(batch.images)).argmax(1)
        assert event.before == tuple(source.tolist()) and event.labels == tuple(batch.labels.tolist())
        assert event.error_before == pytest.approx((source != batch.labels).double().mean().item())
        missed = sum(p != t for p, t in zip(event.predicted, event.labels, strict=True))
        wrong, before, labelled = wrong + missed, before + int((source != batch.labels).sum()), labelled + event.n
        assert event.error == pytest.approx(missed / event.n) and event.counts == {event.domain: (missed, event.n)}
        assert event.running == pytest.approx(wrong / labelled) and event.running_before == pytest.approx(before / labelled)
        assert 1 <= event.classes <= 3 and 1 / 3 <= event.confidence <= 1 and event.seconds > 0 and event.peak_memory > 0
        assert event.drift.keys() == event.features.keys() == {"2", "5"} and sum(n for n, *_ in event.calibration[event.domain]) == event.n
    assert events[0].drift["2"] > 0 and events[-1].drift["2"] > events[0].drift["2"]
    json.dumps([asdict(e) for e in events])


def test_without_asking_nothing_more_is_computed(tent, stream):
    event = next(run(tent, stream))
    assert event.before is None and event.error_before is None and event.features == {} and event.auroc is None and event.guard is None


def test_reset_at_each_shift(network, preprocessing, stream):
    continual = list(run(make("tent", network, preprocessing), stream))
    method = make("tent", network, preprocessing)
    reset = list(run(method, stream, setting="reset"))
    assert [e.reset for e in reset] == [False, False, False, True, False, False] and not any(e.reset for e in continual)
    assert [e.predicted for e in reset[:3]] == [e.predicted for e in continual[:3]]
    assert reset[3].drift["2"] < reset[2].drift["2"] < continual[3].drift["2"]


def test_pictures_without_numbers_are_left_out(network, preprocessing):
    images, labels = toys(6)
    images[2] = float("nan")
    known = torch.ones(6, dtype=torch.bool)
    broken = StreamBatch(images * float("nan"), labels, ("a",) * 6, known)
    events = list(run(make("tent", network, preprocessing), [StreamBatch(images, labels, ("a",) * 6, known), broken], before=True))
    assert len(events) == 1 and (events[0].n, events[0].broken, len(events[0].before)) == (5, 1, 5) and events[0].counts["a"][1] == 5


def test_unknown_and_unlabelled_pictures_count_in_no_error(network, preprocessing):
    images, labels = toys(6)
    known = torch.tensor([True] * 4 + [False] * 2)
    labels = torch.where(torch.arange(6) == 0, -1, labels)
    (event,) = run(make("source", network, preprocessing), [StreamBatch(images, labels, ("a", "b") * 3, known)])
    assert event.labels[0] == -1 and event.labels[4:] == (-1, -1) and {k: n for k, (_, n) in event.counts.items()} == {"a": 1, "b": 2}
    (blank,) = run(make("source", network, preprocessing), [StreamBatch(images, labels, ("a",) * 6, torch.zeros(6, dtype=torch.bool))])
    assert blank.error is None and blank.running is None and blank.ece is None and blank.calibration == {}
    nothing = summarise([blank])
    assert nothing["mean"] is nothing["ece_mean"] is nothing["ece_stream"] is None and nothing["ece"] == {}


def test_calibration_by_loops():
    confidence = torch.rand(50, generator=seeded(), dtype=torch.float64)
    right = torch.rand(50, generator=seeded(1)) < confidence
    expected = 0
    for i in range(BINS):
        rows = (confidence >= i / BINS) & (confidence < (i + 1) / BINS)
        if rows.any():
            expected += rows.sum().item() / 50 * abs(confidence[rows].mean().item() - right[rows].double().mean().item())
    assert expected_calibration_error(calibration(confidence, right)) == pytest.approx(expected)
    assert calibration(torch.tensor([1.0]), torch.tensor([True]))[-1].tolist() == [1, 1, 1]
    assert calibration(torch.tensor([float("nan"), 1.0]), torch.tensor([False, True]))[[0, -1]].tolist() == [[1, 0, 0], [1, 1, 1]]


def test_calibration_during_adaptation_is_that_of_what_the_method_said(tent, stream, monkeypatch):
    """Of the probabilities given batch by batch, by another implementation; domains are mixed within batches."""
    said, adapt = [], tent.adapt
    monkeypatch.setattr(tent, "adapt", lambda images: said.append(adapt(images)) or said[-1])
    batches = [StreamBatch(b.images, b.labels, tuple("ab"[i % 2] for i in range(len(b))), torch.arange(len(b)) > 0) for b in stream]
    events = list(run(tent, batches))
    known, domains = torch.cat([b.known for b in batches]), np.array([name for b in batches for name in b.domains])
    sure, chosen = torch.cat(said)[known].double().softmax(1).max(1)
    right, domains = chosen == torch.cat([b.labels for b in batches])[known], domains[known.numpy()]
    found = summarise(events)
    expected = {name: 100 * reliability(sure[domains == name], right[domains == name]).ece for name in ("b", "a")}
    assert found["ece"] == pytest.approx(expected, abs=1e-3) and found["ece_mean"] == pytest.approx(sum(expected.values()) / 2, abs=1e-3)
    assert found["ece_stream"] == pytest.approx(100 * reliability(sure, right).ece, abs=1e-3) == pytest.approx(100 * events[-1].ece, abs=1e-3)
    assert sum(sum(n for n, *_ in bins) for e in events for bins in e.calibration.values()) == known.sum()


def test_drift_by_hand(tent, network, images):
    assert drift_of_weights(tent) == {"2": 0, "5": 0}
    with torch.no_grad():
        tent.network[0].weight.mul_(1.5)
    own = torch.cat([p.flatten() for layer in (network[0], network[1]) for p in layer.parameters()])
    assert drift_of_weights(tent)["2"] == pytest.approx((0.5 * network[0].weight.norm() / own.norm()).item(), rel=1e-5)
    moved = drift_of_features(make("source", tent.origin, tent.preprocessing), images)
    assert moved == pytest.approx({"2": 0, "5": 0}, abs=1e-6)


def test_the_ood_watch_is_an_auroc_of_energy(tent, images):
    known, unknown = images[:10], 1 - images[10:]
    logits = tent.classify(torch.cat([known, unknown])).detach()
    expected = roc_auc_score([1] * 10 + [0] * 14, logits.double().logsumexp(1).numpy())
    assert ood_watch(known, unknown)(tent, "fog") == pytest.approx(expected, abs=0.01)


def test_it_is_watched_after_the_first_and_every_so_many_batches(tent, stream):
    events = list(run(tent, stream, watch=lambda method, domain: 0.75, every=3))
    assert [e.auroc for e in events] == [0.75, None, 0.75, None, None, 0.75]


def test_the_guards_report_is_in_the_event(tent, stream):
    events = list(run(tent, stream, guard=Guard(tent)))
    assert all(0 <= e.guard.diversity <= 1 and not e.guard.went_back for e in events)


def test_a_run_can_be_stopped(tent, stream):
    stop, events = threading.Event(), []
    with pytest.raises(Stopped):
        for event in run(tent, stream, stop=stop):
            events.append(event)
            stop.set()
    assert len(events) == 1


def test_the_summary_adds_up(tent, stream):
    events = list(run(tent, stream))
    summary = summarise(events, seconds_setup=1.0, selected_blocks=("2",))
    assert list(summary) == ["errors", "mean", "ece", "ece_mean", "ece_stream", "selected_blocks", "seconds_setup", "seconds_adapt"]
    for name in ("little", "much"):
        own = [e for e in events if e.domain == name]
        assert summary["errors"][name] == pytest.approx(100 * sum(e.counts[name][0] for e in own) / 23, abs=1e-3)
    assert summary["mean"] == pytest.approx(sum(summary["errors"].values()) / 2, abs=1e-3) and summary["selected_blocks"] == ["2"]
