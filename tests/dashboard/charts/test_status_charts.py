import pytest

from dashboard.charts import status

WORDS = {name: name for name in ("median", "p95", "seconds", "runs", "minutes")}


def test_each_page_has_its_two_marks_and_a_line_between_them():
    line, median, p95 = status.latencies([("Verdict", 1200, 0.4, 1.2), ("Blocks", 3, 0.1, 9.0)], WORDS).data
    assert list(median.x) == [0.4, 0.1] and list(p95.x) == [1.2, 9.0] and list(median.y) == ["Verdict, 1,200×", "Blocks, 3×"] == list(p95.y)
    assert list(line.x) == [0.4, 1.2, None, 0.1, 9.0, None] and list(line.y) == [y for y in median.y for _ in range(3)]
    assert median.marker.symbol != p95.marker.symbol and median.marker.color != p95.marker.color


def test_the_first_page_is_on_top():
    axis = status.latencies([("A", 1, 1, 1), ("B", 1, 1, 1)], WORDS).layout.yaxis
    assert list(axis.categoryarray) == ["B, 1×", "A, 1×"]  # Plotly counts from below


@pytest.mark.parametrize("counts", [[0, 0, 7], [0, 0, 0]])
def test_now_is_at_the_right(counts):
    figure = status.by_minute(counts, WORDS)
    assert list(figure.data[0].x) == [-2, -1, 0] and list(figure.data[0].y) == counts
    assert figure.layout.yaxis.range[1] >= max(counts)
