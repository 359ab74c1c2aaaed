"""Charts of one picture's verdict: pure functions from numbers to Plotly figures."""

import numpy as np
import plotly.graph_objects as go

from dashboard.charts.style import COLOUR, GUIDE, KNOWN, MARK, panel_axes, panels, percent, tidy


def score_histogram(known, points, threshold, words):
    """Draw where pictures fall among the scores of known ones.

    Args: known: (N,) scores; points: [(name, score, "ID" or "OOD")]; threshold; words: axis and legend texts,
        keys "known", "threshold", "score", "share".
    """
    shown = [*np.quantile(known, (0.005, 1)), *(score for _, score, _ in points), threshold]
    low, high = min(shown), max(shown)
    room = 0.04 * (high - low or 1)
    edges = np.linspace(low - room, high + room, 61)
    share = np.histogram(known, edges)[0] / len(known) * 100
    centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    figure = go.Figure(go.Bar(x=centres, y=share, width=width, name=words["known"], marker={"color": KNOWN, "opacity": 0.6, "line": {"width": 0}}))
    top = share.max() or 1
    figure.add_scatter(x=[threshold] * 2, y=[0, top], mode="lines", name=words["threshold"], line={"dash": "dash", "width": 2, "color": GUIDE})
    for i, (name, score, verdict) in enumerate(points):
        mark = {"symbol": MARK[verdict], "size": 15, "color": COLOUR[verdict], "line": {"width": 1.5, "color": "white"}}
        line = {"color": COLOUR[verdict], "width": 2, "dash": ("solid", "dot")[i % 2]}
        figure.add_scatter(x=[score] * 2, y=[0, top * (0.5 - 0.15 * i)], mode="lines+markers", name=name, marker=mark, line=line)
    return tidy(figure, height=260, x=words["score"], y=words["share"])


def norm_histograms(blocks, known, points, *, columns=4):
    """Draw a small histogram of known norms for each block, with lines where single pictures fall.

    Args: blocks: K names; known: (N, K); points: [(name, (K,) norms, "ID" or "OOD")].
    """
    bars = {"type": "bar", "marker": {"color": KNOWN, "opacity": 0.6, "line": {"width": 0}}, "showlegend": False}
    traces = []
    for k, place in enumerate(panel_axes(len(blocks))):
        values = [*np.quantile(known[:, k], (0.002, 0.998)), *(norms[k] for _, norms, _ in points)]
        edges = np.linspace(min(values), max(values), 41)
        share = np.histogram(known[:, k], edges)[0] / len(known) * 100
        traces.append({**bars, "x": (edges[1:] + edges[:-1]) / 2, "y": share, **place})
        for i, (name, norms, verdict) in enumerate(points):
            line = {"color": COLOUR[verdict], "width": 2.5, "dash": ("solid", "dot")[i % 2]}
            traces.append({"type": "scatter", "mode": "lines", "x": [norms[k]] * 2, "y": [0, share.max()], "line": line, **place})
            traces[-1] |= {"name": name, "showlegend": k == 0, "legendgroup": name}
    return go.Figure(traces, panels(blocks, columns) | {"bargap": 0})


def p_values(opinions, level, words):
    """Draw each detector's p-value on a logarithmic axis; left of the line means OOD.

    Args: opinions: [(title, p-value, "ID" or "OOD")]; level: 1 - share kept; words: "p", "level", "ID", "OOD".
    """
    figure = go.Figure()
    for verdict in ("ID", "OOD"):
        mine = [(title, p) for title, p, v in opinions if v == verdict]
        mark = {"symbol": MARK[verdict], "size": 13, "color": COLOUR[verdict]}
        figure.add_scatter(x=[100 * p for _, p in mine], y=[title for title, _ in mine], mode="markers", name=words[verdict], marker=mark)
    figure.add_vline(x=100 * level, line={"dash": "dash", "color": GUIDE, "width": 2}, annotation_text=words["level"], annotation_position="top right")
    figure.update_yaxes(categoryorder="array", categoryarray=[title for title, _, _ in reversed(opinions)])
    figure.update_xaxes(type="log", range=[np.log10(0.03), np.log10(130)], tickvals=[0.1, 1, 5, 20, 100], ticktext=["0.1 %", "1 %", "5 %", "20 %", "100 %"])
    return tidy(figure, height=110 + 28 * len(opinions), x=words["p"].replace(" (", "<br>("), fitted="xy")


def class_bars(names, probabilities, verdict, words):
    """Draw the most probable classes. Args: names, probabilities (fractions), most probable first; words: "confidence"."""
    return _bars(names, probabilities, [f"{percent(p)} %" for p in probabilities], COLOUR[verdict], words["confidence"])


def share_bars(names, shares, verdicts, words):
    """Draw shares of pictures. Args: names, shares (fractions); verdicts: "ID" or "OOD", of the pictures of each; words: "share", the axis."""
    return _bars(names, shares, [f"{100 * share:.1f} %" for share in shares], [COLOUR[verdict] for verdict in verdicts], words["share"])


def _bars(names, fractions, text, colour, axis):
    bars = go.Bar(x=[100 * x for x in fractions], y=list(names), orientation="h", text=text, textposition="auto", marker={"color": colour})
    figure = tidy(go.Figure(bars), height=60 + 30 * len(names), x=axis, legend=False, fitted="y")
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(range=[0, 101])  # its 100 is written, too
    return figure
