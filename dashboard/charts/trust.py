"""Charts of trust: how calibrated confidence is, and what a hand-off leaves to the machine. Pure functions from numbers to Plotly figures."""

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.detector import LINES
from dashboard.charts.style import GUIDE, tidy


def reliability(maps, words, *, whole=True):
    """Draw the share of right answers over confidence, with 95 % intervals, and the diagonal on which both are equal.

    Args: maps: {title: `core.calibration.Bins`}, at most as many as `LINES`; whole: show all of 0 to 100 %, else only where there are bins;
        words: keys "confidence", "accuracy", "ideal", "count".
    """
    figure = go.Figure()
    figure.add_scatter(x=[0, 100], y=[0, 100], mode="lines", line={"color": GUIDE, "width": 1.5, "dash": "dot"}, name=words["ideal"], hoverinfo="skip")
    most = max(bins.count.max() for bins in maps.values())
    for (title, bins), (colour, dash, symbol) in zip(maps.items(), LINES, strict=False):
        up, down = 100 * (bins.most - bins.accuracy), 100 * (bins.accuracy - bins.least)
        figure.add_scatter(
            x=100 * bins.confidence,
            y=100 * bins.accuracy,
            error_y={"type": "data", "array": up, "arrayminus": down, "thickness": 1, "width": 3, "color": colour},
            mode="lines+markers",
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "color": colour, "size": 7 + 9 * np.sqrt(bins.count / most), "line": {"width": 1, "color": "white"}},
            text=[f"{n:,} {words['count']}" for n in bins.count],
            name=title,
            hovertemplate="%{x:.1f} % → %{y:.1f} %, %{text}",
        )
    tidy(figure, height=430, x=words["confidence"], y=words["accuracy"])
    least = 0 if whole else 100 * min(min(bins.confidence.min(), bins.accuracy.min()) for bins in maps.values())
    pad = 0.04 * (100 - least)
    figure.update_xaxes(range=[least - pad, 100 + pad])
    figure.update_yaxes(range=[least - pad, 100 + pad])
    return figure


def risk_coverage(curves, points, risk, words, *, focus, end=None):
    """Draw risk over coverage, a line a score, with a mark where each score's threshold lies.

    Args: curves: {title: `core.handoff.Curve`}, at most as many as `LINES`; points: {title: (coverage, risk) of its threshold, None where it has
        none}; risk: the fraction that is promised; focus: the title that stands out; words: keys "coverage", "risk", "promise";
        end: the fraction at which the axis of risk ends, by default where all curves do.
    """
    figure = go.Figure()
    for (title, curve), (colour, dash, symbol) in zip(curves.items(), LINES, strict=False):
        width = 4 if title == focus else 1.5
        line = {"color": colour, "dash": dash, "width": width, "shape": "hv"}
        x, y = 100 * curve.coverage, 100 * curve.risk
        figure.add_scatter(x=x, y=y, mode="lines", line=line, name=title, legendgroup=title, showlegend=False, hovertemplate="%{x:.1f} % → %{y:.2f} %")
        at = points[title]
        mark = {"symbol": symbol, "size": 15 if title == focus else 10, "color": colour, "line": {"width": 1.5, "color": "white"}}
        name = f"<b>{title}</b>" if title == focus else title
        where = {"x": [100 * at[0]], "y": [100 * at[1]]} if at else {"x": [None], "y": [None]}
        figure.add_scatter(**where, mode="lines+markers", marker=mark, line=line, name=name, legendgroup=title, hovertemplate="%{x:.1f} % → %{y:.2f} %")
    line = {"color": GUIDE, "width": 2, "dash": "longdash"}
    figure.add_scatter(x=[0, 100], y=[100 * risk] * 2, mode="lines", line=line, name=words["promise"], hoverinfo="skip")
    tidy(figure, height=440, x=words["coverage"], y=words["risk"])
    top = 100 * (end or max(curve.risk[curve.coverage > 0.02].max() for curve in curves.values()))
    figure.update_xaxes(range=[-1, 101])
    figure.update_yaxes(range=[-0.03 * max(top, 200 * risk), 1.05 * max(top, 200 * risk)])
    return figure


def under_corruptions(rows, risk, words):
    """Draw, a row a corruption, how far confidence is off and how much of what the machine decides is wrong.

    Args: rows: [(name, ECE as the network is, ECE at the fitted temperature, risk or NaN where it decides nothing)], fractions;
        risk: that was promised; words: keys "ece", "before", "after", "risk", "promise", "kept", "broken".
    """
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, shared_yaxes=True, horizontal_spacing=0.06)
    names = [row[0] for row in rows]
    for column, (key, (colour, _, symbol)) in enumerate(zip(("before", "after"), LINES, strict=False), 1):
        mark = {"symbol": symbol if key == "after" else f"{symbol}-open", "size": 10, "color": colour, "line": {"width": 2, "color": colour}}
        x = [100 * row[column] for row in rows]
        figure.add_scatter(x=x, y=names, mode="markers", marker=mark, name=words[key], hovertemplate="%{y}: %{x:.1f} %", row=1, col=1)
    for key, (colour, symbol) in {"kept": (LINES[4][0], "circle"), "broken": ("#D55E00", "x")}.items():
        some = [row for row in rows if np.isfinite(row[3]) and (row[3] <= risk) == (key == "kept")]
        mark = {"symbol": symbol, "size": 10, "color": colour}
        x = [100 * row[3] for row in some]
        figure.add_scatter(x=x, y=[row[0] for row in some], mode="markers", marker=mark, name=words[key], hovertemplate="%{y}: %{x:.1f} %", row=1, col=2)
    line = {"color": GUIDE, "width": 2, "dash": "longdash"}
    figure.add_scatter(x=[100 * risk] * 2, y=[names[0], names[-1]], mode="lines", line=line, name=words["promise"], hoverinfo="skip", row=1, col=2)
    tidy(figure, height=150 + 24 * len(rows), x=words["ece"], fitted="y")
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1])
    for column, values in enumerate(([x for row in rows for x in row[1:3]], [risk, *(row[3] for row in rows if np.isfinite(row[3]))]), 1):
        figure.update_xaxes(range=[-4 * max(values), 106 * max(values)], row=1, col=column)  # a mark at 0 is seen whole
    figure.update_xaxes(title=words["risk"], row=1, col=2)
    return figure
