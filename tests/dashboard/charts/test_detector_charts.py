"""Tests of the charts of detectors: what is drawn is what was given, and nothing is told apart by colour alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.metrics import curve, rates_at
from dashboard.charts import detector as charts
from dashboard.charts.style import KNOWN, UNKNOWN

WORDS = {name: name for name in ("fpr", "tpr", "chance", "score", "share", "threshold", "ID", "OOD", "says_ID", "says_OOD", "metric")}
NAMES = ("a", "b", "c", "d", "e", "f")
SCORES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60).map(np.array)


@pytest.fixture(scope="module")
def curves():
    """Return {name: (its curve, (tpr, fpr) at a threshold of 1)}, each better than the one before."""
    draw = np.random.default_rng(0)
    scores = {name: (draw.normal(2 + k / 2, 1, 300), draw.normal(0, 1, 200)) for k, name in enumerate(NAMES)}
    counts = {name: rates_at(*of, 1.0) for name, of in scores.items()}
    return {name: (curve(*of), (counts[name].tpr, counts[name].fpr)) for name, of in scores.items()}


def contrast(ink, paper):
    """Return how well one colour is read on another, 1 to 21: WCAG 2.2. Args: three numbers from 0 to 255 each."""
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in (np.array(ink) / 255, np.array(paper) / 255)]
    low, high = sorted(0.05 + c @ [0.2126, 0.7152, 0.0722] for c in linear)
    return high / low


def rgb(colour):
    return list(bytes.fromhex(colour[1:]))


def test_every_detector_has_its_curve_in_percent(curves):
    lines = charts.roc(curves, WORDS, focus="b").data[: len(NAMES)]
    assert [line.name for line in lines] == list(NAMES)
    for line, (drawn, _) in zip(lines, curves.values(), strict=True):
        assert np.array(line.x) == pytest.approx(100 * drawn.fpr) and np.array(line.y) == pytest.approx(100 * drawn.tpr)


def test_a_click_on_a_curve_tells_the_percent_of_known_pictures_accepted(curves):
    for line, (drawn, _) in zip(charts.roc(curves, WORDS, focus="b").data, curves.values(), strict=False):
        assert [row[0] for row in line.customdata] == pytest.approx((100 * drawn.tpr).tolist(), abs=1e-3)


def test_curves_differ_in_colour_dash_and_mark(curves):
    *traces, chance = charts.roc(curves, WORDS, focus="b").data
    lines, marks = traces[: len(NAMES)], traces[len(NAMES) :]
    assert chance.name == "chance" and chance.x == chance.y == (0, 100)
    for look in ([line.line.dash for line in lines], [line.line.color for line in lines], [mark.marker.symbol for mark in marks]):
        assert len(set(look)) == len(NAMES)
    assert [(line.line.dash, line.line.color) for line in lines] == [(mark.line.dash, mark.line.color) for mark in marks]
    assert not {KNOWN, UNKNOWN} & {line.line.color for line in lines}, "these colours mean known and unknown"


def test_the_mark_stands_where_the_threshold_lies(curves):
    marks = charts.roc(curves, WORDS, focus="b").data[len(NAMES) : -1]
    for mark, (name, (_, (tpr, fpr))) in zip(marks, curves.items(), strict=True):
        assert (mark.x, mark.y) == ((100 * fpr,), (100 * tpr,))
        assert f"{name}: {100 * fpr:.1f} %" in mark.name


def test_the_detector_in_focus_stands_out(curves):
    for trace in charts.roc(curves, WORDS, focus="b").data[:-1]:
        focus = trace.name.removeprefix("<b>").startswith("b")
        assert trace.line.width == (4 if focus else 2)
        assert trace.name.startswith("<b>") == (focus and trace.showlegend is not False)


@given(SCORES, SCORES)
def test_every_score_falls_into_exactly_one_bin(known, unknown):
    edges = charts.bin_edges(known, unknown)
    lows, highs = np.append(-np.inf, edges[1:-1]), np.append(edges[1:-1], np.inf)
    for scores in (known, unknown):
        inside = (lows <= scores[:, None]) & (scores[:, None] < highs)
        assert len(edges) == charts.BINS + 1 and (inside.sum(1) == 1).all()
        assert inside.argmax(1).tolist() == charts.bins_of(scores, edges).tolist()


@given(st.floats(-1e6, 1e6))
def test_scores_that_are_all_equal_fall_into_one_bin(score):
    scores = np.full(7, score)
    edges = charts.bin_edges(scores, scores)
    assert edges[0] < score < edges[-1]
    figure = charts.score_histogram(scores, scores, edges, score, WORDS)
    assert sorted(figure.data[0].y)[-2:] == [0, 100]


@given(SCORES, SCORES, st.floats(-2e6, 2e6))
def test_histograms_add_up_and_the_threshold_stays_inside(known, unknown, threshold):
    edges = charts.bin_edges(known, unknown)
    bars, _, other, _, line = charts.score_histogram(known, unknown, edges, threshold, WORDS).data
    for drawn, scores in ((bars, known), (other, unknown)):
        assert sum(drawn.text) == len(scores)
        assert sum(drawn.y) == pytest.approx(100)
        assert [row[0] for row in drawn.customdata] == list(range(charts.BINS))
    assert (line.name, set(line.x)) == ("threshold", {min(max(threshold, edges[0]), edges[-1])})


def test_known_and_unknown_differ_in_more_than_colour():
    known, unknown = np.arange(100.0), np.arange(50.0)
    edges = charts.bin_edges(known, unknown)
    bars, outline, other, other_outline, _ = (figure := charts.score_histogram(known, unknown, edges, 20.0, WORDS)).data
    assert (outline.name, other_outline.name) == ("ID", "OOD")
    assert outline.line.dash != other_outline.line.dash and outline.line.color != other_outline.line.color
    assert bars.marker.pattern.shape != other.marker.pattern.shape
    sides = {note.text: note for note in figure.layout.annotations}
    assert {note.x for note in sides.values()} == {20.0}
    assert (sides["says_ID"].xanchor, sides["says_OOD"].xanchor) == ("left", "right"), "what scores higher is called known"


def test_the_bin_that_is_looked_into_is_marked():
    edges = charts.bin_edges(np.arange(100.0), np.arange(50.0))
    assert not charts.score_histogram(np.arange(100.0), np.arange(50.0), edges, 20.0, WORDS).layout.shapes
    (mark,) = charts.score_histogram(np.arange(100.0), np.arange(50.0), edges, 20.0, WORDS, shown=3).layout.shapes
    assert (mark.x0, mark.x1) == (edges[3], edges[4])


@pytest.mark.parametrize("higher", [True, False])
def test_every_cell_has_its_number_in_an_ink_that_can_be_read(higher):
    values = np.linspace(0, 100, 84).reshape(12, 7)
    figure = charts.matrix(values, [f"row {i}" for i in range(12)], [f"column {i}" for i in range(7)], WORDS, ends=(20, 95), higher=higher)
    cells, *inks = figure.data
    assert np.array(cells.z) == pytest.approx(values)
    written = [np.isfinite(np.array(ink.z, float)) for ink in inks]
    assert (np.sum(written, axis=0) == 1).all(), "each cell once"
    assert [ink.texttemplate for ink in inks] == ["%{z:.1f}"] * 2 and [ink.showscale for ink in inks] == [False, False]
    places, colours = zip(*cells.colorscale, strict=True)
    shades = np.stack([np.interp(np.clip((values - 20) / 75, 0, 1), places, [rgb(c)[k] for c in colours]) for k in range(3)], -1)
    for ink, where in zip(inks, written, strict=True):
        assert np.array(ink.z, float)[where] == pytest.approx(values[where])
        assert min(contrast(rgb(ink.textfont.color), shade) for shade in shades[where]) > 4.3
    assert inks[0].textfont.color == "#FFFFFF" and written[0].sum() > 10, "white on dark"


def test_the_better_is_darker_whichever_way_is_better():
    values = np.linspace(0, 100, 12).reshape(4, 3)
    up = charts.matrix(values, list("abcd"), list("xyz"), WORDS, ends=(0, 100)).data
    down = charts.matrix(100 - values, list("abcd"), list("xyz"), WORDS, ends=(0, 100), higher=False).data
    assert [c for _, c in up[0].colorscale] == [c for _, c in down[0].colorscale][::-1] == list(charts.GOOD)
    assert (np.isfinite(np.array(up[1].z, float)) == np.isfinite(np.array(down[1].z, float))).all()
    light, dark = (sum(rgb(charts.GOOD[k])) for k in (0, -1))
    assert dark < light


def test_rows_stand_in_the_order_given_and_the_marked_ones_are_framed():
    figure = charts.matrix(np.ones((4, 3)), list("abcd"), list("xyz"), WORDS, ends=(0, 100), marked=(1, 3))
    frames = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert [(frame.y0, frame.y1) for frame in frames] == [(0.5, 1.5), (2.5, 3.5)]
    assert {(frame.x0, frame.x1) for frame in frames} == {(-0.5, 2.5)}
    assert figure.layout.yaxis.ticktext == ("a", "b", "c", "d") and figure.layout.yaxis.autorange == "reversed"
    assert figure.layout.xaxis.ticktext == ("x", "y", "z")
    assert np.array(figure.data[0].customdata)[2, 1].tolist() == ["c", "y"]


def test_a_second_line_stands_where_it_is_said_to_be():
    scores = np.arange(100.0)
    edges = charts.bin_edges(scores, scores)
    alone = charts.score_histogram(scores, scores, edges, 20.0, WORDS)
    both = charts.score_histogram(scores, scores, edges, 20.0, WORDS | {"best": "the best"}, best=60.0)
    assert len(both.data) == len(alone.data) + 1
    assert list(both.data[-1].x) == [60.0, 60.0] and both.data[-1].name == "the best"
