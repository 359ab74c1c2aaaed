"""Tests of the charts of adaptation: bands where the look changes, alarms where they were, ticks and crosses under the right pictures."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageColor

from dashboard.charts import adaptation as charts
from dashboard.charts.detector import LINES
from dashboard.charts.style import GUIDE, KNOWN, UNKNOWN

WORDS = {"batch": "batch", "error": "error, %", "value": "value", "alarm": "alarm", "block": "block", "selected": "alone", "left": "not alone"}
NAMES = {"noise": "Noise", "fog": "Fog", "snow": "Snow"}
DOMAINS = ["noise", "noise", "fog", "fog", "fog", "snow"]
BLOCKS = ("layer1.0", "layer2.0", "layer3.0")


def shaded(figure):
    """Return [(start, end)] of the shaded bands, in batches."""
    return [(shape.x0 + 0.5, shape.x1 - 0.5) for shape in figure.layout.shapes if shape.type == "rect"]


def notes(figure):
    """Return [(middle, text)] of what stands above the bands."""
    return [(note.x, note.text) for note in figure.layout.annotations]


def by_name(figure, name, mode):
    (trace,) = [trace for trace in figure.data if trace.name == name and trace.mode == mode]
    return trace


def test_a_band_begins_where_the_look_changes_and_every_second_one_is_shaded():
    figure = charts.errors({}, 6, DOMAINS, NAMES, WORDS)
    assert shaded(figure) == [(3, 5)]
    assert notes(figure) == [(1.5, "Noise"), (4, "Fog"), (6, "Snow")]


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=30))
def test_bands_cover_every_batch_of_their_domain_and_no_other(domains):
    figure = charts.lines({"m": [0.5] * len(domains)}, len(domains), domains, {}, WORDS)
    runs = []  # a slow loop: [domain, first, last]
    for k, domain in enumerate(domains, 1):
        if not runs or runs[-1][0] != domain:
            runs.append([domain, k, k])
        runs[-1][2] = k
    assert shaded(figure) == [(first, last) for _, first, last in runs[1::2]]
    assert notes(figure) == ([((first + last) / 2, domain) for domain, first, last in runs] if len(runs) <= 20 else [])


def test_names_of_many_bands_are_tilted_and_of_very_many_left_out():
    domains = [f"d{k}" for k in range(21)]
    for count, tilts in ((6, {0}), (7, {-30}), (20, {-30}), (21, set())):
        figure = charts.errors({}, count, domains[:count], {}, WORDS)
        assert {note.textangle for note in figure.layout.annotations} == tilts


def test_errors_are_marks_and_their_mean_a_line_that_ends_in_its_number():
    tracks = {"BN": ([10.0, 30.0, 5.0], [10.0, 20.0, 15.0]), "TENT": ([12.0, None], [12.0, None]), "late": ([], [])}
    figure = charts.errors(tracks, 6, DOMAINS[:3], NAMES, WORDS)
    assert len(figure.data) == 6
    for (title, (each, running)), last, (colour, dash, symbol) in zip(tracks.items(), ("BN: 15.0 %", "TENT: 12.0 %", "late"), LINES, strict=False):
        marks, line = by_name(figure, title, "markers"), by_name(figure, last, "lines")
        assert list(marks.y) == each and list(line.y) == running and list(marks.x) == list(line.x) == list(range(1, len(each) + 1))
        assert (marks.marker.color, marks.marker.symbol, line.line.color, line.line.dash) == (colour, symbol, colour, dash)
        assert marks.showlegend is False and line.legendgroup == marks.legendgroup == title
    assert figure.layout.yaxis.title.text == "error, %" and figure.layout.yaxis.rangemode == "tozero"


@pytest.mark.parametrize(("batches", "end"), [(1, 2.5), (2, 2.5), (40, 40.5)])
def test_the_axis_has_room_for_the_batches_to_come(batches, end):
    assert charts.errors({"BN": ([1.0], [1.0])}, batches, ["fog"], NAMES, WORDS).layout.xaxis.range == (0.5, end)
    assert charts.lines({"BN": [1.0]}, batches, ["fog"], NAMES, WORDS).layout.xaxis.range == (0.5, end)


def test_no_two_methods_look_the_same_even_beside_another_run():
    tracks = {f"m{k}": ([1.0], [1.0]) for k in range(8)}  # four of this run, four of the other
    drawn = [trace.line for trace in charts.errors(tracks, 1, ["fog"], NAMES, WORDS).data if trace.mode == "lines"]
    assert len({(line.color, line.dash, line.width) for line in drawn}) == 8
    assert all(late.width < early.width for late, early in zip(drawn[len(LINES) :], drawn, strict=False))


def test_a_line_leaves_out_what_was_not_measured():
    figure = charts.lines({"BN": [90.0, None, None, None, 80.0, None], "TENT": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}, 6, DOMAINS, NAMES, WORDS)
    bn, tent = figure.data
    assert (list(bn.x), list(bn.y), bn.mode) == ([1, 5], [90, 80], "lines+markers"), "single points are seen"
    assert (list(tent.x), list(tent.y), tent.mode) == ([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6], "lines")
    assert shaded(figure) == [(3, 5)] and {text for _, text in notes(figure)} == {""}, "the names stand above the errors"


def test_alarms_are_crosses_on_the_line_of_their_method():
    tracks, marks = {"BN": [3.0, 2.0, None, 1.0], "TENT": [5.0, 4.0, 3.0, 2.0]}, {"BN": [2, 3, 4, 9], "other": [1]}
    figure = charts.lines(tracks, 4, DOMAINS[:4], NAMES, WORDS, marks=marks)
    assert [trace.name for trace in figure.data] == ["BN", "BN: alarm", "TENT"]
    alarm = figure.data[1]
    assert (list(alarm.x), list(alarm.y)) == ([2, 4], [2, 1]), "not where nothing was measured, nor beyond what is shown"
    assert alarm.mode == "markers" and alarm.marker.symbol == "x-thin" and alarm.marker.line.color == UNKNOWN


def test_the_ends_of_the_other_axis_are_zero_or_as_asked():
    tracks = {"BN": [3.0, 2.0]}
    assert charts.lines(tracks, 2, [], NAMES, WORDS).layout.yaxis.rangemode == "tozero"
    assert charts.lines(tracks, 2, [], NAMES, WORDS, ends=(50, 100)).layout.yaxis.range == (50, 100)


def test_drift_has_a_bar_for_each_block_and_method_and_a_star_for_blocks_tuned_alone():
    tracks = {"TENT": [1.0, 2.0, 3.0], "DPLOT": [4.0, 0.0, 6.0]}
    figure = charts.drift(BLOCKS, tracks, {"layer2.0"}, WORDS)
    assert figure.layout.barmode == "group" and [bar.name for bar in figure.data] == list(tracks)
    for bar, (colour, _, _) in zip(figure.data, LINES, strict=False):
        assert list(bar.x) == ["layer1.0", "layer2.0 ★", "layer3.0"] and list(bar.y) == tracks[bar.name] and bar.marker.color == colour
    assert len({bar.marker.pattern.shape for bar in figure.data}) == 2, "not told by colour alone"


def test_selected_blocks_are_told_from_the_others_in_the_order_of_the_network():
    figure = charts.similarity(BLOCKS, (1.0, 0.2, 0.8), {"layer1.0", "layer3.0"}, 0.75, WORDS)
    alone, left = figure.data
    assert (alone.name, list(alone.x), list(alone.y), alone.marker.color) == ("alone", ["layer1.0", "layer3.0"], [1.0, 0.8], KNOWN)
    assert (left.name, list(left.x), list(left.y), left.marker.color) == ("not alone", ["layer2.0"], [0.2], GUIDE)
    assert alone.marker.pattern.shape != left.marker.pattern.shape
    assert figure.layout.xaxis.categoryarray == BLOCKS and figure.layout.yaxis.range == (0, 1.05)
    (line,) = figure.layout.shapes
    assert line.y0 == line.y1 == 0.75


SIDE, STRIP, GAP = 40, 22, 6


def sheet(pictures, before, after, labels, *, columns=3):
    return np.asarray(charts.marked(pictures, before, after, labels, columns=columns, side=SIDE))


def colours(pixels):
    """Return which of right and wrong are drawn in a piece of a sheet."""
    wanted = {"right": charts.RIGHT, "wrong": charts.WRONG}
    return {name for name, colour in wanted.items() if (pixels == ImageColor.getrgb(colour)).all(-1).any()}


def strips(drawn, k, columns=3):
    """Return what is drawn below a picture, left and right."""
    x, y = GAP + k % columns * (SIDE + GAP), GAP + k // columns * (SIDE + STRIP + GAP) + SIDE
    return tuple(colours(drawn[y : y + STRIP, x + half : x + half + SIDE // 2]) for half in (0, SIDE // 2))


def test_a_sheet_shows_the_pictures_and_what_was_answered_before_and_after():
    pictures = np.stack([np.full((8, 8, 3), 20 * k, np.uint8) for k in range(5)])
    labels, before, after = (0, 1, 2, 3, -1), (0, 9, 2, 9, -1), (0, 9, 9, 3, 4)
    drawn = sheet(pictures, before, after, labels)
    assert drawn.shape == (GAP + 2 * (SIDE + STRIP + GAP), GAP + 3 * (SIDE + GAP), 3)
    found = [strips(drawn, k) for k in range(5)]
    assert found == [({"right"}, {"right"}), ({"wrong"}, {"wrong"}), ({"right"}, {"wrong"}), ({"wrong"}, {"right"}), (set(), set())]
    for k in range(5):
        x, y = GAP + k % 3 * (SIDE + GAP), GAP + k // 3 * (SIDE + STRIP + GAP)
        assert (drawn[y : y + SIDE, x : x + SIDE] == 20 * k).all()
    assert charts.RIGHT != charts.WRONG and strips(drawn, 5) == (set(), set()), "an empty place has no mark"


def test_ticks_and_crosses_differ_in_shape_too():
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    right, wrong = ((sheet(picture, (a,), (a,), (0,), columns=1)[GAP + SIDE :] != 255).any(-1) for a in (0, 1))
    assert (right != wrong).sum() > 20


def test_a_sheet_has_as_many_rows_as_it_needs():
    for count, rows in ((1, 1), (8, 1), (9, 2), (16, 2)):
        made = charts.marked(np.zeros((count, 4, 4, 3), np.uint8), [0] * count, [0] * count, [0] * count)
        assert made.size == (8 * 78 + 6, rows * 100 + 6)
