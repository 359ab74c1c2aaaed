"""Tests of the charts of corruptions: every cell stands where it belongs and is told by mark as well as by colour."""

import numpy as np
import pytest

from core.corruptions import CORRUPTIONS, GROUPS, SEVERITIES
from core.corruptions.gallery import OUTCOMES
from dashboard.charts import corruptions as charts
from dashboard.charts.detector import LINES
from dashboard.charts.style import MARK

CELLS = [(name, severity) for name in CORRUPTIONS for severity in SEVERITIES]
FOUND = {cell: OUTCOMES[k % 3] for k, cell in enumerate(CELLS)}  # none is "unnoticed"
GROUPED = [(group.upper(), [(name, name.replace("_", " ")) for name in names]) for group, names in GROUPS.items()]
TIPS = {cell: f"{cell[0]} {cell[1]}" for cell in CELLS}
WORDS = {kind: kind for kind in OUTCOMES} | {"severity": "severity"}
LADDER = {name: name for name in ("severity", "clean", "confidence", "p", "level")}


def grid(shown=("fog", 3)):
    return charts.outcome_map(GROUPED, FOUND, TIPS, WORDS, shown=shown)


def test_the_outcomes_are_those_of_core():
    assert tuple(charts.OUTCOMES) == OUTCOMES


def test_every_cell_can_be_clicked_once_and_stands_in_its_row():
    figure = grid()
    rows = dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True))
    found = {}
    for kind in OUTCOMES:
        (points,) = [trace for trace in figure.data if trace.type == "scatter" and trace.name == kind and not trace.showlegend and trace.showlegend is not None]
        for x, y, (cell,), text in zip(points.x, points.y, points.customdata or (), points.text, strict=True):
            name, severity = cell.split(":")
            assert (x, y, text) == (int(severity), rows[name.replace("_", " ")], f"{name} {severity}")
            found[name, int(severity)] = kind
    assert found == FOUND


def test_colours_are_those_of_the_outcomes():
    figure = grid()
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    assert len(maps) == len(GROUPS) and [list(m.y) for m in maps][0] == [1, 2, 3]
    values = np.concatenate([np.asarray(m.z) for m in maps])  # (19, 5)
    assert values.ravel().tolist() == [OUTCOMES.index(FOUND[cell]) + 0.5 for cell in CELLS]
    for k, kind in enumerate(OUTCOMES):
        ends = [at for at, colour in maps[0].colorscale if colour == charts.OUTCOMES[kind][0]]
        assert ends == [k / 4, (k + 1) / 4]


def test_the_rows_are_in_the_papers_order_under_their_groups():
    ticks = list(grid().layout.yaxis.ticktext)
    assert ticks[:5] == ["<b>NOISE</b>", "gaussian noise", "shot noise", "impulse noise", "<b>BLUR</b>"]
    assert [tick for tick in ticks if "<b>" not in tick] == [name.replace("_", " ") for name in CORRUPTIONS]
    assert grid().layout.yaxis.range[0] > grid().layout.yaxis.range[1], "noise is on top"


def test_the_legend_names_every_outcome_and_the_frame_is_round_the_cell_shown():
    figure = grid(("snow", 2))
    assert [trace.name for trace in figure.data if trace.type == "scatter" and trace.showlegend is None] == list(OUTCOMES)
    row = dict(zip(figure.layout.yaxis.ticktext, figure.layout.yaxis.tickvals, strict=True))["snow"]
    assert {(s.x0, s.x1, s.y0, s.y1) for s in figure.layout.shapes} == {(1.5, 2.5, row - 0.5, row + 0.5)}


def test_circle_is_accepted_diamond_rejected_and_a_cross_says_another_answer():
    marks = {kind: (symbol.split("-")[0], charts.crossed(kind)) for kind, (_, symbol) in charts.OUTCOMES.items()}
    known, unknown = MARK["ID"], MARK["OOD"]
    assert marks == {"held": (known, False), "doubted": (unknown, False), "noticed": (unknown, True), "unnoticed": (known, True)}
    assert [charts.mark_of(kind) for kind in OUTCOMES] == ["●", "◆", "◆✕", "●✕"]
    assert len({colour for colour, _ in charts.OUTCOMES.values()}) == 4


def luminance(colour):
    parts = np.array([*bytes.fromhex(colour[1:])]) / 255
    return np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)


@pytest.mark.parametrize("kind", OUTCOMES)
@pytest.mark.parametrize("ground", ["#FFFFFF", "#0E1117"])
def test_colours_are_seen_on_both_grounds(kind, ground):
    """White is also the colour of the mark on the cell."""
    low, high = sorted((luminance(charts.OUTCOMES[kind][0]), luminance(ground)))
    assert (high + 0.05) / (low + 0.05) >= 3


def steps(outcomes):
    return [(1 - 0.1 * k, 0.9 / 2**k, outcome) for k, outcome in enumerate(outcomes)]


def test_one_corruption_shows_confidence_over_p_value_with_the_marks_of_the_map():
    series = {"Fog": steps(("held", "held", "doubted", "doubted", "noticed", "unnoticed"))}
    figure = charts.ladders(series, 0.05, LADDER, lines=LINES[:1], expected=("duck", [1, 0.9, 0.8, 0.7, 0.1, 0]))
    confidence, p = [trace for trace in figure.data if trace.marker.symbol]
    assert list(confidence.y) == pytest.approx([100, 90, 80, 70, 60, 50]) and list(p.y) == pytest.approx([90 / 2**k for k in range(6)])
    assert list(confidence.x) == list(p.x) == [0, 1, 2, 3, 4, 5] and (confidence.yaxis, p.yaxis) == ("y", "y2")
    assert list(confidence.marker.symbol) == [charts.OUTCOMES[outcome][1] for _, _, outcome in series["Fog"]]
    expected = next(trace for trace in figure.data if trace.name == "duck")
    assert list(expected.y) == [100, 90, 80, 70, 10, 0] and expected.line.dash == "dot"
    level = next(trace for trace in figure.data if trace.name == "level")
    assert set(level.y) == {5.0} and level.yaxis == "y2" and figure.layout.yaxis2.type == "log"
    assert [note.text for note in figure.layout.annotations] == ["confidence", "p"]
    assert figure.layout.xaxis2.ticktext[0] == "clean"


def test_groups_have_a_line_each_and_one_legend_entry():
    series = {name: steps([None] * 6) for name in GROUPS}
    figure = charts.ladders(series, 0.05, LADDER, lines=LINES)
    drawn = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert [trace.name for trace in drawn if trace.showlegend] == list(GROUPS)
    assert len(drawn) == 10 and len({(t.line.color, t.line.dash, t.marker.symbol) for t in drawn}) == 5


@pytest.mark.parametrize(("lowest", "ticks"), [(0.0, (0, 25, 50, 75, 100)), (0.3, (25, 50, 75, 100)), (0.76, (75, 100)), (0.999, (75, 100)), (1.0, (75, 100))])
def test_the_axis_of_confidence_begins_a_quarter_below_what_is_drawn(lowest, ticks):
    figure = charts.ladders({"Fog": [(lowest, 0.5, None)] * 6}, 0.05, LADDER, lines=LINES)
    assert figure.layout.yaxis.tickvals == ticks
    assert figure.layout.yaxis.range[0] < min(ticks[0], 100 * lowest) and figure.layout.yaxis.range[1] > 100


def test_the_lowest_p_value_is_inside_the_axis():
    figure = charts.ladders({"Fog": [(0.5, 1e-5, None)] * 6}, 0.05, LADDER, lines=LINES)
    assert 10 ** figure.layout.yaxis2.range[0] < 1e-3
