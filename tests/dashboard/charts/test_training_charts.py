"""Tests of the charts of training: what is drawn is what was given, and nothing is told apart by colour alone."""

import numpy as np
import pytest

from dashboard.charts import training as charts
from dashboard.charts.confidence import AXES, confidence_at
from dashboard.charts.detector import LINES

WORDS = {name: name for name in ("confidence", "share", "cumulative", "between", "mean", "probability", "here")}
NAMES = ("standard", "mixup", "other")
RAISED = {"standard": 0.6, "mixup": 0.3, "other": 0.8}


def made(means=RAISED, count=400):
    """Return two panels of three networks, with confidences of 0 and of 1 among them."""
    draw = np.random.default_rng(0)
    return [(title, {name: np.append(draw.beta(9 * m, 9 * (1 - m), count), [0, 1]) for name, m in means.items()}) for title in ("known", "letters")]


def curves(figure, name):
    return [trace for trace in figure.data if trace.name == name and trace.mode == "lines"]


def marks(figure, name):
    return [trace for trace in figure.data if trace.name == name and trace.mode == "markers+text"]


@pytest.mark.parametrize("axis", AXES)
def test_the_shares_of_a_histogram_add_up_in_every_panel(axis):
    panels = made()
    figure = charts.shifts(panels, WORDS, axis=axis)
    for name in NAMES:
        drawn = curves(figure, name)
        assert [sum(trace.y[:-1]) for trace in drawn] == pytest.approx([100, 100])
        for trace, (_, each) in zip(drawn, panels, strict=True):
            right = (each[name] >= confidence_at(trace.x[24], axis) - 1e-12).mean()
            assert sum(trace.y[24:-1]) == pytest.approx(100 * right)


@pytest.mark.parametrize("axis", AXES)
def test_the_cumulative_curve_is_the_share_at_or_below(axis):
    panels = made()
    figure = charts.shifts(panels, WORDS, form="ecdf", axis=axis)
    for name in NAMES:
        for trace, (_, each) in zip(curves(figure, name), panels, strict=True):
            at = confidence_at(trace.x[:-1], axis)[:, None]
            low, high = (100 * (each[name] <= at + slack).mean(1) for slack in (-1e-12, 1e-12))
            assert (low - 1e-9 <= trace.y[:-1]).all() and (trace.y[:-1] <= high + 1e-9).all()


def test_each_mean_is_marked_and_an_arrow_leads_to_it_from_the_first():
    panels = made()
    figure = charts.shifts(panels, WORDS)
    arrows = [note for note in figure.layout.annotations if note.showarrow]
    assert len(arrows) == 4, "two in each panel: the first has moved nowhere"
    for row, (_, each) in enumerate(panels):
        means = {name: 100 * values.mean() for name, values in each.items()}
        for k, name in enumerate(NAMES):
            mark = marks(figure, name)[row]
            assert mark.x[0] == pytest.approx(means[name]) and mark.y[0] < 0
            assert mark.text[0].strip() == f"{means[name]:.1f}"
            assert mark.textposition == ("middle left" if means[name] < means["standard"] else "middle right"), "the number is not on the arrow"
            if k:
                arrow = arrows[2 * row + k - 1]
                assert (arrow.ax, arrow.x) == pytest.approx((means["standard"], means[name]))
                assert (arrow.xref, arrow.axref) == (("x", "x"), ("x2", "x2"))[row] and arrow.ay == arrow.y == mark.y[0]


def test_a_mean_that_stays_gets_no_arrow():
    figure = charts.shifts([("known", {"a": np.full(9, 0.5), "b": np.full(9, 0.505)})], WORDS)
    assert not [note for note in figure.layout.annotations if note.showarrow]


@pytest.mark.parametrize("form", charts.FORMS)
def test_networks_are_told_apart_without_colour(form):
    figure = charts.shifts(made(), WORDS, form=form)
    assert len({curves(figure, name)[0].line.dash for name in NAMES}) == len({marks(figure, name)[0].marker.symbol for name in NAMES}) == 3
    keys = [trace for trace in figure.data if trace.showlegend]
    assert [key.name for key in keys] == [*(["between"] if form == "ecdf" else []), *NAMES]


def test_a_network_keeps_its_line_whichever_others_are_shown():
    lines = (LINES[1], LINES[3])
    panels = [("known", {name: values for name, values in made()[0][1].items() if name != "mixup"})]
    swept = charts.along((0, 1), {"standard": (0, 1), "other": (1, 1)}, 0, WORDS, lines=lines)
    for figure in (charts.shifts(panels, WORDS, lines=lines), swept):
        assert [curves(figure, name)[0].line.color for name in ("standard", "other")] == [line[0] for line in lines]


def test_the_area_between_the_first_and_the_last_is_filled():
    panels = made()
    figure = charts.shifts(panels, WORDS, form="ecdf")
    filled = [k for k, trace in enumerate(figure.data) if trace.fill == "tonexty"]
    assert len(filled) == 2
    for k, (_, each) in zip(filled, panels, strict=True):
        first, last = figure.data[k - 1], figure.data[k]
        area = np.trapezoid(np.abs(np.subtract(first.y, last.y)), first.x) / 100
        quantiles = [np.quantile(each[name], np.linspace(0, 1, 20001)) for name in ("standard", "other")]
        assert area == pytest.approx(100 * np.abs(np.subtract(*quantiles)).mean(), abs=0.5), "it is the Wasserstein distance in points"


def test_the_curves_along_the_blend_and_the_place_in_use():
    shares = tuple(n / 20 for n in range(21))
    values = {"standard": np.linspace(0, 0.9, 21), "mixup": np.linspace(0.5, 0.4, 21)}
    figure = charts.along(shares, values, 0.25, WORDS)
    for name, curve in values.items():
        (line,) = curves(figure, name)
        assert line.x == shares and line.y == pytest.approx(100 * curve)
        (mark,) = [trace for trace in figure.data if trace.name == name and trace.mode == "lines+markers"]
        assert (mark.x[0], mark.y[0]) == pytest.approx((0.25, 100 * curve[5]))
    (here,) = curves(figure, "here")
    assert here.x == (0.25, 0.25)
    assert len({trace.line.dash for trace in figure.data}) == 3
