"""Tests of the charts of confidence: what is drawn is what was given, and nothing is told apart by colour alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.charts import confidence as charts
from dashboard.charts.style import MARK

WORDS = {name: name for name in ("confidence", "share", "cumulative", "median", "level", "threshold", "known", "unknown", "right", "kept")}
SETS = (("known", "ID"), ("puzzles", "puzzle"), ("letters", "OOD"))
POINTS = [("mine", [0.999, 0.5]), ("other", [0.3, 0.2])]


def made(titles=("before", "after")):
    """Return passes over three sets of different sizes, with confidences of 0 and of 1 among them."""
    draw, shapes = np.random.default_rng(0), ((500, 9), (200, 3), (100, 2))

    def sets(b):
        return [(*names, np.append(draw.beta(a, b, n), [0, 1])) for names, (n, a) in zip(SETS, shapes, strict=True)]

    return [(title, sets(1 / (1 + i))) for i, title in enumerate(titles)]


def named(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def place(confidence, axis, end):
    """Count the nines of one number, slowly."""
    if axis == "percent":
        return 100 * confidence
    return min(end, -np.log10(1 - confidence)) if confidence < 1 else end


@given(st.floats(0, 1 - 1e-7), st.sampled_from(charts.AXES))
def test_a_place_leads_back_to_its_confidence(confidence, axis):
    assert charts.confidence_at(charts.place(confidence, axis), axis) == pytest.approx(confidence, abs=1e-12)
    assert charts.place(confidence, axis) == pytest.approx(place(confidence, axis, charts.MOST), abs=1e-9)


@given(st.floats(0, charts.MOST))
def test_a_confidence_leads_back_to_its_place(nines):
    assert charts.place(charts.confidence_at(nines, "nines"), "nines") == pytest.approx(nines, abs=1e-7)
    assert charts.place(charts.confidence_at(nines, "percent"), "percent") == pytest.approx(nines)


@given(st.lists(st.floats(0, 1), min_size=1), st.integers(charts.LEAST, charts.MOST))
def test_more_confident_lies_further_right_and_never_beyond_the_end(confidences, end):
    places = charts.place(np.sort(confidences), "nines", end)
    assert (np.diff(places) >= 0).all() and 0 <= places[0] and places[-1] <= end == charts.place(1.0, "nines", end)


@pytest.mark.parametrize(
    ("values", "end"),
    [([[0.5]], charts.LEAST), ([[0.99995]], 5), ([[0.5], [0.99995]], 5), ([[0.5] * 99 + [1]], charts.LEAST), ([[0.5] * 80 + [1] * 20], charts.MOST)],
)
def test_the_axis_ends_where_nine_tenths_of_every_set_lie_within_bounds(values, end):
    assert charts.end_of([np.array(v) for v in values]) == end


@pytest.mark.parametrize(
    ("confidence", "text"),
    [(0.0, "0.0 %"), (0.5, "50.0 %"), (0.95, "95.0 %"), (0.9951, "99.51 %"), (0.99995, "99.9950 %"), (0.9999989, "99.99989 %"), (1.0, "> 99.9999 %")],
)
def test_percent_have_the_digits_that_tell_nines_apart(confidence, text):
    assert charts.in_percent(confidence) == text


@given(st.floats(0, 0.999999))
def test_percent_as_written_are_as_far_from_100_as_they_are(confidence):
    assert 100 - float(charts.in_percent(confidence).removesuffix(" %")) == pytest.approx(100 - 100 * confidence, rel=0.051)


@pytest.mark.parametrize("axis", charts.AXES)
def test_the_shares_of_a_histogram_add_up_in_every_pass(axis):
    passes = made()
    figure = charts.distributions(passes, 0.9, [], WORDS, axis=axis)
    end = charts.end_of([v for _, sets in passes for *_, v in sets])
    for k, (name, _) in enumerate(SETS):
        traces = named(figure, name)
        assert len(traces) == 2
        for trace, (_, sets) in zip(traces, passes, strict=True):
            assert sum(trace.y[:-1]) == pytest.approx(100)
            right = np.mean([place(v, axis, end) >= trace.x[24] for v in sets[k][2]])
            assert sum(trace.y[24:-1]) == pytest.approx(100 * right)
    assert len({tuple(trace.x) for name, _ in SETS for trace in named(figure, name)}) == 1, "they share their bins"


@pytest.mark.parametrize("axis", charts.AXES)
def test_the_cumulative_curve_is_the_share_at_or_below(axis):
    passes = made()
    figure = charts.distributions(passes, 0.9, [], WORDS, form="ecdf", axis=axis)
    for k, (name, _) in enumerate(SETS):
        for trace, (_, sets) in zip(named(figure, name), passes, strict=True):
            at = charts.confidence_at(trace.x[:-1], axis)[:, None]
            low, high = (100 * (sets[k][2] <= at + slack).mean(1) for slack in (-1e-12, 1e-12))
            assert (low - 1e-9 <= trace.y[:-1]).all() and (trace.y[:-1] <= high + 1e-9).all()
            assert (np.diff(trace.y) >= 0).all() and trace.y[-1] == 100, "what lies beyond the axis counts at its end"


@pytest.mark.parametrize("form", ["histogram", "ecdf"])
def test_the_level_and_single_pictures_stand_at_their_confidence(form):
    figure = charts.distributions(made(), 0.99, POINTS, WORDS, form=form)
    assert [trace.x for trace in named(figure, "level")] == [(pytest.approx(2),) * 2] * 2
    for name, confidences in POINTS:
        assert [trace.x[0] for trace in named(figure, name)] == pytest.approx([place(c, "nines", 8) for c in confidences])
    symbols = [[trace.marker.symbol for trace in named(figure, name)] for name, _ in POINTS]
    assert symbols == [[MARK["ID"], MARK["OOD"]], [MARK["OOD"]] * 2]


@pytest.mark.parametrize("form", ["histogram", "ecdf"])
def test_what_is_drawn_in_a_panel_is_told_apart_without_colour(form):
    figure = charts.distributions(made(), 0.9, POINTS, WORDS, form=form)
    looks = [(t.mode, t.line.dash) for t in figure.data if t.xaxis == "x"]
    assert len(looks) == len(set(looks)) == 6  # three sets, the level, two pictures


@pytest.mark.parametrize("titles", [("before",), ("before", "after")])
@pytest.mark.parametrize("axis", charts.AXES)
def test_ridges_have_a_row_for_each_set_and_mark_the_medians(axis, titles):
    passes = made(titles)
    figure = charts.ridges(passes, 0.9, [], WORDS, axis=axis)
    end = charts.end_of([v for _, sets in passes for *_, v in sets])
    assert [note.text for note in figure.layout.annotations] == [f"<b>{name}</b>" for name, _ in SETS]
    heights = [note.y for note in figure.layout.annotations]
    for k, (name, _) in enumerate(SETS):
        tops = []
        for title, sets in passes:
            outline, median = named(figure, f"{name}, {title}")
            assert median.x[0] == pytest.approx(place(np.median(sets[k][2]), axis, end))
            base = median.y[0]
            assert base == min(outline.y) == len(SETS) - 1 - k and base < heights[k] < base + 1
            tops.append(max(outline.y) - base)
        assert max(tops) == pytest.approx(charts.ROW)


def test_the_passes_of_a_ridge_differ_in_dash_fill_and_mark():
    figure = charts.ridges(made(), 0.9, POINTS, WORDS)
    (before, one), (after, other) = (named(figure, f"known, {title}") for title in ("before", "after"))
    assert before.line.dash != after.line.dash and (before.fill, after.fill) == (None, "tonexty")
    assert one.marker.symbol != other.marker.symbol
    keys = [named(figure, f"{title} (median)")[0] for title in ("before", "after")]
    assert [key.marker.symbol for key in keys] == [one.marker.symbol, other.marker.symbol]
    ladders = [trace for trace in figure.data if trace.mode == "lines+markers" and trace.text]
    assert [list(ladder.x) for ladder in ladders] == [pytest.approx([place(c, "nines", 8) for c in confidences]) for _, confidences in POINTS]
    assert all(ladder.marker.symbol == (one.marker.symbol, other.marker.symbol) and max(ladder.y) < 1 for ladder in ladders)
    assert figure.layout.annotations[-1].text == "<b>↑ mine, ↓ other</b>"


@pytest.mark.parametrize("axis", charts.AXES)
def test_a_sweep_draws_the_curves_it_is_given_and_the_threshold(axis):
    at = charts.sweep_at(axis, 5)
    given_curves = {"known": 1 - at, "unknown": (1 - at) ** 2, "right": 0.9 + 0 * at, "kept": 0.5 - 0.5 * at}
    lacking = {**given_curves, "right": np.where(at < 0.9, 1, np.nan)}
    del lacking["unknown"]
    figure = charts.sweep([("before", given_curves), ("after", lacking)], 0.99, WORDS, axis=axis, end=5)
    for name, values in given_curves.items():
        traces = named(figure, name)
        assert len(traces) == 1 + (name in lacking)
        assert traces[0].y == pytest.approx(100 * values)
        assert charts.confidence_at(traces[0].x, axis) == pytest.approx(at)
    assert named(figure, "right")[1].y == pytest.approx(100 * lacking["right"], nan_ok=True)
    lines = named(figure, "threshold")
    assert [line.x for line in lines] == [(pytest.approx(2 if axis == "nines" else 99),) * 2] * 2
    dashes = [trace.line.dash for trace in figure.data if trace.xaxis == "x"]
    assert len(dashes) == len(set(dashes)) == 5, "four curves and the threshold"


def test_what_is_beyond_the_axis_stands_at_its_end():
    swept = charts.sweep([("before", {"known": np.ones(161)})], 0.99999, WORDS, end=3)
    spread = charts.distributions([("before", [("known", "ID", np.full(9, 0.5))])], 0.99999, [("mine", [1.0])], WORDS)
    assert [named(figure, name)[0].x for figure, name in ((swept, "threshold"), (spread, "level"), (spread, "mine"))] == [(3, 3)] * 3


def test_the_axis_names_the_nines_and_says_that_its_end_holds_the_rest():
    axis = charts.distributions([("before", [("known", "ID", np.full(9, 0.9998))])], 0.9, [], WORDS).layout.xaxis
    assert axis.ticktext == ("0", "50", "90", "99", "99.9", "≥ 99.99")
    assert axis.tickvals == pytest.approx([0, np.log10(2), 1, 2, 3, 4])
    assert axis.title.text == "confidence"
