"""All one-pass detectors against one plain pass, and against pytorch-ood, which runs the network once for each detector.

Expected: all of ours at most 1.25 x the plain pass; pytorch-ood about as many passes as it has detectors.
"""

import torch

from benchmarks.harness import interleaved, ratio, summary
from core.detectors import ONE_PASS
from core.packs import load_pack
from core.probe import concatenate, probe
from core.verdict import Judge

PICTURES, BATCH = 5000, 250


def rows(*, repetitions=3, quick=False):
    """Time the same pictures three ways in one run. Returns: a list of `Row`."""
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return [row for device in devices for row in _measure(device, 500 if quick else PICTURES, 2 if quick else repetitions)]


def _measure(device, count, repetitions):
    pack = load_pack("cifar10", device=device)
    network, reference = pack.network, pack.reference
    judge = Judge(reference)
    images = torch.randn(count, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(device)
    batches = images.split(BATCH)
    settle = torch.cuda.synchronize if device == "cuda" else (lambda: None)

    def plain():
        with torch.no_grad():
            for batch in batches:
                network(batch)

    def ours():
        measured = concatenate(probe(network, batch, means=(reference.middle,)) for batch in batches)
        judge.scores(measured)

    timed = {"plain": plain, "ours": ours}
    theirs = _pytorch_ood(network, reference)
    if theirs:
        timed["theirs"] = lambda: [detector.predict(batch) for detector in theirs for batch in batches]
    seconds = interleaved(timed, repetitions=repetitions, warm_up=1, settle=settle)
    title = f"{count} pictures, ResNet-18 of width 32, {device}"
    yield ratio("detectors", f"{title}: our {len(ONE_PASS)} detectors and the pass", seconds, "ours", "plain", "against the plain pass")
    if theirs:
        yield ratio("detectors", f"{title}: {len(theirs)} of pytorch-ood", seconds, "theirs", "plain", "against the plain pass, each with a pass of its own")
    yield summary("detectors", f"{title}: a plain pass", seconds["plain"], "s")


def _pytorch_ood(network, reference):
    """Return fitted detectors of pytorch-ood that ours have too, or none where it is not installed."""
    try:
        from pytorch_ood import detector as theirs
    except ImportError:
        return []

    def features(x):
        with torch.no_grad():
            return probe(network, x, blocks=(reference.selected,)).features

    def logits(x):
        with torch.no_grad():
            return network(x)

    weight, bias = reference.head
    bank, labels = reference.bank.features, reference.bank_labels
    on_logits = [theirs.MaxSoftmax(logits), theirs.MaxLogit(logits), theirs.EnergyBased(logits), theirs.GEN(logits)]
    on_features = [theirs.KNN(features), theirs.Mahalanobis(features), theirs.RMD(features)]
    on_features.append(theirs.ViM(features, d=bank.shape[1] // 2, w=weight.cpu(), b=bank.new_tensor(bias.tolist())))
    return on_logits + [detector.fit_features(bank, labels) for detector in on_features]
