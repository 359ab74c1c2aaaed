"""Tests of the charts of blocks: what is drawn is what was given, and the winner is marked without colour too."""

import numpy as np
import pytest

from core.conformal import threshold_at
from dashboard.charts import blocks as charts
from dashboard.compute import choice

WORDS = {name: name for name in ("axis", "one", "selected", "shown", "this", "mean", "norm", "share", "threshold")}
BLOCKS = ("layer1.0", "layer2.0", "layer3.0", "layer4.0")
ROWS = [[1.00, 1.10, 1.28, 1.05], [1.02, 1.12, 1.30, 1.05], [1.01, 1.33, 1.32, 1.05]]
FACTS = {
    "selection": {
        "blocks": list(BLOCKS),
        "norm_id": [4.0, 3.0, 2.0, 1.0],
        "norm_jigsaw": [3.9, 2.6, 1.6, 0.9],
        "norm_ratio": np.mean(ROWS, 0).tolist(),
        "by_permutation": ROWS,
        "selected": "layer3.0",
        "mode": "normalised",
        "images": 50,
    }
}


def test_choice_counts_what_each_shuffle_would_choose():
    found = choice(FACTS)
    assert found.votes == {"layer3.0": 2, "layer2.0": 1}
    assert (found.selected, found.runner_up, found.shuffles) == ("layer3.0", "layer2.0", 3)
    assert found.low == (1.00, 1.10, 1.28, 1.05)
    assert found.high == (1.02, 1.33, 1.32, 1.05)
    assert found.ratio("layer3.0") == pytest.approx(1.30)


def test_choice_of_one_block_has_no_runner_up():
    only = {**FACTS["selection"], "blocks": ["a"], "norm_ratio": [1.2], "by_permutation": [[1.2]], "selected": "a"}
    assert choice({"selection": only}).runner_up is None


@pytest.mark.parametrize(("sort", "order"), [("depth", BLOCKS), ("ratio", ("layer3.0", "layer2.0", "layer4.0", "layer1.0"))])
def test_ratio_bars_show_the_numbers_in_the_order_asked_for(sort, order):
    found = choice(FACTS)
    figure = charts.ratio_bars(found, WORDS, sort=sort)
    (bars,) = figure.data
    assert bars.x == order == tuple(figure.layout.xaxis.categoryarray)
    assert bars.y == tuple(found.ratio(block) for block in order)
    assert [row[0] for row in bars.customdata] == list(order)
    top, bottom = np.array(bars.y) + bars.error_y.array, np.array(bars.y) - bars.error_y.arrayminus
    assert top == pytest.approx([found.high[BLOCKS.index(b)] for b in order])
    assert bottom == pytest.approx([found.low[BLOCKS.index(b)] for b in order])


def test_the_winner_is_marked_by_colour_pattern_and_word():
    bars, marks = (figure := charts.ratio_bars(choice(FACTS), WORDS)).data[0], figure.layout.annotations
    assert [b for b, c in zip(bars.x, bars.marker.color, strict=True) if c == charts.KNOWN] == ["layer3.0"]
    assert [b for b, shape in zip(bars.x, bars.marker.pattern.shape, strict=True) if shape] == ["layer3.0"]
    assert [(mark.x, mark.text) for mark in marks] == [("layer3.0", "<b>selected</b>")]
    (line,) = figure.layout.shapes
    assert (line.y0, line.y1) == (1, 1)


def test_another_block_that_is_looked_into_is_marked_too():
    marks = charts.ratio_bars(choice(FACTS), WORDS, shown="layer1.0").layout.annotations
    assert [(mark.x, mark.text) for mark in marks] == [("layer3.0", "<b>selected</b>"), ("layer1.0", "<b>shown</b>")]


def test_many_blocks_keep_every_name_and_drop_the_numbers():
    blocks = [f"layer{i // 9 + 1}.{i % 9}" for i in range(27)]
    figure = charts.picture_bars(blocks, np.linspace(0.9, 1.4, 27), np.ones(27), blocks[-1], WORDS)
    assert figure.data[0].text is None
    assert figure.layout.xaxis.tickmode == "linear"
    assert figure.layout.xaxis.tickangle == -90


def test_picture_bars_show_the_picture_and_the_mean():
    figure = charts.picture_bars(BLOCKS, [1.1, 1.2, 1.4, 0.8], [1.0, 1.1, 1.3, 1.0], "layer3.0", WORDS)
    assert [trace.y for trace in figure.data] == [(1.1, 1.2, 1.4, 0.8), (1.0, 1.1, 1.3, 1.0)]
    assert figure.layout.yaxis.range[1] > 1.4


def test_distributions_share_their_bins_and_add_up():
    import torch

    draw = np.random.default_rng(0)
    known, puzzles, unknown = draw.normal(5, 1, 2000), draw.normal(4, 1, 500), draw.normal(3, 0.5, 300)
    threshold = threshold_at(torch.from_numpy(known), 0.95)
    sets = [("known", "ID", known), ("puzzles", "puzzle", puzzles), ("letters", "OOD", unknown)]
    figure = charts.norm_distributions(sets, threshold, [("mine", 6.0), ("other", 2.0)], WORDS)
    shapes, lines = figure.data[:3], figure.data[3:]
    assert len({tuple(trace.x) for trace in shapes}) == 1
    assert len({trace.line.dash for trace in shapes}) == len({trace.line.color for trace in shapes}) == 3
    for trace in shapes:
        assert 98 < sum(trace.y[:-1]) <= 100 + 1e-9
    assert [(line.name, line.x[0]) for line in lines] == [("threshold", threshold), ("mine", 6.0), ("other", 2.0)]
    assert [line.marker.symbol for line in lines[1:]] == ["circle", "diamond"]
