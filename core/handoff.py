"""Who decides: above a threshold on a score the machine does, below it a person is asked.

The risk is the share of wrong decisions among those that the machine takes, the coverage the share of pictures that it takes them on.
An answer is wrong where it names another class, and always on an unknown picture: there is no right one.

Sources: El-Yaniv & Wiener, JMLR 2010 and Geifman & El-Yaniv, NeurIPS 2017 (risk and coverage); Geifman et al., ICLR 2019 (excess AURC);
Angelopoulos et al., Learn then Test, Annals of Applied Statistics 2025 (the threshold); Clopper & Pearson, Biometrika 1934 (its test).
"""

from dataclasses import dataclass

import numpy as np
from scipy.stats import beta, binom

GRID = 200  # thresholds that are tried, at equal steps of coverage
HALF, SPARE = 0.5, 0.9  # of the pictures: what the first test may need; of what is expected: what it may get, where nothing wrong may pass
DELTA = 0.05  # how often a promise may fail over the draw of the pictures that it is made from


@dataclass(frozen=True)
class Curve:
    """Risk over coverage, a point for each score that there is, from the highest score on: (P,) arrays.

    Attributes: thresholds: the machine decides where score >= threshold; coverage: in (0, 1], rising to 1; risk: in [0, 1].
    """

    thresholds: np.ndarray
    coverage: np.ndarray
    risk: np.ndarray

    @property
    def aurc(self):
        """Return the area under the curve, lower is better: the mean risk over the pictures, each at its own score; equal scores come together."""
        return float(np.diff(self.coverage, prepend=0) @ self.risk)

    @property
    def excess(self):
        """Return the AURC less that of a score which puts every right answer above every wrong one; a fraction, 0 is best.

        Source: Geifman et al. 2019, equation 1, in the limit of many pictures: e + (1 - e) ln(1 - e) for the risk e at full coverage.
        """
        e = self.risk[-1]
        return self.aurc - float(e + (1 - e) * np.log1p(-e) if e < 1 else 1.0)


@dataclass(frozen=True)
class Rule:
    """A threshold and what was seen when it was chosen.

    Attributes: threshold: the machine decides where score > threshold; inf where no threshold keeps the promise. decided, wrong: pictures that the
        threshold was chosen on; pictures: all of them; bound: the upper bound of the risk, each at confidence 1 - delta; risk, delta: as asked.
    """

    threshold: float
    decided: int
    wrong: int
    pictures: int
    bound: float
    risk: float
    delta: float

    @property
    def found(self):
        return self.threshold < np.inf


def risk_coverage(scores, wrong, weights=None):
    """Trace risk over coverage.

    Args: scores: (N,), higher = rather the machine; wrong: (N,) bool; weights: (N,) >= 0, what each picture counts; by default all alike.
    Returns: `Curve`; equal scores enter together, so that the order of the pictures does not matter.
    """
    scores, wrong = np.asarray(scores, np.float64), np.asarray(wrong, bool)
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    values, of = np.unique(-scores, return_inverse=True)
    mass, lost = np.bincount(of, weights).cumsum(), np.bincount(of, weights * wrong).cumsum()
    return Curve(-values, mass / mass[-1], lost / np.maximum(mass, np.finfo(float).tiny))


def risk_bound(wrong, decided, delta=DELTA):
    """Return the risk that is not exceeded at confidence 1 - delta. Args: wrong, decided: numbers of pictures; none decided gives 1."""
    return float(beta.ppf(1 - delta, wrong + 1, decided - wrong)) if wrong < decided else 1.0


def steps(scores, count=GRID):
    """Return thresholds at equal steps of the coverage of some scores, falling; the last, -inf, lets the machine decide everything."""
    places = np.quantile(np.asarray(scores, np.float64), 1 - np.arange(1, count) / count, method="lower")
    return np.append(np.unique(np.nextafter(places, -np.inf))[::-1], -np.inf)


def choose(rehearsal, scores, wrong, *, risk, delta=DELTA):
    """Choose the lowest threshold whose risk is at most `risk`, with confidence 1 - delta.

    Args:
        rehearsal: (M,) scores of other pictures drawn alike, which say where the thresholds lie.
        scores, wrong: (N,) arrays; the score was fitted on none of these pictures.
        risk, delta: fractions in (0, 1).
    Returns: `Rule`. Over draws of the N pictures, its risk on pictures drawn alike exceeds `risk` at most in a share delta of them.
    Source: Learn then Test, fixed-sequence testing. At one threshold, given how many pictures it decides on, the wrong ones are binomial:
        P(Binomial(decided, risk) <= wrong) is a p-value of "the risk is above". Thresholds are tested from high to low, each at level delta,
        up to the first that fails. Left open there, and ours, is the first one: very high thresholds decide on too few pictures to pass. It is
        the first by which, judging from the rehearsal, two wrong answers could pass; one or none, if that would be more than half the pictures.
    """
    grid = steps(rehearsal)
    chosen, seen = np.inf, (0, 0)
    for threshold in grid[_first((np.asarray(rehearsal) > grid[:, None]).mean(1), len(scores), risk, delta) :]:
        decided, lost = _count(scores, wrong, threshold)
        if binom.cdf(lost, decided, risk) > delta:
            break
        chosen, seen = threshold, (decided, lost)
    decided, lost = seen
    return Rule(float(chosen), decided, lost, len(scores), risk_bound(lost, decided, delta), risk, delta)


def _first(coverage, pictures, risk, delta):
    """Return the number of the first threshold to test. Args: coverage: (K,) of the thresholds, rising; pictures: how many there are to test on."""
    for slack in (2, 1, 0):
        passes = binom.cdf(slack, np.floor(coverage * pictures * (1 if slack else SPARE)), risk) <= delta
        first = int(passes.argmax()) if passes.any() else len(coverage) - 1
        if coverage[first] <= HALF:
            break
    return first


def _count(scores, wrong, threshold):
    taken = np.asarray(scores) > threshold
    return int(taken.sum()), int((taken & np.asarray(wrong)).sum())
