"""What pages compute, cached by names and ids. Torch is imported inside, so that a page paints first.

What is cached as a resource is shared by everybody: read it, never change it.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import streamlit as st

from core.corruptions import CORRUPTIONS, SEVERITIES
from core.errors import InputError
from core.packs import list_packs
from dashboard.caches import per_pack, per_picture, version

RESAMPLES = 500  # of a set's pictures, for the intervals of its figures
SHARES = tuple(n / 20 for n in range(21))  # of a picture in the blend with its adversarial copy


@dataclass(frozen=True)
class Look:
    """One picture as one network sees it.

    Attributes: measured: Activations of one picture; seen: (S, S, 3) uint8, the network's input;
        activity: {block: (h, w) float in [0, 1]}, where the selected and the last block respond.
    """

    measured: object
    seen: np.ndarray
    activity: dict


def packs():
    """Return {name: Description} of every pack."""
    return list_packs()


@st.cache_resource(show_spinner=False)
def trainings():
    """Return the `core.training.live.Trainings` of this server."""
    from core.training.live import Trainings

    return Trainings()


@per_pack(st.cache_resource(show_spinner=False, max_entries=8))
def pack(pack_name):
    """Return the loaded pack, one for all sessions; loaded anew when its files change."""
    loaded = unfitted(pack_name)
    loaded.judge  # noqa: B018  fitted now, so that the first verdict does not wait for it
    return loaded


@per_pack(st.cache_resource(show_spinner=False, max_entries=16))
def unfitted(pack_name):
    """Return the loaded pack before its detectors are fitted, which takes longer than to load it: for pages that need many packs."""
    from core.packs import load_pack

    return load_pack(pack_name)


@per_picture(max_entries=1000)
def look(pack_name, picture_id, _item):
    """Measure a picture with one pass. Args: picture_id: what the cache knows the `Item` by. Raises: InputError if it cannot be read."""
    from core.images.preprocess import stack
    from core.probe import activity_maps

    loaded = unfitted(pack_name)
    seen = loaded.preprocessing.see(_item.open(near=loaded.preprocessing.size))
    images = stack([seen])
    measured = loaded.probe(images)
    wanted = {loaded.selection.selected, loaded.selection.blocks[-1]}
    maps = activity_maps(loaded.network, loaded.preprocessing.normalise(images.to(loaded.device)), wanted)
    return Look(measured, seen, {block: m[0].cpu().numpy() for block, m in maps.items()})


def verdicts(pack_name, looks, *, detector, keep):
    """Judge measured pictures. Args: looks: a list of `Look`. Returns: a list of `core.verdict.Verdict`."""
    from core.probe import concatenate

    loaded = pack(pack_name)
    measured = concatenate(look.measured for look in looks)
    return loaded.judge.judge(measured, loaded.classes, detector=detector, keep=keep)


@per_pack(st.cache_data(show_spinner=False, max_entries=64))
def known_scores(pack_name, detector):
    """Return the scores of the held-out known pictures: (N,) float64 array."""
    return pack(pack_name).judge.known_scores[detector].numpy()


@per_pack(st.cache_data(show_spinner=False, max_entries=64))
def reference_norms(pack_name):
    """Return {set: (N, K) float32 array} of block norms: "known" for held-out known pictures, then each unknown set."""
    reference = pack(pack_name).reference
    return {"known": reference.held_out.norms.numpy(), **{name: a.norms.numpy() for name, a in reference.unknown.items()}}


@per_pack(st.cache_resource(show_spinner=False, max_entries=8))
def evaluation(pack_name):
    """Score a pack's held-out known pictures and its unknown sets with every detector, from the pack's numbers alone.

    Returns: `core.evaluation.Evaluation`; the sets are in the order of the pack, "jigsaw" first.
    """
    from core.evaluation import evaluate

    loaded = pack(pack_name)
    return evaluate(_every_judge(pack_name), loaded.reference.unknown, by_permutation=loaded.selection.by_permutation)


@per_pack(st.cache_resource(show_spinner=False, max_entries=8))
def _every_judge(pack_name):
    """Return a judge with every detector, those that need two passes too."""
    from core.detectors import DETECTORS
    from core.verdict import Judge

    return Judge(pack(pack_name).reference, tuple(DETECTORS))


@dataclass(frozen=True)
class Bench:
    """An evaluation and what it is cached by: `pack`, the `version` of its files, and `jobs`, a tuple of the measurements that were added."""

    pack: str
    version: int
    jobs: tuple
    evaluation: object

    @property
    def key(self):
        return self.pack, self.version, self.jobs


def bench(pack_name, extra=None):
    """Evaluate a pack on its own unknown sets and on further ones. Args: extra: {(set, id of a measurement): Activations}. Returns: `Bench`."""
    extra = extra or {}
    jobs = tuple(extra)
    return Bench(pack_name, version(pack_name), jobs, _with_extra(pack_name, jobs, extra) if extra else evaluation(pack_name))


@per_pack(st.cache_resource(show_spinner=False, max_entries=8))
def _with_extra(pack_name, jobs, _extra):
    from core.evaluation import evaluate

    loaded = pack(pack_name)
    unknown = {**loaded.reference.unknown, **{name: measured for (name, _), measured in _extra.items()}}
    return evaluate(_every_judge(pack_name), unknown, by_permutation=loaded.selection.by_permutation)


def figures(bench, convention, *, intervals=False, detectors=None):
    """Return every metric of the detectors, by default of all, on every set, as `core.evaluation.figures` does; with `ci` it takes seconds."""
    return _figures(bench.key, convention, RESAMPLES if intervals else 0, detectors, bench.evaluation)


@st.cache_data(show_spinner=False, max_entries=64)
def _figures(key, convention, resamples, detectors, _evaluation):
    from core.evaluation import figures

    return figures(_evaluation, convention=convention, resamples=resamples, detectors=detectors)


def roc(bench, name, detector):
    """Return the ROC curve of a detector on a set, thinned for the eye: a `core.metrics.Curve`."""
    return _roc(bench.key, name, detector, bench.evaluation)


@st.cache_data(show_spinner=False, max_entries=512)
def _roc(key, name, detector, _evaluation):
    from core.metrics import curve

    return curve(_evaluation.known[detector], _evaluation.unknown[name][detector], points=300)


def at_keep(bench, name, detectors, keep):
    """Return {detector: (threshold, `core.metrics.Confusion`)} where a share of the known pictures is accepted."""
    import torch

    from core.conformal import threshold_at
    from core.metrics import rates_at

    found = {}
    for detector in detectors:
        known = bench.evaluation.known[detector]
        threshold = threshold_at(torch.from_numpy(known), keep)
        found[detector] = threshold, rates_at(known, bench.evaluation.unknown[name][detector], threshold)
    return found


def p_values(bench, name=None):
    """Return {detector: conformal p-values} of a set, or of the known pictures, each left out of its own calibration."""
    return _p_values(bench.key, name, bench.evaluation)


@st.cache_data(show_spinner=False, max_entries=64)
def _p_values(key, name, _evaluation):
    import torch

    from core.conformal import conformal_p, left_out_p

    known = {detector: torch.from_numpy(scores) for detector, scores in _evaluation.known.items()}
    if name is None:
        return {detector: left_out_p(scores).numpy() for detector, scores in known.items()}
    return {d: conformal_p(known[d], torch.from_numpy(scores)).numpy() for d, scores in _evaluation.unknown[name].items()}


def divided(bench, name, detectors, keep):
    """Find the pictures that detectors disagree about most: as many say ID as OOD; among equals, the p-values are furthest apart.

    Returns: [(set or None for known, row, (D,) bool array of who says ID)], every picture about which not all agree, most divided first.
    """
    thresholds = {d: threshold for d, (threshold, _) in at_keep(bench, name, detectors, keep).items()}
    found = []
    for of, scores in ((None, bench.evaluation.known), (name, bench.evaluation.unknown[name])):
        votes = np.stack([scores[d] > thresholds[d] for d in detectors], 1)  # (N, D)
        p = p_values(bench, of)
        spread = np.ptp(np.stack([p[d] for d in detectors], 1), axis=1)
        share = votes.mean(1)
        rows = np.flatnonzero((share > 0) & (share < 1))
        found += [(abs(share[r] - 0.5), -spread[r], of, int(r), votes[r]) for r in rows]
    found.sort(key=lambda one: one[:2])
    return [one[2:] for one in found]


@per_pack(st.cache_resource(show_spinner=False, max_entries=16))
def half(pack_name, detector):
    """Return the `core.watch.halves.Half` of a pack's reference: half of its held-out pictures calibrates the detector, the other half is new."""
    from core.watch.halves import Half

    return Half(pack(pack_name).reference, detector)


@per_pack(st.cache_resource(show_spinner=False, max_entries=16))
def trust(pack_name):
    """Return the `core.trust.Trust` of a pack. Raises: InputError if too few of its held-out pictures have a class."""
    from core.trust import Trust

    return Trust(unfitted(pack_name).reference)


@dataclass(frozen=True)
class Puzzle:
    """A picture's jigsaw and what it does: `seen` (S, S, 3) uint8; `norms` and `original` (K,) float arrays."""

    seen: np.ndarray
    norms: np.ndarray
    original: np.ndarray


@per_picture(max_entries=500)
def puzzle(pack_name, picture_id, _item, *, tiles, seed):
    """Cut a picture into tiles x tiles, shuffle them by the seed and measure the puzzle. Returns: `Puzzle`."""
    import torch

    from core.images.preprocess import stack
    from core.jigsaw import jigsaw

    loaded, original = pack(pack_name), look(pack_name, picture_id, _item)
    images = jigsaw(stack([original.seen]), generator=torch.Generator().manual_seed(seed), tiles=tiles, border=loaded.selection.border)
    norms = loaded.probe(images).norms[0].numpy()
    return Puzzle(images[0].permute(1, 2, 0).numpy(), norms, original.measured.norms[0].numpy())


@dataclass(frozen=True)
class Choice:
    """Which block NormRatio selects, and how firmly.

    Attributes: blocks: K names; ratios: K NormRatios; low, high: the least and the greatest of each over the shuffles;
        norm_id, norm_jigsaw: K mean FeatureNorms; selected; runner_up: second highest ratio, None if there is one block;
        votes: {block: how many shuffles choose it}, most votes first; shuffles, images, mode, border.
    """

    blocks: tuple
    ratios: tuple
    low: tuple
    high: tuple
    norm_id: tuple
    norm_jigsaw: tuple
    selected: str
    runner_up: str | None
    votes: dict
    shuffles: int
    images: int
    mode: str
    border: str

    def ratio(self, block):
        return self.ratios[self.blocks.index(block)]


def choice(facts):
    """Read the `Choice` from what a pack says of itself, without loading it. Args: facts: of its `Description`."""
    selection = facts["selection"]
    blocks, ratios = tuple(selection["blocks"]), tuple(selection["norm_ratio"])
    rows = np.array(selection["by_permutation"])  # (R, K)
    votes = Counter(blocks[k] for k in rows.argmax(1))
    others = sorted((b for b in blocks if b != selection["selected"]), key=lambda b: -ratios[blocks.index(b)])
    return Choice(
        blocks=blocks,
        ratios=ratios,
        low=tuple(rows.min(0).tolist()),
        high=tuple(rows.max(0).tolist()),
        norm_id=tuple(selection["norm_id"]),
        norm_jigsaw=tuple(selection["norm_jigsaw"]),
        selected=selection["selected"],
        runner_up=others[0] if others else None,
        votes=dict(votes.most_common()),
        shuffles=len(rows),
        images=selection["images"],
        mode=selection["mode"],
        border=selection.get("border", "zero"),
    )


@per_pack(st.cache_data(show_spinner=False, max_entries=64))
def passing(pack_name, keep=0.95):
    """Let each block's FeatureNorm decide alone.

    Returns: ((K,) thresholds that keep a share of the held-out known pictures, {set: (K,) share that passes as known}).
    """
    import torch

    from core.conformal import threshold_at

    norms = reference_norms(pack_name)
    thresholds = np.array([threshold_at(column, keep) for column in torch.from_numpy(norms["known"]).T])
    return thresholds, {name: (values > thresholds).mean(0) for name, values in norms.items()}


@dataclass(frozen=True)
class Confidence:
    """How confident a network is of sets of pictures: the maximum softmax probability, "before" and "after".

    Attributes:
        passes: {"before": {set: (N,) float64 in [1/classes, 1]}, "after": the same}, sets as in `reference_norms`: "known" first.
            Without a linear head there is no "after".
        right: {pass: (N,) float, 1 where a held-out known picture is classified right, 0 where not, NaN where its class is not known}.
        block: the selected one; length: mean length of the known pictures' features; norm: mean of their selected norms;
        factor: what the selected norm was multiplied by.
        cooled: {set: (N,)} confidences of the network's own logits divided by length / norm: as short on average as with the norm as
            it is, so that what the norm does can be told from what a temperature does.
    """

    passes: dict
    right: dict
    block: str
    length: float
    norm: float
    factor: float
    cooled: dict

    def accepted(self, kind, name, thresholds):
        """Return the share of a set whose confidence is above each threshold."""
        values = np.sort(self.passes[kind][name])
        return 1 - np.searchsorted(values, thresholds, side="right") / len(values)

    def accuracy(self, kind, thresholds=0.0):
        """Return, for each threshold, the share of known pictures above it that are classified right; NaN where there is none."""
        right, confidence = self.right[kind], self.passes[kind]["known"]
        order = np.argsort(confidence)
        order = order[np.isfinite(right[order])]
        kept = len(order) - np.searchsorted(confidence[order], thresholds, side="right")
        summed = np.append(0, right[order][::-1].cumsum())  # of the most confident 0, 1, 2, ... pictures
        return np.where(kept > 0, summed[kept] / np.maximum(kept, 1), np.nan)


@per_pack(st.cache_data(show_spinner=False, max_entries=32))
def confidences(pack_name, *, raw=False):
    """Compute the confidence of a pack's held-out known pictures and unknown sets from its numbers alone.

    "before" is the softmax of the network's own logits. "after" gives each feature the selected block's norm as its length. By
    default the norm is first multiplied by one constant, the mean length of the known features over the mean of their selected
    norms, so that known pictures are as long as before on average; raw takes the norm as it is, as in the paper. The constant
    works like 1 / temperature: it moves the confidence of every picture and, since confidence is no monotone function of a
    temperature when there are more than two classes, also who is above whom, and so FPR@95TPR. The order of the classes within
    one picture stays but for the bias.

    Returns: `Confidence`.
    """
    reference = unfitted(pack_name).reference
    sets = {"known": reference.held_out, **reference.unknown}
    length, norm, factor = _lengths(reference, raw)
    logits = {name: _logits(reference, measured, factor) for name, measured in sets.items()}
    labels = reference.held_out_labels
    right = {kind: (values.argmax(1) == labels).double().where(labels >= 0, np.nan).numpy() for kind, values in logits["known"].items()}
    passes = {kind: {name: _msp(of_set[kind]) for name, of_set in logits.items()} for kind in right}
    cooled = {name: _msp(of_set["before"] * norm / length) for name, of_set in logits.items()}
    return Confidence(passes, right, reference.selected, length, norm, factor, cooled)


def confidence_of(pack_name, measured, *, raw=False):
    """Return one measured picture's confidence and class as `confidences` does: {"before": (fraction, index), "after": ...}."""
    reference = pack(pack_name).reference
    logits = _logits(reference, measured, _lengths(reference, raw)[2])
    return {kind: (float(_msp(values)[0]), int(values[0].argmax())) for kind, values in logits.items()}


def _lengths(reference, raw):
    """Return the mean length of known features, the mean of their selected norms, and what to multiply the norms by."""
    length = reference.held_out.features.double().norm(dim=1).mean().item()
    norm = reference.held_out.norm(reference.selected).double().mean().item()
    return max(length, 1e-12), norm, 1.0 if raw or not norm else length / norm


def _logits(reference, measured, factor):
    from core.detectors.selected_norm import logits_with_norm

    logits = {"before": measured.logits.double()}
    if reference.head is not None:
        logits["after"] = logits_with_norm(measured.features, factor * measured.norm(reference.selected).double(), *reference.head)
    return logits


def _msp(logits):
    from core.detectors.logits import msp

    return msp(logits).numpy()


def by_one(pack_name, detector):
    """Evaluate a pack on its own unknown sets with one detector. Returns: `Bench`. Raises: InputError if this network cannot have it."""
    found = _by_one(pack_name, detector)
    if detector not in found.known:
        raise InputError(next(iter(found.unavailable.values())), key="detector.unavailable", name=detector)
    return Bench(pack_name, version(pack_name), (detector,), found)


@per_pack(st.cache_resource(show_spinner=False, max_entries=128))
def _by_one(pack_name, detector):
    from core.evaluation import evaluate

    return evaluate(_judge(pack_name, detector), unfitted(pack_name).reference.unknown)


@per_pack(st.cache_resource(show_spinner=False, max_entries=64))
def _judge(pack_name, detector):
    from core.verdict import Judge

    return Judge(unfitted(pack_name).reference, (detector,))


def separation(known, unknown, first):
    """Say how far apart a network's confidences of known and unknown pictures lie.

    Args: known, unknown: fractions; first: another network's confidences of the same unknown pictures.
    Returns: {"mean_known", "mean_unknown": percent; "gap": between the two means, points; "overlap": the lowest sum of unknown pictures above
        and known ones not above a threshold, percent; "area": between the cumulative curves of known and unknown, points of confidence;
        "shift": the same between the unknown pictures of both networks}.
    Source: overlap is 1 less the one-sided Kolmogorov-Smirnov distance; area and shift are Wasserstein-1 distances (Vallender 1974).
    """
    from scipy.stats import ks_2samp, wasserstein_distance

    means = 100 * known.mean(), 100 * unknown.mean()
    overlap = 1 - ks_2samp(unknown, known, alternative="greater", method="asymp").statistic
    areas = {"area": wasserstein_distance(known, unknown), "shift": wasserstein_distance(unknown, first)}
    shares = {name: 100 * float(value) for name, value in {"overlap": overlap, **areas}.items()}
    return {"mean_known": float(means[0]), "mean_unknown": float(means[1]), "gap": float(means[0] - means[1]), **shares}


def improvements(found, baseline):
    """Say by how many percent each network's figures are better than one's.

    Args: found: {name: {set: {metric: percent}}}, as `figures` has them of one detector; baseline: one of the names.
    Returns: {name: {set: {metric: percent, NaN where the baseline has 0}}} of all others; see `core.training.comparison.improvement`.
    """
    import pandas as pd

    from core.training.comparison import FAMILY, METRICS, improvement

    same = dict.fromkeys((*FAMILY, "detector", "convention"), "")
    rows = [{**same, "method": name, "set": s, **{m: row[m] for m in METRICS}} for name, sets in found.items() for s, row in sets.items()]
    better = improvement(pd.DataFrame(rows), baseline).set_index(["method", "set"])
    return {name: {s: {m: float(better.loc[(name, s), m]) for m in METRICS} for s in sets} for name, sets in found.items() if name != baseline}


@st.cache_data(show_spinner=False, max_entries=4)
def claims(table):
    """Hold the paper's claims against a comparison. Args: table: a DataFrame, all of whose rows are the key. Returns: as `checked` in core."""
    from core.training.comparison import checked

    return checked(table)


@per_picture(max_entries=200)
def blends(pack_name, picture_id, _item, *, label, eps):
    """Blend a picture with its own adversarial copy, which a network's gradient makes. Args: label: index of a class; eps: of 255.

    Returns: (L, S, S, 3) uint8, one for each of `SHARES`: the copy first, the picture last.
    """
    import torch
    from torch.nn import functional as F

    from core.images.preprocess import stack
    from core.training.draw import blend
    from core.training.fgsm import fgsm

    loaded = unfitted(pack_name)
    picture = stack([look(pack_name, picture_id, _item).seen]).float().to(loaded.device) / 255  # (1, 3, S, S)
    labels = torch.tensor([label], device=loaded.device)
    copy = fgsm(lambda x: loaded.network(loaded.preprocessing.normalise(x)), picture, lambda z: F.cross_entropy(z, labels, reduction="sum"), eps / 255)
    mixed = blend(torch.tensor(SHARES, device=loaded.device), picture, copy)  # (L, 3, S, S)
    return (255 * mixed).round().byte().permute(0, 2, 3, 1).cpu().numpy()


@per_picture(max_entries=500)
def blend_verdicts(pack_name, attacked, picture_id, _item, *, label, eps):
    """Judge the `blends` that one network's gradient made by another's consensus, or by its own. Returns: a `core.verdict.Verdict` for each."""
    from core.images.preprocess import stack

    loaded = unfitted(pack_name)
    measured = loaded.probe(stack(list(blends(attacked, picture_id, _item, label=label, eps=eps))))
    return _judge(pack_name, "consensus").judge(measured, loaded.classes)


@dataclass(frozen=True)
class Corrupted:
    """One picture, clean and under corruptions. Attributes: cells: as `core.corruptions.gallery.cells`; seen: (M, S, S, 3) uint8, in their order."""

    cells: tuple
    seen: np.ndarray

    def at(self, name, severity):
        """Return the pixels of one cell: (S, S, 3) uint8."""
        return self.seen[self.cells.index((name, severity))]


@per_picture(max_entries=200)
def corrupted(pack_name, picture_id, _item, *, names=tuple(CORRUPTIONS), severities=SEVERITIES, seed=0):
    """Corrupt what a network sees of a picture. Args: names, severities: tuples. Returns: `Corrupted`. Raises: InputError as `look`."""
    from core.corruptions.gallery import cells, gallery
    from core.images.preprocess import stack

    images = gallery(stack([look(pack_name, picture_id, _item).seen])[0], names, severities, seed=seed)
    return Corrupted(cells(names, severities), images.permute(0, 2, 3, 1).numpy())


@per_picture(max_entries=100)
def _corrupted_measured(pack_name, picture_id, _item, *, seed):
    from core.images.preprocess import stack

    return unfitted(pack_name).probe(stack(list(corrupted(pack_name, picture_id, _item, seed=seed).seen)))


@per_picture(max_entries=200)
def corrupted_verdicts(pack_name, picture_id, _item, *, seed, detector, keep, expected=None):
    """Judge a picture under every corruption at every severity, measured in one pass.

    Args: expected: the name of the right class; None takes the answer for the clean picture for it.
    Returns: ({cell: `core.verdict.Verdict`}, {cell: one of `core.corruptions.gallery.OUTCOMES`}); the clean picture's first.
    """
    from core.corruptions.gallery import outcome

    loaded, cells = pack(pack_name), corrupted(pack_name, picture_id, _item, seed=seed).cells
    measured = _corrupted_measured(pack_name, picture_id, _item, seed=seed)
    judged = dict(zip(cells, loaded.judge.judge(measured, loaded.classes, detector=detector, keep=keep), strict=True))
    expected = expected or judged[cells[0]].class_name
    return judged, {cell: outcome(verdict, expected) for cell, verdict in judged.items()}


@dataclass(frozen=True)
class Evidence:
    """Where the evidence for a picture's class lies, and what becomes of the class where a part is covered.

    Attributes: values: (S, S) float, the signed map; covered: {"red", "pale": (S, S, 3) uint8}, the picture without its highest and without its
        palest pixels; label: the predicted class; confidence: {"whole", "red", "pale": its softmax probability}.
    """

    values: np.ndarray
    covered: dict
    label: int
    confidence: dict


@per_picture(max_entries=500)
def evidence(pack_name, picture_id, _item, *, block, share=0.2, method="gradcam"):
    """Draw the map of a picture's class at a block and cover a share of the pixels with the mean colour: the highest, or those nearest to zero.

    Returns: `Evidence`. Raises: InputError where this block has no such map.
    """
    import torch

    from core.explanation import explain
    from core.explanation.common import classes_of
    from core.explanation.faithfulness import probability_of
    from core.images.preprocess import stack

    loaded = unfitted(pack_name)
    pixels = stack([look(pack_name, picture_id, _item).seen])  # (1, 3, S, S)
    image = loaded.preprocessing.normalise(pixels.to(loaded.device))
    label = classes_of(loaded.network, image)
    values = explain(method, loaded.network, image, target=label, block=block)  # (1, S, S)
    few = max(1, round(share * values[0].numel()))
    parts = {"red": values.flatten().topk(few).indices, "pale": values.abs().flatten().topk(few, largest=False).indices}
    images, covered = [image], {}
    grey = (255 * torch.tensor(loaded.preprocessing.mean)).round().byte()[:, None]
    for name, places in parts.items():
        images.append(image.flatten(2).index_fill(2, places, 0.0).view_as(image))
        shown = pixels[0].flatten(1).clone()
        shown[:, places.cpu()] = grey
        covered[name] = shown.view_as(pixels[0]).permute(1, 2, 0).numpy()
    with torch.no_grad():
        found = probability_of(loaded.network, label.expand(3))(torch.cat(images)).tolist()
    return Evidence(values[0].cpu().numpy(), covered, int(label), dict(zip(("whole", *parts), found, strict=True)))


def runs(kind, limit, owner):
    """Return the latest kept runs of a kind that are this owner's or this machine's, newest first. Raises: InputError if the store cannot be reached."""
    from core.runs import Store

    with Store() as store:
        return store.list(kind=kind, limit=limit, owner=owner)


def forget_run(run_id):
    """Delete a kept run. Raises: InputError if there is none of this id, or the store cannot be reached."""
    from core.runs import Store

    with Store() as store:
        store.remove(run_id)


def run(run_id):
    """Return one kept measurement. Raises: InputError if there is none of this id."""
    from core.runs import Store

    with Store() as store:
        return store.get(run_id)


def keep_run(bench, convention, owner):
    """Put an evaluation into the run store, with 95 % intervals and every score. Returns: its id."""
    from core.evaluation import document, keep_scores, run_title
    from core.provenance import provenance
    from core.runs import Store

    result = document(bench.evaluation, figures(bench, convention, intervals=True), convention=convention)
    made_by = provenance(pack=bench.pack, seed=0, device=str(pack(bench.pack).device), convention=convention)
    title = run_title(bench.pack, bench.evaluation)
    with Store() as store:
        return store.add("bench", result, title=title, made_by=made_by, arrays=keep_scores(bench.evaluation), owner=owner).id


@st.cache_resource(show_spinner=False, on_release=lambda apart: apart.close())
def adaptations():
    """Return the `core.adaptation.apart.Apart` of this server."""
    from core.adaptation.apart import Apart

    return Apart()


@st.cache_data(show_spinner=False)
def adaptation_example():
    """Return what `core.adaptation.example.read_example` does."""
    from core.adaptation.example import read_example

    return read_example()


@st.cache_data(show_spinner=False, max_entries=16)
def adaptation_pictures(run_id):
    """Return {batch: (K, S, S, 3) uint8}, the pictures that were kept of a run. Raises: InputError if the store cannot be reached or has no such run."""
    from core.runs import Store

    with Store() as store:
        return {int(name.removeprefix("batch_")): array for name, array in store.arrays(run_id).items()}


@st.cache_data(show_spinner=False, max_entries=64)
def can_open(spec, data_folder):
    """Tell whether a source of pictures is on this machine. Args: data_folder: where "data:" looks, so that a change is noticed."""
    from core.errors import InputError
    from core.images.sources import open_source

    try:
        return len(open_source(spec)) > 0
    except InputError:
        return False


@per_picture(max_entries=200)
def judged(run_name, batches, picture_id, domain, _seen):
    """Judge a picture by the methods of a run as they stand.

    Args: batches: how far each has come; _seen: (S, S, 3) uint8. Returns: {method: `core.adaptation.live.Judged`}, empty where the run is no more.
    """
    return {name: found[0] for name, found in adaptations().judge(run_name, _seen[None].copy(), domain).items()}


def selection_of_blocks(pack_name):
    """Return the `core.adaptation.selection.BlockSelection` that is kept for a pack, or None."""
    from core.adaptation.kept import kept_selection

    return kept_selection(pack_name)
