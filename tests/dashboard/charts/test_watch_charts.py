"""Tests of the charts of a stream: every batch is drawn, alarms where they were, bounds as wide as they are."""

import numpy as np
import pytest

from core.watch.watch import Settings, Watch
from dashboard.charts import watch as charts

WORDS = {k: k for k in ("batch", "evidence", "line", "alarm", "start", "share", "estimate", "truth")}


@pytest.fixture(scope="module")
def seen():
    watch = Watch(Settings(300))
    return [watch.see([1 / 301] * ood + [1.0] * (60 - ood)) for ood in (3, 2, 30, 60, 4)]


def named(figure, name):
    return next((trace for trace in figure.data if trace.name == name), None)


def test_evidence_is_drawn_with_its_line_and_alarms_and_never_beyond_the_edge(seen):
    figure = charts.evidence(seen, 1000, WORDS, start=3)
    line, alarms = named(figure, "evidence"), named(figure, "alarm")
    assert list(line.x) == [1, 2, 3, 4, 5] and line.y[:2] == tuple(s.evidence for s in seen[:2])
    assert list(alarms.x) == [s.batch for s in seen if s.alarm] == [3, 4]
    assert max(line.y) == 6 < seen[3].evidence and alarms.customdata[1][0] == f"{seen[3].evidence:.1f}"
    assert set(named(figure, "line").y) == {3.0}
    (band,) = figure.layout.shapes
    assert (band.x0, band.x1) == (2.5, 5.5) and figure.layout.xaxis.range == (0.5, 5.5)
    assert figure.layout.yaxis.range[0] < min(line.y) and figure.layout.yaxis.range[1] > 6


def test_without_an_alarm_and_a_beginning_neither_is_drawn(seen):
    figure = charts.evidence(seen[:1], 1000, WORDS)
    assert named(figure, "alarm") is None and not figure.layout.shapes


def test_bounds_reach_from_low_to_high(seen):
    figure = charts.shares(seen, WORDS, truth=[0, 0, 0.5, 1, 0], start=3)
    marks, truth = named(figure, "estimate"), named(figure, "truth")
    high, low = np.add(marks.y, marks.error_y.array), np.subtract(marks.y, marks.error_y.arrayminus)
    assert high == pytest.approx([100 * s.share_high for s in seen]) and low == pytest.approx([100 * s.share_low for s in seen])
    assert list(truth.y) == [0, 0, 50, 100, 0]
    assert named(charts.shares(seen, WORDS), "truth") is None
