"""Watch batches of p-values over time, and raise an alarm when the stream has drifted.

The alarm is an e-detector: for each of some shares g of unknown pictures, the Shiryaev-Roberts statistic R = (R + 1) * e grows
by the likelihood ratio e of the batch's count, "a share g is unknown" against "all are known". An alarm is raised where the
mean of the R reaches `every`. As long as pictures are known, the expected R after t batches is at most t, and so alarms come
at most once in `every` batches on average, whatever the sizes of the batches.

Source: Shin, Ramdas & Rinaldo, New England Journal of Statistics in Data Science 2023 (e-detectors, their mixtures); Roberts,
Technometrics 1966; Page, Biometrika 1954, for the batch that the drift is dated back to.
"""

from dataclasses import dataclass

import numpy as np

from core.errors import InputError
from core.watch.evidence import batch_p_value, benjamini_hochberg, log_ratio, ood_share, rate_bounds

SHARES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)  # of unknown pictures, all called OOD, that the alarm is tuned to


@dataclass(frozen=True)
class Settings:
    """What a watch is told.

    Attributes:
        known: how many held-out known pictures the p-values were taken against.
        keep: the share of known pictures that is called ID. fdr: the false discovery rate of the flags.
        every: alarms come at most once in so many batches on average, as long as pictures are known.
        miss: the probability, over the draw of the held-out pictures, that the bounds that batches are judged by do not hold.
        familiar: a picture looks familiar where its p-value is above this.
    """

    known: int
    keep: float = 0.95
    fdr: float = 0.1
    every: float = 1000.0
    miss: float = 0.05
    familiar: float = 0.2

    def __post_init__(self):
        if self.known < 2:
            raise InputError(f"{self.known} held-out known pictures are too few to watch by; take a pack with more.", key="watch.known", known=self.known)
        if self.every < 2:
            raise InputError(f"One alarm in {self.every:g} batches is no rare alarm; give a number from 2.", key="watch.every", every=self.every)
        for name in ("keep", "fdr", "miss", "familiar"):
            if not 0 < (value := getattr(self, name)) < 1:
                raise InputError(f"The {name} of a watch is {value:g}; give a fraction between 0 and 1.", key="watch.fraction", name=name, value=value)

    @property
    def rank(self):
        """A picture is called OOD where its p-value is at most rank / (known + 1): where `core.conformal.threshold_at` draws the line."""
        return int((1 - self.keep) * self.known + 1e-9) + 1

    @property
    def familiar_rank(self):
        return max(1, int(self.familiar * (self.known + 1)))


@dataclass(frozen=True)
class Seen:
    """What a batch says.

    Attributes:
        batch: its number, from 1; pictures: how many; p_values: theirs, low = unfamiliar.
        ood: how many are called OOD; p_value: of so many or more where all are known.
        flagged: positions of the pictures that are unknown at the false discovery rate that is allowed.
        share, share_low, share_high: of unknown pictures in the batch's source; see `core.watch.evidence.ood_share`.
        evidence: log10 of R, with this batch; alarm: whether it is one; since: the batch that a drift probably began with, where it is one.
    """

    batch: int
    pictures: int
    ood: int
    p_value: float
    share: float
    share_low: float
    share_high: float
    flagged: tuple
    evidence: float
    alarm: bool
    since: int | None
    p_values: tuple


class Watch:
    """See batch after batch. Args: settings: `Settings`; state: of an earlier watch with the same settings, to go on from."""

    def __init__(self, settings, state=None):
        self.settings = settings
        self._high = rate_bounds(settings.rank, settings.known, settings.miss)[1]
        self._rates = [self._high + (1 - self._high) * share for share in SHARES]
        self.state = {"batch": 0, **_fresh(1)} if state is None else state

    def see(self, p_values):
        """Take a batch.

        Args: p_values: (N,) conformal p-values against `settings.known` pictures, N at least 1, in any order.
        Returns: `Seen`. Raises: InputError if there are none, or they are no such p-values.
        """
        s, p_values = self.settings, np.asarray(p_values, float)
        ranks = np.rint(p_values * (s.known + 1)) if np.isfinite(p_values).all() else np.zeros(1)
        if p_values.ndim != 1 or not p_values.size or ranks.min() < 1 or ranks.max() > s.known + 1 or abs(ranks - p_values * (s.known + 1)).max() > 1e-3:
            message = f"These are no p-values against {s.known} held-out pictures: take those of the pack that the watch was begun with."
            raise InputError(message, key="watch.p_values", known=s.known)
        pictures, ood, familiar = len(ranks), int((ranks <= s.rank).sum()), int((ranks > s.familiar_rank).sum())
        share, low, high = ood_share(familiar, pictures, s.familiar_rank, s.known, miss=s.miss)
        evidence, since = self._add(log_ratio(ood, pictures, self._high, self._rates))
        alarm = evidence >= np.log10(s.every)
        if alarm:
            self.state = {**self.state, **_fresh(self.state["batch"] + 1)}
        return Seen(
            batch=self.state["batch"],
            pictures=pictures,
            ood=ood,
            p_value=batch_p_value(ood, pictures, self._high),
            share=share,
            share_low=low,
            share_high=high,
            flagged=tuple(np.flatnonzero(benjamini_hochberg(p_values, s.fdr)).tolist()),
            evidence=evidence,
            alarm=bool(alarm),
            since=since if alarm else None,
            p_values=tuple(p_values.tolist()),
        )

    def _add(self, gains):
        """Add a batch's log ratios to the state. Returns: (log10 of R, the batch that a drift most likely began with)."""
        batch = self.state["batch"] + 1
        grown = np.add(self.state["evidence"], gains)  # log R, one for each share
        sums = np.add(self.state["sums"], gains)  # of the log ratios since `began`, the best start so far
        began = self.state["began"]
        likeliest = began[int(sums.argmax())]
        self.state = {
            "batch": batch,
            "evidence": np.logaddexp(grown, 0).tolist(),
            "sums": np.maximum(sums, 0).tolist(),
            "began": [start if total > 0 else batch + 1 for start, total in zip(began, sums, strict=True)],
        }
        return float((np.logaddexp.reduce(grown) - np.log(len(SHARES))) / np.log(10)), likeliest


def _fresh(first):
    """Return the state of evidence before batch `first`: log(R + 1) for each share, and where its sums begin."""
    return {"evidence": [0.0] * len(SHARES), "sums": [0.0] * len(SHARES), "began": [first] * len(SHARES)}
