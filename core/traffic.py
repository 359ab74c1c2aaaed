"""What a server of pages counts: each run of a page, how long it took and how it ended. Of people it knows random words, and nothing of what they look at."""

import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

KEPT = 20_000  # runs in memory, the latest
BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds, of the histogram
ENDS = ("whole", "left", "failed")  # drawn to its end; broken off by the next click, or stopped by the page itself; by an exception


@dataclass(frozen=True)
class Run:
    """One run of a page. Attributes: page; who: a word for a session; at: when it ended, by the clock of `Traffic`; seconds; ended: one of `ENDS`."""

    page: str
    who: str
    at: float
    seconds: float
    ended: str


@dataclass(frozen=True)
class Lately:
    """A page in the time that is asked about. Attributes: page; runs; failed; median, p95: seconds of whole runs, None where there are none."""

    page: str
    runs: int
    failed: int
    median: float | None
    p95: float | None


class Traffic:
    """Counts runs of pages. Every method may be called from any thread.

    Attributes: began: when it was made; totals: Counter of (page, one of `ENDS`) since then; sums: {page: seconds of whole runs};
        buckets: Counter of (page, index into `BOUNDS`, or its length beyond them) of whole runs; running: how many run just now.
    """

    def __init__(self, *, clock=time.monotonic, kept=KEPT):
        self._clock, self._runs, self._lock = clock, deque(maxlen=kept), threading.Lock()
        self.began, self.totals, self.sums, self.buckets, self.running = clock(), Counter(), Counter(), Counter(), 0

    @property
    def uptime(self):
        """Return seconds."""
        return self._clock() - self.began

    @contextmanager
    def run(self, page, who, *, told=lambda run: None):
        """Count what is done meanwhile as one run of a page. Args: told: called with the `Run` once it has ended, however it did."""
        began, ended = self._clock(), "left"
        with self._lock:
            self.running += 1
        try:
            yield
            ended = "whole"
        except Exception:
            ended = "failed"
            raise
        finally:  # a page that is stopped or broken off raises no Exception, but what derives from BaseException
            now = self._clock()
            one = Run(page, who, now, now - began, ended)
            self._add(one)
            told(one)

    def lately(self, seconds):
        """Return a `Lately` for each page that ran in the last seconds, the busiest first. Percentiles are those of NumPy, by linear interpolation."""
        pages = {}
        for one in self._since(seconds):
            pages.setdefault(one.page, []).append(one)
        return sorted((_summary(page, runs) for page, runs in pages.items()), key=lambda lately: (-lately.runs, lately.page))

    def median(self, seconds):
        """Return the median seconds of the whole runs of all pages in the last seconds, or None."""
        return _percentile([one.seconds for one in self._since(seconds) if one.ended == "whole"], 50)

    def people(self, seconds):
        """Return how many sessions ran a page in the last seconds."""
        return len({one.who for one in self._since(seconds)})

    def by_minute(self, minutes):
        """Return how many runs ended in each of the last minutes, the oldest first."""
        now, counts = self._clock(), [0] * minutes
        for one in self._since(60 * minutes):
            counts[-1 - int((now - one.at) // 60)] += 1
        return counts

    def _add(self, one):
        with self._lock:
            self.running -= 1
            self._runs.append(one)
            self.totals[one.page, one.ended] += 1
            if one.ended == "whole":
                self.sums[one.page] += one.seconds
                self.buckets[one.page, int(np.searchsorted(BOUNDS, one.seconds))] += 1

    def _since(self, seconds):
        with self._lock:
            after = self._clock() - seconds
            return [one for one in self._runs if one.at > after]


def _summary(page, runs):
    whole = [one.seconds for one in runs if one.ended == "whole"]
    return Lately(page, len(runs), sum(one.ended == "failed" for one in runs), _percentile(whole, 50), _percentile(whole, 95))


def _percentile(values, percent):
    return float(np.percentile(values, percent)) if values else None
