"""Charts of the server: how long pages take, and how many are asked for. Pure functions from numbers to Plotly figures."""

import plotly.graph_objects as go

from dashboard.charts.style import GUIDE, KNOWN, UNKNOWN, tidy

TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)  # seconds


def latencies(rows, words):
    """Draw each page's median and 95th percentile on a logarithmic axis.

    Args: rows: [(title, runs, median, p95)] in seconds, the first on top; words: keys "median", "p95", "seconds".
    """
    titles = [f"{title}, {runs:,}×" for title, runs, _, _ in rows]
    figure = go.Figure()
    ends = [value for _, _, median, p95 in rows for value in (median, p95, None)]
    figure.add_scatter(
        x=ends,
        y=[title for title in titles for _ in range(3)],
        mode="lines",
        line={"color": GUIDE, "width": 3},
        showlegend=False,
        hoverinfo="skip",
    )
    for name, k, symbol, colour in (("median", 2, "circle", KNOWN), ("p95", 3, "diamond", UNKNOWN)):
        mark = {"symbol": symbol, "size": 13, "color": colour, "line": {"width": 1, "color": "white"}}
        figure.add_scatter(x=[row[k] for row in rows], y=titles, mode="markers", marker=mark, name=words[name], hovertemplate="%{y}: %{x:.2f} s")
    tidy(figure, height=110 + 34 * len(rows), x=words["seconds"], fitted="xy")
    figure.update_yaxes(categoryorder="array", categoryarray=titles[::-1])
    figure.update_xaxes(type="log", tickvals=TICKS, ticktext=[f"{tick:g}" for tick in TICKS])
    return figure


def by_minute(counts, words):
    """Draw how many page runs ended in each of the last minutes, now at the right. Args: words: keys "minutes", "runs"."""
    ago = list(range(len(counts) - 1, -1, -1))
    figure = go.Figure(go.Bar(x=[-minute for minute in ago], y=list(counts), marker={"color": KNOWN}, hovertemplate="%{x} min: %{y}"))
    tidy(figure, height=210, x=words["minutes"], y=words["runs"], legend=False)
    figure.update_xaxes(dtick=5, range=[-len(counts) + 0.5, 0.5])
    figure.update_yaxes(rangemode="tozero", tickformat=",d", range=[0, max(4, 1.1 * max(counts, default=0))])
    return figure
