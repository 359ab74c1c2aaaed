"""Tests of the charts of trust: what is drawn is what was given, and nothing is told apart by colour alone."""

import numpy as np
import pytest

from core.calibration import reliability
from core.handoff import risk_coverage
from dashboard.charts import trust as charts

WORDS = {name: name for name in ("confidence", "accuracy", "ideal", "count", "coverage", "risk", "promise", "ece", "before", "after", "kept", "broken")}


def bins(seed=0):
    draw = np.random.default_rng(seed)
    confidence = draw.beta(5, 1, 800)
    return reliability(confidence, draw.random(800) < confidence)


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


@pytest.mark.parametrize("whole", [True, False])
def test_the_diagram_shows_each_bin_with_its_interval(whole):
    maps = {"own": bins(), "cooled": bins(1)}
    figure = charts.reliability(maps, WORDS, whole=whole)
    for title, of in maps.items():
        (line,) = named(figure, title)
        assert np.allclose(line.x, 100 * of.confidence) and np.allclose(line.y, 100 * of.accuracy)
        assert np.allclose(line.y + line.error_y.array, 100 * of.most) and np.allclose(line.y - line.error_y.arrayminus, 100 * of.least)
    low, high = figure.layout.xaxis.range
    least = 0 if whole else 100 * min(min(of.accuracy.min(), of.confidence.min()) for of in maps.values())
    assert 0 < least - low == pytest.approx(high - 100) and (low, high) == figure.layout.yaxis.range
    assert len({(line.line.dash, line.marker.symbol) for line in figure.data[1:]}) == 2


def test_the_curves_and_their_thresholds_are_drawn():
    draw = np.random.default_rng(0)
    curves = {name: risk_coverage(draw.random(200), draw.random(200) < 0.1) for name in ("mine", "other")}
    figure = charts.risk_coverage(curves, {"mine": (0.8, 0.04), "other": None}, 0.05, WORDS, focus="mine")
    for name, curve in curves.items():
        line = next(trace for trace in figure.data if trace.legendgroup == name)
        assert np.allclose(line.x, 100 * curve.coverage) and np.allclose(line.y, 100 * curve.risk)
    (mark,), (lost,) = named(figure, "<b>mine</b>"), [t for t in named(figure, "other") if t.showlegend is None]
    assert (mark.x[0], mark.y[0], lost.x[0]) == (80, 4, None) and mark.marker.symbol != lost.marker.symbol
    assert set(named(figure, "promise")[0].y) == {5}
    assert figure.layout.yaxis.range[1] >= 10 and figure.layout.xaxis.title.text == "coverage"


def test_corruptions_are_drawn_in_their_order_and_by_whether_the_promise_holds():
    rows = [("clean", 0.01, 0.005, 0.0), ("fog", 0.1, 0.08, 0.2), ("snow", 0.2, 0.1, np.nan), ("blur", 0.3, 0.2, 0.05)]
    figure = charts.under_corruptions(rows, 0.05, WORDS)
    (before,), (after,), (kept,), (broken,) = (named(figure, name) for name in ("before", "after", "kept", "broken"))
    assert list(before.y) == [row[0] for row in rows] and np.allclose(before.x, [1, 10, 20, 30]) and np.allclose(after.x, [0.5, 8, 10, 20])
    assert (list(kept.y), list(broken.y)) == (["clean", "blur"], ["fog"]) and kept.marker.symbol != broken.marker.symbol
    assert list(figure.layout.yaxis.categoryarray) == ["blur", "snow", "fog", "clean"]
    assert figure.layout.xaxis2.range[0] < 0 and figure.layout.xaxis2.range[1] > 20
