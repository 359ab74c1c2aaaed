"""Let a method adapt to a stream and say after every batch how it goes: events that any front end can draw."""

import functools
import sys
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch

from core.adaptation.guard import effective_classes
from core.adaptation.losses import entropy
from core.adaptation.method import finite
from core.adaptation.selection import block_parameters
from core.blocks import as_map
from core.detectors.logits import energy
from core.jobs import Stopped
from core.metrics import auroc_columns
from core.probe import probe, twin

BINS = 15  # of the calibration error, as is usual


@dataclass(frozen=True)
class Event:
    """How one batch went; plain numbers. Fractions, not percentages; None where it was not asked for or cannot be known.

    Attributes:
        batch: from 1; domain, severity: of the stream; n: pictures; broken: pictures that held NaN and were left out.
        predicted, before, labels: N class numbers, by the method, by the source, and right (-1 unknown or OOD).
        counts: {domain: (wrong, labelled)} of this batch; error, error_before: of the labelled pictures, by the method and by the source.
        running, running_before: the same over the stream so far.
        entropy: mean, nats; confidence: mean maximum softmax; classes: effective number of predicted classes, 1 to C.
        calibration: {domain: for each of `BINS` bins of confidence (pictures, sum of confidence, right ones)} of this batch, of labelled pictures;
        ece: expected calibration error over the stream so far.
        drift: {block: length of the change of its weights over their length}; features: {block: 1 - mean cosine of its channel means to the source's}.
        accepted: share of the pictures that drove the adaptation, None where the method has no gate.
        auroc: of the OOD detector that was given, after this batch; selected_blocks: as the method's; seconds: of this batch's `adapt`.
        peak_memory: bytes, of the device so far; of the whole process on a CPU. guard: `core.adaptation.guard.Report`; reset: whether the method was
        reset before this batch.
    """

    batch: int
    domain: str
    severity: int | None
    n: int
    broken: int
    predicted: tuple
    before: tuple | None
    labels: tuple
    counts: dict
    error: float | None
    error_before: float | None
    running: float | None
    running_before: float | None
    entropy: float
    confidence: float
    classes: float
    calibration: dict
    ece: float | None
    drift: dict
    features: dict
    accepted: float | None
    auroc: float | None
    selected_blocks: tuple | None
    seconds: float
    peak_memory: int | None
    guard: object = None
    reset: bool = False


def run(method, stream, *, setting=None, before=False, features=0, watch=None, every=5, guard=None, stop=None):
    """Adapt to a stream.

    Args:
        method: a `core.adaptation.method.Method`; it goes on from where it is.
        stream: `StreamBatch`es; setting: a name of `SETTINGS`, by default the stream's; "reset" resets the method where the domain changes.
        before: whether to predict each batch by the source too; or a function (number of the batch, pictures) -> (N, C) logits of the source, which
            methods on one stream can share. features: pictures of each batch by which the drift of features is measured.
        watch: called with the method and the domain after the first and each `every`-th batch; returns an AUROC. See `ood_watch`.
        guard: a `core.adaptation.guard.Guard` of this method; stop: a `threading.Event` that ends the run with `core.jobs.Stopped`.
    Yields: Event, as each batch is done. A batch of which no picture can be used is passed over.
    """
    setting = setting or getattr(stream, "setting", "continual")
    totals, previous, number = Totals(), None, 0
    for batch in stream:
        if stop is not None and stop.is_set():
            raise Stopped
        usable = finite(batch.images)
        broken = int((~usable).sum())
        batch = batch.keep(usable) if broken else batch
        if not len(batch):
            continue
        number += 1
        reset = setting == "reset" and previous not in (None, batch.domain)
        if reset:
            method.reset()
        previous = batch.domain
        logits, seconds = _timed(method, batch.images)
        source: Any = None
        if before or guard:
            source = before(number, batch.images) if callable(before) else logits_of_source(method, batch.images)
        report = guard.check(logits, source) if guard else None
        moved = drift_of_features(method, batch.images[:features]) if features else {}
        auroc = watch(method, batch.domain) if watch and (number == 1 or number % every == 0) else None
        labels = torch.where(batch.known, batch.labels, -1)
        probabilities = logits.double().softmax(1)
        yield Event(
            batch=number,
            domain=batch.domain,
            severity=batch.severity,
            n=len(batch),
            broken=broken,
            predicted=tuple(logits.argmax(1).tolist()),
            before=tuple(source.argmax(1).tolist()) if before else None,
            labels=tuple(labels.tolist()),
            **totals.add(probabilities, source if before else None, labels, batch.domains),
            entropy=entropy(logits.double()).mean().item(),
            confidence=probabilities.amax(1).mean().item(),
            classes=effective_classes(logits),
            drift=drift_of_weights(method),
            features=moved,
            accepted=_accepted(method),
            auroc=auroc,
            selected_blocks=method.selected_blocks,
            seconds=seconds,
            peak_memory=peak_memory(method.device),
            guard=report,
            reset=reset,
        )


class Totals:
    """Errors and calibration over a stream so far."""

    def __init__(self):
        self.wrong = self.wrong_before = self.labelled = 0
        self.bins = torch.zeros(BINS, 3, dtype=torch.float64)

    def add(self, probabilities, source, labels, domains):
        """Return the fields of `Event` that labels decide. Args: (N, C) float64; source: (N, C) or None; labels: (N,), -1 left out; N domains."""
        rows = labels >= 0
        sure, predicted = probabilities.max(1)
        wrong = (predicted != labels) & rows
        n, errors = int(rows.sum()), int(wrong.sum())
        self.labelled, self.wrong = self.labelled + n, self.wrong + errors
        earlier = None if source is None else int(((source.argmax(1) != labels) & rows).sum())
        self.wrong_before += earlier or 0
        pictures, missed = Counter(), Counter()
        for name, counted, missing in zip(domains, rows.tolist(), wrong.tolist(), strict=True):
            pictures[name] += counted
            missed[name] += missing
        counts = {name: (missed[name], count) for name, count in pictures.items() if count}
        bins = {}
        for name in counts:
            of = rows & torch.tensor([domain == name for domain in domains])
            bins[name] = calibration(sure[of], ~wrong[of])
            self.bins = self.bins + bins[name]
        return {
            "counts": counts,
            "error": errors / n if n else None,
            "error_before": earlier / n if n and earlier is not None else None,
            "running": self.wrong / self.labelled if self.labelled else None,
            "running_before": self.wrong_before / self.labelled if self.labelled and earlier is not None else None,
            "calibration": {name: tuple(tuple(row) for row in of.tolist()) for name, of in bins.items()},
            "ece": expected_calibration_error(self.bins) if self.labelled else None,
        }


def calibration(confidence, right):
    """Sort pictures into equal bins of confidence. Args: (N,) in [0, 1], NaN counts as 0; (N,) bool.

    Returns: (BINS, 3) float64: pictures, sum of confidence, right.
    """
    confidence = confidence.nan_to_num(0.0)  # of a network that has collapsed to no numbers: the guard says so
    place = (confidence * BINS).long().clamp(max=BINS - 1)
    values = torch.stack([torch.ones_like(confidence), confidence, right.to(confidence)], 1).double()
    return torch.zeros(BINS, 3, dtype=torch.float64).index_add(0, place, values)


def expected_calibration_error(bins):
    """Return the mean distance of confidence and accuracy, weighted by pictures; a fraction. Source: Naeini et al., AAAI 2015."""
    return ((bins[:, 1] - bins[:, 2]).abs().sum() / bins[:, 0].sum()).item()


@torch.no_grad()
def drift_of_weights(method):
    """Return {block: how far its weights are from the source's, over their length}. Blocks without weights are left out."""
    apart, length = [], []
    now, then = block_parameters(method.network), block_parameters(method.origin)
    for block, parameters in now.items():
        apart.append(torch.stack([(p - o).norm() for p, o in zip(parameters, then[block], strict=True)]).norm())
        length.append(torch.stack([o.norm() for o in then[block]]).norm())
    return dict(zip(now, (torch.stack(apart) / torch.stack(length).clamp_min(1e-12)).tolist(), strict=True))


@torch.no_grad()
def drift_of_features(method, images):
    """Return {block: 1 - the cosine of its channel means to the source's, mean over pictures}: 0 where nothing has moved. Args: as `Method.adapt`."""
    inputs = method.preprocessing.normalise(images.to(method.device, torch.float32))
    blocks = tuple(block_parameters(method.origin))
    now, then = (probe(network, inputs, blocks=blocks, means=blocks).means for network in (method.network, method.origin))
    return {b: 1 - torch.cosine_similarity(now[b].flatten(1), then[b].flatten(1)).mean().item() for b in blocks}


def ood_watch(known, unknown, score=lambda activations, network: energy(activations.logits), *, under=lambda domain, images: images, blocks=None):
    """Return a function that tells how well an adapting network still separates known from unknown pictures.

    Args:
        known, unknown: (N, 3, S, S) and (M, 3, S, S) float in [0, 1]; score: (Activations, network) -> (N + M,), higher = more ID;
            by default Energy. under: (domain, images) -> what they look like there; called once a domain. blocks: as `core.probe.probe`.
    Returns: (method, domain) -> AUROC, a fraction. All pictures are measured in one batch, as they come in a stream: it shares its statistics.
    """
    images = torch.cat([known, unknown])
    look = functools.cache(lambda domain: under(domain, images))

    def watch(method, domain):
        activations = probe(method.network, method.preprocessing.normalise(look(domain).to(method.device)), blocks=blocks)
        scores = score(activations, method.network).double().cpu().nan_to_num(0.0)[:, None].numpy()
        return float(auroc_columns(scores[: len(known)], scores[len(known) :])[0])

    return watch


def summarise(events, *, seconds_setup=0.0, selected_blocks=None):
    """Sum a run up, as events tell it.

    Returns: {errors: {domain: percent}, mean: over domains, ece: {domain: points}, ece_mean: over domains, ece_stream: over all pictures, selected_blocks,
        seconds_setup, seconds_adapt}; None where there are no labels.
    """
    whole = summary([(event.counts, event.seconds) for event in events], seconds_setup=seconds_setup, selected_blocks=selected_blocks)
    return {**{name: whole.pop(name) for name in ("errors", "mean")}, **_calibrated(events), **whole}


def summary(counted, *, seconds_setup=0.0, selected_blocks=None):
    """As `summarise`, without calibration. Args: counted: (counts, seconds) of each event."""
    wrong, pictures, seconds = Counter(), Counter(), 0.0
    for counts, took in counted:
        seconds += took
        for name, (missed, count) in counts.items():
            wrong[name] += missed
            pictures[name] += count
    errors = {name: 100 * wrong[name] / count for name, count in pictures.items()}
    return {
        "errors": {name: round(error, 3) for name, error in errors.items()},
        "mean": round(sum(errors.values()) / len(errors), 3) if errors else None,
        "selected_blocks": None if selected_blocks is None else list(selected_blocks),
        "seconds_setup": round(seconds_setup, 3),
        "seconds_adapt": round(seconds, 3),
    }


def _calibrated(events):
    """Return the calibration errors of `summarise`: those of the probabilities that the method gave each picture when it came."""
    bins = {}
    for event in events:
        for name, of in event.calibration.items():
            bins[name] = bins.get(name, 0) + torch.tensor(of, dtype=torch.float64)
    points = {name: 100 * expected_calibration_error(of) for name, of in bins.items()}
    return {
        "ece": {name: round(value, 3) for name, value in points.items()},
        "ece_mean": round(sum(points.values()) / len(points), 3) if points else None,
        "ece_stream": round(100 * expected_calibration_error(sum(bins.values())), 3) if bins else None,
    }


def peak_memory(device):
    """Return the most memory used so far, bytes: of a CUDA device by torch, else of the process; None where neither is known."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _accepted(method):
    """Return the share of the last batch that a method's gate let drive the adaptation, or None where it has no gate."""
    rows = getattr(method, "accepted", None)
    return None if rows is None else rows.double().mean().item()


def _timed(method, images):
    began = time.perf_counter()
    logits = method.adapt(images)
    if method.device.type == "cuda":
        torch.cuda.synchronize(method.device)
    return logits.cpu(), time.perf_counter() - began


@torch.no_grad()
def logits_of_source(method, images):
    """Return the (N, C) logits of the network that was given, on the CPU; it runs as in eval mode."""
    return as_map(twin(method.origin)[0](method.preprocessing.normalise(images.to(method.device, torch.float32)))).float().cpu()
