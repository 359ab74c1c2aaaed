"""What a pack's numbers say of how far its answers can be trusted: calibrated confidence, and when to ask a person.

The held-out pictures whose class is known, and each unknown set, are divided once for all: a quarter fits whatever is fitted, a half chooses
thresholds, a quarter reports; calibration is told by the last two. Nothing is measured on pictures that it was fitted or chosen on, and no
forward pass is made.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch

from core import calibration, handoff
from core.conformal import conformal_p
from core.errors import InputError, unknown
from core.table import Entry, look_up
from core.verdict import Judge

MAPS = ("before", "temperature", "isotonic")
SCORES = {
    "msp": Entry("confidence, as the network gives it", "core.calibration:confidence_of"),
    "calibrated": Entry("confidence at the fitted temperature", "core.calibration:confidence_of", paper="Guo et al., ICML 2017"),
    "consensus": Entry("p-value of the consensus", "core.detectors.consensus:Consensus"),
    "both": Entry("the lower p-value of confidence and consensus", "core.conformal:conformal_p"),
}
FIT, CHOOSE, REPORT = "fit", "choose", "report"
LEAST = 200  # pictures with a class below which nothing is said
SPARE = 4  # standard deviations of a count for which a drawn stream leaves pictures over


@dataclass(frozen=True)
class Pictures:
    """N pictures as a hand-off sees them: `scores` {name: (N,) float64}, higher = rather the machine; `wrong` (N,) bool, whether the answer is."""

    scores: dict
    wrong: np.ndarray

    def __len__(self):
        return len(self.wrong)


@dataclass(frozen=True)
class Outcome:
    """What a threshold does on pictures that it was not chosen on; fractions, NaN where there is nothing to divide by.

    Attributes: coverage: of all pictures, the machine decides; known, unknown: of these; risk: of what it decides, wrong;
        misread: of the known pictures that it decides, wrong; pictures: known ones looked at; decided, wrong: how many of these.
    """

    coverage: float
    known: float
    unknown: float
    risk: float
    misread: float
    pictures: int
    decided: int
    wrong: int


class Trust:
    """Fit on a quarter of a reference's held-out pictures all that trust is put in.

    Args: reference: a `core.reference.Reference`; seed: of who is in which part.
    Attributes: temperature; isotonic: a function of confidences; parts: {"fit", "choose", "report": {"known" or an unknown set: `Pictures`}};
        scores: names of `SCORES` that this network has; logits, labels: (N, C) and (N,) arrays of the pictures that nothing was fitted on.
    Raises: InputError where fewer than 200 held-out pictures have a class.
    """

    def __init__(self, reference, *, seed=0):
        labelled = (reference.held_out_labels >= 0).nonzero()[:, 0]
        if len(labelled) < LEAST:
            raise InputError(
                f"Only {len(labelled)} held-out pictures of this pack have a class, and {LEAST} are needed; make it again with labelled pictures.",
                key="trust.labels",
                n=len(labelled),
                least=LEAST,
            )
        self.rows = {part: labelled[rows] for part, rows in _parts(len(labelled), seed).items()}
        mine, labels = (of[self.rows[FIT]] for of in (reference.held_out, reference.held_out_labels))
        self.temperature = calibration.fit_temperature(mine.logits.numpy(), labels.numpy())
        self._fitted = calibration.confidence_of(mine.logits.numpy())
        self.isotonic = calibration.fit_isotonic(self._fitted, (mine.logits.argmax(1) == labels).numpy())
        judge = Judge(replace(reference, held_out=mine, held_out_labels=labels), ("consensus",))
        self._judge = None if judge.unavailable else judge
        self.scores = tuple(SCORES) if self._judge else ("msp", "calibrated")
        self.unknown = tuple(reference.unknown)
        self.parts = {part: {"known": self.judged(reference.held_out[rows], reference.held_out_labels[rows])} for part, rows in self.rows.items()}
        for name, measured in reference.unknown.items():
            found = self.judged(measured)
            for part, rows in _parts(len(measured), seed).items():
                self.parts[part][name] = Pictures({score: values[rows.numpy()] for score, values in found.scores.items()}, found.wrong[rows.numpy()])
        others = torch.cat([self.rows[CHOOSE], self.rows[REPORT]])
        self.logits, self.labels = (of[others].numpy() for of in (reference.held_out.logits, reference.held_out_labels))

    def judged(self, activations, labels=None):
        """Score measured pictures. Args: labels: (N,) of known ones; None for unknown ones, of which every answer is wrong. Returns: `Pictures`."""
        logits = activations.logits.numpy()
        scores = {"msp": calibration.confidence_of(logits), "calibrated": calibration.confidence_of(logits, self.temperature)}
        if self._judge:
            consensus = conformal_p(self._judge.known_scores["consensus"], self._judge.scores(activations)["consensus"])
            sure = conformal_p(torch.from_numpy(self._fitted), torch.from_numpy(scores["msp"]))
            scores |= {"consensus": consensus.numpy(), "both": torch.minimum(consensus, sure).numpy()}
        wrong = np.ones(len(logits), bool) if labels is None else logits.argmax(1) != np.asarray(labels)
        return Pictures(scores, wrong)

    def confidences(self, logits):
        """Return {name of `MAPS`: (N,) confidences of the top answer}. Args: logits: (N, C) array."""
        own = calibration.confidence_of(logits)
        return dict(zip(MAPS, (own, calibration.confidence_of(logits, self.temperature), self.isotonic(own)), strict=True))

    def calibrated(self, logits=None, labels=None, *, bins=calibration.BINS, binning="width"):
        """Say how well calibrated each map is, by default on the pictures that nothing was fitted on.

        Returns: {name of `MAPS`: {bins: `core.calibration.Bins`, ece, brier, nll: nats, None for isotonic, which is of the top answer alone}}.
        """
        logits, labels = (self.logits, self.labels) if logits is None else (logits, labels)
        right, found = logits.argmax(1) == labels, {}
        for name, confidence in self.confidences(logits).items():
            made = calibration.reliability(confidence, right, bins=bins, binning=binning)
            likelihood = {"before": 1.0, "temperature": self.temperature}.get(name)
            found[name] = {
                "bins": made,
                "ece": made.ece,
                "brier": calibration.brier(confidence, right),
                "nll": likelihood and calibration.nll(logits, labels, likelihood),
            }
        return found

    @lru_cache(maxsize=256)  # noqa: B019  one of a pack, kept as long as the pack is
    def rule(self, score, *, risk, share=0.0, unknown=None, delta=handoff.DELTA):
        """Choose the threshold of a hand-off.

        Args: score: one of `scores`; risk: that the promise is of, a fraction; share: of unknown pictures that is assumed, in [0, 1); unknown: the set
            that they come from, by default all but puzzles, each as often.
        Returns: `core.handoff.Rule`.
        Raises: InputError for a score or set that there is not, or a fraction that is none.
        """
        self._check(score, risk, share)
        names = self.sets(unknown)
        (rehearsal, _), trial = (self._stream(part, score, names, share) for part in (FIT, CHOOSE))
        return handoff.choose(rehearsal, *trial, risk=risk, delta=delta)

    def outcome(self, rule, score, *, share=0.0, unknown=None):
        """Return the `Outcome` of a rule on the pictures that report. Args: as `rule`."""
        known, names = self.parts[REPORT]["known"], self.sets(unknown)
        taken = known.scores[score] > rule.threshold
        passed = [float((self.parts[REPORT][name].scores[score] > rule.threshold).mean()) for name in names]
        return outcome(taken, known.wrong, float(np.mean(passed)) if passed else 0.0, share)

    def curve(self, score, *, share=0.0, unknown=None):
        """Return the `core.handoff.Curve` of the pictures that report, unknown ones weighed by their share. Args: as `rule`."""
        names = self.sets(unknown)
        sets = [self.parts[REPORT][name] for name in ("known", *names)]
        each = [1 - share, *(share / len(names) for _ in names)]
        weights = np.concatenate([np.full(len(of), weight / len(of)) for of, weight in zip(sets, each, strict=True)])
        return handoff.risk_coverage(np.concatenate([of.scores[score] for of in sets]), np.concatenate([of.wrong for of in sets]), weights)

    def sets(self, unknown_set=None):
        """Return the names of the unknown sets that are meant: one, or all but puzzles, which the consensus was fitted to tell apart."""
        if unknown_set is not None and unknown_set not in self.unknown:
            raise unknown("set", unknown_set, self.unknown)
        return (unknown_set,) if unknown_set else tuple(name for name in self.unknown if name != "jigsaw") or self.unknown

    def _check(self, score, risk, share):
        look_up({name: SCORES[name] for name in self.scores}, score, kind="score")
        if not 0 < risk < 1:
            raise InputError(f"The risk is {100 * risk:g} %; give a percentage between 0 and 100, such as 1.", key="trust.risk", risk=100 * risk)
        if not 0 <= share < 1:
            raise InputError(
                f"The share of unknown pictures is {100 * share:g} %; give a percentage from 0 to below 100.", key="trust.share", share=100 * share
            )
        if share and not self.unknown:
            raise InputError("This pack measured no unknown pictures; leave their share at 0.", key="trust.unknown")

    def _stream(self, part, score, names, share):
        """Draw a stream of a part's pictures, each unknown with the assumed probability, none twice. Returns: (scores, wrong).

        Drawn so, the pictures are independent and alike, as the binomial test of a threshold takes them to be.
        """
        if not share:
            return self.parts[part]["known"].scores[score], self.parts[part]["known"].wrong
        sets = [self.parts[part][name] for name in ("known", *names)]
        chances, sizes = np.array([1 - share, *(share / len(names) for _ in names)]), np.array([len(of) for of in sets])
        spare = SPARE * np.sqrt(chances * (1 - chances))
        n = int(min(((np.sqrt(spare**2 + 4 * chances * sizes) - spare) / (2 * chances)) ** 2))  # n chance + spare sqrt(n) <= size
        counts = np.minimum(np.random.default_rng(0).multinomial(n, chances), sizes)
        taken = [(of.scores[score][:count], of.wrong[:count]) for of, count in zip(sets, counts, strict=True)]
        return tuple(np.concatenate(columns) for columns in zip(*taken, strict=True))


def document(trust, *, risk, share=0.0):
    """Return all that `python -m core trust` tells, ready for JSON. Percentages, but for temperature, Brier (0 to 1), NLL (nats) and thresholds.

    Args: trust: a `Trust`; risk, share: as `Trust.rule`, for every score of the network.
    Raises: as `Trust.rule`.
    """
    found = {binning: trust.calibrated(binning=binning) for binning in calibration.BINNINGS}
    calibrated = {
        name: {**{f"ece_{b}": _percent(of[name]["ece"]) for b, of in found.items()}, "brier": found["width"][name]["brier"], "nll": found["width"][name]["nll"]}
        for name in MAPS
    }
    hand_off = {}
    for score in trust.scores:
        rule, curve = trust.rule(score, risk=risk, share=share), trust.curve(score, share=share)
        done = trust.outcome(rule, score, share=share)
        told = {"coverage": done.coverage, "risk": done.risk, "misread": done.misread, "unknown": done.unknown, "bound": rule.bound}
        counts = {"decided": rule.decided, "wrong": rule.wrong, "pictures": rule.pictures}
        areas = {"aurc": _percent(curve.aurc), "excess": _percent(curve.excess)}
        threshold = rule.threshold if np.isfinite(rule.threshold) else None
        hand_off[score] = {"found": rule.found, "threshold": threshold, **{k: _percent(v) for k, v in told.items()}, "chosen_on": counts, **areas}
    return {
        "pictures": {part: len(rows) for part, rows in trust.rows.items()},
        "accuracy": _percent((trust.logits.argmax(1) == trust.labels).mean()),
        "temperature": trust.temperature,
        "bins": calibration.BINS,
        "calibration": calibrated,
        "risk": _percent(risk),
        "confidence": _percent(1 - handoff.DELTA),
        "unknown_share": _percent(share),
        "hand_off": hand_off,
    }


def outcome(taken, wrong, passed, share):
    """Return the `Outcome` for known pictures, which were dealt with, and a share of unknown ones of which a share passed.

    Args: taken, wrong: (N,) bool of known pictures: the machine decides, its answer is wrong; passed: share of the unknown ones that it decides;
        share: of unknown pictures among all.
    """
    known, misread = taken.mean(), (taken & wrong).mean()
    coverage = (1 - share) * known + share * passed
    return Outcome(
        coverage=float(coverage),
        known=float(known),
        unknown=float(passed) if share else np.nan,
        risk=float(((1 - share) * misread + share * passed) / coverage) if coverage else np.nan,
        misread=float(misread / known) if known else np.nan,
        pictures=len(taken),
        decided=int(taken.sum()),
        wrong=int((taken & wrong).sum()),
    )


def _parts(n, seed):
    """Divide n rows. Returns: {part: (k,) int64 rows}."""
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    fit, choose = n // 4, n // 4 + n // 2
    return {FIT: order[:fit], CHOOSE: order[fit:choose], REPORT: order[choose:]}


def _percent(fraction):
    return None if np.isnan(fraction) else round(100 * float(fraction), 4)
