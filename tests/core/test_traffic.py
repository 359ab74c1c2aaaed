"""What is counted of page runs, against a plain list of them."""

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.traffic import Traffic


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def ran(traffic, clock, page, seconds, who="a", raises=None):
    with traffic.run(page, who):
        clock.now += seconds
        if raises is not None:
            raise raises


def test_medians_and_percentiles_are_of_whole_runs_lately():
    traffic = Traffic(clock=(clock := Clock()))
    ran(traffic, clock, "verdict", 50.0, "old")
    clock.now += 1000
    for k in range(1, 21):
        ran(traffic, clock, "verdict", k / 10, f"who{k % 3}")
    with pytest.raises(ZeroDivisionError):
        ran(traffic, clock, "blocks", 9.0, raises=ZeroDivisionError())
    with pytest.raises(KeyboardInterrupt):  # as Streamlit breaks off a run: not an Exception
        ran(traffic, clock, "verdict", 99.0, raises=KeyboardInterrupt())
    verdict, blocks = traffic.lately(900)
    assert (verdict.page, verdict.runs, verdict.failed) == ("verdict", 21, 0)
    assert verdict.median == pytest.approx(1.05) and verdict.p95 == pytest.approx(1.905)  # of 0.1, 0.2 ... 2.0, by hand
    assert (blocks.page, blocks.runs, blocks.failed, blocks.median) == ("blocks", 1, 1, None)
    assert traffic.people(900) == 4 and traffic.people(10_000) == 5  # who0, who1, who2, a
    assert traffic.totals == {("verdict", "whole"): 21, ("blocks", "failed"): 1, ("verdict", "left"): 1}


@given(st.lists(st.floats(0.001, 100), min_size=1, max_size=60))
def test_the_histogram_counts_each_run_in_the_first_bucket_that_holds_it(seconds):
    from core.traffic import BOUNDS

    traffic = Traffic(clock=(clock := Clock()))
    for value in seconds:
        clock.now = 0.0  # so that what is measured is exactly the value
        ran(traffic, clock, "p", value)
    slow = [next((k for k, bound in enumerate(BOUNDS) if value <= bound), len(BOUNDS)) for value in seconds]
    assert traffic.buckets == {("p", k): slow.count(k) for k in set(slow)}
    assert traffic.sums["p"] == pytest.approx(np.sum(seconds))


def test_minutes_end_now_and_only_the_latest_runs_are_kept():
    traffic = Traffic(clock=(clock := Clock()), kept=3)
    for wait in (0, 70, 60, 10):
        clock.now += wait
        ran(traffic, clock, "p", 0.0)
    assert traffic.by_minute(3) == [0, 1, 2]  # the first of four was let go
    assert traffic.totals["p", "whole"] == 4 and traffic.uptime == 140


def test_nothing_is_lost_from_many_threads():
    traffic, told = Traffic(), []

    def many():
        for _ in range(500):
            with traffic.run("p", "w", told=told.append):
                pass

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert traffic.totals["p", "whole"] == len(told) == sum(traffic.by_minute(1)) == 2000
