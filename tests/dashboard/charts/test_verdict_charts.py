import numpy as np

from dashboard.charts import verdict as charts
from dashboard.charts.style import COLOUR, MARK

WORDS = {"known": "known", "threshold": "threshold", "share": "share", "score": "score"}


def test_the_score_histogram_shares_add_up_and_every_point_stands_at_its_score():
    known = np.random.default_rng(0).normal(size=1000)
    figure = charts.score_histogram(known, [("a", -9.0, "OOD"), ("b", 0.5, "ID")], -1.6, WORDS)
    bars, threshold, a, b = figure.data
    inside = (known >= np.quantile(known, 0.005)).mean() * 100
    assert inside - 0.1 <= sum(bars.y) <= 100.0001
    assert set(threshold.x) == {-1.6} and set(a.x) == {-9.0} and set(b.x) == {0.5}
    assert bars.x[0] < -8.8, "an outlying picture is inside the axis"


def test_id_and_ood_differ_in_colour_and_mark():
    figure = charts.score_histogram(np.arange(100.0), [("a", 1.0, "OOD"), ("b", 50.0, "ID")], 5.0, WORDS)
    a, b = figure.data[2:]
    assert (a.marker.color, a.marker.symbol) == (COLOUR["OOD"], MARK["OOD"])
    assert (b.marker.color, b.marker.symbol) == (COLOUR["ID"], MARK["ID"])
    assert COLOUR["ID"] != COLOUR["OOD"] and MARK["ID"] != MARK["OOD"]


def test_a_histogram_of_one_value_can_be_drawn():
    figure = charts.score_histogram(np.ones(50), [("a", 1.0, "ID")], 1.0, WORDS)
    assert abs(sum(figure.data[0].y) - 100) < 1e-6


def test_every_block_has_its_histogram_and_the_pictures_line():
    known = np.random.default_rng(0).gamma(5, size=(300, 5))
    norms = np.array([1.0, 2, 3, 4, 50])
    figure = charts.norm_histograms(["a", "b", "c", "d", "e"], known, [("toy", norms, "OOD")])
    assert [note.text for note in figure.layout.annotations] == ["a", "b", "c", "d", "e"]
    bars, lines = figure.data[::2], figure.data[1::2]
    assert [line.x[0] for line in lines] == norms.tolist()
    assert all(98 <= sum(bar.y) <= 100.0001 for bar in bars)


def test_p_values_are_percent_on_a_logarithmic_axis_in_the_order_given():
    words = {"p": "p", "level": "5 %", "ID": "known", "OOD": "unknown"}
    figure = charts.p_values([("one", 0.5, "ID"), ("two", 0.01, "OOD"), ("three", 0.2, "ID")], 0.05, words)
    known, unknown = figure.data
    assert known.x == (50.0, 20.0) and unknown.x == (1.0,) and figure.layout.xaxis.type == "log"
    assert figure.layout.yaxis.categoryarray == ("three", "two", "one"), "the first is on top"


def test_the_most_probable_class_is_on_top():
    figure = charts.class_bars(["cat", "dog"], [0.9, 0.1], "ID", {"confidence": "confidence"})
    assert figure.data[0].x == (90.0, 10.0) and figure.layout.yaxis.autorange == "reversed"


def test_bars_of_confidence_are_never_all_or_nothing_and_bars_of_shares_may_be():
    figure = charts.class_bars(["a", "b", "c"], [0.9996, 0.25, 0.0004], "ID", {"confidence": "confidence"})
    assert figure.data[0].text == (">\u00a099.9 %", "25.0 %", "<\u00a00.1 %")
    figure = charts.share_bars(["known", "unknown"], [1.0, 0.401], ("ID", "OOD"), {"share": "share"})
    assert figure.data[0].text == ("100.0 %", "40.1 %") and figure.data[0].marker.color == (COLOUR["ID"], COLOUR["OOD"])
    assert figure.layout.xaxis.range[1] > 100, "the last tick is written"
